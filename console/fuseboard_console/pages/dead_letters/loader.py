"""Loads the dead letters that the page lists, and the one that is open."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from fuseboard_console.pages.dead_letters import repository
from fuseboard_console.text.safe_text import safe_text
from fuseboard_console.tui.background_work import Work
from fuseboard_console.tui.protocols import ConsoleHost, Frame
from fuseboard_console.views.dead_letters.table import CHOICES, columns_of
from fuseboard_engine.dead_letters.letter import STATUSES, DeadLetter, Status
from fuseboard_engine.runtime.clock import wall_clock
from fuseboard_storage.board.board import Entry

MOST = 5_000
"""Letters that are listed; the older ones are counted."""
READ_INTERVAL = 1.0
"""Minimum seconds between two automatic readings."""


class DeadLetterLoader:
    """Reads dead letters in the background when they may have changed.

    Args:
        host: The console.
        run: Runs work in the background.
        read: Called after each reading.
        detailed: Returns whether the last opened dead letter is still visible.
    """

    def __init__(
        self, host: ConsoleHost, run: Callable[[Work], None], read: Callable[[], None], detailed: Callable[[], bool]
    ) -> None:
        self._host = host
        self._run = run
        self._on_read = read
        self._detailed = detailed
        self.choice = 0
        """The index in `CHOICES` of the statuses to list."""
        self.listed: repository.DeadLetterPage | None = None
        """What was read; None if nothing was read yet."""
        self.dead_letters: dict[int, DeadLetter] = {}
        """The letters that are listed by their numbers, newest first."""
        self.keys: tuple[int, ...] = ()
        self.columns = columns_of(())
        self.trouble = ""
        """Why the last reading failed, as safe text."""
        self.read_at = 0
        """The time of the last reading, UTC microseconds."""
        self.opened: DeadLetter | None = None
        """The dead letter whose detail was opened last."""
        self.history: list[Entry] | None = None
        """The events of the opened dead letter; None while they are being read."""
        self.gone = False
        """Whether the opened dead letter no longer exists."""
        self._listed_of: tuple[Path | None, int] = (None, 0)  # the file, and the choice
        self._requested: tuple[object, ...] = ()  # what was read last, or is being read
        self._reading = False
        self._began = -READ_INTERVAL

    @property
    def chosen(self) -> tuple[Status, ...]:
        """The statuses to list. Empty means all."""
        return CHOICES[self.choice]

    @property
    def fresh(self) -> bool:
        """Whether the list matches the chosen statuses."""
        return self.listed is not None and self._listed_of[1] == self.choice

    @property
    def total(self) -> int:
        """The number of dead letters with the chosen statuses, listed or not."""
        return sum(self.listed.figures.by_status[one] for one in self.chosen or STATUSES) if self.listed else 0

    # ---------------------------------------------------------------- the list

    def refresh(self, frame: Frame, *, again: bool = False) -> None:
        """Start to read if the dead letters may have changed (`again`: in any case) or the choice did."""
        recording = self._host.feed.recording
        if recording is None:
            return
        if recording.path != self._listed_of[0]:
            self.listed, self.dead_letters, self.keys = None, {}, ()  # those of another place
        wanted = (
            recording,
            self.chosen,
            None if frame.past else frame.board,
            0 if frame.past else frame.board.dead_letters_version,
        )
        now = time.monotonic()
        due = wanted[:2] != self._requested[:2] or (
            now - self._began >= READ_INTERVAL and (again or bool(self.trouble) or wanted != self._requested)
        )
        if due and not self._reading:
            self._requested, self._began, self._reading = wanted, now, True
            self._run(partial(self._read, recording.path, self.choice))

    def again(self) -> None:
        """Read as soon as possible, because something was changed."""
        self._requested = ()
        self.refresh(self._host.frame)

    async def _read(self, path: Path, choice: int) -> None:
        now = wall_clock()
        try:
            if self.opened is not None and self._listed_of[0] == path and self._detailed():
                await self._read_opened(path, self.opened.id)
            listed = await repository.listed(path, CHOICES[choice], now, MOST)
        except repository.READ_ERRORS as error:
            self.trouble = safe_text(str(error), 300)
        else:
            self.listed, self.read_at, self.trouble = listed, now, ""
            self.dead_letters = {dead_letter.id: dead_letter for dead_letter in listed.dead_letters}
            self.keys = tuple(self.dead_letters)
            self.columns = columns_of(listed.dead_letters)
            self._listed_of = path, choice
        finally:
            self._reading = False
        self._on_read()

    # ---------------------------------------------------------------- one of them

    def open(self, id: int) -> None:
        """Start to read a listed dead letter in full. The list's version is available at once."""
        self.opened, self.history, self.gone = self.dead_letters[id], None, False
        recording = self._host.feed.recording
        if recording is not None:
            self._run(partial(self._open, recording.path, id))

    async def _open(self, path: Path, id: int) -> None:
        try:
            await self._read_opened(path, id)
        except repository.READ_ERRORS as error:
            self.trouble = safe_text(str(error), 300)
        self._on_read()

    async def _read_opened(self, path: Path, id: int) -> None:
        """Read a dead letter in full, and its history."""
        found = await repository.read_one(path, id, wall_clock())
        history = await repository.history(path, found) if found is not None else self.history
        if self.opened is not None and self.opened.id == id:
            self.opened, self.history, self.gone = found or self.opened, history, found is None
