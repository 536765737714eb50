"""The Board's versions: each event type increments those of what it changes, so that a screen redraws only that."""

from __future__ import annotations

import pytest

from fuseboard_engine.events import (
    AdapterAdded,
    AdapterRemoved,
    CallOverdue,
    CommandDone,
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
    OverdueCallEnded,
    PreferenceSet,
    ProbeChanged,
    ShutdownChanged,
    ThreadsStuck,
    TripSuppressed,
    WaitExtended,
)
from fuseboard_storage.board.board import Board, Entry
from support.fake_engine import NOON, answered, failed, opened

STARTED = EngineStarted(at=NOON, name="checkout", host="web-1", pid=7)
KNOWN = [STARTED, AdapterAdded(at=NOON, adapter="agno", policy={}), AdapterAdded(at=NOON, adapter="prefect", policy={})]


def board_of(*events: Event) -> Board:
    board = Board()
    for seq, event in enumerate(events, start=1):
        board.apply(Entry(seq, 1, event))
    return board


def versions(board: Board) -> tuple[int, int, int]:
    return board.roster_version, board.state_version, board.dead_letters_version


@pytest.mark.parametrize(
    ("event", "roster", "state", "dead_letters"),
    [
        (EngineStarted(at=NOON, name="other", host="web-1", pid=8), 1, 0, 0),
        (EngineStopped(at=NOON), 0, 1, 0),
        (AdapterAdded(at=NOON, adapter="new", policy={}), 1, 0, 0),
        (AdapterRemoved(at=NOON, adapter="agno"), 1, 0, 0),
        (PreferenceSet(at=NOON, order=("agno",)), 1, 0, 0),
        (opened("prefect"), 0, 1, 0),
        (TripSuppressed(at=NOON, adapter="agno", reason="failures", detail="held"), 0, 1, 0),
        (HealthChecked(at=NOON, adapter="agno", status="healthy"), 0, 1, 0),
        (FaultInjected(at=NOON, adapter="agno", fault="hang", until=NOON + 9_000_000), 0, 1, 0),
        (FaultEnded(at=NOON, adapter="agno", fault="hang", reason="healed"), 0, 1, 0),
        (HealthAlert(at=NOON, adapter="agno", failures=3), 0, 1, 0),
        (ThreadsStuck(at=NOON, adapter="agno", stuck=1, total=1, limit=4), 0, 1, 0),
        (WaitExtended(at=NOON, adapter="agno", wait=9.0, until=NOON + 9_000_000), 0, 1, 0),
        (CallOverdue(at=NOON, adapter="agno", overdue=1, total=1), 0, 1, 0),
        (OverdueCallEnded(at=NOON, adapter="agno", seconds=2.0, overdue=0, total=0), 0, 1, 0),
        (CallOverdue(at=NOON, adapter="a hook", overdue=1, total=1), 0, 0, 0),
        (ProbeChanged(at=NOON, adapter="agno", what="admitted", in_flight=1), 0, 0, 0),
        (GaugesSampled(at=NOON, gauges={"agno": (1, 10)}), 0, 0, 0),
        (DeadLettered(at=NOON, letter=1, task="t", task_type="ai", category="transient"), 0, 0, 1),
        (DeadLetterChanged(at=NOON, letters=(1,), before="pending", status="archived"), 0, 0, 1),
        (DeadLettersCounted(at=NOON, counts={"pending": 2}), 0, 0, 1),
        (EventsDropped(at=NOON, count=3), 0, 0, 0),
        (ShutdownChanged(at=NOON, what="began", reason="SIGTERM"), 0, 0, 0),
        (CommandDone(at=NOON, command=1, verb="reset", actor="ada", ok=True, adapter="agno"), 0, 0, 0),
        (answered(), 0, 0, 0),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Event) else None,
)
def test_an_event_increments_the_versions_of_what_it_changes(
    event: Event, roster: int, state: int, dead_letters: int
) -> None:
    board = board_of(*KNOWN)
    before = versions(board)
    board.apply(Entry(len(KNOWN) + 1, 1 if not isinstance(event, EngineStarted) else 2, event))
    after = versions(board)
    assert tuple(new - old for new, old in zip(after, before, strict=True)) == (roster, state, dead_letters)


@pytest.mark.parametrize(
    "event",
    [
        opened("late"),
        HealthChecked(at=NOON, adapter="late", status="healthy"),
        answered(adapter="late"),
        failed(adapter="late"),
    ],
)
def test_the_first_mention_of_an_adapter_changes_the_roster(event: Event) -> None:
    board = board_of(*KNOWN)
    before = board.roster_version
    board.apply(Entry(4, 1, event))
    assert board.roster_version == before + 1
    assert [row.name for row in board.rows()] == ["agno", "prefect", "late"]


def test_a_count_of_failures_that_stays_the_same_changes_no_state() -> None:
    board = board_of(*KNOWN)
    before = board.state_version
    board.apply(Entry(4, 1, failed()))
    assert board.state_version == before
    counted = failed()
    attempt = counted.attempt
    attempt = type(attempt)(**{name: getattr(attempt, name) for name in attempt.__struct_fields__} | {"failures": 2})
    board.apply(Entry(5, 1, type(counted)(at=NOON, task="t", task_type="ai", attempt=attempt, then="failover")))
    assert board.state_version == before + 1
    (row,) = board.find("prefect")
    assert row.failures == 2


def test_an_entry_applied_before_changes_nothing() -> None:
    board = board_of(*KNOWN, answered())
    before = versions(board), board.tasks
    board.apply(Entry(4, 1, answered()))
    board.apply(Entry(2, 1, opened()))
    assert (versions(board), board.tasks, board.seq) == (*before, 4)


def test_the_number_of_letters_of_a_status_never_falls_below_zero() -> None:
    board = board_of(*KNOWN, DeadLetterChanged(at=NOON, letters=(1, 2), before="pending", status="exhausted"))
    assert board.dead_letters == {"pending": 0, "exhausted": 2}
    board.apply(Entry(5, 1, DeadLetterChanged(at=NOON, letters=(1,), before="exhausted", status="purged")))
    assert board.dead_letters == {"pending": 0, "exhausted": 1}
