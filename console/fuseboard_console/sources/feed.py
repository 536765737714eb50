"""What the console needs of a recording. It never holds an engine."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import Any, Protocol

from fuseboard_storage.board.board import AdapterKey, Board
from fuseboard_storage.errors import RecordingError
from fuseboard_storage.recording.recording import Recording
from fuseboard_storage.tables.commands import CommandStatus

TROUBLE = (sqlite3.Error, OSError, RecordingError)
"""What can be wrong with the file when it is asked or looked at."""


class Feed(Protocol):
    """Where the Board comes from: a live recording, a replay, or a test's list of events."""

    @property
    def board(self) -> Board:
        """The Board as of the last `advance`."""
        ...

    @property
    def recording(self) -> Recording | None:
        """Where pages read what the Board doesn't have; None: there is no file, or not just now."""
        ...

    @property
    def trouble(self) -> str:
        """Why the feed can't be followed just now, as a sentence of safe text; empty when it can."""
        ...

    async def advance(self) -> bool:
        """Take in what came since; return whether anything did."""
        ...

    async def behind(self) -> int:
        """Return how many events wait to be taken in."""
        ...


class Mailbox(Protocol):
    """Where operators' commands go, and where their outcome is read; a recording is one."""

    async def ask_many(
        self,
        verb: str,
        targets: Sequence[AdapterKey],
        *,
        actor: str,
        args: dict[str, Any] | None = None,
        expires_in: float = ...,
    ) -> list[int]:
        """Ask engines to do something to adapters (no name: to all of an engine) within `expires_in` seconds.

        All of it is asked or nothing. Returns the commands' numbers, in the order of the targets.
        """
        ...

    async def statuses(self, ids: Sequence[int]) -> dict[int, CommandStatus]:
        """Return what has become of commands, by their numbers; those that there are not are missing."""
        ...
