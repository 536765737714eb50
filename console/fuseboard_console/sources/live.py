"""A live recording as the console's feed and mailbox."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fuseboard_console.sources.follow import trouble_of
from fuseboard_storage.board.board import AdapterKey, Board
from fuseboard_storage.errors import RecordingError
from fuseboard_storage.recording.recording import Recording
from fuseboard_storage.recording.tail import Tail
from fuseboard_storage.tables.commands import CommandStatus


class LiveRecording:
    """Follows a recording, and carries commands to it, also when its file was replaced meanwhile."""

    def __init__(self, tail: Tail) -> None:
        self._tail = tail
        self._asked: Recording | None = None  # what was asked last

    @property
    def board(self) -> Board:
        """The Board as of the last `advance`."""
        return self._tail.board

    @property
    def recording(self) -> Recording | None:
        """The recording that is followed; None while its file is gone."""
        return self._tail.recording

    @property
    def trouble(self) -> str:
        """Why the file can't be followed just now, as a sentence; empty when it can."""
        return trouble_of(self._tail)

    async def advance(self) -> bool:
        """Take in what came since; return whether anything did."""
        return await self._tail.advance()

    async def behind(self) -> int:
        """Return how many events wait to be taken in."""
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
        """Ask engines to do something; see `Recording.ask_many`."""
        recording = self._asked = self._recording()
        return await recording.ask_many(verb, targets, actor=actor, args=args, expires_in=expires_in)

    async def statuses(self, ids: Sequence[int]) -> dict[int, CommandStatus]:
        """Return what has become of commands; of those that were asked of another file that stood here, nothing."""
        recording = self._recording()
        return await recording.statuses(ids) if recording is self._asked else {}

    def _recording(self) -> Recording:
        if self._tail.recording is None:
            raise RecordingError(f"{self._tail.path.name} is gone.", "Try again when it is back.")
        return self._tail.recording
