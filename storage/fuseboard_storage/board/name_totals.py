"""The totals of all processes of one engine name: of its tasks and of each adapter. They stay when a process ends."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

from fuseboard_storage.board.histogram import add_histogram

if TYPE_CHECKING:
    from fuseboard_storage.board.rows import AdapterRow


class AdapterTotals(msgspec.Struct, gc=False):
    """The counts of one adapter over all processes of one name, since the recording began.

    `calls` counts the calls made: `successes`, `failed`, and those without a verdict. `timeouts` are among the failed
    ones. `busy` is the seconds of successful calls, `opens` how often a breaker opened. `overdue_total` counts the
    calls that went on for more than a second after their time limit. `duration` is the seconds of all calls that this
    recording holds, `latency` the histogram of these calls (see `fuseboard_storage.board.histogram`).
    """

    calls: int = 0
    successes: int = 0
    failed: int = 0
    timeouts: int = 0
    retries: int = 0
    rejections: int = 0
    opens: int = 0
    overdue_total: int = 0
    busy: float = 0.0
    duration: float = 0.0
    latency: dict[int, int] = {}

    def add(self, row: AdapterRow) -> None:
        """Add the counts of one process, without those that it continues from another one."""
        self._count(row, 1)
        add_histogram(self.latency, row.latency)
        if row.inherited:
            before = type(row)(row.key, row.added_at)
            before.restore_counts(row.inherited)
            self._count(before, -1)

    def _count(self, row: AdapterRow, times: int) -> None:
        for name in _COUNTS:
            setattr(self, name, getattr(self, name) + times * getattr(row, name))

    def copy(self) -> AdapterTotals:
        """Return a copy that can be added to."""
        return msgspec.structs.replace(self, latency=dict(self.latency))


_COUNTS: Final = tuple(name for name in AdapterTotals.__struct_fields__ if name != "latency")


class EngineTotals(msgspec.Struct):
    """The counts of all processes of one name: `started` processes, their tasks by outcome, and their adapters."""

    started: int = 0
    tasks: int = 0
    answered: int = 0
    degraded: int = 0
    failed_over: int = 0
    adapters: dict[str, AdapterTotals] = {}

    def adapter(self, name: str) -> AdapterTotals:
        """Return the totals of an adapter; create them when it is first mentioned."""
        found = self.adapters.get(name)
        if found is None:
            found = self.adapters[name] = AdapterTotals()
        return found

    def copy(self) -> EngineTotals:
        """Return a copy that can be added to."""
        adapters = {name: totals.copy() for name, totals in self.adapters.items()}
        return msgspec.structs.replace(self, adapters=adapters)
