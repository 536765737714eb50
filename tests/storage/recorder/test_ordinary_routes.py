"""Ordinary routes become counts after their time; the Board stays exact, and everything notable stays."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fuseboard_engine.events import (
    AdapterAdded,
    AdapterRemoved,
    Attempt,
    AttemptFailed,
    EngineStarted,
    EngineStopped,
    Event,
    RouteFinished,
    RoutesCounted,
    StateChanged,
    TripSuppressed,
)
from fuseboard_storage.board.board import Board
from fuseboard_storage.recorder.recorder import record
from fuseboard_storage.recorder.retention import Retention, apply_retention
from fuseboard_storage.recording.recording import Recording
from fuseboard_storage.sqlite import schema
from fuseboard_storage.tables import events as rows
from fuseboard_storage.tables import keyframes
from fuseboard_storage.tables.event_templates import Templates
from fuseboard_storage.tables.marks import Moment
from support.fake_engine import NOON, FakeEngine, answered, failed

SECOND = 1_000_000
names = st.sampled_from(["prefect", "agno"])
durations = st.integers(0, 10**10).map(lambda nanoseconds: nanoseconds / 1e9)
attempts = st.builds(
    Attempt, adapter=names, outcome=st.sampled_from(["success", "failure", "rejected"]), number=st.just(1),
    duration=durations, failures=st.integers(0, 3), first_item=st.none() | durations,
)  # fmt: skip


def route(attempt: Attempt, at: int) -> RouteFinished:
    answered_by = attempt.adapter if attempt.outcome == "success" else ""
    return RouteFinished(
        at=at, task="t", task_type="", success=bool(answered_by), attempts=(attempt,), adapter=answered_by,
        duration=attempt.duration,
    )  # fmt: skip


times = st.integers(NOON, NOON + 60 * SECOND)
events = st.one_of(
    st.builds(route, attempts, times),
    st.builds(route, attempts, times),
    st.builds(AttemptFailed, at=times, task=st.just("t"), task_type=st.just(""), attempt=attempts),
    st.builds(
        StateChanged, at=times, adapter=names, before=st.just("closed"),
        after=st.sampled_from(["closed", "open", "half_open"]), reason=st.just("failures"), generation=st.just(1),
        failures=st.integers(0, 3),
    ),
    st.builds(TripSuppressed, at=times, adapter=names, detail=st.just("last one"), out=st.just(0), size=st.just(2)),
    st.builds(AdapterAdded, at=times, adapter=names, policy=st.just({})),
    st.builds(AdapterRemoved, at=times, adapter=names),
    st.builds(EngineStarted, at=times, name=st.just("e"), host=st.just("h"), pid=st.just(1)),
    st.builds(EngineStopped, at=times),
)  # fmt: skip


ordinary = st.builds(lambda at: answered(at=at), times)
mostly_ordinary = st.one_of(ordinary, ordinary, ordinary, events)


def figures(board: Board) -> dict[str, object]:
    """Everything that a Board counts; without the routes themselves and the seconds in which they ended."""
    plain = [slot for slot in keyframes._PLAIN_ROW if slot not in ("busy", "duration", "added_at", "since")]
    rows_ = {row.key: {name: getattr(row, name) for name in plain} for row in board.rows()}
    since = {row.key: row.since for row in board.rows() if row.changes}
    totals = {
        name: (found.started, found.tasks, found.answered, found.degraded, found.failed_over,
               {adapter: (t.calls, t.successes, t.failed, t.opens) for adapter, t in found.adapters.items()})
        for name, found in board.totals().items()
    }  # fmt: skip
    busy = {row.key: (round(row.busy, 6), round(row.duration, 6)) for row in board.rows()}
    latency = {
        row.key: (sum(sum(second.latency.values()) for second in row.seconds), dict(sorted(row.latency.items())))
        for row in board.rows()
    }
    return {
        "rows": rows_, "since": since, "busy": busy, "latency": latency, "totals": totals, "tasks": board.tasks,
        "ok": board.tasks_ok, "failed_over": board.tasks_failed_over, "instances": sorted(board.instances),
        "failures": [(group.key, group.count) for group in board.failures],
    }  # fmt: skip


def board_of(file: sqlite3.Connection) -> Board:
    board = Board()
    for row in file.execute(f"{rows.SELECT} ORDER BY seq"):
        board.apply(rows.entry_of(None, row))
    return board


@given(st.lists(st.tuples(st.integers(1, 2), mostly_ordinary), max_size=40), st.integers(0, 40))
@settings(deadline=None)
def test_counting_ordinary_routes_together_changes_no_figure(found: list[tuple[int, Event]], old: int) -> None:
    file = sqlite3.connect(":memory:", isolation_level=None)
    schema.migrate(file)
    policy = Retention(ordinary=1.0, events=None, most_ordinary=None)
    for number, (instance, event) in enumerate(found):
        if number == old:
            apply_retention(file, policy, Moment(NOON, "boot", 0))
        rows.insert(file, instance, [event])
    before = figures(board_of(file))
    (notable,) = file.execute("SELECT count(*) FROM events WHERE notable AND kind != 'routes_counted'").fetchone()
    while apply_retention(file, policy, Moment(NOON, "boot", 61 * SECOND)):
        pass
    assert figures(board_of(file)) == before
    left = file.execute("SELECT count(*) FROM events WHERE notable AND kind != 'routes_counted'").fetchone()
    assert left == (notable,)
    first = rows.first_ordinary(file)
    assert first is None or old >= len(found) or first > old
    file.close()


def test_a_route_that_ends_after_a_later_success_does_not_count_its_failure_again() -> None:
    """An attempt fails, another task succeeds on the adapter, and only then the first task's route ends."""
    attempt = Attempt(adapter="agno", outcome="failure", number=1, duration=0.1, failures=1)
    file = sqlite3.connect(":memory:", isolation_level=None)
    schema.migrate(file)
    rows.insert(file, 1, [AttemptFailed(at=NOON, task="t", task_type="", attempt=attempt), answered("later", at=NOON)])
    rows.insert(file, 1, [route(attempt, at=NOON)])
    policy = Retention(ordinary=1.0, events=None, most_ordinary=None)
    apply_retention(file, policy, Moment(NOON, "boot", 0))
    rows.insert(file, 1, [EngineStarted(at=NOON, name="e", host="h", pid=1)])
    before = figures(board_of(file))
    while apply_retention(file, policy, Moment(NOON, "boot", 61 * SECOND)):
        pass
    assert figures(board_of(file)) == before
    assert file.execute("SELECT count(*) FROM events WHERE kind = 'routes_counted'").fetchone() == (1,)
    file.close()


