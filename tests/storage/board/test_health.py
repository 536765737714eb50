"""Health checks and held trips on the Board."""

from __future__ import annotations

from fuseboard_engine.events import (
    AdapterAdded,
    Attempt,
    Event,
    HealthAlert,
    HealthChecked,
    RouteFinished,
    StateChanged,
    TripSuppressed,
)
from fuseboard_storage.board.board import AdapterKey, AdapterRow, Board, Entry
from fuseboard_storage.tables.keyframes import dump, load


def row(*events: Event) -> AdapterRow:
    board = Board()
    for number, event in enumerate(events, 1):
        board.apply(Entry(number, 1, event))
    return load(dump(board)).adapters[AdapterKey(1, "a")]  # a keyframe must not lose any of it


def checked(at: int, status: str, detail: str = "") -> HealthChecked:
    return HealthChecked(at=at, adapter="a", status=status, detail=detail)


def test_an_adapter_that_is_never_checked_has_no_health() -> None:
    seen = row(AdapterAdded(at=1, adapter="a", policy={}))
    assert (seen.health, seen.health_at, seen.health_alert, seen.held) == ("", None, 0, "")


def test_the_board_keeps_the_last_change_of_health_with_its_reason_and_time() -> None:
    seen = row(checked(1, "healthy"), checked(2, "unhealthy", "refused"))
    assert (seen.health, seen.health_detail, seen.health_at) == ("unhealthy", "refused", 2)


def test_an_alert_lasts_until_a_check_passes() -> None:
    alert = HealthAlert(at=3, adapter="a", failures=3, detail="refused")
    assert row(checked(1, "unhealthy"), alert).health_alert == 3
    assert row(checked(1, "unhealthy"), alert, checked(4, "degraded")).health_alert == 0


def test_a_suppressed_trip_lasts_until_a_success_or_a_change_of_state() -> None:
    held = TripSuppressed(at=1, adapter="a", reason="failures", detail="5 failures in a row; it stays closed")
    good = Attempt(adapter="a", outcome="success", number=1)
    route = RouteFinished(at=2, task="t", task_type="", success=True, adapter="a", attempts=(good,))
    opened = StateChanged(at=2, adapter="a", before="closed", after="open", reason="failures")
    assert row(held).held == "5 failures in a row; it stays closed"
    assert row(held, route).held == row(held, opened).held == ""
