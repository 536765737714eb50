"""In which order the adapters stand: by any column, up or down."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from fuseboard_console.views.times import SECOND
from fuseboard_storage.board import AdapterRow, InstanceRow, Totals

RECENT = 60
"""Over how many seconds rates and latencies are compared."""


class Sort(NamedTuple):
    """By which column, and whether its usual direction is turned round."""

    column: str = "state"
    turned: bool = False


Key = Callable[[AdapterRow, InstanceRow | None, int], float | str]
"""Given a row, its engine and now (UTC microseconds): what it is compared by; least first."""


def _highest(value: float | None) -> float:
    return 0.0 if value is None else -value


_KEYS: dict[str, Key] = {
    "name": lambda row, instance, now: "",  # names decide among equals
    "rate": lambda row, instance, now: -row.totals(now - now % SECOND - 1, 10).rate,
    "ok": lambda row, instance, now: 2.0 if (ok := _recent(row, now).success_rate) is None else ok,
    "p50": lambda row, instance, now: _highest(_recent(row, now).p50),
    "p95": lambda row, instance, now: _highest(_recent(row, now).p95),
    "p99": lambda row, instance, now: _highest(_recent(row, now).p99),
    "rejected": lambda row, instance, now: -_recent(row, now).rejections,
    "spark": lambda row, instance, now: -sum(span.calls for span in row.seconds),
    "next": lambda row, instance, now: float("inf") if row.until is None else row.until,
    "since": lambda row, instance, now: -row.since,
    "error": lambda row, instance, now: -(row.last_failure or 0),
    "engine": lambda row, instance, now: instance.label.casefold() if instance else "",
}


def _recent(row: AdapterRow, now: int) -> Totals:
    return row.totals(now - now % SECOND - 1, RECENT)


def key_of(column: str) -> Key | None:
    """Return what adapters are compared by in a column; None: by how much they need a person."""
    return _KEYS.get(column)
