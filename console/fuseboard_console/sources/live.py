"""A live recording as the console's feed and mailbox."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fuseboard_console.sources.follow import trouble_of
from fuseboard_storage.board.board import AdapterKey, Board
from fuseboard_storage.errors import RecordingError
from fuseboard_storage.recording.file_change import FileChange
from fuseboard_storage.recording.recording import Recording
from fuseboard_storage.recording.tail import Tail
from fuseboard_storage.tables.commands import CommandStatus


class LiveRecording:
    """Follows a recording and writes commands to it, even after its file was replaced."""

    def __init__(self, tail: Tail) -> None:
        self._tail = tail
        self._commanded: Recording | None = None  # the recording that the last commands were written to

    @property
    def board(self) -> Board:
        """The Board as of the last `advance`."""
        return self._tail.board

    @property
    def recording(self) -> Recording | None:
        """The recording that is followed; None while its file is missing."""
        return self._tail.recording

    @property
    def trouble(self) -> str:
        """Why the file cannot be read now, as a sentence; empty if it can."""
        return trouble_of(self._tail)

    @property
    def file_change(self) -> FileChange | None:
        """What happened to the file that was followed before; None while the first one is followed."""
        return self._tail.file_change

    async def advance(self) -> bool:
        """Apply new events to the Board; return whether there were any."""
        return await self._tail.advance()

    async def behind(self) -> int:
        """Return the number of events that are not applied yet."""
        return await self._tail.behind()

    async def ask_many(
        self,
        verb: str,
        targets: Sequence[AdapterKey],
        *,
        actor: str,
        args: dict[str, Any] | None = None,
        expires_in: float = 10.0,
    ) -> list[int]:
        """Write commands; see `Recording.ask_many`."""
        recording = self._commanded = self._recording()
        return await recording.ask_many(verb, targets, actor=actor, args=args, expires_in=expires_in)

    async def statuses(self, ids: Sequence[int]) -> dict[int, CommandStatus]:
        """Return the statuses of commands; none for commands written to a file that was replaced since."""
        recording = self._recording()
        return await recording.statuses(ids) if recording is self._commanded else {}

    def _recording(self) -> Recording:
        if self._tail.recording is None:
            raise RecordingError(f"{self._tail.path.name} is missing.", "Try again when it is back.")
        return self._tail.recording
