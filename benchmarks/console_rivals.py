"""Programs that the console is compared with: `python benchmarks/console_rivals.py WHICH ARGUMENT`.

`trivial SECONDS` is a Textual app with one Static, whose text changes every so many seconds (0: never).
`table FILE` follows a recording as the console does and shows its adapters in Textual's own DataTable.
"""

from __future__ import annotations

import asyncio
import sys

from textual.app import App, ComposeResult
from textual.widgets import DataTable, Static

from fuseboard_console.app.polling import POLL
from fuseboard_storage import Tail
from fuseboard_storage.board.board import AdapterKey, AdapterRow

COLUMNS = ("adapter", "state", "calls", "ok %", "probes", "last error")


class Trivial(App[None]):
    """Shows that it is painted, and how often."""

    def __init__(self, every: float) -> None:
        super().__init__()
        self._every = every
        self._times = 0
        self._text = Static("painted", markup=False)

    def compose(self) -> ComposeResult:
        """Yield the one widget."""
        yield self._text

    def on_mount(self) -> None:
        """Start changing."""
        if self._every:
            self.set_interval(self._every, self.change)

    def change(self) -> None:
        """Show the next number."""
        self._times += 1
        self._text.update(f"painted {self._times}")


class Table(App[None]):
    """Shows each adapter in a row, and updates the cells that changed."""

    def __init__(self, file: str) -> None:
        super().__init__()
        self._file = file
        self._table: DataTable[str] = DataTable()
        self._shown: dict[AdapterKey, tuple[str, ...]] = {}

    def compose(self) -> ComposeResult:
        """Yield the table."""
        yield self._table

    def on_mount(self) -> None:
        """Start following the recording."""
        for name in COLUMNS:
            self._table.add_column(name, key=name, width=16)
        self.run_worker(self.follow())

    async def follow(self) -> None:
        """Poll the recording as often as the console does."""
        async with Tail.open(self._file) as tail:
            while True:
                if await tail.advance():
                    for key, row in tail.board.adapters.items():
                        self.show(key, cells(row))
                await asyncio.sleep(POLL)

    def show(self, key: AdapterKey, new: tuple[str, ...]) -> None:
        """Update the cells of an adapter that changed."""
        old = self._shown.get(key)
        if old is None:
            self._table.add_row(*new, key=key.adapter)
        elif old != new:
            for column, before, after in zip(COLUMNS, old, new, strict=True):
                if before != after:
                    self._table.update_cell(key.adapter, column, after)
        self._shown[key] = new


def cells(row: AdapterRow) -> tuple[str, ...]:
    """Return the cells of an adapter's row."""
    share = "" if row.success_rate is None else f"{row.success_rate:.0%}"
    probes = f"{row.probe_successes}/{row.needed}" if row.needed else ""
    return row.name, row.state, f"{row.calls}", share, probes, row.last_error


if __name__ == "__main__":
    which, argument = sys.argv[1:]
    (Table(argument) if which == "table" else Trivial(float(argument))).run()
