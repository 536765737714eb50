"""Keyframes: exact copies of the Board; folding on from one equals folding from the first event."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from hypothesis import HealthCheck, Phase, find, given, settings
from hypothesis import strategies as st

from fuseboard_engine.events import (
    AdapterAdded,
    AdapterRemoved,
    Attempt,
    BatchFinished,
    CallOverdue,
    ClockChanged,
    CommandDone,
    ConfigReloaded,
    DeadLetterChanged,
    DeadLettered,
    DeadLettersCounted,
    EngineStarted,
    EngineStopped,
    Event,
    EventsDropped,
    FaultEnded,
    FaultInjected,
    GaugesSampled,
    HealthAlert,
    HealthChecked,
    NodeChanged,
    OverdueCallEnded,
    PreferenceSet,
    ProbeChanged,
    RecordingRestarted,
    RouteCounts,
    RouteFinished,
    RoutesCounted,
    ScenarioPaced,
    ScenarioStep,
    ShutdownChanged,
    StateChanged,
    ThreadsStuck,
    TripSuppressed,
    WaitExtended,
    WorkflowFinished,
    WorkflowStarted,
)
from fuseboard_storage.board import board
from fuseboard_storage.board.board import Board, Entry
from fuseboard_storage.recorder.recorder import record
from fuseboard_storage.recording.recording import Recording
from fuseboard_storage.sqlite import schema
from fuseboard_storage.tables import events as rows
from fuseboard_storage.tables import keyframes as keyframe
from support.fake_engine import NOON, FakeEngine, answered, failed
from support.waiting import until_async

names = st.sampled_from(["prefect", "agno", "ламा🦙", ""])
seconds = st.integers(0, 10**12).map(lambda nanoseconds: nanoseconds / 1e9)
states = st.sampled_from(["closed", "open", "half_open", "forced_open", "disabled", "metrics_only"])
attempts = st.builds(
    Attempt,
    adapter=names,
    outcome=st.sampled_from(["success", "failure", "ignored", "cancelled", "rejected"]),
    duration=seconds,
    rule=st.sampled_from(["", "timeout"]),
    error_type=st.sampled_from(["", "E"]),
    error=st.text(max_size=3),
    failures=st.integers(0, 9),
)
policies = st.dictionaries(names, st.none() | st.integers() | seconds | st.lists(st.booleans(), max_size=2), max_size=3)
at = st.integers(NOON, NOON + 5_000_000)
healths = st.sampled_from(["unknown", "healthy", "degraded", "unhealthy"])
letters = st.sampled_from(["pending", "exhausted", "purged"])
runs = st.sampled_from(["r1", "r2"])
kinds = (
    st.builds(EngineStarted, at=at, name=names, host=names, pid=st.integers(1, 3)),
    st.builds(EngineStopped, at=at, reason=names),
    st.builds(AdapterAdded, at=at, adapter=names, policy=policies, tags=st.tuples(names)),
    st.builds(AdapterRemoved, at=at, adapter=names),
    st.builds(PreferenceSet, at=at, order=st.tuples(names, names), task_type=names),
    st.builds(StateChanged, at=at, adapter=names, before=states, after=states, reason=names, wait=st.none() | seconds),
    st.builds(ProbeChanged, at=at, adapter=names, what=st.just("admitted"), in_flight=st.integers(0, 2)),
    st.builds(failed, adapter=names, at=at, error=st.sampled_from("ab")),
    st.builds(
        RouteFinished,
        at=at,
        task=names,
        task_type=names,
        success=st.booleans(),
        degraded=st.booleans(),
        attempts=st.lists(attempts, max_size=3).map(tuple),
        context=st.none() | st.dictionaries(names, names, max_size=1),
    ),
    st.builds(
        RoutesCounted,
        at=at,
        since=at,
        adapters=st.dictionaries(
            names,
            st.builds(
                RouteCounts,
                calls=st.integers(1, 9),
                busy=seconds,
                latency=st.dictionaries(st.integers(0, 99), st.integers(1, 9), max_size=2),
                failures=st.none() | st.integers(0, 9),
            ),
            max_size=2,
        ),
    ),
    st.builds(GaugesSampled, at=at, gauges=st.dictionaries(names, st.tuples(st.integers(0, 3), st.integers(0, 9)))),
    st.builds(HealthChecked, at=at, adapter=names, status=healths, before=healths, detail=names),
    st.builds(HealthAlert, at=at, adapter=names, failures=st.integers(1, 9), detail=names),
    st.builds(TripSuppressed, at=at, adapter=names, reason=names, detail=names),
    st.builds(
        FaultInjected,
        at=at,
        adapter=names,
        fault=names,
        until=at,
        share=seconds,
        value=st.none() | seconds,
        actor=names,
    ),
    st.builds(FaultEnded, at=at, adapter=names, fault=names, reason=st.just("healed")),
    st.builds(ThreadsStuck, at=at, adapter=names, stuck=st.integers(0, 3), total=st.just(3), limit=st.just(9)),
    st.builds(WaitExtended, at=at, adapter=names, wait=seconds, until=at),
    st.builds(CallOverdue, at=at, adapter=names, overdue=st.integers(1, 3), total=st.just(3)),
    st.builds(OverdueCallEnded, at=at, adapter=names, seconds=seconds, overdue=st.integers(0, 3), total=st.just(3)),
    st.builds(ShutdownChanged, at=at, what=st.sampled_from(["began", "finished"]), reason=names),
    st.builds(ConfigReloaded, at=at, ok=st.booleans(), policies=st.dictionaries(names, policies, max_size=1)),
    st.builds(
        WorkflowStarted,
        at=at,
        run=runs,
        workflow=names,
        nodes=st.just(("n", "m")),
        edges=st.just((("n", "m"),)),
        resumed=st.booleans(),
        finished=st.sampled_from([(), ("n",)]),
    ),
    st.builds(
        NodeChanged,
        at=at,
        run=runs,
        workflow=names,
        node=st.sampled_from("nm"),
        state=st.sampled_from(["pending", "running", "done", "degraded", "failed", "skipped"]),
        answered=names,
        attempts=st.integers(0, 3),
        duration=seconds,
        error=names,
    ),
    st.builds(
        WorkflowFinished,
        at=at,
        run=runs,
        workflow=names,
        state=st.sampled_from(["done", "degraded", "failed", "interrupted"]),
        error=names,
    ),
    st.builds(
        BatchFinished,
        at=at,
        batch=names,
        parts=st.integers(0, 9),
        succeeded=st.integers(0, 9),
        needed=st.floats(0, 1),
        accepted=st.booleans(),
        error=names,
    ),
    st.builds(DeadLettered, at=at, letter=st.integers(-9, 9), task=names, task_type=names, category=names),
    st.builds(
        DeadLetterChanged,
        at=at,
        letters=st.lists(st.integers(1, 9), max_size=2).map(tuple),
        before=letters,
        status=letters,
    ),
    st.builds(DeadLettersCounted, at=at, counts=st.dictionaries(letters, st.integers(0, 9))),
    st.builds(CommandDone, at=at, command=st.integers(0, 9), verb=names, actor=names, ok=st.booleans()),
    st.builds(EventsDropped, at=at, count=st.integers(1, 9)),
    st.builds(ClockChanged, at=at, by=st.floats(-9, 9), asleep=st.floats(0, 9)),
    st.builds(RecordingRestarted, at=at, why=names, moved_to=names, letters=st.integers(0, 9)),
    st.builds(ScenarioPaced, at=at, scenario=names, pace=seconds, clock_at=at),
    st.builds(ScenarioStep, at=at, scenario=names, text=names),
)
events = st.one_of(kinds)


def test_the_sample_events_include_every_type_that_the_board_folds() -> None:
    first = settings(max_examples=1, phases=[Phase.generate], database=None)
    assert {type(find(kind, lambda _: True, settings=first)) for kind in kinds} == set(board.FOLDS)


def stored(found: list[tuple[int, Event]]) -> list[Entry]:
    """Return the entries as they are read back from a file."""
    connection = sqlite3.connect(":memory:", isolation_level=None)
    schema.migrate(connection)
    for instance, event in found:
        rows.insert(connection, instance, [event])
    result = [rows.entry_of(None, row) for row in connection.execute(f"{rows.SELECT} ORDER BY seq")]
    connection.close()
    return result


def fold(board: Board, entries: list[Entry]) -> Board:
    for entry in entries:
        board.apply(entry)
    return board


@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(st.lists(st.tuples(st.integers(1, 3), events), max_size=40), st.integers(0, 40))
def test_folding_on_from_any_keyframe_equals_folding_from_the_start(found: list[tuple[int, Event]], cut: int) -> None:
    entries = stored(found)
    assert len(rows.readable(entries)) == len(found)
    whole = fold(Board(), entries)
    thawed = keyframe.load(keyframe.dump(fold(Board(), entries[:cut])))
    assert keyframe.dump(thawed) == keyframe.dump(fold(Board(), entries[:cut]))
    assert keyframe.dump(fold(thawed, entries[cut:])) == keyframe.dump(whole)
    assert [row.key for row in thawed.rows()] == [row.key for row in whole.rows()]


def test_an_invalid_keyframe_is_ignored() -> None:
    assert keyframe.board_of((b"nonsense", keyframe.FORMAT, 1)) is None


def recorded(path: Path, count: int, every: int = 100) -> None:
    connection = schema.connect(path)
    rows.insert(connection, 1, [EngineStarted(at=NOON, name="e", host="h", pid=1)])
    rows.insert(connection, 1, [answered(f"{n}", at=NOON + n * 1_000) for n in range(1, count)])
    maker = keyframe.KeyframeMaker(connection, every)
    while maker.step():
        pass
    assert maker.behind() == 0
    connection.close()


async def test_a_seek_gives_the_same_board_with_and_without_keyframes(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    recorded(path, 2_000)
    async with Recording.open(path) as recording:
        entries = await recording.entries(limit=10_000)
        assert len(entries) == 2_000
        for seq in (0, 1, 99, 250, 251, 1_999, 2_000):
            assert keyframe.dump(await recording.board_at(seq=seq)) == keyframe.dump(fold(Board(), entries[:seq]))
        for at_ in (NOON - 1, NOON, NOON + 250_500, NOON + 1_000_000, NOON + 10**9):
            before = [entry for entry in entries if entry.event.at <= at_]
            assert keyframe.dump(await recording.board_at(at=at_)) == keyframe.dump(fold(Board(), before))
        assert keyframe.dump(await recording.board()) == keyframe.dump(fold(Board(), entries))
    connection = schema.connect(path)
    assert connection.execute("SELECT count(*) FROM keyframes").fetchone()[0] >= 3
    connection.close()


def test_a_new_keyframe_writer_counts_from_the_last_keyframe(tmp_path: Path) -> None:
    recorded(tmp_path / "a.db", 1_000)
    connection = schema.connect(tmp_path / "a.db")
    maker = keyframe.KeyframeMaker(connection, 100)
    assert maker.behind() < 250
    connection.close()


async def test_the_recorder_writes_keyframes_while_it_is_idle(tmp_path: Path) -> None:
    engine = FakeEngine()
    path = tmp_path / "a.db"
    async with record(engine, path) as recorder:
        engine.emit(*[answered(f"{n}") for n in range(keyframe.EVERY + 1)])
        await recorder.flushed()
        connection = schema.connect(path)

        async def made() -> bool:
            return bool(connection.execute("SELECT count(*) FROM keyframes").fetchone()[0])

        await until_async(made)
        connection.close()


NOT_STORED = {
    "roster_version", "state_version", "dead_letters_version",  # count from zero in each process
    "base_totals", "_base_of",  # stored together as `totals`
}  # fmt: skip


def test_a_new_field_of_the_board_is_stored_or_is_listed_here() -> None:
    stored = set(keyframe._Board.__struct_fields__) | set(keyframe._COUNTERS)
    assert set(vars(Board())) - NOT_STORED == stored - {"counters", "totals"}
