"""Follow a recording live: a Board that grows, and what is known of the engines behind it."""

from __future__ import annotations

import contextlib
import enum
import os
import sqlite3
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from fuseboard_engine.runtime.clock import wall_clock
from fuseboard_storage.board.board import Board, Entry
from fuseboard_storage.board.presence import presence
from fuseboard_storage.errors import RecordingError
from fuseboard_storage.recording.recording import SLICE, Recording
from fuseboard_storage.sqlite import schema
from fuseboard_storage.tables.instances import mark_dead
from fuseboard_storage.tables.keyframes import EVERY


class ConnectionState(enum.Enum):
    """What a recording says of its engines."""

    EMPTY = "empty"  # no engine has written yet
    LIVE = "live"  # at least one is alive
    SILENT = "silent"  # one should be there, but gives no sign
    ENDED = "ended"  # all ended in an orderly way, or are known to be dead
    MISSING = "missing"  # the file is gone


class TailStatus(NamedTuple):
    """The connection to the engines of a recording.

    `trouble` says why the file could not be read the last time, and is empty while it can.
    """

    state: ConnectionState = ConnectionState.EMPTY
    trouble: str = ""


class Tail:
    """Follows one recording. Made by `Tail.open`; call `advance` as often as the screen should be fresh."""

    def __init__(self, path: Path, now: Callable[[], int]) -> None:
        self.path = path
        self.board = Board()
        """The Board as of the last `advance`; another object after the file was replaced."""
        self.status = TailStatus()
        """What the last `advance` found out about the engines."""
        self.recording: Recording | None = None
        """The open recording, to ask commands of; None while the file is missing, or another is in its place."""
        self.on_entries: Callable[[Sequence[Entry]], object] | None = None
        """Is given the entries that are taken in, in order; then each is, however many have come meanwhile."""
        self._now = now
        self._stack = contextlib.AsyncExitStack()
        self._identity: tuple[int, int] | None = None
        self._behind = 0
        self._due = True  # whether something was written that the Board may lack

    @classmethod
    @contextlib.asynccontextmanager
    async def open(cls, path: str | os.PathLike[str], *, now: Callable[[], int] = wall_clock) -> AsyncIterator[Tail]:
        """Follow the recording at `path`, from its present state on.

        Args:
            path: The file; it may be empty still.
            now: UTC microseconds.

        Raises:
            RecordingError: As for `Recording.open`.
        """
        tail = cls(Path(path).absolute(), now)  # noqa: ASYNC240 - asks the disk nothing
        try:
            await tail._open()
            yield tail
        finally:
            await tail._stack.aclose()

    async def advance(self) -> bool:
        """Take in what was recorded since the last time; it costs next to nothing when nothing was.

        Returns:
            True when the Board or the connection changed; that an engine goes on to live is no change. A file that is
            gone, replaced by a foreign one, or can't be read now, raises nothing: `status` says so, and the Board
            stays as it was.
        """
        try:
            moved = await self._follow()
            # A process that was killed changes no file.
            moved = mark_dead(self.board.instances.values(), self._now()) or moved
            trouble = ""
        except (RecordingError, sqlite3.Error, OSError) as error:
            moved = False
            trouble = str(error)
        return self._judge(trouble) or moved

    async def behind(self) -> int:
        """Return how many entries were recorded that the Board has not taken in."""
        recording = self.recording
        if recording is not None and not recording.unchanged():
            self._due = True
            self._behind = max(0, await recording.last_seq() - self.board.seq)
        return self._behind

    async def _follow(self) -> bool:
        identity = schema.identity_of(self.path)
        moved = identity is not None and identity != self._identity
        if identity != self._identity:
            await self._stack.aclose()
            self.recording = self._identity = None  # until another is open: what can't be opened is tried again
            if identity is not None:
                await self._open()
        recording = self.recording
        if recording is None:
            return False
        due, self._due = self._due, True  # until all is taken in: what fails half-way is tried again
        if recording.unchanged() and not due:
            self._due = False
            return moved
        newest, beats = await recording.head()
        if self.on_entries is None and newest - self.board.seq > 2 * EVERY:
            self.board = await recording.board()
            moved = True
        while self.board.seq < newest and (part := await recording.slice(self.board.seq, SLICE)):
            for entry in part:
                self.board.apply(entry)
            if self.on_entries is not None:
                self.on_entries(part)
            moved = True
        for instance, at in beats.items():
            self.board.heartbeat(instance, at)
        self._due, self._behind = False, 0
        return moved

    async def _open(self) -> None:
        identity = schema.identity_of(self.path)
        self.recording = await self._stack.enter_async_context(Recording.open(self.path))
        self._identity = identity
        self.board = Board()
        self._due, self._behind = True, 0

    def _judge(self, trouble: str) -> bool:
        """Note how the engines stand, and why the file can't be read; return whether that is another than before."""
        was, self.status = self.status, TailStatus(self._state(self._now()), trouble)
        return self.status != was

    def _state(self, now: int) -> ConnectionState:
        rows = self.board.instances.values()
        if self.recording is None:
            return ConnectionState.MISSING
        if not rows:
            return ConnectionState.EMPTY
        if any(presence(row, now) == "live" for row in rows):
            return ConnectionState.LIVE
        running = any(row.ended_at is None for row in rows)
        return ConnectionState.SILENT if running else ConnectionState.ENDED
