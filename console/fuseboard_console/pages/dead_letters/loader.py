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
EVERY = 1.0
"""Seconds at least between two readings that nobody asked for."""


class DeadLetterLoader:
    """Reads letters beside the screen when they may be others.

    Args:
        host: the console.
        run: lets something go on beside the screen.
        read: called when something was read.
        detailed: says whether the letter that was opened last is still in sight.
    """

    def __init__(
        self, host: ConsoleHost, run: Callable[[Work], None], read: Callable[[], None], detailed: Callable[[], bool]
    ) -> None:
        self._host = host
        self._run = run
        self._read_it = read
        self._detailed = detailed
        self.choice = 0
        """Which statuses are wanted, by the place in `CHOICES`."""
        self.listed: repository.DeadLetterPage | None = None
        """What was read; None: nothing yet."""
        self.letters: dict[int, DeadLetter] = {}
        """The letters that are listed by their numbers, newest first."""
        self.keys: tuple[int, ...] = ()
        self.columns = columns_of(())
        self.trouble = ""
        """Why they could not be read the last time, as safe text."""
        self.read_at = 0
        """When that was, UTC microseconds."""
        self.opened: DeadLetter | None = None
        """The letter whose detail was opened last."""
        self.history: list[Entry] | None = None
        """The events that concern it; None: they are being read."""
        self.gone = False
        """Whether it is there no more."""
        self._listed_of: tuple[Path | None, int] = (None, 0)  # the file, and the choice
        self._wanted: tuple[object, ...] = ()  # what was read last, or is being read
        self._reading = False
        self._began = -EVERY

    @property
    def chosen(self) -> tuple[Status, ...]:
        """The statuses that are wanted; empty: all."""
        return CHOICES[self.choice]

    @property
    def fresh(self) -> bool:
        """Whether what is listed is what is wanted."""
        return self.listed is not None and self._listed_of[1] == self.choice

    @property
    def there(self) -> int:
        """How many letters there are of the wanted statuses, listed or not."""
        return sum(self.listed.figures.by_status[one] for one in self.chosen or STATUSES) if self.listed else 0

    # ---------------------------------------------------------------- the list

    def refresh(self, frame: Frame, *, again: bool = False) -> None:
        """Begin to read if others may be there (`again`: in any case), or are wanted: at once when someone chose."""
        recording = self._host.feed.recording
        if recording is None:
            return
        if recording.path != self._listed_of[0]:
            self.listed, self.letters, self.keys = None, {}, ()  # those of another place
        wanted = (
            recording,
            self.chosen,
            None if frame.past else frame.board,
            0 if frame.past else frame.board.dead_letters_version,
        )
        now = time.monotonic()
        due = wanted[:2] != self._wanted[:2] or (
            now - self._began >= EVERY and (again or bool(self.trouble) or wanted != self._wanted)
        )
        if due and not self._reading:
            self._wanted, self._began, self._reading = wanted, now, True
            self._run(partial(self._read, recording.path, self.choice))

    def again(self) -> None:
        """Read as soon as possible, for something was changed."""
        self._wanted = ()
        self.refresh(self._host.frame)

    async def _read(self, path: Path, choice: int) -> None:
        now = wall_clock()
        try:
            if self.opened is not None and self._listed_of[0] == path and self._detailed():
                await self._read_opened(path, self.opened.id)
            listed = await repository.listed(path, CHOICES[choice], now, MOST)
        except repository.TROUBLE as error:
            self.trouble = safe_text(str(error), 300)
        else:
            self.listed, self.read_at, self.trouble = listed, now, ""
            self.letters = {letter.id: letter for letter in listed.letters}
            self.keys = tuple(self.letters)
            self.columns = columns_of(listed.letters)
            self._listed_of = path, choice
        finally:
            self._reading = False
        self._read_it()

    # ---------------------------------------------------------------- one of them

    def open(self, id: int) -> None:
        """Begin to read all of a letter that is listed; what the list knows of it is there at once."""
        self.opened, self.history, self.gone = self.letters[id], None, False
        recording = self._host.feed.recording
        if recording is not None:
            self._run(partial(self._open, recording.path, id))

    async def _open(self, path: Path, id: int) -> None:
        try:
            await self._read_opened(path, id)
        except repository.TROUBLE as error:
            self.trouble = safe_text(str(error), 300)
        self._read_it()

    async def _read_opened(self, path: Path, id: int) -> None:
        """Read a letter whole, and what was recorded of it."""
        found = await repository.whole(path, id, wall_clock())
        history = await repository.history(path, found) if found is not None else self.history
        if self.opened is not None and self.opened.id == id:
            self.opened, self.history, self.gone = found or self.opened, history, found is None
