"""A recording as a feed that travels in time: it plays at any speed, stands still, steps and seeks."""

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
"""How many times as fast as it happened."""
SECOND = 1_000_000
CHUNK = 500
"""Events that are read and folded at once: a few milliseconds of work."""
LOOK = 1.0
"""Seconds between two looks at whether the recording has grown."""
FAR = 2 * EVERY
"""Events from which on it is quicker to start from a keyframe than to fold them all."""

T = TypeVar("T")


class Replay:
    """A feed whose time is its own. It stands at `position`; its Board holds what had happened until then.

    An engine counts as alive as long as it went on to give signs of life, for none of them says when it fell silent.

    Whatever moves it takes its turn, for all of it works on the same Board. What can't be read now moves nothing and
    raises nothing: `trouble` says why, until it is well again.
    """

    def __init__(self, recording: Recording, monotonic: Callable[[], float]) -> None:
        """Use `open`."""
        self.recording = recording
        """What is replayed."""
        self.board = Board()
        self._trouble = ""
        self.position = 0
        """The time that is shown, UTC microseconds."""
        self.playing = False
        self.changes: list[BreakerChange] = []
        """When breakers changed their state, over the whole recording."""
        self._speed = SPEEDS.index(1.0)
        self._bounds = Bounds(0, 0, 0, 0)
        self._monotonic = monotonic
        self._then = self._looked = monotonic()
        self._alive_until: dict[int, int] = {}
        self._ahead: list[Entry] = []  # read, and not yet due
        self._moved = True
        self._turn = asyncio.Lock()
        self._waiting = 0  # moves that wait for their turn

    @classmethod
    @asynccontextmanager
    async def open(
        cls, path: str | Path, *, at: int | None = None, monotonic: Callable[[], float] = time.monotonic
    ) -> AsyncIterator[Replay]:
        """Open a recording for replay and close it in the end.

        Args:
            path: its file.
            at: where to stand, UTC microseconds; the beginning by default.
            monotonic: seconds, by which it plays.

        Raises:
            RecordingError: the file is missing, no recording, or of a newer version.
        """
        async with Recording.open(path) as recording:
            replay = cls(recording, monotonic)
            await replay._look()
            await replay._seek(replay.start if at is None else at)
            yield replay

    # ---------------------------------------------------------------- where it stands

    @property
    def start(self) -> int:
        """When the recording begins, UTC microseconds."""
        return self._bounds.start

    @property
    def end(self) -> int:
        """When its last event happened, UTC microseconds."""
        return max(self._bounds.start, self._bounds.end)

    @property
    def speed(self) -> float:
        """How many times as fast as it happened."""
        return SPEEDS[self._speed]

    def faster(self) -> float:
        """Play a step faster; return the speed."""
        self._speed = min(self._speed + 1, len(SPEEDS) - 1)
        return self.speed

    def slower(self) -> float:
        """Play a step slower; return the speed."""
        self._speed = max(self._speed - 1, 0)
        return self.speed

    def set_speed(self, speed: float) -> None:
        """Play at the speed there is that comes nearest."""
        self._speed = min(range(len(SPEEDS)), key=lambda place: abs(SPEEDS[place] - speed))

    def toggle(self) -> None:
        """Play, or stand still."""
        self.playing = not self.playing
        self._then = self._monotonic()

    # ---------------------------------------------------------------- the feed

    @property
    def trouble(self) -> str:
        """Why the recording can't be read just now, as a sentence of safe text; empty when it can."""
        return self._trouble

    async def advance(self) -> bool:
        """Play on; return whether there is something new to show. While a move is under way, that comes first."""
        if not self._turn.locked():
            await self._in_turn(self._play)
        moved, self._moved = self._moved, False
        return moved

    async def behind(self) -> int:
        """Return how many events there are after the position."""
        return max(0, self._bounds.last - self.board.seq)

    # ---------------------------------------------------------------- going

    async def seek(self, at: int) -> None:
        """Go to a time, UTC microseconds; before the beginning and after the end there is nothing."""
        await self._in_turn(lambda: self._seek(at))

    async def skip(self, seconds: float) -> None:
        """Go forward by so many seconds, or back when negative."""
        await self._in_turn(lambda: self._seek(self.position + round(seconds * SECOND)))

    async def step(self, events: int) -> None:
        """Go to the next event, or to the one before when `events` is -1; then stand still."""
        await self._in_turn(lambda: self._step(events))

    async def to_change(self, direction: int) -> bool:
        """Go to the next change of state, or to the one before when `direction` is -1; False: there is none."""
        return await self._in_turn(lambda: self._to_change(direction)) is not None

    async def to_start(self) -> None:
        """Go to the beginning."""
        await self._in_turn(lambda: self._stop_at(self.start))

    # ---------------------------------------------------------------- within a turn

    async def _in_turn(self, move: Callable[[], Awaitable[T]]) -> T | None:
        """Make one move after the other; None: what it has to read can't be read."""
        self._waiting += 1
        try:
            await self._turn.acquire()
        finally:
            self._waiting -= 1
        try:
            return await move()
        except (RecordingError, OSError) as error:
            self._say(safe_text(str(error), 300))
            return None
        finally:
            self._turn.release()

    def _say(self, trouble: str) -> None:
        self._moved = self._moved or trouble != self._trouble
        self._trouble = trouble

    async def _play(self) -> None:
        now = self._monotonic()
        passed, self._then = now - self._then, now
        if now - self._looked >= LOOK:
            await self._look()
        if self.playing:
            await self._fold_until(min(self.position + round(passed * self.speed * SECOND), self.end), gives_way=True)
            self.playing = self.playing and self.position < self.end

    async def _seek(self, at: int) -> None:
        at = max(self.start, min(at, self.end))
        if at < self.position:
            self._stand_at(await self.recording.board_at(at=at), at)
        await self._fold_until(at)
        self._then = self._monotonic()  # the time that took is not played

    async def _stop_at(self, at: int) -> None:
        self.playing = False
        await self._seek(at)

    async def _step(self, events: int) -> None:
        self.playing = False
        if events < 0:
            await self._go_to(max(self._bounds.first, self.board.seq - 1))
        elif entries := await self._read():
            self._apply(entries.pop(0))
            self._stand_at(self.board, max(self.position, self.board.at))

    async def _to_change(self, direction: int) -> BreakerChange | None:
        self.playing = False
        find = history.next_change if direction > 0 else history.previous_change
        change = find(self.changes, self.board.seq)
        if change is not None:
            await self._go_to(change.seq)
        return change

    async def _go_to(self, seq: int) -> None:
        """Stand right after the event `seq`."""
        board = await self.recording.board_at(seq=seq)
        self._stand_at(board, max(self.start, min(board.at, self.end)))

    def _stand_at(self, board: Board, position: int) -> None:
        if board is not self.board:
            self.board = board
            self._ahead.clear()
        self.position = position
        self._moved = True
        self._breathe()

    async def _fold_until(self, at: int, *, gives_way: bool = False) -> None:
        """Take in what happened until a time; `gives_way`: only as far as it has come when another wants its turn."""
        reached = self.position
        folded = 0
        try:
            while (entries := await self._read()) and entries[0].event.at <= at:
                if gives_way and self._waiting:
                    return
                if folded == CHUNK and await self.recording.keyframe_before(at) - self.board.seq > FAR:
                    self._stand_at(await self.recording.board_at(at=at), at)
                    break
                self._apply(entries.pop(0))
                reached = max(reached, self.board.at)
                folded += 1
            reached = at
        finally:
            if reached != self.position:
                self._stand_at(self.board, reached)

    async def _read(self) -> list[Entry]:
        """Return what comes next; more is read when nothing is left."""
        if not self._ahead:
            found = await self.recording.slice(self.board.seq, CHUNK)
            if found and found[0].seq > self.board.seq + 1:  # those between were let go: a keyframe knows them
                self.board = await self.recording.board_at(seq=found[0].seq - 1)
            self._ahead = found
        return self._ahead

    def _apply(self, entry: Entry) -> None:
        self.board.apply(entry)
        self._moved = True

    def _breathe(self) -> None:
        """Give each engine the sign of life it had given by the position."""
        for row in self.board.instances.values():
            if row.ended_at is None:
                self.board.heartbeat(row.id, min(self.position, self._alive_until.get(row.id, row.heartbeat_at)))

    async def _look(self) -> None:
        """See how far the recording goes by now."""
        self._looked = self._monotonic()
        before = self._bounds.last
        self._bounds = await history.bounds(self.recording)
        if self._bounds.last != before:
            known = self.changes[-1].seq if self.changes else 0
            self.changes += await history.changes(self.recording, known)
            instances: list[InstanceRow] = await self.recording.instances()
            self._alive_until = {row.id: row.heartbeat_at for row in instances}
        self._say("")