async def test_ordinary_routes_go_after_an_hour_and_everything_notable_stays(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    file = schema.connect(path)
    rows.insert(file, 1, [EngineStarted(at=NOON, name="e", host="h", pid=1)])
    for number in range(100):
        rows.insert(file, 1, [answered(f"{number}-{n}", at=NOON + number * SECOND) for n in range(99)])
        rows.insert(file, 1, [failed(f"{number}", at=NOON + number * SECOND)])
    maker = keyframes.KeyframeMaker(file, 1_000)
    while maker.step():
        pass
    apply_retention(file, Retention(), Moment(NOON, "boot", 0))
    rows.insert(file, 1, [answered("new", at=NOON + 3_600 * SECOND)])
    async with Recording.open(path) as recording:
        before = figures(await recording.board())
        while apply_retention(file, Retention(), Moment(NOON, "boot", 3_601 * SECOND)):
            pass
        assert figures(await recording.board()) == before
        assert figures(board_of(file)) == before
        assert len(await recording.failures(1_000)) == 100
        kinds = dict(file.execute("SELECT kind, count(*) FROM events GROUP BY kind").fetchall())
    assert kinds.pop("routes_counted") <= 12
    assert kinds == {"attempt_failed": 100, "engine_started": 1, "route_finished": 1}
    (left,) = file.execute("SELECT count(*) FROM keyframes").fetchone()
    assert 1 <= left <= 3
    file.close()


def test_a_file_that_is_too_large_loses_ordinary_routes_first_and_old_events_then(tmp_path: Path) -> None:
    file = schema.connect(tmp_path / "a.db")
    for number in range(400):
        rows.insert(file, 1, [failed(error=f"{number}: {'x' * 1_000}"), *(answered() for _ in range(100))])
    maker = keyframes.KeyframeMaker(file)
    while maker.step():
        pass

    def used() -> int:
        pages, free = (file.execute(f"PRAGMA {name}").fetchone()[0] for name in ("page_count", "freelist_count"))
        return int(pages - free) * 4_096

    def limit(size: int) -> None:
        everything = Retention(ordinary=None, most_ordinary=None, events=None, most_events=None, most_bytes=size)
        while apply_retention(file, everything, Moment(NOON, "boot", 0)):
            pass

    start = used()
    limit(start - 1_000_000)
    assert used() <= start - 1_000_000
    assert file.execute("SELECT count(*) FROM events WHERE kind = 'attempt_failed'").fetchone() == (400,)
    limit(start // 3)
    assert used() <= start // 3 or file.execute("SELECT count(*) FROM keyframes").fetchone() == (1,)
    (left,) = file.execute("SELECT count(*) FROM events WHERE kind = 'attempt_failed'").fetchone()
    assert 0 < left < 400
    file.close()


@pytest.mark.parametrize("jump", [-365, 365])
def test_a_wall_clock_that_jumps_by_a_year_deletes_nothing_that_is_fresh(tmp_path: Path, jump: int) -> None:
    file = schema.connect(tmp_path / "a.db")
    rows.insert(file, 1, [failed(at=NOON), answered(at=NOON)])
    apply_retention(file, Retention(), Moment(NOON, "boot", 0))
    later = NOON + jump * 86_400 * SECOND
    rows.insert(file, 1, [failed(at=later), answered(at=later)])
    while apply_retention(file, Retention(), Moment(later, "boot", 60 * SECOND)):
        pass
    assert file.execute("SELECT count(*) FROM events").fetchone() == (4,)
    file.close()


async def test_only_notable_events_are_recorded_on_request_and_the_figures_are_exact(tmp_path: Path) -> None:
    engine, path = FakeEngine(), tmp_path / "a.db"
    async with record(engine, path, events="notable") as recorder:
        for number in range(500):
            engine.emit(answered(f"{number}", at=engine.wall()))
        engine.emit(failed("bad", at=engine.wall()))
        await recorder.flushed()
        async with Recording.open(path) as recording:
            assert [entry.event.task for entry in await recording.failures(9)] == ["bad"]  # type: ignore[attr-defined]
    async with Recording.open(path) as recording:
        board = await recording.board()
        kinds = {type(entry.event) for entry in await recording.entries()}
        spans = await recording.spans(0, 2**62)
    assert (board.tasks, board.tasks_ok) == (500, 500)
    assert sum(span.calls for span in spans) == 501
    assert RouteFinished not in kinds
    assert RoutesCounted in kinds


def test_another_word_for_the_events_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="events must be 'all' or 'notable', not 'some'"):
        record(FakeEngine(), tmp_path / "a.db", events="some")  # type: ignore[arg-type]


def test_counts_of_another_instance_are_kept_apart(tmp_path: Path) -> None:
    file = schema.connect(tmp_path / "a.db")
    for instance in (1, 2):
        rows.insert(file, instance, [answered(), answered()])
    apply_retention(file, Retention(ordinary=0.0), Moment(NOON, "boot", 0))
    entries = [rows.entry_of(None, row) for row in file.execute(f"{rows.SELECT} ORDER BY seq")]
    assert [(entry.seq, entry.instance) for entry in entries] == [(2, 1), (4, 2)]
    assert all(isinstance(entry.event, RoutesCounted) and entry.event.tasks == 2 for entry in entries)
    file.close()


def test_a_single_ordinary_route_is_counted_and_counting_ends(tmp_path: Path) -> None:
    file = schema.connect(tmp_path / "a.db")
    rows.insert(file, 1, [failed(), answered(), failed()])
    apply_retention(file, Retention(ordinary=0.0), Moment(NOON, "boot", 0))
    assert not apply_retention(file, Retention(ordinary=0.0), Moment(NOON, "boot", 0))
    kinds = [kind for (kind,) in file.execute("SELECT kind FROM events ORDER BY seq")]
    assert kinds == ["attempt_failed", "routes_counted", "attempt_failed"]
    file.close()


def test_free_pages_go_back_to_the_disk(tmp_path: Path) -> None:
    file = schema.connect(tmp_path / "a.db")
    templates = Templates()
    for _ in range(60):
        rows.insert(file, 1, [answered() for _ in range(1_000)], templates)
    (before,) = file.execute("PRAGMA page_count").fetchone()
    while apply_retention(file, Retention(ordinary=0.0), Moment(NOON, "boot", 0)):
        pass
    (after,) = file.execute("PRAGMA page_count").fetchone()
    assert after < before / 2
    file.close()


@given(st.lists(mostly_ordinary, min_size=1, max_size=60), st.integers(0, 60))
def test_keyframes_made_after_counting_are_exact_wherever_their_maker_was(found: list[Event], reached: int) -> None:
    file = sqlite3.connect(":memory:", isolation_level=None)
    schema.migrate(file)
    maker = keyframes.KeyframeMaker(file, every=len(found))
    rows.insert(file, 1, found[:reached])
    maker.step()
    rows.insert(file, 1, found[reached:])
    before = figures(board_of(file))
    policy = Retention(ordinary=0.0)
    while apply_retention(file, policy, Moment(NOON, "boot", 0), folded=maker.folded):
        pass
    while maker.step() or maker.behind():
        pass
    board = keyframes.board_of(file.execute(keyframes.by_seq("event_log"), (keyframes.NEWEST,)).fetchone())
    for row in file.execute(f"{rows.SELECT} WHERE seq > ? ORDER BY seq", (board.seq,)):
        board.apply(rows.entry_of(None, row))
    assert figures(board) == before
    file.close()
