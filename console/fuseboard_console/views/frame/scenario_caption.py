"""The caption of the scenario that is playing, in lines of its own under the header."""

from __future__ import annotations

import math
from typing import NamedTuple

from fuseboard_console.text.formatting import SECOND, plural, whole_span
from fuseboard_console.text.glyphs import Glyphs
from fuseboard_console.text.line import Line, Span, cut_line, fit_line, line_width
from fuseboard_console.text.safe_text import safe_text
from fuseboard_console.text.width import cut
from fuseboard_console.views.adapters.engine_presence import connection_of
from fuseboard_engine.events import REFUSING_STATES, ScenarioStep
from fuseboard_storage.board.board import Board
from fuseboard_storage.board.presence import presence

LEAST = 16
"""Cells below which nothing of a step can be read."""
TWO_LINES = 20
"""Rows of the terminal from which on the caption has a line for its title."""
_NEXT = 30  # cells that what comes next keeps
_NEXT_TEXT = 12  # cells below which it is not said what comes next, only when
_WORD = " SCENARIO "
_BAR = 12
_WIDE = 60  # cells from which on there is a bar, if it leaves the title whole
_LONGEST = 86_400.0


class CaptionKeys(NamedTuple):
    """The keys that steer a scenario, to be named; empty where this console does not steer it."""

    again: str = ""
    leave: str = ""


NO_KEYS = CaptionKeys()


def caption_lines(
    board: Board, now: int, cells: int, rows: int, glyphs: Glyphs, keys: CaptionKeys = NO_KEYS, *, word: bool = False
) -> list[Line]:
    """Return the caption, each line in exactly `cells`, or no line if no engine plays a scenario at `now`.

    Args:
        board: The Board of the recording.
        now: The time shown, UTC microseconds.
        cells: The width of the terminal.
        rows: Its height.
        glyphs: The signs to draw with.
        keys: The keys to name.
        word: Whether it begins with the word SCENARIO, because the header does not. It then stays after the engine has
            ended.
    """
    step = board.scenario
    if step is None or cells < LEAST + len(_WORD) * word or now < step.at:
        return []
    cells -= len(_WORD) * word
    if _plays(board, step, now):
        lines = [_happening(step, now, cells, glyphs, keys)]
    elif word:
        lines = [_spread((Span(f" The engine of {safe_text(step.scenario, 60)} has ended"),), (), cells, 0)]
    else:
        return []
    if rows >= TWO_LINES and step.title and 0 < step.duration < math.inf:
        lines.insert(0, _title(step, now, cells, glyphs))
    if word:
        first = Span(_WORD, "scenario")
        lines = [(Span(" " * len(_WORD)) if place else first, *line) for place, line in enumerate(lines)]
    return lines


def _plays(board: Board, step: ScenarioStep, now: int) -> bool:
    """Return whether an engine of the scenario is alive; of a recording whose engine has another name, any engine."""
    named = [row for row in board.instances.values() if row.name == step.scenario]
    if not named:
        return connection_of(board, now).state == "live"
    return any(presence(row, now) == "live" for row in named)


def _title(step: ScenarioStep, now: int, cells: int, glyphs: Glyphs) -> Line:
    position = seconds_in(step, now)
    share = position / step.duration
    pace: Line = ()
    if step.clock_at and not step.ends:
        stopped = Span(f"{glyphs.pause} stopped", "warn+strong")
        pace = (Span(f"{glyphs.play} {glyphs.times}{step.pace:g}", "muted") if step.pace else stopped, Span("  "))
    left: Line = (Span(" "), Span(safe_text(step.title, 300), "text"))
    right: Line = (*pace, Span(f"{position:.0f} of {step.duration:g} s", "text"), Span(" "))
    if cells >= _WIDE and line_width((*left, *right)) + _BAR + 3 <= cells:
        full = round(share * _BAR)
        bar = (Span(glyphs.bar_full * full, "info"), Span(glyphs.bar_rest * (_BAR - full), "quiet"))
        right = (*right, *bar, Span(" "))
    return _spread(left, right, cells, line_width(right))


def _happening(step: ScenarioStep, now: int, cells: int, glyphs: Glyphs, keys: CaptionKeys) -> Line:
    left: Line = (Span(f" {glyphs.scenario} ", "info"), Span(safe_text(step.text, 300), "strong"))
    if step.ends:
        again, leave = keys.again and f"{keys.again} plays it again", keys.leave and f"{keys.leave} leaves it"
        return _spread(left, _right(", ".join(filter(None, (again, leave)))), cells, _NEXT)
    when, what = _follows(step, now)
    least = line_width(_right(when))
    if cells - line_width(left) - 2 < least + _NEXT_TEXT:
        return _spread(left, _right(when), cells, least)  # what happens is more than what follows
    return _spread(left, _right(f"{when}: {what}" if when else ""), cells, least + _NEXT_TEXT)


def _right(text: str) -> Line:
    return (Span(f"{text} ", "muted"),) if text else ()


def _follows(step: ScenarioStep, now: int) -> tuple[str, str]:
    """Return when something comes next, and what; empty if that is not known."""
    passed = max(0.0, (now - step.at) / SECOND)
    if step.next_in is not None:
        return f"in {_wait(step.next_in - passed)}", safe_text(step.next_text, 300)
    if step.duration > 0:
        return f"in {_wait(step.duration - step.position - passed)}", "the end"
    return "", ""


def _wait(seconds: float) -> str:
    return whole_span(math.ceil(min(max(0.0, seconds), _LONGEST)))


def seconds_in(step: ScenarioStep, now: int) -> float:
    """Return the seconds of the scenario that have passed at `now`, within its duration."""
    passed = 0.0 if step.ends else max(0.0, (now - step.at) / SECOND)
    return min(max(0.0, step.position) + passed, step.duration)


def _spread(left: Line, right: Line, cells: int, least: int) -> Line:
    """Return a line with one part at each edge. The right one keeps `least` cells if it needs them."""
    room = cells - line_width(left) - 2
    wide = line_width(right)
    if wide > room:
        wide = max(room, min(wide, least))
        right = cut_line(right, wide) if wide <= cells // 2 + LEAST else ()
        wide = line_width(right)
        left = cut_line(left, cells - wide - 2)
    pad = cells - line_width(left) - wide
    return fit_line((*left, Span(" " * max(0, pad)), *right), cells)


def trouble_text(board: Board, trouble: str, file: str, now: int) -> str:
    """Return what is wrong with a recording that is not in view, as safe text; empty if nothing is.

    What the adapters of another scenario meet, and that it stands still, is not wrong.

    Args:
        board: The Board of the recording.
        trouble: Why it cannot be read; empty if it can.
        file: Its name, as safe text.
        now: The present, UTC microseconds.
    """
    name = cut(file, 24)
    if trouble:
        return f"{name} cannot be read"
    if board.scenario is not None:
        return ""
    connection = connection_of(board, now)
    if connection.state == "silent":
        return f"{name} is silent"
    down = sum(row.state in REFUSING_STATES for row in board.rows())
    return f"{name}: {plural(down, 'adapter')} down" if down and connection.state == "live" else ""
