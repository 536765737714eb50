"""Follow a recording live: a Board that grows, and what is known of the engines behind it."""

from __future__ import annotations

import contextlib
import enum
import os
import sqlite3
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path

from fuseboard_engine.clock import wall_clock
from fuseboard_storage import schema
from fuseboard_storage.board import Board
from fuseboard_storage.errors import RecordingError
from fuseboard_storage.instances import SILENT_AFTER, mark_gone
from fuseboard_storage.keyframe import EVERY
from fuseboard_storage.recording import SLICE, Recording


class Contact(enum.Enum):
    """What a recording says of its engines."""

    EMPTY = "empty"  # no engine has written yet
    LIVE = "live"  # at least one is alive
    SILENT = "silent"  # one should be there, but gives no sign
    ENDED = "ended"  # all ended in an orderly way, or are known to be dead
    MISSING = "missing"  # the file is gone


@dataclass(frozen=True, slots=True)
class Connection:
    """The connection to the engines of a recording.

    Times are UTC microseconds. `sign_at` is the newest sign of life (0: none ever). `back_at` is when an engine was
    first seen again after silence or an end. `replaced_at` is when another file was found at the path. `trouble` says
    why the file could not be read the last time, and is empty while it can.
    """

    contact: Contact = Contact.EMPTY
    sign_at: int = 0
    back_at: int | None = None
    replaced_at: int | None = None
    trouble: str = ""

    def silent_for(self, now: int) -> float:
        """Return the seconds since the last sign of life."""
        return max(0, now - self.sign_at) / 1e6 if self.sign_at else 0.0


class Tail:
    """Follows one recording. Made by `Tail.open`; call `advance` as often as the screen should be fresh."""

    def __init__(self, path: Path, now: Callable[[], int]) -> None:
        self.path = path
        self.board = Board()
        """The Board as of the last `advance`; another object after the file was replaced."""
        self.connection = Connection()
        """What the last `advance` found out about the engines."""
        self.recording: Recording | None = None
        """The open recording, to ask commands of; None while the file is missing."""
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
            gone, replaced by a foreign one, or can't be read now, raises nothing: `connection` says so, and the Board
            stays as it was.
        """
        try:
            moved = await self._follow()
            # A process that was killed changes no file.
            moved = mark_gone(self.board.instances.values(), self._now()) or moved
            trouble = ""
        except (RecordingError, sqlite3.Error, OSError) as error:
            moved = False
            trouble = str(error)
        return self._judge(trouble) or moved

    async def behind(self) -> int:
        """Return how many entries were recorded that the Board has not taken in."""
        recording = self.recording
        if recording is not None and not recording.still():
            self._due = True
            self._behind = max(0, await recording.last_seq() - self.board.seq)
        return self._behind

    async def _follow(self) -> bool:
        identity = schema.identity_of(self.path)
        moved = False
        if identity != self._identity:
            await self._stack.aclose()
            self.recording = None
            self._identity = None
            if identity is None:
                return False
            await self._open()
            self.connection = Connection(replaced_at=self._now())
            moved = True
        recording = self.recording
        if recording is None:
            return moved
        due, self._due = self._due, True  # until all is taken in: what fails half-way is tried again
        if recording.still() and not due:
            self._due = False
            return moved
        newest, beats = await recording.pulse()
        if newest - self.board.seq > 2 * EVERY:
            self.board = await recording.board()
            moved = True
        while self.board.seq < newest and (part := await recording.slice(self.board.seq, SLICE)):
            for entry in part:
                self.board.apply(entry)
            moved = True
        for instance, at in beats.items():
            self.board.heartbeat(instance, at)
        self._due, self._behind = False, 0
        return moved

    async def _open(self) -> None:
        self._identity = schema.identity_of(self.path)
        self.recording = await self._stack.enter_async_context(Recording.open(self.path))
        self.board = Board()
        self._due, self._behind = True, 0

    def _judge(self, trouble: str) -> bool:
        """Note how the engines stand, and why the file can't be read; return whether that is another than before."""
        now, was = self._now(), self.connection
        contact = self._contact(now)
        sign_at = max([row.heartbeat_at for row in self.board.instances.values()], default=0)
        other = contact is not was.contact or trouble != was.trouble
        if other or sign_at != was.sign_at:
            back = contact is Contact.LIVE and was.contact in (Contact.SILENT, Contact.ENDED, Contact.MISSING)
            self.connection = Connection(contact, sign_at, now if back else was.back_at, was.replaced_at, trouble)
        return other

    def _contact(self, now: int) -> Contact:
        rows = self.board.instances.values()
        if self.recording is None:
            return Contact.MISSING
        if not rows:
            return Contact.EMPTY
        running = [row for row in rows if row.ended_at is None]
        if not running:
            return Contact.ENDED
        alive = any(not row.gone and now - row.heartbeat_at < SILENT_AFTER for row in running)
        return Contact.LIVE if alive else Contact.SILENT
