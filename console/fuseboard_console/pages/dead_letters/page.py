"""The dead letters page: tasks that failed everywhere, kept until they are retried or discarded."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from fuseboard_console.actions.model import key_for
from fuseboard_console.pages.dead_letters.actions import DeadLetterActions
from fuseboard_console.pages.dead_letters.loader import MOST, DeadLetterLoader
from fuseboard_console.pages.list_page import ListPage
from fuseboard_console.screens.adapter_detail import show_detail
from fuseboard_console.screens.text_detail import DetailAction, Link, TextDetailScreen
from fuseboard_console.text.formatting import clock
from fuseboard_console.text.line import Line, Span, fit_line
from fuseboard_console.text.list_columns import titles_line
from fuseboard_console.text.safe_text import safe_text
from fuseboard_console.tui.background_work import run_in_background
from fuseboard_console.tui.protocols import ConsoleHost, Frame
from fuseboard_console.views.dead_letters.masking import masked
from fuseboard_console.views.dead_letters.prompts import Verb, allows
from fuseboard_console.views.dead_letters.table import (
    CHOICES,
    dead_letter_line,
    dead_letter_lines,
    empty_list_text,
    status_choice_word,
)
from fuseboard_console.views.dead_letters.text import summary
from fuseboard_console.views.events.dead_letter_labels import error_text, status_at
from fuseboard_console.views.lists.chains import tasks_not_kept
from fuseboard_console.views.selection.list_filter import field_filter
from fuseboard_engine.dead_letters.letter import DeadLetter
from fuseboard_storage.board.board import AdapterKey

VERBS_BY_ID: dict[str, Verb] = {
    "dead_letter_retry": "retry",
    "dead_letter_archive": "archive",
    "dead_letter_unarchive": "unarchive",
    "dead_letter_discard": "discard",
}
"""The verb of each action of the page."""


class DeadLetters(ListPage[int]):
    """The recording's dead letters, newest first, by id. The file has only their present versions."""

    PAGE = "dead_letters"
    FIELDS = ("status", "type", "category", "adapter", "error", "task", "engine", "id")
    FIGURES = ("retries", "next")

    def __init__(self, host: ConsoleHost) -> None:
        super().__init__(host)
        self.list.newest_first = True
        self._loader = DeadLetterLoader(host, partial(run_in_background, self), self._show_loaded, self._detailed)
        self._dead_letter_actions = DeadLetterActions(
            host, partial(run_in_background, self), self.unmark, self._loader.again
        )

    async def refresh_data(self, frame: Frame) -> None:
        """Read the dead letters again when they may have changed."""
        self._loader.refresh(frame, again=frame.past)

    def _detailed(self) -> bool:
        return any(isinstance(screen, TextDetailScreen) for screen in self.app.screen_stack)

    def _show_loaded(self) -> None:
        self.host.show()
        if isinstance(self.app.screen, TextDetailScreen):
            self.app.screen.refresh_lines()

    # ---------------------------------------------------------------- the list

    def rows(self, frame: Frame) -> Sequence[int]:
        """Return the ids of the dead letters that were read."""
        self._loader.refresh(frame)
        return self._loader.keys

    def _now(self) -> int:
        """Return the present time: dead letters have no past versions."""
        frame = self.host.frame
        return self._loader.read_at if frame.past else frame.now

    @property
    def caption(self) -> str:
        """The shown statuses, the count of each status, and how many more there are."""
        listed, chosen = self._loader.listed, self._loader.chosen
        if listed is None:
            return self.title
        only = f"only {status_choice_word(chosen)}" if chosen else "all"
        said = [self.title, only if self._loader.choice else "", summary(listed.figures)]
        if self._loader.total > len(self._loader.keys) >= MOST:
            said.append(f"the newest {len(self._loader.keys):,} of {self._loader.total:,}")
        return "  ".join(part for part in said if part)

    @property
    def trail(self) -> str:
        """The shown statuses."""
        return status_choice_word(self._loader.chosen) if self._loader.choice else ""

    @property
    def nothing(self) -> str:
        """Why the list is empty."""
        if self.host.feed.recording is None and self._loader.listed is None:
            return "There is no file to read dead letters from."
        if self._loader.trouble:
            return self._loader.trouble
        if self._loader.listed is None or not self._loader.fresh:
            return "Dead letters are being read."
        if not self._loader.listed.has_table:
            return "No engine that keeps dead letters has written to this file yet."
        frame, key = self.host.frame, key_for(self.host.actions, "dead_letter_status")
        return empty_list_text(self._loader.chosen, key, tasks_not_kept(frame.board, frame.now))

    def heading(self, cells: int) -> Line:
        """Return the column titles, or a warning about the whole list."""
        if self._loader.trouble and self._loader.keys:
            return fit_line((Span(f"They cannot be read again: {self._loader.trouble}", "bad"),), cells)
        if self.host.frame.past and self._loader.listed is not None:
            told = f"as they are now, at {clock(self._loader.read_at)}: the past of dead letters is not kept"
            return fit_line((Span(told, "warn"),), cells)
        return titles_line(self._loader.columns, "error", cells)

    def line(self, key: int, cells: int) -> Line:
        """Return a dead letter's line."""
        dead_letter = self._loader.dead_letters.get(key)
        return (
            ()
            if dead_letter is None
            else dead_letter_line(dead_letter, self._now(), self._loader.columns, cells, self.host.glyphs)
        )

    def order_of(self, key: int, field: str) -> Any:
        """Return the value by which a row is sorted."""
        dead_letter = self._loader.dead_letters[key]
        if field == "retries":
            return dead_letter.retries
        if field == "next":
            return (dead_letter.due_at is None, dead_letter.due_at or 0)
        return super().order_of(key, field)

    def fields(self, key: int) -> Mapping[str, str]:
        """Return the row's texts that a filter can match, by field."""
        dead_letter = self._loader.dead_letters[key]
        return {
            "status": status_at(dead_letter, self._now()),
            "type": dead_letter.task_type,
            "category": dead_letter.category,
            "adapter": " ".join((dead_letter.adapter, *dead_letter.order)),
            "error": error_text(dead_letter),
            "task": dead_letter.task,
            "engine": dead_letter.engine,
            "id": str(dead_letter.id),
            "": f"{dead_letter.payload} {' '.join((dead_letter.context or {}).values())}",
        }

    def action_dead_letter_status(self) -> None:
        """Show only dead letters of the next status."""
        self._loader.choice = (self._loader.choice + 1) % len(CHOICES)
        self.list.marked.clear()
        self.host.show()

    # ---------------------------------------------------------------- one of them

    def action_open(self) -> None:
        """Open the dead letter under the cursor."""
        key = self.list.selected
        if key is not None and key in self._loader.dead_letters:
            self._loader.open(key)
            super().action_open()

    def title_of(self, key: int) -> str:
        """Return its id."""
        return f"Dead letter {key}"

    def about(self, key: int, cells: int) -> list[Line]:
        """Return the opened dead letter in full. It stays available after it leaves the list."""
        opened = self._loader.opened
        if opened is None:
            return []
        shown = opened if self.host.reveal else masked(opened)
        lines = dead_letter_lines(shown, self._loader.history, self._now(), cells, self.host.glyphs)
        if self._loader.gone:
            return [(Span("It is gone: purged, or evicted to make room. This is the last of it.", "bad"),), (), *lines]
        if self.host.frame.past:
            note = "This is the dead letter as it is now: the past of dead letters is not kept."
            return [(Span(note, "warn"),), (), *lines]
        return lines

    def links(self, key: int) -> Sequence[Link]:
        """Link to the routes of its task and the adapters of its chain."""
        dead_letter = self._loader.dead_letters[key]
        board = self.host.frame.board
        task = dead_letter.task

        def to_routes() -> None:
            self.host.go_to("routes").filter_by(field_filter("task", task))

        instances = [row.id for row in board.instances.values() if row.name == dead_letter.engine]
        names = dict.fromkeys((*dead_letter.order, dead_letter.adapter))
        found = [AdapterKey(max(instances), name) for name in names if instances]
        there = [adapter for adapter in found if adapter in board.adapters][:5]
        return [
            *([Link("v", "its routes", to_routes)] if task else []),
            *(
                Link(str(place), safe_text(adapter.adapter, 16), partial(show_detail, self.host, adapter))
                for place, adapter in enumerate(there, 1)
            ),
        ]

    def detail_actions(self, key: int) -> Sequence[DetailAction]:
        """Return the actions on a dead letter that its detail offers."""
        return [
            DetailAction(action, partial(self._apply_to_opened, verb), partial(self._applies, verb))
            for action in self.host.actions
            if (verb := VERBS_BY_ID.get(action.id)) is not None
        ]

    def _applies(self, verb: Verb) -> bool:
        opened = self._loader.opened
        return opened is not None and allows(verb, status_at(opened, self._now()))

    def _apply_to_opened(self, verb: Verb) -> None:
        if self._loader.opened is not None:
            self._dead_letter_actions.begin(verb, [self._loader.opened])

    # ---------------------------------------------------------------- actions

    @property
    def _targets(self) -> list[DeadLetter]:
        """The marked dead letters, or the one under the cursor."""
        marked = [key for key in self.list.keys if key in self.list.marked]
        selected = [] if self.list.selected is None else [self.list.selected]
        return [self._loader.dead_letters[key] for key in marked or selected if key in self._loader.dead_letters]

    def _begin(self, verb: Verb, targets: list[DeadLetter]) -> None:
        self._dead_letter_actions.begin(
            verb, targets, elsewhere=[dead_letter.id for dead_letter in targets] != [self.list.selected]
        )

    def action_dead_letter_retry(self) -> None:
        """Have its engine retry the dead letter now."""
        self._begin("retry", self._targets)

    def action_dead_letter_stop(self) -> None:
        """Have the engines stop their retries of many dead letters."""
        self._dead_letter_actions.stop_retries()

    def action_dead_letter_archive(self) -> None:
        """Archive the dead letter: it leaves the list and is kept."""
        self._begin("archive", self._targets)

    def action_dead_letter_unarchive(self) -> None:
        """Unarchive the dead letter, or what was archived last if none is selected."""
        targets = self._targets
        archived = any(dead_letter.status == "archived" for dead_letter in targets)
        if archived or not self._dead_letter_actions.unarchive_last():
            self._begin("unarchive", targets)

    def action_dead_letter_discard(self) -> None:
        """Ask, then discard the dead letter."""
        self._begin("discard", self._targets)
