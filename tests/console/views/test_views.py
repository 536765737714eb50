"""The lines of each view, given a Board and a time."""

from __future__ import annotations

import pytest

from fuseboard_console.actions.catalogue import ACTIONS, actions_for
from fuseboard_console.actions.model import promoted
from fuseboard_console.operator.messages import not_taken_message
from fuseboard_console.text.bars import countdown_bar, sparkline
from fuseboard_console.text.formatting import latency, number, ordinal, percent, rate, span
from fuseboard_console.text.glyphs import APPEARANCES, ASCII, UNICODE
from fuseboard_console.text.line import Line, Span, fold_line, line_width, text_of
from fuseboard_console.views.adapters.adapter_view import condition_of, make_view, stats_of
from fuseboard_console.views.adapters.cells import engine_cell, next_cell
from fuseboard_console.views.adapters.columns import place, row_line, slices_of, titles
from fuseboard_console.views.adapters.engine_presence import connection_of, header_text
from fuseboard_console.views.adapters.row_cache import RowLines
from fuseboard_console.views.events.chains import route_line, type_width
from fuseboard_console.views.events.copy_text import adapter_copy
from fuseboard_console.views.events.failures import failure_lines
from fuseboard_console.views.events.sentences import error_summary
from fuseboard_console.views.frame.banner import banner
from fuseboard_console.views.frame.empty_state import empty_state_lines, unreadable_lines
from fuseboard_console.views.frame.footer import footer_line
from fuseboard_console.views.frame.header import Counting, HeaderTotals, Heading, header_line
from fuseboard_console.views.frame.help import help_lines
from fuseboard_console.views.lists.health import health_line
from fuseboard_console.views.lists.status import status_text
from fuseboard_console.views.selection.filter import parse
from fuseboard_console.views.selection.layout import plan
from fuseboard_console.views.selection.ordering import order_of
from fuseboard_engine.events import EngineStopped, Event, HealthChecked, ProbeChanged
from fuseboard_storage.board.board import AdapterKey, Board
from support.console_story import (
    STORY_ENDS,
    added,
    answered,
    at,
    attempt,
    changed,
    failed,
    fold,
    opened,
    route,
    started,
    stopped,
    story,
)
from support.hostile_texts import HOSTILE


def totals_of(board: Board, now: int) -> HeaderTotals:
    """Count the totals of a Board at once."""
    return Counting(budget=float("inf")).totals(board, now)


def row_text(board: Board, adapter: str, seconds: float, cells: int = 120) -> str:
    now = at(seconds)
    row = board.find(adapter)[0]
    columns = place(cells, 12, 1, False)
    instance = board.instances.get(row.key.instance)
    view = make_view(row, instance, now, stats_of(row, now, slices_of(columns)))
    return text_of(row_line(view, now, columns, UNICODE))


STATES: list[tuple[str, list[Event], list[str]]] = [
    ("closed", [], ["● gpt", "CLOSED"]),
    ("failures counted", [failed("gpt", 9, failures=2)], ["● gpt", "CLOSED 2/5"]),
    ("open", [opened("gpt", 8, wait=6.1, openings=2)], ["✖ gpt", "OPEN", "4.1 s", "2nd"]),
    ("open, wait over", [opened("gpt", 1, wait=5)], ["◔ gpt", "READY", "the next call probes"]),
    (
        "half-open",
        [
            changed("gpt", "half_open", 8, before="open", needed=3),
            ProbeChanged(at=at(9), adapter="gpt", what="admitted", in_flight=1, successes=1, needed=3),
        ],
        ["◐ gpt", "PROBING 1/3", "1 probe in flight"],
    ),
    ("held", [changed("gpt", "forced_open", 7, actor="ana")], ["■ gpt", "HELD OPEN", "by ana 3 s ago"]),
    ("disabled", [changed("gpt", "disabled", 7)], ["○ gpt", "DISABLED", "lets every call through"]),
    ("metrics only", [changed("gpt", "metrics_only", 7)], ["◌ gpt", "WATCH ONLY", "counts, never opens"]),
    (
        "just reset",
        [opened("gpt", 5), changed("gpt", "closed", 7, before="open", reason="reset", actor="ana")],
        ["● gpt", "CLOSED", "reset by ana 3 s ago"],
    ),
]


