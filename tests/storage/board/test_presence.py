"""An engine's presence (alive, silent or ended) as a pure function of its row."""

import pytest

from fuseboard_engine.events import LOST, EngineStarted
from fuseboard_storage.board.board import Board, Entry
from fuseboard_storage.board.presence import SILENT_AFTER, Presence, age_of, killed, last_sign, presence
from fuseboard_storage.board.rows import InstanceRow

START = 1_000_000_000


def engine(*, ended_at: int | None = None, reason: str = "", gone: bool = False) -> InstanceRow:
    row = InstanceRow(1, "checkout", "web-1", 7, START)
    row.ended_at, row.reason, row.gone = ended_at, reason, gone
    return row


@pytest.mark.parametrize(
    ("row", "after", "expected"),
    [
        (engine(), 0, "live"),
        (engine(), SILENT_AFTER, "live"),
        (engine(), SILENT_AFTER + 1, "silent"),
        (engine(gone=True), 0, "silent"),
        (engine(ended_at=START, reason="closed"), 0, "ended"),
        (engine(ended_at=START, reason=LOST), 0, "silent"),
    ],
)
def test_presence_follows_from_heartbeat_end_and_process(row: InstanceRow, after: int, expected: Presence) -> None:
    assert presence(row, START + after) == expected


def test_a_heartbeat_from_the_future_is_live() -> None:
    assert presence(engine(), START - 1) == "live"
    assert presence(engine(), START - SILENT_AFTER) == "live"
    assert age_of(engine(), START - 1) == 0.0


def test_a_heartbeat_far_ahead_is_left_from_before_the_clock_was_set_back() -> None:
    assert presence(engine(), START - SILENT_AFTER - 1) == "silent"


def test_a_running_engine_is_live_after_the_clock_was_set_back() -> None:
    board = Board()
    board.apply(Entry(1, 1, EngineStarted(at=START, name="checkout", host="web-1", pid=7)))
    board.heartbeat(1, START - 3_600_000_000)
    assert presence(board.instances[1], START - 3_600_000_000) == "live"


def test_the_end_event_counts_as_a_sign_of_life() -> None:
    row = engine(ended_at=START + 5_000_000)
    assert last_sign(row) == START + 5_000_000
    assert age_of(row, START + 6_000_000) == 1.0


def test_an_engine_is_killed_when_its_process_is_gone_or_it_was_found_dead() -> None:
    assert killed(engine(gone=True))
    assert killed(engine(ended_at=START, reason=LOST))
    assert not killed(engine(ended_at=START, reason="closed"))
