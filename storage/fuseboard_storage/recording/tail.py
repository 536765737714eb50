"""Follows a recording live: an up-to-date Board, and the state of the engines that write to it."""

from __future__ import annotations

import asyncio
import contextlib
import enum
import os
import sqlite3
import time
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from typing import Final, NamedTuple

from fuseboard_engine.runtime.clock import wall_clock
from fuseboard_storage.board.board import Board, Entry
from fuseboard_storage.board.presence import note_life, presence, time_of
from fuseboard_storage.errors import RecordingError
from fuseboard_storage.recording.file_change import FileChange, find_change
from fuseboard_storage.recording.recording import SLICE, Recording
from fuseboard_storage.sqlite import schema
from fuseboard_storage.tables.instances import mark_dead
from fuseboard_storage.tables.keyframes import EVERY

_SLOW: Final = 0.5
"""Seconds of applying entries after which heartbeats are read again: those from before are old by then."""
_LONG_AGO: Final = 600.0
"""Seconds after which a Board is loaded again: ordinary routes of which it has applied a part may be counts now."""


class ConnectionState(enum.Enum):
    """The state of a recording's engines as a whole."""

    EMPTY = "empty"  # no engine has written to it yet
    LIVE = "live"  # at least one engine is alive
    SILENT = "silent"  # an engine should be running, but gives no sign of life
    ENDED = "ended"  # all engines ended in an orderly way, or were recorded as dead
    MISSING = "missing"  # the file is missing


class TailStatus(NamedTuple):
    """The result of the last `advance`: the state of the engines, and why the file could not be read (else empty)."""

    state: ConnectionState = ConnectionState.EMPTY
    trouble: str = ""


class Tail:
    """Follows one recording. Created by `Tail.open`; call `advance` as often as the Board should be updated."""

    def __init__(self, path: Path, now: Callable[[], int]) -> None:
        self.path = path
        self.board = Board()
        """The Board as of the last `advance`. Another object after the file was replaced."""
        self.status = TailStatus()
        """The status as of the last `advance`."""
        self.error: Exception | None = None
        """Why the last `advance` could not read the file; None if it could."""
        self.recording: Recording | None = None
        """The open recording, for queries and commands. None while the file is missing or is not a recording."""
        self.file_change: FileChange | None = None
        """What happened to the file that was followed before; None while the first one is followed."""
        self.on_entries: Callable[[Sequence[Entry]], object] | None = None
        """Called with the entries that are applied, in order. While set, no entry is skipped by loading a keyframe."""
        self._now = now
        self._stack = contextlib.AsyncExitStack()
        self._identity: tuple[int, int] | None = None
        self._left: tuple[int, int] | None = None  # the file of `file_change`
        self._behind = 0
        self._due = True  # whether the Board may lack entries
        self._advanced_at = time.monotonic()

    @classmethod
    @contextlib.asynccontextmanager
    async def open(cls, path: str | os.PathLike[str], *, now: Callable[[], int] = wall_clock) -> AsyncIterator[Tail]:
        """Follow the recording at `path` from its current state on.

        Args:
            path: The file; it may still be empty.
            now: UTC microseconds.

        Raises:
            RecordingError: As for `Recording.open`.
        """
        schema.refuse_missing(path)  # names the file as the caller does
        tail = cls(Path(path).absolute(), now)  # noqa: ASYNC240 - does not access the disk
        try:
            await tail._open()
            yield tail
        finally:
            await tail._stack.aclose()

    async def advance(self) -> bool:
        """Apply what was recorded since the last call. Costs next to nothing if nothing was.

        Returns:
            Whether the Board or the status changed; another heartbeat is not a change. A file that is missing, foreign
            or unreadable does not raise: `status` reports it, and the Board stays as it was.
        """
        try:
            changed = await self._follow()
            # A process that is killed does not change the file.
            changed = mark_dead(self.board.instances.values(), self._now()) or changed
            self.error = None
        except (RecordingError, sqlite3.Error, OSError) as error:
            changed = False
            self.error = error
        return self._update_status("" if self.error is None else str(self.error)) or changed

    async def read_first(self) -> None:
        """Read the recording for the first time.

        Raises:
            RecordingError: It cannot be read, for example because it is damaged.
        """
        await self.advance()
        if self.error is None:
            return
        if isinstance(self.error, RecordingError):
            raise self.error
        raise RecordingError(f"{self.path.name} cannot be read: {self.error}.", "Check the file, then try again.")

    async def behind(self) -> int:
        """Return the number of recorded entries that the Board has not applied yet."""
        recording = self.recording
        if recording is not None and not recording.unchanged():
            self._due = True
            self._behind = max(0, await recording.last_seq() - self.board.seq)
        return self._behind

    async def _follow(self) -> bool:
        identity = schema.identity_of(self.path)
        changed = identity is not None and identity != self._identity
        if identity != self._identity:
            await self._note_change(identity)
            await self._stack.aclose()
            self.recording = self._identity = None  # stays None if opening fails, so that the next call tries again
            if identity is not None:
                await self._open()
        recording = self.recording
        if recording is None:
            return False
        due, self._due = self._due, True  # reset only at the end, so that a failed attempt is repeated
        if recording.unchanged() and not due:
            self._due = False
            return changed
        began = time.monotonic()
        newest, beats = await recording.head()
        far_behind = newest - self.board.seq > 2 * EVERY or time.monotonic() - self._advanced_at > _LONG_AGO
        if self.on_entries is None and far_behind:
            self.board = await recording.board()
            changed = True
        while self.board.seq < newest and (part := await recording.slice(self.board.seq, SLICE)):
            for entry in part:
                self.board.apply(entry)
            if self.on_entries is not None:
                self.on_entries(part)
            changed = True
        if time.monotonic() - began > _SLOW:
            _, beats = await recording.head()
        for instance, at in beats.items():
            self.board.heartbeat(instance, at)
        note_life(self.board)
        self._due, self._behind = False, 0
        self._advanced_at = time.monotonic()
        return changed

    async def _note_change(self, identity: tuple[int, int] | None) -> None:
        """Find out what happened to the file that is open, before it is closed."""
        if self._identity is not None:
            self._left = self._identity
            self.file_change = await asyncio.to_thread(find_change, self.path, self._identity, self._now())
        elif identity == self._left:
            self._left = self.file_change = None  # it is back

    async def _open(self) -> None:
        identity = schema.identity_of(self.path)
        self.recording = await self._stack.enter_async_context(Recording.open(self.path))
        self._identity = identity
        self.board = Board()
        self._due, self._behind = True, 0

    def _update_status(self, trouble: str) -> bool:
        """Update `status` and return whether it changed."""
        before, self.status = self.status, TailStatus(self._state(self._now()), trouble)
        return self.status != before

    def _state(self, now: int) -> ConnectionState:
        rows = self.board.instances.values()
        if self.recording is None:
            return ConnectionState.MISSING
        if not rows:
            return ConnectionState.EMPTY
        at = time_of(self.board, now)
        if any(presence(row, at) == "live" for row in rows):
            return ConnectionState.LIVE
        running = any(row.ended_at is None for row in rows)
        return ConnectionState.SILENT if running else ConnectionState.ENDED
