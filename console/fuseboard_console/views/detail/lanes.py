"""All adapters over time: a line per adapter with its worst state in each slice, and the share of tasks answered."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from fuseboard_console.text.formatting import SECOND, clock, number, percent
from fuseboard_console.text.glyphs import APPEARANCES, Glyphs
from fuseboard_console.text.line import Line, Span, cut_line
from fuseboard_console.text.safe_text import safe_text
from fuseboard_console.text.width import fit
from fuseboard_console.views.adapters.adapter_view import condition_of, condition_word, down_since
from fuseboard_console.views.adapters.engine_names import fit_with_engine
from fuseboard_console.views.detail.charts import axis, state_sign, stretched
from fuseboard_console.views.detail.time_slices import Cut, states_of
from fuseboard_engine.events import State
from fuseboard_storage.board.board import AdapterKey, AdapterRow, Board, InstanceRow
from fuseboard_storage.board.presence import known_until, presence
from fuseboard_storage.board.rows import KEPT_CHANGES
from fuseboard_storage.recording.history import AdapterPast

NAMES = 30
"""Cells of an adapter's name at the most."""
MOST_SLICES = 160
_ANSWERED = "answered"
_STATE = 12  # cells of the state beside a lane
_SINCE = 16  # cells of the time since when an adapter is down
_WIDE = 90  # cells from which there is room for that time
_OPENED = 14  # cells of how often a breaker opened
_WIDEST = 116  # cells from which there is room for that
_LEAST = 8  # cells of a lane
_GOOD, _FAIR = 0.99, 0.9  # shares from which an answered share is good, or fair

Answered = tuple[int, int] | None
"""The tasks that an adapter answered in a slice, and all tasks; None: not known."""


class LaneWidths(NamedTuple):
    """The cells of a lane's parts; `since` and `opened` are 0 where there is no room for them."""

    name: int
    lane: int
    since: int
    opened: int = 0


