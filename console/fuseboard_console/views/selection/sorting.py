"""Compares adapters, for each column of the table."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

from fuseboard_console.text.formatting import SECOND
from fuseboard_console.views.adapters.adapter_view import RATE_SECONDS, SHARE_SECONDS, down_since
from fuseboard_console.views.adapters.chain_positions import ChainPosition
from fuseboard_storage.board.board import AdapterRow, InstanceRow
from fuseboard_storage.board.histogram import merge, percentile
from fuseboard_storage.board.metrics import AdapterSecond


class Sort(NamedTuple):
    """The sort column, and whether its usual direction is reversed."""

    column: str = "state"
    reverse: bool = False


HIGHEST_FIRST = frozenset(
    {"state", "inflight", "rate", "p50", "p95", "p99", "rejected", "spark", "down", "since", "error"}
)
"""The columns that begin with the highest, the newest or the worst, unless the order is reversed."""


def is_descending(sort: Sort) -> bool:
    """Whether an order goes from the highest down: what the mark at the column's title says."""
    return (sort.column in HIGHEST_FIRST) is not sort.reverse


BY_STATE = Sort()
"""The most troubled first."""

Value = float | str | tuple[str, ...] | tuple[ChainPosition, ...] | None
"""The value by which adapters are compared, least first. None is last in either direction."""
Key = Callable[[AdapterRow, InstanceRow | None, tuple[ChainPosition, ...]], Value]
"""Given a row, its engine, and its places in the chains."""
Windowed = Callable[[AdapterRow, int], Value]
"""Given a row and now (UTC microseconds): what is counted over the last seconds, and so costs something."""


def _newest_outage(row: AdapterRow) -> int | None:
    began = down_since(row)
    return None if began is None else -began


PLAIN_KEYS: dict[str, Key] = {
    "inflight": lambda row, instance, places: -row.in_flight,
    "budget": lambda row, instance, places: row.budget,
    "chain": lambda row, instance, places: places or None,
    "next": lambda row, instance, places: row.until,
    "down": lambda row, instance, places: _newest_outage(row),
    "since": lambda row, instance, places: -row.since,
    "error": lambda row, instance, places: None if row.last_failure is None else -row.last_failure,
    "engine": lambda row, instance, places: instance.label.casefold() if instance else None,
    "tags": lambda row, instance, places: tuple(tag.casefold() for tag in row.tags) or None,
}
"""The columns whose values are at hand. Names decide among equals, and `state` goes by how much a person is needed."""


def _spans(row: AdapterRow, now: int, seconds: int) -> Iterator[AdapterSecond]:
    """Yield an adapter's complete seconds that are no older than the given number."""
    last = now - now % SECOND
    first = last - seconds * SECOND
    for span in reversed(row.seconds):
        if span.at < first:
            return
        if span.at < last:
            yield span


def _rate(row: AdapterRow, now: int) -> float:
    elapsed = min(RATE_SECONDS, max(1.0, (now - now % SECOND - row.added_at) / SECOND))
    return -sum(span.calls for span in _spans(row, now, RATE_SECONDS)) / elapsed


def _success_rate(row: AdapterRow, now: int) -> float | None:
    good = bad = 0
    for span in _spans(row, now, SHARE_SECONDS):
        good += span.successes
        bad += span.failures
    return good / (good + bad) if good + bad else None


def _latency(share: float) -> Windowed:
    def value(row: AdapterRow, now: int) -> float | None:
        seconds = percentile(merge(span.latency for span in _spans(row, now, SHARE_SECONDS)), share)
        return None if seconds is None else -seconds

    return value


WINDOWED: dict[str, Windowed] = {
    "rate": _rate,
    "ok": _success_rate,
    "p50": _latency(0.50),
    "p95": _latency(0.95),
    "p99": _latency(0.99),
    "rejected": lambda row, now: -sum(span.rejections for span in _spans(row, now, SHARE_SECONDS)),
    "spark": lambda row, now: -sum(span.calls for span in row.seconds),
}
"""The columns whose values are recounted from the last seconds."""
