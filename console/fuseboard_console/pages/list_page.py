"""The base class of pages that consist of one list with a filter and a detail for each row."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Hashable, Iterable, Mapping, Sequence
from typing import ClassVar, Generic, TypeVar

from textual import on
from textual.app import ComposeResult
from textual.content import Content

from fuseboard_console.pages.page import Page
from fuseboard_console.painting.line_list import LineList
from fuseboard_console.screens.text_detail import DetailAction, Link, TextDetailScreen
from fuseboard_console.text.line import Line
from fuseboard_console.text.safe_text import safe_text
from fuseboard_console.tui.protocols import ConsoleHost, Frame
from fuseboard_console.views.selection.list_filter import Test, list_filter, unknown_field
from fuseboard_console.widgets.selectable_list import SelectableList

K = TypeVar("K", bound=Hashable)


class ListPage(Page, Generic[K]):
    """A list with a cursor, a filter and a detail. A subclass says what the rows are."""

    EMPTY: ClassVar[str] = ""
    """What it says while there is nothing to list: how it fills."""
    FIELDS: ClassVar[tuple[str, ...]] = ()
    """What a filter may ask about."""

    def __init__(self, host: ConsoleHost) -> None:
        super().__init__(host)
        self.list: SelectableList[K] = SelectableList(
            host.palette, host.glyphs, id=f"{self.PAGE}-list", title=self.title, empty=self.EMPTY
        )
        self._test: Test | None = None
        self._of = 0
        self._tested: tuple[Sequence[K], Test | None] = ((), None)  # what the rows that fit were chosen from, and by
        self._fitting: Sequence[K] = ()

    # ---------------------------------------------------------------- for subclasses

    @abstractmethod
    def rows(self, frame: Frame) -> Sequence[K]:
        """Return the keys of all rows, top to bottom."""

    @abstractmethod
    def line(self, key: K, cells: int) -> Line:
        """Return a row's line."""

    @abstractmethod
    def heading(self, cells: int) -> Line:
        """Return the titles of the columns."""

    @abstractmethod
    def fields(self, key: K) -> Mapping[str, str]:
        """Return the texts of a row by field, for the filter; those without a field of their own under ``."""

    @abstractmethod
    def about(self, key: K, cells: int) -> list[Line]:
        """Return all that is known of a row."""

    @abstractmethod
    def title_of(self, key: K) -> str:
        """Return what a row is called, as safe text."""

    @property
    def caption(self) -> str:
        """What stands in its frame, as safe text."""
        return self.title

    @property
    def nothing(self) -> str:
        """What it says while there is nothing to list, as safe text."""
        return self.EMPTY

    def links(self, key: K) -> Sequence[Link]:
        """Return where keys lead from a row's detail."""
        return ()

    def detail_actions(self, key: K) -> Sequence[DetailAction]:
        """Return what can be done to a row in its detail."""
        return ()

    # ---------------------------------------------------------------- the page

    def compose(self) -> ComposeResult:
        """Yield the list."""
        yield self.list

    @property
    def lists(self) -> Iterable[LineList]:
        """The list."""
        return (self.list,)

    def show(self, frame: Frame) -> None:
        """Show the rows that the filter fits."""
        keys = self._choose(self.rows(frame))
        test = self._test
        title = self.caption
        if test is not None:
            title += f"  / {safe_text(self.filter_text, 40)}  {len(keys):,} of {self._of:,}"
        if self.list.marked:
            title += f"  {len(self.list.marked):,} marked"
        self.list.border_title = Content(title)
        self.list.empty = "Nothing here fits the filter." if test is not None and self._of else self.nothing
        self.list.show(keys, self.line, self.heading)

    def _choose(self, keys: Sequence[K]) -> Sequence[K]:
        """Return the rows that the filter fits; of very many it is asked only when they or it are others."""
        self._of = len(keys)
        test = self._test
        if test is None:
            return keys
        before, tested = self._tested
        if before is not keys or tested is not test:
            self._tested = keys, test
            self._fitting = [key for key in keys if test(self.fields(key))]
        return self._fitting

    def tick(self, frame: Frame) -> None:
        """Show what time alone changed: nothing but ages, which `show` does each second."""

    @property
    def matched(self) -> tuple[int, int]:
        """How many rows the filter fits, and of how many."""
        return len(self.list.keys), self._of

    @property
    def filter_problem(self) -> str:
        """What is wrong with the filter, where it fits nothing."""
        return unknown_field(self.filter_text, self.FIELDS) if self._of and not self.list.keys else ""

    def filter_by(self, text: str) -> None:
        """Show only the rows that the filter fits."""
        super().filter_by(text)
        self._test = list_filter(text, self.FIELDS)
        self.host.show()

    def action_unfilter(self) -> None:
        """Take the marks away; show all rows again when there are none."""
        if self.list.marked:
            self.unmark()
        else:
            self.filter_by("")

    def unmark(self) -> None:
        """Take all marks away."""
        if self.list.marked:
            self.list.marked.clear()
            self.host.show()

    def action_mark(self) -> None:
        """Mark the row under the cursor, or take its mark away, and go to the next."""
        self.list.toggle_mark()
        self.host.show()

    def action_mark_all(self) -> None:
        """Mark every row that is shown, or none."""
        self.list.mark_all()
        self.host.show()

    @on(SelectableList.Chosen)
    def _open_chosen(self) -> None:
        """Open the row that was double-clicked."""
        self.action_open()

    def action_open(self) -> None:
        """Show all that is known of the row under the cursor."""
        key = self.list.selected
        if key is not None:
            title, make = self.title_of(key), lambda cells: self.about(key, cells)
            about = TextDetailScreen(title, self.host.palette, make, self.links(key), self.detail_actions(key))
            self.host.push_screen(about)