@pytest.mark.parametrize(("name", "events", "parts"), STATES, ids=[name for name, _, _ in STATES])
def test_each_state_is_a_glyph_and_words(name: str, events: list[Event], parts: list[str]) -> None:
    shown = row_text(fold([started(), added("gpt"), *events], alive=10), "gpt", 10)
    for part in parts:
        assert part in shown


def test_an_adapter_of_a_silent_engine_shows_its_last_state() -> None:
    board = fold([started(), added("gpt"), opened("gpt", 8)], alive=9)
    assert "? gpt" in row_text(board, "gpt", 23)
    assert "SILENT was OPEN" in row_text(board, "gpt", 23)  # its wait goes on nowhere


def test_every_view_shows_that_an_adapters_engine_was_killed() -> None:
    board = fold([started(), added("gpt"), opened("gpt", 8)], alive=9)
    rows = RowLines(UNICODE)
    columns = place(120, 10, 1, True)
    for gone, word in ((False, "SILENT"), (True, "KILLED")):
        board.instances[1].gone = gone
        key = AdapterKey(1, "gpt")
        rows.begin(board, at(23), columns, {})
        assert f"{word} was OPEN" in text_of(rows.line(key, frozenset()))
        told = status_text(board, "a.db", at(23), colour=False)
        assert f"a.db: {word.lower()} 14 s; 1 adapter: 1 {word.lower()}" in told
        assert f"{word}, was OPEN" in told
        assert f"gpt: {word} since" in adapter_copy(board, key, at(23))
        fitting = order_of(board, at(23), terms=parse(f"state:{word.lower()}")).keys
        assert list(fitting) == [key]


@pytest.mark.parametrize(
    ("cells", "said"),
    [
        (36, "reset by scenario:one 3 s ago"),
        (25, "reset by scenario:one"),
        (15, "reset 3 s ago"),
    ],
)
def test_the_actor_and_time_of_a_reset_are_shown_whole_or_not_at_all(cells: int, said: str) -> None:
    events = [opened("gpt", 5), changed("gpt", "closed", 7, before="open", reason="reset", actor="scenario:one")]
    board = fold([started(), added("gpt"), *events], alive=10)
    row = board.adapters[AdapterKey(1, "gpt")]
    view = make_view(row, board.instances[1], at(10), stats_of(row, at(10), 0))
    assert text_of(next_cell(view, at(10), cells, UNICODE)) == said


def test_an_adapter_with_a_failed_health_check_is_shown_as_down_and_needs_attention() -> None:
    bad = HealthChecked(at=at(2), adapter="gpt", status="unhealthy", detail="no scheduler answers")
    board = fold([started(), added("gpt"), added("agno"), bad], alive=9)
    assert "▽ gpt" in row_text(board, "gpt", 9)
    assert "KNOWN DOWN" in row_text(board, "gpt", 9)
    assert "passed over: n" in row_text(board, "gpt", 9)
    assert [key.adapter for key in order_of(board, at(9)).keys] == ["gpt", "agno"]
    well = fold([started(), added("gpt"), bad, HealthChecked(at=at(3), adapter="gpt", status="healthy")], alive=9)
    assert "CLOSED" in row_text(well, "gpt", 9)


def test_states_differ_without_colour() -> None:
    apart = [look for name, look in APPEARANCES.items() if name != "counting"]
    assert len({look.glyph for look in apart}) == len(apart)
    assert len({look.ascii for look in apart}) == len(apart)
    assert len({look.word for look in apart}) == len(apart)


