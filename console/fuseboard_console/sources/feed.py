"""The protocols through which the console reads a recording and sends commands. It never holds an engine."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import Any, Protocol

from fuseboard_storage.board.board import AdapterKey, Board
from fuseboard_storage.errors import RecordingError
from fuseboard_storage.recording.file_change import FileChange
from fuseboard_storage.recording.recording import Recording
from fuseboard_storage.tables.commands import CommandStatus

FEED_ERRORS = (sqlite3.Error, OSError, RecordingError)
"""The errors that reading or writing a recording may raise."""


class Feed(Protocol):
    """A source of the Board: a live recording, a replay, or a test's list of events."""

    @property
    def board(self) -> Board:
        """The Board as of the last `advance`."""
        ...

    @property
    def recording(self) -> Recording | None:
        """The recording, for what the Board does not hold; None while there is no file."""
        ...

    @property
    def trouble(self) -> str:
        """Why the feed cannot be read now, as a sentence of safe text; empty if it can."""
        ...

    @property
    def file_change(self) -> FileChange | None:
        """What happened to the file that was followed before; None while the first one is followed."""
        ...

    async def advance(self) -> bool:
        """Apply new events to the Board; return whether there were any."""
        ...

    async def behind(self) -> int:
        """Return the number of events that are not applied yet."""
        ...


class Mailbox(Protocol):
    """Takes operators' commands and returns their statuses. A recording is a mailbox."""

    async def ask_many(
        self,
        verb: str,
        targets: Sequence[AdapterKey],
        *,
        actor: str,
        args: dict[str, Any] | None = None,
        expires_in: float = ...,
    ) -> list[int]:
        """Write one command for each target, all or none; return their numbers in the order of the targets.

        A target without an adapter's name means all adapters of its engine. A command that no engine takes within
        `expires_in` seconds expires.
        """
        ...

    async def statuses(self, ids: Sequence[int]) -> dict[int, CommandStatus]:
        """Return the statuses of commands by number, without those that do not exist."""
        ...
