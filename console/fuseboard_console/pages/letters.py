"""The page of dead letters: tasks that nothing could do, looked after until they are done or given up."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

from fuseboard_console import letter_box
from fuseboard_console.actions import key_for
from fuseboard_console.pages.letter_deeds import LetterDeeds
from fuseboard_console.pages.list_page import ListPage
from fuseboard_console.pages.page import Host, Scene
from fuseboard_console.safe_text import safe_text
from fuseboard_console.screens.detail import show_detail
from fuseboard_console.screens.text import Deed, TextScreen, Way
from fuseboard_console.views.dead_letters import error_of, summary
from fuseboard_console.views.fixed_columns import titles_line
from fuseboard_console.views.letter_questions import Deed as Doing
from fuseboard_console.views.letters import (
    CHOICES,
    choice_words,
    columns_of,
    letter_line,
    letter_lines,
    nothing_there,
    standing,
)
from fuseboard_console.views.line import Line, Span, fit_line
from fuseboard_console.views.times import clock
from fuseboard_engine.clock import wall_clock
from fuseboard_engine.dead_letters.letter import STATUSES, DeadLetter
from fuseboard_storage.board import AdapterKey, Entry

MOST = 5_000
"""Letters of a list; the older ones are counted."""
EVERY = 1.0
"""Seconds at least between two readings that nobody asked for."""
DOING: dict[str, Doing] = {
    "letter_retry": "retry",
    "letter_archive": "archive",
    "letter_unarchive": "unarchive",
    "letter_discard": "discard",
}
"""What each action of the page does."""


class Letters(ListPage[int]):
    """The letters of the recording, newest first, by their numbers. The file has them only as they are now."""

    PAGE = "letters"
    TITLE = "Dead letters"
    FIELDS = ("status", "type", "category", "adapter", "error", "task", "engine", "id")

    def __init__(self, host: Host) -> None:
        super().__init__(host)
        self._choice = 0
        self._listed: letter_box.Listed | None = None
        self._letters: dict[int, DeadLetter] = {}
        self._keys: tuple[int, ...] = ()
        self._columns = columns_of(())
        self._trouble = ""
        self._read_at = 0  # UTC microseconds
        self._wanted: tuple[object, ...] = ()  # what was read last, or is being read
        self._reading = False
        self._began = -EVERY
        self._opened: DeadLetter | None = None
        self._history: list[Entry] | None = None
        self._gone = False
        self._deeds = LetterDeeds(host, lambda work: self.run_worker(work), self.unmark, self._read_again)

    # ---------------------------------------------------------------- reading

    async def look(self, scene: Scene) -> None:
        """Read the letters anew when they may be others."""
        self._read_if_due(scene, again=scene.past)

    def _read_again(self) -> None:
        self._wanted = ()
        self._read_if_due(self.host.scene)

    def _read_if_due(self, scene: Scene, *, again: bool = False) -> None:
        """Read the letters if others may be there, or are wanted: at once when someone chose, else once a second."""
        recording = self.host.feed.recording
        chosen = (recording, CHOICES[self._choice])
        wanted = (*chosen, None if scene.past else scene.board, 0 if scene.past else scene.board.letters)
        now = time.monotonic()
        due = wanted[:2] != self._wanted[:2] or (
            now - self._began >= EVERY and (again or bool(self._trouble) or wanted != self._wanted)
        )
        if recording is None or self._reading or not due:
            return
        self._wanted, self._began, self._reading = wanted, now, True
        self.run_worker(self._read(recording.path, wanted), exit_on_error=True)

    async def _read(self, path: Path, wanted: tuple[object, ...]) -> None:
        now = wall_clock()
        try:
            if len(self.app.screen_stack) > 1 and self._opened is not None:
                await self._read_opened(path, self._opened.id)
            listed = await letter_box.listed(path, CHOICES[self._choice], now, MOST)
        except letter_box.TROUBLE as error:
            self._trouble = safe_text(str(error), 300)
        else:
            if wanted[0] is self.host.feed.recording:
                self._take(listed, now)
        finally:
            self._reading = False
        self.host.show()

    def _take(self, listed: letter_box.Listed, now: int) -> None:
        self._listed, self._read_at, self._trouble = listed, now, ""
        self._letters = {letter.id: letter for letter in listed.letters}
        self._keys = tuple(self._letters)
        self._columns = columns_of(listed.letters)

    async def _read_opened(self, path: Path, id: int) -> None:
        """Read the letter whose detail is open, whole, and what was recorded of it."""
        try:
            found = await letter_box.whole(path, id, wall_clock())
            if found is not None:
                self._opened, self._history = found, await letter_box.history(path, found)
            self._gone = found is None
        except letter_box.TROUBLE as error:
            self._trouble = safe_text(str(error), 300)
        if isinstance(self.app.screen, TextScreen):
            self.app.screen.frame()

    # ---------------------------------------------------------------- the list

    def rows(self, scene: Scene) -> Sequence[int]:
        """Return the numbers of the letters that were read."""
        self._read_if_due(scene)
        recording = self.host.feed.recording
        if self._listed is not None and recording is not None and self._wanted and self._wanted[0] is not recording:
            self._listed, self._letters, self._keys = None, {}, ()  # those of another place
        return self._keys

    def _now(self) -> int:
        """Return the time by which letters are told: of the past there are none."""
        scene = self.host.scene
        return self._read_at if scene.past else scene.now

    @property
    def caption(self) -> str:
        """How many there are of each status, which are shown, and how many more."""
        listed = self._listed
        if listed is None:
            return self.TITLE
        said = [self.TITLE]
        if self._choice:
            said.append(f"only {choice_words(CHOICES[self._choice])}" if CHOICES[self._choice] else "all")
        said.append(summary(listed.figures))
        there = sum(listed.figures.by_status[status] for status in CHOICES[self._choice] or STATUSES)
        if there > len(self._keys):
            said.append(f"the newest {len(self._keys):,} of {there:,}")
        return "  ".join(part for part in said if part)

    @property
    def trail(self) -> str:
        """Which of them are shown."""
        return choice_words(CHOICES[self._choice]) if self._choice else ""

    @property
    def nothing(self) -> str:
        """Why the list is empty."""
        if self.host.feed.recording is None and self._listed is None:
            return "There is no file to read dead letters from."
        if self._trouble:
            return self._trouble
        if self._listed is None:
            return "Dead letters are being read."
        if not self._listed.begun:
            return "No engine that keeps dead letters has written to this file yet."
        return nothing_there(CHOICES[self._choice], key_for(self.host.actions, "letter_status"))

    def heading(self, cells: int) -> Line:
        """Return the titles of the columns; or what has to be known of all that is shown."""
        if self._trouble and self._keys:
            return fit_line((Span(f"They can't be read anew: {self._trouble}", "bad"),), cells)
        if self.host.scene.past and self._listed is not None:
            told = f"as they are now, at {clock(self._read_at)}: the past of dead letters is not kept"
            return fit_line((Span(told, "warn"),), cells)
        return titles_line(self._columns, "error", cells)

    def line(self, key: int, cells: int) -> Line:
        """Return a letter."""
        letter = self._letters.get(key)
        return () if letter is None else letter_line(letter, self._now(), self._columns, cells, self.host.glyphs)

    def fields(self, key: int) -> Mapping[str, str]:
        """Return what a filter may ask about."""
        letter = self._letters[key]
        return {
            "status": standing(letter, self._now()),
            "type": letter.task_type,
            "category": letter.category,
            "adapter": " ".join((letter.adapter, *letter.order)),
            "error": error_of(letter),
            "task": letter.task,
            "engine": letter.engine,
            "id": str(letter.id),
            "": f"{letter.payload} {' '.join((letter.context or {}).values())}",
        }

    def action_letter_status(self) -> None:
        """Show only the letters of the next status."""
        self._choice = (self._choice + 1) % len(CHOICES)
        self.list.marked.clear()
        self.host.show()

    # ---------------------------------------------------------------- one of them

    def action_open(self) -> None:
        """Show all that is known of the letter under the cursor."""
        recording, key = self.host.feed.recording, self.list.selected
        if key is None or key not in self._letters:
            return
        self._opened, self._history, self._gone = self._letters[key], None, False
        super().action_open()
        if recording is not None:
            self.run_worker(self._read_opened(recording.path, key), exit_on_error=True)

    def title_of(self, key: int) -> str:
        """Return its number."""
        return f"Dead letter {key}"

    def about(self, key: int, cells: int) -> list[Line]:
        """Return all that is known of the opened letter; it stays when it leaves the list."""
        if self._opened is None:
            return []
        lines = letter_lines(self._opened, self._history, self._now(), cells, self.host.glyphs)
        if self._gone:
            return [(Span("It is gone: purged, or evicted to make room. This is the last of it.", "bad"),), (), *lines]
        if self.host.scene.past:
            told = "This is the letter as it is now: the past of dead letters is not kept."
            return [(Span(told, "warn"),), (), *lines]
        return lines

    def ways(self, key: int) -> Sequence[Way]:
        """Lead to the routes of its task, and to the adapters of its chain."""
        letter = self._letters[key]
        board = self.host.scene.board
        task = letter.task.replace('"', "?")

        def to_routes() -> None:
            self.host.go("routes").filter_by(f'task:"{task}"')

        instances = [row.id for row in board.instances.values() if row.name == letter.engine]
        names = dict.fromkeys((*letter.order, letter.adapter))
        found = [AdapterKey(max(instances), name) for name in names if instances]
        there = [adapter for adapter in found if adapter in board.adapters][:5]
        return [
            *([Way("v", "its routes", to_routes)] if task else []),
            *(
                Way(str(place), safe_text(adapter.adapter, 16), partial(show_detail, self.host, adapter))
                for place, adapter in enumerate(there, 1)
            ),
        ]

    def deeds(self, key: int) -> Sequence[Deed]:
        """Return what can be done to a letter in its detail."""
        return [
            Deed(action, partial(self._do_to_opened, DOING[action.id]))
            for action in self.host.actions
            if action.id in DOING
        ]

    def _do_to_opened(self, doing: Doing) -> None:
        if self._opened is not None:
            self._deeds.begin(doing, [self._opened])

    # ---------------------------------------------------------------- deeds

    @property
    def _meant(self) -> list[DeadLetter]:
        """The marked letters, else the one under the cursor."""
        marked = [key for key in self.list.keys if key in self.list.marked]
        selected = [] if self.list.selected is None else [self.list.selected]
        return [self._letters[key] for key in marked or selected if key in self._letters]

    def action_letter_retry(self) -> None:
        """Have the letter's engine retry it now."""
        self._deeds.begin("retry", self._meant)

    def action_letter_archive(self) -> None:
        """Take the letter out of the list, to be kept."""
        self._deeds.begin("archive", self._meant)

    def action_letter_unarchive(self) -> None:
        """Put the archived letter back; where none is meant, what was archived last."""
        meant = self._meant
        if any(letter.status == "archived" for letter in meant) or not self._deeds.put_back():
            self._deeds.begin("unarchive", meant)

    def action_letter_discard(self) -> None:
        """Ask, then give the letter up."""
        self._deeds.begin("discard", self._meant)
