"""Scenarios as lines: title, duration, or what is wrong with the file."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from fuseboard_console.text.line import Line, Span, cut_line, fit_line
from fuseboard_console.text.safe_text import safe_text
from fuseboard_console.text.width import fit
from fuseboard_engine.scenario.model import Scenario

NAME, DURATION, ADAPTERS = 22, 7, 10


class ScenarioEntry(NamedTuple):
    """A scenario to pick, or the error of its file."""

    path: Path
    scenario: Scenario | None
    wrong: str = ""


def heading(cells: int) -> Line:
    """Return the column titles."""
    text = f"{fit('scenario', NAME)}{fit('lasts', DURATION)}{fit('adapters', ADAPTERS)}what it shows"
    return fit_line((Span(text, "muted"),), cells)


def scenario_line(listed: ScenarioEntry, cells: int, playing: str) -> Line:
    """Return a scenario's line. `playing` is its present speed, or empty if it is not playing."""
    scenario = listed.scenario
    if scenario is None:
        name = Span(fit(safe_text(listed.path.name, 60), NAME), "muted")
        return cut_line((name, Span(safe_text(listed.wrong, 300), "bad")), cells)
    plays: Line = (Span(f"playing {playing}  ", "ok"),) if playing else ()
    return cut_line(
        (
            Span(fit(safe_text(scenario.scenario, 60), NAME), "strong"),
            Span(fit(f"{scenario.duration:g} s", DURATION), "muted"),
            Span(fit(str(len(scenario.adapters)), ADAPTERS), "muted"),
            *plays,
            Span(safe_text(scenario.title, 200)),
        ),
        cells,
    )
