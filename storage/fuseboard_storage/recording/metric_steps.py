"""The metrics of a recording per adapter and step of time, with rates and quantiles."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import isfinite
from typing import Final

from fuseboard_storage.board.histogram import percentile
from fuseboard_storage.board.metrics import SECOND, AdapterSecond
from fuseboard_storage.recording.event_query import Moment, microseconds
from fuseboard_storage.tables.events import Query
from fuseboard_storage.tables.metrics import COLUMNS, FIRST_ITEM_SINCE, OLDER_COLUMNS, RESOLUTIONS, span_of
from fuseboard_storage.tables.storable import stored_name

_END: Final = 2**63 - 1


@dataclass(frozen=True, slots=True)
class AdapterMetrics:
    """What one adapter did in one step of time."""

    at: int
    """The start of the step, UTC microseconds."""
    seconds: float
    """The length of the step, in seconds."""
    adapter: str
    calls: int
    """The calls made: successes, failures, and calls that were ignored or cancelled."""
    successes: int
    failures: int
    timeouts: int
    """The failures that were timeouts."""
    rejections: int
    """The attempts that were refused without a call, for example by an open breaker."""
    latency: dict[int, int]
    """The histogram of the calls' durations: the number of calls by bucket."""
    first_item: dict[int, int]
    """The histogram of the times until a stream's first item."""

    @property
    def rate(self) -> float:
        """Calls per second."""
        return self.calls / self.seconds if self.seconds > 0 else 0.0

    @property
    def success_rate(self) -> float | None:
        """The share of successes among successes and failures, 0 to 1; None without either."""
        judged = self.successes + self.failures
        return self.successes / judged if judged else None

    @property
    def p50(self) -> float | None:
        """The median duration of a call in seconds; None without calls."""
        return self.quantile(0.5)

    @property
    def p95(self) -> float | None:
        """The duration in seconds that 95 % of the calls did not exceed; None without calls."""
        return self.quantile(0.95)

    @property
    def p99(self) -> float | None:
        """The duration in seconds that 99 % of the calls did not exceed; None without calls."""
        return self.quantile(0.99)

    def quantile(self, share: float) -> float | None:
        """Return the duration in seconds that a share (0 to 1) of the calls did not exceed; None without calls.

        Raises:
            ValueError: The share is not between 0 and 1.
        """
        if not 0 <= share <= 1:
            raise ValueError(f"The share is {share!r}; it must be between 0 and 1.")
        return percentile(self.latency, share)


async def adapter_metrics(
    query: Query,
    adapter: str | None,
    since: Moment | None,
    until: Moment | None,
    step: float | None,
    instances: Sequence[int],
) -> list[AdapterMetrics]:
    """Return metrics as `Recording.metrics` does. `query` runs SQL on the recording.

    Raises:
        ValueError: The step is shorter than one second, or not finite.
    """
    if step is not None and not (step >= 1 and isfinite(step)):
        raise ValueError(f"The step is {step!r}; it must be a number of seconds of 1 or more.")
    first = -_END if since is None else microseconds(since)
    end = _END if until is None else microseconds(until)
    version = await query("PRAGMA user_version", ())
    columns = OLDER_COLUMNS if version and version[0][0] < FIRST_ITEM_SINCE else COLUMNS
    only = "" if adapter is None else " AND adapter = ?"
    if instances:
        only += f" AND instance IN ({', '.join(f'{id_:d}' for id_ in instances)})"
    values = (first, end) if adapter is None else (first, end, stored_name(adapter))
    cells: dict[tuple[int, int, str], AdapterSecond] = {}
    latest: dict[str, tuple[int, int]] = {}
    # Coarse spans first: one that overlaps finer spans, because it was rolled up in part, takes their counts.
    lengths = [max(resolution * SECOND, round((step or 0) * SECOND)) for resolution in reversed(RESOLUTIONS)]
    for resolution, length in zip(reversed(RESOLUTIONS), lengths, strict=True):
        sql = f"""SELECT {columns} FROM metrics
            WHERE resolution = {resolution} AND at >= ? AND at < ?{only} ORDER BY at"""
        for row in await query(sql, values):
            span = span_of(row)
            name = span.adapter
            before, last = latest.get(name, (span.at, span.at))
            latest[name] = min(before, span.at), max(last, span.at + resolution * SECOND)
            key = _cell_of(cells, span, lengths, length) if step is not None else (0, 0, name)
            cell = cells.get(key)
            if cell is None:
                cell = cells[key] = AdapterSecond(key[0], name)
            cell.merge(span)
    found = []
    for (at, length, name), cell in cells.items():
        if step is None:
            at, last = latest[name]
            length = last - at
        found.append(
            AdapterMetrics(
                at=at,
                seconds=length / SECOND,
                adapter=name,
                calls=cell.calls,
                successes=cell.successes,
                failures=cell.failures,
                timeouts=cell.timeouts,
                rejections=cell.rejections,
                latency=dict(sorted(cell.latency.items())),
                first_item=dict(sorted(cell.first_item.items())),
            )
        )
    return sorted(found, key=lambda row: (row.at, row.adapter))


def _cell_of(
    cells: dict[tuple[int, int, str], AdapterSecond], span: AdapterSecond, lengths: Sequence[int], length: int
) -> tuple[int, int, str]:
    """Return the key of the step that a span belongs to: a longer one that is there already, or its own."""
    for longer in lengths:
        key = span.at - span.at % longer, longer, span.adapter
        if longer == length or key in cells:
            return key
    raise AssertionError("not reached")
