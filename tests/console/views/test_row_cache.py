"""Cached rows show the same as newly rendered rows."""

from __future__ import annotations

import hypothesis.strategies as st
from hypothesis import given, settings
from rich.style import Style

from fuseboard_console.painting.strips import strip_of
from fuseboard_console.text.glyphs import UNICODE
from fuseboard_console.text.line import Line, Span, fit_line
from fuseboard_console.tui.themes import THEMES, palette_of
from fuseboard_console.views.adapters.adapter_view import make_view, stats_of
from fuseboard_console.views.adapters.columns import ColumnLayout, columns_of, place, row_line, slices_of
from fuseboard_console.views.adapters.row_cache import RowLines
from fuseboard_engine.events import Event, FaultEnded, FaultInjected, GaugesSampled, ProbeChanged
from fuseboard_storage.board.board import AdapterKey, Board
from support.console_story import NOON, SECOND, added, answered, at, changed, entries, failed, opened, started

NAMES = ("agno", "prefect")
WIDE = place(200, 10, 1, False)
SINCE = place(120, 10, 1, False, columns_of(("name", "state", "since", "error", "tags")))
PALETTE = palette_of(THEMES[0])

moments = st.floats(0, 300)
events = st.one_of(
    st.builds(answered, st.sampled_from(NAMES), moments, st.floats(0.001, 3)),
    st.builds(failed, st.sampled_from(NAMES), moments, failures=st.integers(1, 9)),
    st.builds(opened, st.sampled_from(NAMES), moments, wait=st.floats(0.1, 90)),
    st.builds(
        changed,
        st.sampled_from(NAMES),
        st.sampled_from(("closed", "half_open", "forced_open", "disabled")),
        moments,
        reason=st.sampled_from(("reset", "by_hand", "recovered")),
        actor=st.sampled_from(("", "ana")),
    ),
    st.builds(
        ProbeChanged, at=moments.map(at), adapter=st.sampled_from(NAMES), what=st.just("admitted"),
        in_flight=st.integers(0, 2), successes=st.integers(0, 3), needed=st.just(3),
    ),
    st.builds(
        FaultInjected,
        at=moments.map(at),
        adapter=st.sampled_from(NAMES),
        fault=st.just("refused"),
        until=moments.map(at),
    ),
    st.builds(
        FaultEnded, at=moments.map(at), adapter=st.sampled_from(NAMES), fault=st.just("refused"), reason=st.just("over")
    ),
    st.builds(
        GaugesSampled,
        at=moments.map(at),
        gauges=st.dictionaries(st.sampled_from(NAMES), st.tuples(st.integers(0, 9), st.integers(0, 9))),
    ),
)  # fmt: skip
frames = st.tuples(st.lists(events, max_size=3), moments, st.sampled_from((WIDE, SINCE)), st.sampled_from((0.0, 200.0)))


def fresh(board: Board, key: AdapterKey, now: int, columns: tuple[ColumnLayout, ...]) -> Line:
    row = board.adapters[key]
    view = make_view(row, board.instances[key.instance], now, stats_of(row, now, slices_of(columns)))
    return row_line(view, now, columns, UNICODE)[1:]


def told(board: Board, rows: RowLines, now: int, columns: tuple[ColumnLayout, ...]) -> None:
    for key in board.adapters:
        rows.begin(board, now, columns, {})
        assert rows.line(key, frozenset()) == fresh(board, key, now, columns)
        assert rows.line(key, frozenset()) == fresh(board, key, now, columns)


@settings(deadline=None)
@given(st.lists(frames, min_size=1, max_size=12, unique_by=lambda frame: int(frame[1])))
def test_a_cached_line_equals_a_newly_rendered_line(
    script: list[tuple[list[Event], float, tuple[ColumnLayout, ...], float]],
) -> None:
    board, rows = Board(), RowLines(UNICODE)
    for entry in entries([started(), *map(added, NAMES)]):
        board.apply(entry)
    for happened, second, columns, beat in script:
        for entry in entries(happened, board.seq + 1):
            board.apply(entry)
        board.heartbeat(1, at(beat))
        # Within a second figures stand still, and so does how long ago something was.
        told(board, rows, at(second) // SECOND * SECOND, columns)


def test_an_adapter_that_is_gone_has_no_line() -> None:
    rows = RowLines(UNICODE)
    rows.begin(Board(), NOON, WIDE, {})
    assert rows.line(AdapterKey(1, "agno"), frozenset()) == ()
    assert rows.view(AdapterKey(1, "agno")) is None


spans = st.builds(
    Span,
    st.sampled_from(("", " ", "  ", "one", "two words", "漢字", "\u3000")),
    st.sampled_from((*PALETTE, "warn+glow", "text+glow", "nonesuch")),
)
grounds = st.sampled_from((Style.null(), Style(bgcolor="#102030"), PALETTE["cursor"]))


def seen(text: str, look: Style) -> list[tuple[str, Style]]:
    """Cells as they look: of a blank the ground and what is drawn through or under it, nothing else."""
    ground = Style(bgcolor=look.bgcolor, strike=look.strike, underline=look.underline, reverse=look.reverse)
    return [(character, ground if character.isspace() else look) for character in text]


@given(st.lists(spans, max_size=9).map(tuple), grounds)
def test_a_strip_joins_only_what_looks_the_same(line: Line, ground: Style) -> None:
    wanted = [cell for text, style in fit_line(line, 60) for cell in seen(text, ground + PALETTE.look(style))]
    strip = strip_of(line, 60, PALETTE, ground)
    assert strip.cell_length == 60
    assert [cell for text, look, _ in strip for cell in seen(text, look or Style())][: len(wanted)] == wanted