def lane_widths(cells: int, names: int) -> LaneWidths:
    """Return the parts of a lane of `cells`; `names` is the width of the widest name."""
    name = max(4, min(max(names, len(_ANSWERED)), NAMES, cells // 4))
    since = _SINCE if cells >= _WIDE else 0
    opened = _OPENED if cells >= _WIDEST else 0
    lane = max(_LEAST, min(MOST_SLICES, cells - name - 5 - _STATE - since - opened))
    return LaneWidths(name, lane, since, opened)


def lanes_order(board: Board, keys: Sequence[AdapterKey], since: int) -> list[AdapterKey]:
    """Return adapters with those that were in trouble since a time (UTC microseconds) before those that were not.

    `keys` are all adapters, those that are in trouble now first.
    """

    def calm(key: AdapterKey) -> bool:
        row = board.adapters[key]
        if row.state == "closed" and row.health != "unhealthy":
            return not row.changes or row.changes[-1][0] < since
        return False

    return sorted(keys, key=calm)


def lane_states(
    row: AdapterRow, instance: InstanceRow | None, now: int, cut: Cut, past: AdapterPast | None
) -> list[tuple[State | None, bool]]:
    """Return an adapter's worst state in each slice until `now`, and whether its engine was lost.

    They come from what the Board keeps, together with an older `past` that was read from a recording.
    """
    lost = instance is not None and presence(instance, now) != "live"
    end = known_until(instance, now) if lost else cut.until
    changes = tuple(row.changes)
    if past is None:
        begun = changes[0][0] if len(changes) == KEPT_CHANGES else row.added_at  # what was before is not kept
        past = AdapterPast((), changes, ((min(begun, end), end),) if lost else ())
        return states_of(past, cut.edges(), begun)
    newest = past.changes[-1][0] if past.changes else 0
    later = [change for change in changes if change[0] > newest]
    lives = past.lives if lost else (*past.lives, (row.added_at, end))
    return states_of(AdapterPast((), (*past.changes, *later), lives), cut.edges(), row.added_at)


def lane_openings(row: AdapterRow, cut: Cut, past: AdapterPast | None) -> int:
    """Return how often an adapter's breaker opened in a time; the Board adds what is newer than a `past` that was read.

    Without a `past` the Board has at most the last `KEPT_CHANGES` changes of state.
    """
    newest = past.changes[-1][0] if past is not None and past.changes else 0
    known = sum(state == "open" and cut.since <= at and newest < at for at, state in row.changes)
    return known + (0 if past is None else past.openings)


def lane_line(
    row: AdapterRow,
    instance: InstanceRow | None,
    now: int,
    cells: int,
    widths: LaneWidths,
    states: Sequence[tuple[State | None, bool]],
    glyphs: Glyphs,
    engine: str = "",
    openings: int = 0,
) -> Line:
    """Return an adapter's lane at `now` (UTC microseconds).

    `engine` is its engine as safe text; empty if only one engine has an adapter of this name. `openings` is how often
    its breaker opened in the time that is shown.
    """
    condition = condition_of(row, instance, now)
    look = APPEARANCES[condition]
    calm = condition in ("closed", "watch", "disabled")
    style = "ok-dim" if condition == "closed" else look.style
    name = fit_with_engine(safe_text(row.name, 60), engine, widths.name)
    lane = stretched([state_sign(state, lost, glyphs) for state, lost in states], widths.lane)
    began = down_since(row) if widths.since else None
    since = f"  since {clock(began)}" if began is not None else ""
    opened = f"  opened {number(openings)}{glyphs.times}" if openings and widths.opened else ""
    faulty = condition not in ("silent", "ended") and row.fault_seconds(now) > 0
    return cut_line(
        (
            Span(f"{glyphs.of(condition)} ", style),
            Span(name, "text" if calm else "strong"),
            Span("  "),
            *lane,
            Span("  "),
            *_state_spans(condition_word(condition, instance), style, faulty),
            Span(fit(since, widths.since) + opened if opened else since, "muted"),
        ),
        cells,
    )


def _state_spans(word: str, style: str, faulty: bool) -> Line:
    """Return an adapter's state, with the mark of an injected fault beside it, or in its place if both do not fit."""
    if not faulty:
        return (Span(fit(word, _STATE - 2), style),)
    mark = "FAULT"
    if len(word) + 1 + len(mark) > _STATE - 2:
        return (Span(fit(mark, _STATE - 2), "bad"),)
    return (Span(f"{word} ", style), Span(fit(mark, _STATE - 3 - len(word)), "bad"))


def axis_line(cut: Cut, now: int, widths: LaneWidths, glyphs: Glyphs) -> Line:
    """Return the times above the lanes."""
    times = axis(cut.until, cut.seconds, widths.lane, now=now, tick=glyphs.tick)
    return (Span("  " + fit("adapter", widths.name) + "  ", "title"), Span(times, "title"))


def answered_line(answered: Sequence[Answered], widths: LaneWidths, glyphs: Glyphs) -> Line:
    """Return the share of tasks that an adapter answered in each slice, and in all slices together."""
    known = [one for one in answered if one is not None]
    tasks = sum(one[1] for one in known)
    share = sum(one[0] for one in known) / tasks if tasks else None
    signs = stretched([_share_sign(one, glyphs) for one in answered], widths.lane)
    shown = "" if share is None else f"{percent(share)} %"
    head = Span("  " + fit(_ANSWERED, widths.name) + "  ", "muted")
    return (head, *signs, Span("  "), Span(fit(shown, _STATE - 2), _share_style(share)))


def _share_sign(one: Answered, glyphs: Glyphs) -> tuple[str, str]:
    """Return a share as a bar: full if all tasks were answered, the lowest one if none was; a dot without tasks."""
    if one is None or not one[1]:
        return glyphs.gap, "faint"
    share = min(1.0, max(0.0, one[0] / one[1]))
    steps = len(glyphs.sparks) - 1
    level = steps if share == 1 else min(steps - 1, round(share * steps))
    return glyphs.sparks[level], _share_style(share)


def _share_style(share: float | None) -> str:
    if share is None:
        return "faint"
    return "ok-dim" if share >= _GOOD else "warn" if share >= _FAIR else "bad"


def answered_of(board: Board, cut: Cut) -> list[Answered]:
    """Return the tasks that were answered in each slice of a time that the Board keeps, and all tasks."""
    answered, tasks = [0] * cut.slices, [0] * cut.slices
    since, each = cut.since, cut.each * SECOND
    for chain in board.chain_rows.values():
        for second in chain.between(since, cut.until):
            place = (second.at - since) // each
            answered[place] += second.answered
            tasks[place] += second.routed
    return list(zip(answered, tasks, strict=True))
