"""Totals of all processes of one name, which stay when a process ends: of its tasks, and of each of its adapters."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from fuseboard_storage.board.rows import AdapterRow


class AdapterTotals(msgspec.Struct, gc=False):
    """The counts of one adapter over all processes of one name, since the recording began.

    `calls` counts the calls made: `successes`, `failed`, and those without a verdict. `timeouts` are among the failed
    ones. `busy` is the seconds of successful calls, `opens` how often a breaker opened. `overdue_total` counts the
    calls that went on for more than a second after their time limit.
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

    def add(self, row: AdapterRow) -> None:
        """Add what one process did: its counts without those that it continues from another one."""
        self._count(row, 1)
        if row.inherited:
            before = type(row)(row.key, row.added_at)
            before.restore_counts(row.inherited)
            self._count(before, -1)

    def _count(self, row: AdapterRow, times: int) -> None:
        for name in self.__struct_fields__:
            setattr(self, name, getattr(self, name) + times * getattr(row, name))


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
        adapters = {name: msgspec.structs.replace(totals) for name, totals in self.adapters.items()}
        return msgspec.structs.replace(self, adapters=adapters)
