"""An open recording file: runs queries on it, whatever its version, and follows it when a writer opens it."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
from collections.abc import Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from fuseboard_storage.board.rows import Entry
from fuseboard_storage.recording import slices
from fuseboard_storage.sqlite import schema
from fuseboard_storage.sqlite.connection import (
    ReadingMode,
    ThreadedConnection,
    connected,
    damaged,
    reading_mode,
    still_immutable,
    translate_query_errors,
)
from fuseboard_storage.tables import events as event_rows


class OpenFile:
    """The file of a `Recording` and the connection to it.

    Args:
        path: The file.
        connection: The connection.
        identity: The result of `schema.identity_of` when the file was opened.
        mode: How it was opened.
        stack: Closes the connections at the end.
    """

    def __init__(
        self,
        path: Path,
        connection: ThreadedConnection,
        identity: tuple[int, int] | None,
        mode: ReadingMode,
        stack: contextlib.AsyncExitStack,
    ) -> None:
        self.path = path
        self._connection = connection
        self._identity = identity
        self._mode = mode
        self._stack = stack
        self._table: event_rows.EventTable | None = None
        self._reopening = asyncio.Lock()

    async def _has_tables(self) -> bool:
        """Return whether the recording has tables yet. Raise `RecordingError` if they are of a newer version."""
        return await self._event_table() is not None

    async def _event_table(self) -> event_rows.EventTable | None:
        """Return the SQL for this recording's version; None while it has no tables.

        The version is read again until it is the current one, because an engine may migrate the file at any time.
        """
        if self._table is not event_rows.CURRENT:
            version = (await self._rows("PRAGMA user_version"))[0][0]
            schema.check_version(self.path.name, version)
            self._table = event_rows.table_of(version) if version else None
        return self._table

    async def _events(self) -> str:
        table = await self._event_table()
        return event_rows.CURRENT.name if table is None else table.name

    async def _rows_if_any(self, sql: str, values: Iterable[Any] = ()) -> list[tuple[Any, ...]]:
        """Return the rows of a query; none while the recording has no tables."""
        return await self._rows(sql, values) if await self._has_tables() else []

    async def state_slices(
        self, adapter: str, instances: Sequence[int], since: int, until: int, each: int
    ) -> list[tuple[int, str, int]]:
        """Return an adapter's changes of state in order, each new state once in a slice: its last time, and how often.

        Args:
            adapter: The adapter's name.
            instances: The engine instances that have it.
            since: UTC microseconds; the last change before it is included.
            until: The end of the time, exclusive.
            each: The length of a slice, in microseconds.
        """
        if (table := await self._event_table()) is None:
            return []
        return await slices.state_slices(self._rows, table, adapter, instances, since, until, each)

    async def answered_slices(self, since: int, until: int, each: int) -> list[slices.Answered | None]:
        """Return how many tasks an adapter answered, and how many tasks ended, in slices of `each` microseconds.

        None stands for a slice that is not known: a recording is read up to a limit, or is of an earlier version.
        """
        if (table := await self._event_table()) is None:
            return []
        return await slices.answered_slices(self._rows, table, since, until, each)

    async def _current(self) -> ThreadedConnection:
        """Return the connection. One to an immutable file is replaced once a writer opens the file or changed it."""
        if self._mode.of is None or still_immutable(self.path, self._mode):
            return self._connection
        async with self._reopening:
            mode = reading_mode(self.path)
            # A file that is gone or was replaced is still read, like one that is not immutable.
            if mode != self._mode and schema.identity_of(self.path) == self._identity:
                if self._table is not None and schema.inspect(self.path) == "empty":
                    raise damaged(self.path, "it was truncated")
                # The other connection stays open: queries may still use it.
                self._connection = await self._stack.enter_async_context(connected(self.path, mode.uri))
                self._mode = mode
        return self._connection

    async def _rows(self, sql: str, values: Iterable[Any] = ()) -> list[tuple[Any, ...]]:
        connection = await self._current()
        with translate_query_errors(self.path):
            return await connection.rows(sql, values)

    async def _entries(self, sql: str, values: Iterable[Any]) -> list[Entry]:
        connection = await self._current()
        with translate_query_errors(self.path):
            return await connection.run(partial(_read_entries, sql, tuple(values)))


def _read_entries(sql: str, values: tuple[Any, ...], connection: sqlite3.Connection) -> list[Entry]:
    """Return the entries of a query, decoded in the connection's thread."""
    cursor = connection.execute(sql, values)
    cursor.row_factory = event_rows.entry_of
    return cursor.fetchall()
