"""A recording as a feed that plays at any speed, stops, steps and seeks."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TypeVar

from fuseboard_console.text.safe_text import safe_text
from fuseboard_storage.board.board import Board, Entry, InstanceRow
from fuseboard_storage.errors import RecordingError
from fuseboard_storage.recording import history
from fuseboard_storage.recording.history import Bounds, BreakerChange
from fuseboard_storage.recording.recording import Recording
from fuseboard_storage.tables.keyframes import EVERY

SPEEDS = (0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0)
"""The speeds, as multiples of real time."""
SECOND = 1_000_000
CHUNK = 500
"""Events that are read and applied at once, a few milliseconds of work."""
BOUNDS_INTERVAL = 1.0
"""Seconds between two checks whether the recording has grown."""
KEYFRAME_DISTANCE = 2 * EVERY
"""Number of events from which on starting at a keyframe is faster than applying them all."""

T = TypeVar("T")


class Replay:
    """A feed with its own time. Its Board holds what had happened until `position`.

    An engine counts as alive until its last heartbeat in the recording.

    Moves run one at a time, because all work on the same Board. A move whose events cannot be read changes nothing and
    raises nothing; `trouble` says why until reading succeeds.
    """

    def __init__(self, recording: Recording, monotonic: Callable[[], float]) -> None:
        """Use `open`."""
        self.recording = recording
        """The recording that is replayed."""
        self.board = Board()
        self._trouble = ""
        self.position = 0
        """The time shown, UTC microseconds."""
        self.playing = False
        self.changes: list[BreakerChange] = []
        """The state changes of all breakers in the recording."""
        self._speed = SPEEDS.index(1.0)
        self._bounds = Bounds(0, 0, 0, 0)
        self._monotonic = monotonic
        self._played_at = self._bounds_read_at = monotonic()
        self._alive_until: dict[int, int] = {}
        self._ahead: list[Entry] = []  # read but not yet due
        self._moved = True
        self._lock = asyncio.Lock()
        self._waiting = 0  # moves that wait for the lock

    @classmethod
    @asynccontextmanager
    async def open(
        cls, path: str | Path, *, at: int | None = None, monotonic: Callable[[], float] = time.monotonic
    ) -> AsyncIterator[Replay]:
        """Open a recording for replay; close it on exit.

        Args:
            path: The file.
            at: The initial position, UTC microseconds; by default the beginning.
            monotonic: A clock in seconds, by which the replay plays.

        Raises:
            RecordingError: The file is missing, not a recording, or of a newer version.
        """
        async with Recording.open(path) as recording:
            replay = cls(recording, monotonic)
            await replay._read_bounds()
            await replay._seek(replay.start if at is None else at)
            yield replay

    # ---------------------------------------------------------------- position and speed

    @property
    def start(self) -> int:
        """The time of the recording's beginning, UTC microseconds."""
        return self._bounds.start

    @property
    def end(self) -> int:
        """The time of its last event, UTC microseconds."""
        return max(self._bounds.start, self._bounds.end)

    @property
    def speed(self) -> float:
        """The speed as a multiple of real time."""
        return SPEEDS[self._speed]

    def faster(self) -> float:
        """Increase the speed by a step; return it."""
        self._speed = min(self._speed + 1, len(SPEEDS) - 1)
        return self.speed

    def slower(self) -> float:
        """Decrease the speed by a step; return it."""
        self._speed = max(self._speed - 1, 0)
        return self.speed

    def set_speed(self, speed: float) -> None:
        """Set the closest speed in `SPEEDS`."""
        self._speed = min(range(len(SPEEDS)), key=lambda index: abs(SPEEDS[index] - speed))

    def toggle(self) -> None:
        """Start or stop playing."""
        self.playing = not self.playing
        self._played_at = self._monotonic()

    # ---------------------------------------------------------------- the feed

    @property
    def trouble(self) -> str:
        """Why the recording cannot be read now, as a sentence of safe text; empty if it can."""
        return self._trouble

    @property
    def file_change(self) -> None:
        """A replay stays with the file that it opened."""

    async def advance(self) -> bool:
        """Play on, unless a move is running; return whether there is something new to show."""
        if not self._lock.locked():
            await self._exclusively(self._play)
        moved, self._moved = self._moved, False
        return moved

    async def behind(self) -> int:
        """Return the number of events after the position."""
        return max(0, self._bounds.last - self.board.seq)

    # ---------------------------------------------------------------- moves

    async def seek(self, at: int) -> None:
        """Go to a time, UTC microseconds, limited to the recording."""
        await self._exclusively(lambda: self._seek(at))

    async def skip(self, seconds: float) -> None:
        """Go forward by `seconds`, or back if negative."""
        await self._exclusively(lambda: self._seek(self.position + round(seconds * SECOND)))

    async def step(self, events: int) -> None:
        """Go to the next event, or to the previous one if `events` is -1, and stop."""
        await self._exclusively(lambda: self._step(events))

    async def to_change(self, direction: int) -> bool:
        """Go to the next state change, or the previous one if `direction` is -1; return whether there is one."""
        return await self._exclusively(lambda: self._to_change(direction)) is not None

    async def to_start(self) -> None:
        """Go to the beginning."""
        await self._exclusively(lambda: self._stop_at(self.start))

    # ---------------------------------------------------------------- internal, under the lock

    async def _exclusively(self, move: Callable[[], Awaitable[T]]) -> T | None:
        """Run a move under the lock; return None if the recording cannot be read."""
        self._waiting += 1
        try:
            await self._lock.acquire()
        finally:
            self._waiting -= 1
        try:
            return await move()
        except (RecordingError, OSError) as error:
            path = self.recording.path
            self._set_trouble(safe_text(str(error).replace(str(path), path.name), 300))
            return None
        finally:
            self._lock.release()

    def _set_trouble(self, trouble: str) -> None:
        self._moved = self._moved or trouble != self._trouble
        self._trouble = trouble

    async def _play(self) -> None:
        now = self._monotonic()
        passed, self._played_at = now - self._played_at, now
        if now - self._bounds_read_at >= BOUNDS_INTERVAL:
            await self._read_bounds()
        if self.playing:
            await self._fold_until(
                min(self.position + round(passed * self.speed * SECOND), self.end), interruptible=True
            )
            self.playing = self.playing and self.position < self.end

    async def _seek(self, at: int) -> None:
        at = max(self.start, min(at, self.end))
        if at < self.position:
            self._set_position(await self.recording.board_at(at=at), at)
        await self._fold_until(at)
        self._played_at = self._monotonic()  # the time that the seek took is not played

    async def _stop_at(self, at: int) -> None:
        self.playing = False
        await self._seek(at)

    async def _step(self, events: int) -> None:
        self.playing = False
        if events < 0:
            await self._go_to(max(self._bounds.first, self.board.seq - 1))
        elif entries := await self._read():
            self._apply(entries.pop(0))
            self._set_position(self.board, max(self.position, self.board.at))

    async def _to_change(self, direction: int) -> BreakerChange | None:
        self.playing = False
        find = history.next_change if direction > 0 else history.previous_change
        change = find(self.changes, self.board.seq)
        if change is not None:
            await self._go_to(change.seq)
        return change

    async def _go_to(self, seq: int) -> None:
        """Go to the position right after the event `seq`."""
        board = await self.recording.board_at(seq=seq)
        self._set_position(board, max(self.start, min(board.at, self.end)))

    def _set_position(self, board: Board, position: int) -> None:
        if board is not self.board:
            self.board = board
            self._ahead.clear()
        self.position = position
        self._moved = True
        self._set_heartbeats()

    async def _fold_until(self, at: int, *, interruptible: bool = False) -> None:
        """Apply the events until a time. With `interruptible`, stop early if another move is waiting."""
        reached = self.position
        folded = 0
        try:
            while (entries := await self._read()) and entries[0].event.at <= at:
                if interruptible and self._waiting:
                    return
                if folded == CHUNK and await self.recording.keyframe_before(at) - self.board.seq > KEYFRAME_DISTANCE:
                    self._set_position(await self.recording.board_at(at=at), at)
                    break
                self._apply(entries.pop(0))
                reached = max(reached, self.board.at)
                folded += 1
            reached = at
        finally:
            if reached != self.position:
                self._set_position(self.board, reached)

    async def _read(self) -> list[Entry]:
        """Return the next events, reading more if none are left."""
        if not self._ahead:
            found = await self.recording.slice(self.board.seq, CHUNK)
            if found and found[0].seq > self.board.seq + 1:  # retention deleted those between; a keyframe covers them
                self.board = await self.recording.board_at(seq=found[0].seq - 1)
            self._ahead = found
        return self._ahead

    def _apply(self, entry: Entry) -> None:
        self.board.apply(entry)
        self._moved = True

    def _set_heartbeats(self) -> None:
        """Set each engine's heartbeat to its last one before the position."""
        for row in self.board.instances.values():
            if row.ended_at is None:
                self.board.heartbeat(row.id, min(self.position, self._alive_until.get(row.id, row.heartbeat_at)))

    async def _read_bounds(self) -> None:
        """Read how far the recording goes now, and its new state changes."""
        self._bounds_read_at = self._monotonic()
        before = self._bounds.last
        self._bounds = await history.bounds(self.recording)
        if self._bounds.last != before:
            known = self.changes[-1].seq if self.changes else 0
            self.changes += await history.changes(self.recording, known)
            instances: list[InstanceRow] = await self.recording.instances()
            self._alive_until = {row.id: row.heartbeat_at for row in instances}
        self._set_trouble("")