def test_adapters_are_sorted_by_severity_then_by_name() -> None:
    board = fold(story(), alive=STORY_ENDS)
    names = [key.adapter for key in order_of(board, at(STORY_ENDS)).keys]
    assert names[:6] == ["eu-search", "prefect", "billing", "rerank", "agno", "llamaindex"]
    assert names[8:] == ["embed", "gpt", "us-search", "vision"]


@pytest.mark.parametrize("cells", [62, 76, 78, 98, 118])
def test_the_time_of_an_outage_stays_where_a_process_is_lost(cells: int) -> None:
    for engine_cells in (0, 10) if cells >= 76 else (0,):
        ids = [placed.column.id for placed in place(cells, 6, 2, True, engine_cells=engine_cells)]
        assert "down" in ids


@pytest.mark.parametrize(
    ("event", "said"),
    [
        (opened("gpt", 1, wait=5), "next call"),
        (changed("gpt", "half_open", 7, before="open"), "no call yet"),
        (changed("gpt", "disabled", 7), "never refuses"),
        (changed("gpt", "metrics_only", 7), "never opens"),
        (changed("gpt", "open", 7), "until a reset"),
    ],
)
def test_what_comes_next_is_not_cut_in_a_narrow_column(event: Event, said: str) -> None:
    board = fold([started(), added("gpt"), event], alive=10)
    ((key, row),) = board.adapters.items()
    view = make_view(row, board.instances[key.instance], at(10), stats_of(row, at(10), 0))
    assert text_of(next_cell(view, at(10), 14, UNICODE)) == said


def test_the_breaker_of_a_killed_process_has_the_same_word_on_the_page_of_health() -> None:
    board = fold([started(), added("gpt"), EngineStopped(at=at(5), reason="lost")])
    ((key, row),) = board.adapters.items()
    shown = text_of(health_line(row, board.instances[key.instance], at(10), 78, 10, UNICODE))
    assert "? KILLED" in shown


@pytest.mark.parametrize("cells", [1, 10, 20, 40, 60, 78, 90, 118, 160, 198, 400])
def test_every_row_has_the_width_of_its_titles_and_fits(cells: int) -> None:
    board = fold(story(), alive=STORY_ENDS)
    columns = place(cells, 12, 1, False)
    heading = line_width(titles(columns))
    assert heading <= cells or len(columns) == 2
    for row in board.rows():
        view = make_view(row, board.instances[1], at(STORY_ENDS), stats_of(row, at(STORY_ENDS), slices_of(columns)))
        assert line_width(row_line(view, at(STORY_ENDS), columns, UNICODE)) == heading


def test_a_small_table_keeps_what_matters_most() -> None:
    ids = [column.id for column, _ in place(76, 12, 1, False)]
    assert ids == ["name", "state", "down", "ok", "p95", "next"]


def test_a_wide_table_uses_the_room() -> None:
    ids = [column.id for column, _ in place(198, 12, 1, False)]
    assert {"p50", "p99", "rejected", "spark", "down", "error"} <= set(ids)


@pytest.mark.parametrize(
    ("when", "alive", "expected"),
    [(131.0, 130.8, "live 0.2 s"), (145.0, 131.0, "silent 14 s"), (500.0, 131.0, "silent 6 min")],
)
def test_the_connection_shows_the_age_of_the_last_sign_of_life(when: float, alive: float, expected: str) -> None:
    connection = connection_of(fold([started()], alive=alive), at(when))
    assert header_text(connection)[0] == expected


def test_an_ended_engine_is_not_a_silent_one() -> None:
    connection = connection_of(fold([started(), stopped(65)]), at(300))
    assert header_text(connection)[0] == "ended 14:01:05"
    assert "ended at 14:01:05" in text_of(banner(connection))


def test_an_empty_file_waits_for_an_engine() -> None:
    assert header_text(connection_of(Board(), at(0)))[0] == "waiting for an engine"


