"""Scenarios as lines: title, duration, or what is wrong with the file."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

from fuseboard_console.text.line import Line, Span, cut_line, fit_line, line_width
from fuseboard_console.text.safe_text import safe_text
from fuseboard_console.text.width import cut, fit, fold, width
from fuseboard_console.views.selection.list_order import natural_order
from fuseboard_engine.scenario.model import Scenario

NAMES = 22
"""Cells of a scenario's name at the most."""
_DURATION, _ADAPTERS = 7, 10
_WIDE = 60  # cells from which there is room for the number of adapters
_LEAST_TEXT = 20  # cells below which a description goes under the name


class ScenarioEntry(NamedTuple):
    """A scenario to pick, or the error of its file."""

    path: Path
    scenario: Scenario | None
    wrong: str = ""


def names_width(listed: Iterable[ScenarioEntry]) -> int:
    """Return the cells of the column of names, with the gap after it."""
    return min(NAMES, max((width(_name(entry)) + 2 for entry in listed), default=NAMES))


def order_of(listed: ScenarioEntry, field: str) -> tuple[bool, Any]:
    """Return what a scenario is sorted by: its name, how long it lasts, its adapters, or its title.

    Files with a mistake come after the scenarios.
    """
    scenario = listed.scenario
    if scenario is None:
        return True, natural_order(_name(listed)) if field in ("scenario", "title") else 0
    values: dict[str, Any] = {
        "lasts": scenario.duration,
        "adapters": len(scenario.adapters),
        "title": natural_order(scenario.title),
    }
    return False, values.get(field, natural_order(_name(listed)))


def heading(cells: int, names: int) -> Line:
    """Return the column titles."""
    titles = fit("scenario", names) + fit("lasts", _DURATION) + (fit("adapters", _ADAPTERS) if cells >= _WIDE else "")
    text = "what it shows" if cells - len(titles) >= _LEAST_TEXT else ""
    return fit_line((Span(titles + text, "muted"),), cells)


def scenario_lines(listed: ScenarioEntry, cells: int, names: int, playing: str) -> list[Line]:
    """Return a scenario's lines, its name in `names` cells and its description folded beside it.

    `playing` is its present speed, or empty if it is not playing.
    """
    scenario = listed.scenario
    name = fit(cut(_name(listed), names - 2), names)
    if scenario is None:
        return _folded((Span(name, "muted"),), listed.wrong, "bad", cells)
    head = [Span(name, "strong"), Span(fit(f"{scenario.duration:g} s", _DURATION), "muted")]
    if cells >= _WIDE:
        head.append(Span(fit(str(len(scenario.adapters)), _ADAPTERS), "muted"))
    if playing:
        head.append(Span(f"playing {playing}  ", "ok"))
    return _folded(tuple(head), scenario.title, "text", cells)


def _name(listed: ScenarioEntry) -> str:
    return safe_text(listed.path.name if listed.scenario is None else listed.scenario.scenario, 60)


def _folded(head: Line, text: str, style: str, cells: int) -> list[Line]:
    """Return the lines of a text beside its head, or under it where there is little room."""
    text = safe_text(text, 600)
    room = cells - line_width(head)
    if room < _LEAST_TEXT:
        return [cut_line(head, cells), *((Span("  "), Span(part, style)) for part in fold(text, max(8, cells - 2)))]
    first, *others = fold(text, room) or [""]
    return [(*head, Span(first, style)), *((Span(" " * (cells - room)), Span(part, style)) for part in others)]
