"""A probe that succeeded too slowly, on the screen: its reason, its line among the failures, its percentile."""

from __future__ import annotations

from fuseboard_console.text.glyphs import UNICODE
from fuseboard_console.text.line import text_of
from fuseboard_console.views.adapters.adapter_view import make_view, stats_of
from fuseboard_console.views.adapters.cells import p95_cell
from fuseboard_console.views.detail.adapter_detail import detail_lines
from fuseboard_console.views.events.failure_detail import failure_detail
from fuseboard_console.views.events.failures import failure_lines
from fuseboard_console.views.events.sentences import SCREEN_STYLE
from fuseboard_engine import BreakerPolicy
from fuseboard_engine.breaker.circuit_breaker import CircuitBreaker
from fuseboard_engine.event_log.sentences import sentence_of
from fuseboard_engine.events import AdapterAdded, Attempt, Event, ProbeChanged, RouteFinished
from fuseboard_storage.board.board import AdapterKey, Board, Entry
from fuseboard_storage.tables.keyframes import dump, load
from support.console_story import at, started
from support.fake_clock import FakeClock

POLICY = BreakerPolicy(
    failure_threshold=None, slow_call_rate=0.5, slow_call_seconds=0.5, minimum_calls=2, success_threshold=1,
    half_open_calls=1, jitter=0,
)  # fmt: skip
KEY = AdapterKey(1, "agno")


def board_after(*probes: float) -> tuple[Board, list[Event]]:
    """Return the Board after rounds of one probe each, which succeed after so many seconds, and the events."""
    clock, events = FakeClock(), list[Event]()
    breaker = CircuitBreaker("agno", POLICY, clock=clock, on_event=events.append, wall=lambda: at(clock()))
    for seconds in probes:
        breaker.open_for(0)
        breaker.admit().success(seconds)
    added = AdapterAdded(at=at(0), adapter="agno", policy=POLICY.model_dump())
    attempts = tuple(Attempt(adapter="agno", outcome="success", number=1, duration=seconds) for seconds in probes)
    routes = [RouteFinished(at=at(1), task="t", task_type="ai", success=True, attempts=(one,)) for one in attempts]
    board = Board()
    for seq, event in enumerate([started(1), added, *events, *routes], 1):
        board.apply(Entry(seq, 1, event))
    return board, events


def failures_of(board: Board) -> list[str]:
    return [text_of(line).rstrip() for line in failure_lines(list(board.failures), 70, UNICODE)]


def test_a_slow_probe_says_how_long_it_took_and_its_limit() -> None:
    board, events = board_after(1.4)
    row = board.adapters[KEY]
    assert (row.state, row.reason, row.detail) == ("open", "probe_failed", "probe took 1.4 s, limit 0.5 s")
    assert row.last_error == "probe took 1.4 s, limit 0.5 s"
    ended = next(event for event in events if isinstance(event, ProbeChanged) and event.what == "success")
    expected = "Probe of adapter agno succeeded but was too slow: probe took 1.4 s, limit 0.5 s (0 of 1 good)"
    assert sentence_of(ended, SCREEN_STYLE) == expected


def test_slow_probes_stand_among_the_failures_in_one_line() -> None:
    board, _ = board_after(1.4, 2.6)
    (line,) = failures_of(board)
    assert line.split(" agno ")[1].split("  ")[0] == "probe took 2.6 s, limit 0.5 s"
    assert line.endswith("×2")
    assert board.adapters[KEY].failed == 0
    (row,) = board.failures
    text = "\n".join(text_of(line) for line in failure_detail(row, at(60), 80))
    assert "probe took 2.6 s, limit 0.5 s" in text
    assert "its task was answered, but a slow probe does not close the breaker" in text
    assert "retried" not in text and "stopped" not in text and "unknown" not in text


def test_a_fast_probe_is_no_failure() -> None:
    board, _ = board_after(0.2)
    assert not board.failures
    assert board.adapters[KEY].state == "closed"


def test_a_keyframe_keeps_the_line_of_a_slow_probe() -> None:
    board, _ = board_after(1.4)
    assert failures_of(load(dump(board))) == failures_of(board)


def test_a_percentile_above_the_limit_has_the_colour_of_trouble() -> None:
    for seconds, style in ((1.4, "bad-dim"), (0.2, "text")):
        board, _ = board_after(seconds)
        row = board.adapters[KEY]
        view = make_view(row, board.instances[1], at(3), stats_of(row, at(3), 0))
        assert [span.style for span in p95_cell(view, at(3), 6, UNICODE)] == [style]
        lines = detail_lines(board, KEY, at(3), 100, (), UNICODE)
        (line,) = [line for line in lines if "p95" in text_of(line) and "last minute" in text_of(line)]
        assert any("p95" in span.text and span.style == "bad-dim" for span in line) is (style == "bad-dim")


def test_a_limit_in_a_damaged_policy_is_no_limit() -> None:
    board, _ = board_after(1.4)
    row = board.adapters[KEY]
    row.policy = {"slow_call_seconds": "soon"}
    view = make_view(row, board.instances[1], at(3), stats_of(row, at(3), 0))
    assert [span.style for span in p95_cell(view, at(3), 6, UNICODE)] == ["text"]


def test_a_slow_probe_of_an_older_recording_says_that_it_was_slow() -> None:
    board = Board()
    board.apply(Entry(1, 1, ProbeChanged(at=at(0), adapter="agno", what="success", slow=True)))
    assert failures_of(board)[0].endswith("probe was too slow")