def test_a_live_engine_needs_no_banner() -> None:
    assert banner(connection_of(fold([started()], alive=1), at(1))) == ()


@pytest.mark.parametrize(("events", "gone"), [([], False), ([], True), ([stopped(65)], False)])
def test_the_banner_of_an_engine_that_is_lost_fits_80_cells(events: list[Event], gone: bool) -> None:
    board = fold([started(), *events], alive=60)
    board.instances[1].gone = gone
    assert 40 < line_width(banner(connection_of(board, at(5000)))) <= 80


def test_an_engine_whose_process_is_gone_is_never_called_live() -> None:
    board = fold([started(), added("gpt")], alive=60)
    board.instances[1].gone = True
    connection = connection_of(board, at(61))
    assert header_text(connection)[0] == "killed 1 s"
    assert connection.over
    assert "is gone, last sign of life 1.0 s ago" in not_taken_message(connection, "checkout.db")


def test_an_engine_that_did_not_take_a_command_is_known_by_its_last_sign_of_life() -> None:
    connection = connection_of(fold([started()], alive=60), at(61.2))
    assert "last sign of life 1.2 s ago" in not_taken_message(connection, "checkout.db")
    assert not connection.over


ROUTES = [
    (
        route(
            131,
            attempt("prefect", "failure"),
            attempt("prefect", "failure"),
            attempt("prefect", "failure", 0.11),
            attempt("agno", "success", 0.051),
        ),
        "prefect ✗✗✗ 310 ms → agno ✓ 51 ms",
    ),
    (route(131, attempt("prefect", "rejected", 0), attempt("agno", "success", 0.042)), "prefect ✖ → agno ✓ 42 ms"),
    (
        route(131, attempt("a", "failure", 0.02), degraded=True, adapter="template"),
        "a ✗ 20 ms → ◇ template",
    ),
    (route(131, attempt("a", "rejected", 0), success=False, dead_letter=7), "a ✖ → ☠ dead letter 7"),
    (
        route(131, attempt("a", "failure", 1.0), success=False, why="order of this call", error="timed out"),
        "✗ 1.0 s → no answer: timed out",
    ),
]


@pytest.mark.parametrize(("event", "expected"), ROUTES)
def test_a_route_reads_left_to_right_as_time(event: object, expected: str) -> None:
    shown = text_of(route_line(event, 120, 8, UNICODE))  # type: ignore[arg-type]
    assert shown.startswith("14:02:11 ai_task  #8f20")
    assert shown.endswith(expected)


def test_a_retry_of_a_dead_letter_is_marked_where_there_is_room() -> None:
    retried = route(131, attempt("prefect", "failure", 0.03), attempt("agno", "success", 0.042), letter=12)
    assert "  retry of dead letter 12  prefect ✗ 30 ms → agno ✓ 42 ms" in text_of(route_line(retried, 90, 8, UNICODE))
    assert "retry" not in text_of(route_line(retried, 80, 8, UNICODE))
    short = route(131, attempt("agno", "success", 0.042), letter=12)
    assert "retry of dead letter 12  agno ✓" in text_of(route_line(short, 80, 8, UNICODE))
    refused = route(131, attempt("prefect", "failure"), success=False, letter=12, error="connection refused " * 8)
    assert "retry of dead letter 12  prefect ✗" in text_of(route_line(refused, 100, 8, UNICODE))


def test_a_task_whose_caller_gave_up_was_cancelled() -> None:
    gave_up = route(
        131, attempt("a", "cancelled", 1.0), success=False, why="order of this call", error="CancelledError"
    )
    assert text_of(route_line(gave_up, 100, 7, UNICODE)).endswith("→ cancelled")


def test_the_text_of_a_timeout_raised_by_the_adapter_is_shown() -> None:
    told = failed("agno", 40, "upstream timed out", rule="timeout", error_type="TimeoutError", duration=0.01)
    assert error_summary(told.attempt) == "TimeoutError: upstream timed out"


def test_failures_that_repeat_stand_on_one_line() -> None:
    late = failed("agno", 40, "timeout: agno gave no answer", rule="timeout", error_type="AttemptTimeout", duration=2.0)
    board = fold([started(), *(failed("prefect", i) for i in range(37)), late])
    lines = [text_of(line) for line in failure_lines(tuple(board.failures), 60, UNICODE)]
    assert lines[0].startswith("14:00:40 agno    AttemptTimeout after 2.0 s")
    assert lines[1].startswith("14:00:36 prefect ConnectError: connection refused")
    assert lines[1].endswith("×37")
    assert {line_width(line) for line in failure_lines(tuple(board.failures), 60, UNICODE)} == {60}


@pytest.mark.parametrize("cells", [1, 5, 20, 40, 80, 100, 120, 200])
@pytest.mark.parametrize("behind", [None, 1234])
def test_the_header_is_one_line_of_the_screen(cells: int, behind: int | None) -> None:
    board = fold(story(), alive=STORY_ENDS)
    now = at(STORY_ENDS)
    heading = Heading(
        "checkout.db", connection_of(board, now), order_of(board, now).counts, totals_of(board, now), now, behind
    )
    assert line_width(header_line(heading, cells, UNICODE)) == cells


def test_at_80_cells_the_header_still_tells_file_health_connection_trouble_and_the_share() -> None:
    board = fold(story(), alive=STORY_ENDS)
    now = at(STORY_ENDS)
    heading = Heading("checkout.db", connection_of(board, now), order_of(board, now).counts, totals_of(board, now), now)
    shown = text_of(header_line(heading, 80, UNICODE))
    for part in ("checkout.db", "IMPAIRED", "live", "2 ✖", "98.0 %"):
        assert part in shown


@pytest.mark.parametrize("cells", [1, 10, 40, 80, 200])
def test_the_footer_fits_and_its_places_are_where_the_keys_stand(cells: int) -> None:
    line, places = footer_line(actions_for(False), cells, False)
    assert line_width(line) == cells
    shown = text_of(line)
    for found in places:
        action = next(action for action in ACTIONS if action.id == found.action)
        if found.end <= cells:
            assert shown[found.start : found.end].endswith(action.label)


def test_read_only_leaves_out_every_action_that_asks_an_engine() -> None:
    assert not [action for action in actions_for(True) if action.verb]
    assert "reset" not in text_of(footer_line(actions_for(True), 120, True)[0])
    assert "read-only" in text_of(footer_line(actions_for(True), 120, True)[0])


def test_each_group_of_actions_stands_in_the_help_once() -> None:
    heads = [text_of(line) for line in help_lines(ACTIONS, UNICODE, 100) if line and line[0].style == "strong"]
    assert len(heads) == len(set(heads))
    assert "View" in heads


@pytest.mark.parametrize("cells", [30, 60, 80])
def test_a_folded_line_keeps_its_text_and_its_styles(cells: int) -> None:
    line: Line = (
        Span(" The engine ended at 14:02:11.", "bad"),
        Span(" Last known states; goes on when it is back.", "muted"),
    )
    lines = fold_line(line, cells, 5)
    assert " ".join(text_of(part).strip() for part in lines) == text_of(line).strip()
    assert all(text_of(part).startswith(" ") and line_width(part) <= cells for part in lines)
    for style in ("bad", "muted"):
        kept = "".join(span.text for part in lines for span in part if span.style == style)
        whole = "".join(span.text for span in line if span.style == style)
        assert "".join(kept.split()) == "".join(whole.split())


def test_a_line_folded_into_too_few_lines_says_so() -> None:
    lines = [text_of(part) for part in fold_line((Span(" one two three four five six"),), 10, 2)]
    assert lines == [" one two", " three fo…"]
    assert fold_line((Span(" short"),), 10, 1) == [(Span(" short"),)]


def test_help_names_every_action_and_every_state() -> None:
    shown = "\n".join(text_of(line) for line in help_lines(ACTIONS, UNICODE, 100))
    for action in ACTIONS:
        assert action.description in shown
    for look in APPEARANCES.values():
        assert look.word in shown


def test_at_80_by_24_chains_and_failures_have_three_lines_each_and_the_table_nine() -> None:
    assert plan(80, 22, 12, chains=3) == (5, 12, 0, 5, True)


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_names_and_errors_do_not_break_the_layout_of_a_line(text: str) -> None:
    events: list[Event] = [started(), added(text), failed(text, 5, text, error_type=text, failures=1)]
    events.append(route(6, attempt(text, "failure"), success=False, why=text, task=text, type=text))
    events.append(opened(text, 7))
    board = fold(events, alive=8)
    now = at(8)
    columns = place(118, 300, 1, False)
    row = next(board.rows())
    view = make_view(row, board.instances[1], now, stats_of(row, now, 12))
    entry = board.routes[0]
    lines = [
        row_line(view, now, columns, UNICODE),
        route_line(entry.event, 118, type_width([entry]), ASCII),  # type: ignore[arg-type]
        *failure_lines(tuple(board.failures), 118, UNICODE),
    ]
    for line in lines:
        assert line_width(line) <= 118
        assert all(c.isprintable() for c in text_of(line))


@pytest.mark.parametrize("size", [(1, 1), (20, 5), (80, 22), (200, 48)])
def test_the_empty_picture_fits(size: tuple[int, int]) -> None:
    lines = empty_state_lines("checkout.db", *size)
    assert any("add_adapter" in text_of(line) for line in lines)


@pytest.mark.parametrize("cells", [64, 80, 87, 88, 200])
def test_no_line_of_the_empty_picture_is_cut(cells: int) -> None:
    for lines in (
        empty_state_lines("checkout.db", cells, 22),
        unreadable_lines("checkout.db", "It is damaged, " * 20, cells, 22),
    ):
        assert max(map(line_width, lines)) <= cells
    text = " ".join("\n".join(text_of(line) for line in empty_state_lines("checkout.db", cells, 22)).split())
    assert 'preference_order=["prefect", "agno"])' in text
    assert "This screen fills by itself when one does." in text


@pytest.mark.parametrize(
    ("value", "shown"), [(0.2, "0.2 s"), (9.94, "9.9 s"), (27.4, "27 s"), (99.6, "2 min"), (7200, "2 h"), (2e5, "2 d")]
)
def test_durations_are_formatted_briefly(value: float, shown: str) -> None:
    assert span(value) == shown


def test_large_numbers_are_shortened() -> None:
    assert [latency(x) for x in (None, 0.0004, 0.0042, 0.042, 0.9996, 2.04)] == [
        "–",
        "400 µs",
        "4.2 ms",
        "42 ms",
        "1.0 s",
        "2.0 s",
    ]
    assert [percent(x) for x in (None, 0, 0.5, 0.99999, 1)] == ["–", "0.0", "50.0", "99.9", "100"]
    assert [rate(x) for x in (0, 3.14, 184, 1234)] == ["0.0", "3.1", "184", "1.2k"]
    assert [number(x) for x in (37, 999, 1000, 12_345, 4e6)] == ["37", "999", "1.0k", "12.3k", "4.0M"]
    assert [ordinal(x) for x in (1, 2, 3, 4, 11, 12, 21, 113)] == [
        "1st", "2nd", "3rd", "4th", "11th", "12th", "21st", "113th",
    ]  # fmt: skip


def test_a_countdown_fills_while_time_runs_out() -> None:
    full = [sum(len(s.text) for s in countdown_bar(left, 10, 10, UNICODE, "bad")[:1]) for left in (10, 5, 1, 0)]
    assert full == sorted(full)
    assert full[-1] == 10
    for left in (-5, 0, 3.3, 10, 99):
        assert line_width(countdown_bar(left, 10, 10, UNICODE, "bad")) == 10


def test_a_sparkline_distinguishes_zero_from_any_traffic() -> None:
    assert sparkline([0, 1, 1000], UNICODE) == "▁▂█"
    assert sparkline([0, 0], UNICODE) == "▁▁"


def test_condition_changes_exactly_when_the_wait_is_over() -> None:
    board = fold([started(), added("gpt"), opened("gpt", 8, wait=2)], alive=10)
    row = board.find("gpt")[0]
    assert condition_of(row, board.instances[1], at(10) - 1) == "open"
    assert condition_of(row, board.instances[1], at(10)) == "ready"


def test_calls_of_the_running_second_do_not_make_rates_flicker() -> None:
    board = fold([started(), added("gpt"), *(answered("gpt", 5 + i / 10) for i in range(10))], alive=6)
    row = board.find("gpt")[0]
    assert stats_of(row, at(16.0), 0).rate == 0.0
    assert stats_of(row, at(15.0), 0).rate == stats_of(row, at(15.9), 0).rate == 1.0


def test_in_the_first_seconds_rates_are_those_of_the_time_there_was() -> None:
    board = fold([started(), added("gpt"), *(answered("gpt", i / 9) for i in range(27))], alive=3)
    assert stats_of(board.find("gpt")[0], at(3.5), 0).rate == 9.0
    assert totals_of(board, at(3.5)).rate == 9.0


def test_the_footer_begins_with_time_keys_while_the_past_is_shown() -> None:
    line, _ = footer_line(promoted(actions_for(False), {"pause": "hold", "live": "live"}), 80, False)
    assert text_of(line).startswith(" space hold  L live  ")
    assert text_of(line).count("space") == 1


def test_a_narrow_pane_omits_the_redundant_end_of_an_error_type() -> None:
    board = fold([failed("gpt", 5, error_type="ConnectionRefusedError"), failed("agno", 6, error_type="Error")])
    narrow = [text_of(line) for line in failure_lines(tuple(board.failures), 50, UNICODE)]
    wide = [text_of(line) for line in failure_lines(tuple(board.failures), 80, UNICODE)]
    assert "ConnectionRefused: connection" in narrow[1]
    assert " Error: connection" in narrow[0]
    assert "ConnectionRefusedError: connection" in wide[1]


def test_the_header_tells_the_share_of_tasks_that_were_answered_not_that_of_calls() -> None:
    refused = [
        route(second, attempt("gpt", "rejected", 0.0, why="circuit open"), success=False, task=f"t{second}")
        for second in range(2, 9)
    ]
    board = fold([started(), added("gpt"), answered("gpt", 1), *refused], alive=10)
    totals = totals_of(board, at(10))
    assert totals.answered == 1 / 8  # the only call was well, and seven tasks of eight were not done
    given_up = fold([started(), added("gpt"), answered("gpt", 1), route(2, attempt("gpt", "cancelled"), success=False)])
    assert totals_of(given_up, at(10)).answered == 1.0  # a caller that hangs up blames nobody
    assert totals_of(fold([started(), added("gpt")]), at(10)).answered is None


def test_a_short_engine_column_keeps_the_process_that_tells_two_of_one_name_apart() -> None:
    board = fold([started(), added("gpt")])
    row = next(iter(board.adapters.values()))
    view = make_view(row, board.instances[1], at(5), stats_of(row, at(5), 0))._replace(engine="checkout@web-1:18906")
    for cells in range(1, 30):
        shown = text_of(engine_cell(view, at(5), cells, UNICODE))
        assert len(shown) <= cells
        assert cells < 7 or shown.endswith(":18906")
