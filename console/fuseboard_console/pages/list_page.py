"""The base class of pages that consist of one list with a filter and a detail for each row."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Hashable, Iterable, Mapping, Sequence
from typing import Any, ClassVar, Generic, TypeVar

from textual import on
from textual.actions import SkipAction
from textual.app import ComposeResult
from textual.content import Content

from fuseboard_console.pages.page import Page
from fuseboard_console.painting.line_list import LineList
from fuseboard_console.screens.text_detail import DetailAction, Link, TextDetailScreen
from fuseboard_console.text.line import Line
from fuseboard_console.text.safe_text import safe_text
from fuseboard_console.tui.protocols import ConsoleHost, Frame
from fuseboard_console.views.selection.list_filter import Test, list_filter, unknown_field
from fuseboard_console.views.selection.list_order import field_of_title, natural_order
from fuseboard_console.widgets.selectable_list import SelectableList

K = TypeVar("K", bound=Hashable)

UNREADABLE = "The recording cannot be read."
"""The text of an empty list in place of one that says that nothing happened."""


class SortedPage(Page, Generic[K]):
    """A page with one list that the operator sorts. A subclass says by what."""

    FIELDS: ClassVar[tuple[str, ...]] = ()
    """The fields that a filter can match. The rows can be sorted by each."""
    FIGURES: ClassVar[tuple[str, ...]] = ()
    """What else the rows can be sorted by; see `order_of`."""

    def __init__(self, host: ConsoleHost) -> None:
        super().__init__(host)
        self._sort = ""  # the field that the rows are sorted by; empty: the page's own order
        self._reverse = False

    @abstractmethod
    def order_of(self, key: K, field: str) -> Any:
        """Return the value by which a row is sorted."""

    @property
    def order_text(self) -> str:
        """The order in the title of the list's frame; empty for the page's own."""
        if not self._sort and not self._reverse:
            return ""
        signs = self.host.glyphs
        return f"  by {self._sort or 'own order'} {signs.sort if self._reverse else signs.sort_ascending}"

    def in_order(self, keys: Sequence[K]) -> Sequence[K]:
        """Return the rows in the operator's order: by a field, those that are alike in the page's own order."""
        if self._sort:
            values = {key: self.order_of(key, self._sort) for key in keys}
            return sorted(keys, key=values.__getitem__, reverse=self._reverse)
        return list(reversed(keys)) if self._reverse else keys

    def sort_by(self, field: str, *, reverse: bool = False) -> None:
        """Sort by a field; empty: in the page's own order."""
        self._sort, self._reverse = field, reverse
        self.host.show()

    def action_sort(self) -> None:
        """Sort by the next field; after the last one in the page's own order."""
        orders = ("", *self.FIELDS, *self.FIGURES)
        self.sort_by(orders[(orders.index(self._sort) + 1) % len(orders)])

    def action_turn(self) -> None:
        """Reverse the order."""
        self.sort_by(self._sort, reverse=not self._reverse)

    @on(SelectableList.TitleClicked)
    def _sort_by_title(self, event: SelectableList.TitleClicked) -> None:
        """Sort by the clicked title, or reverse the order if it is sorted by that. Other text is the next order."""
        field = field_of_title(event.title, (*self.FIELDS, *self.FIGURES))
        if field is None:
            self.action_sort()
        else:
            self.sort_by(field, reverse=field == self._sort and not self._reverse)


class ListPage(SortedPage[K]):
    """A list with a cursor, a filter and a detail. A subclass defines the rows."""

    EMPTY: ClassVar[str] = ""
    """The text of an empty list, which says how it fills."""

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
        """Return the column titles."""

    @abstractmethod
    def fields(self, key: K) -> Mapping[str, str]:
        """Return a row's texts by field, for the filter. Texts without a field are under the empty string."""

    @abstractmethod
    def about(self, key: K, cells: int) -> list[Line]:
        """Return a row in full."""

    @abstractmethod
    def title_of(self, key: K) -> str:
        """Return a row's title, as safe text."""

    @property
    def caption(self) -> str:
        """The title of the list's frame, as safe text."""
        return self.title

    @property
    def nothing(self) -> str:
        """The text of an empty list, as safe text."""
        return self.EMPTY

    def order_of(self, key: K, field: str) -> Any:
        """Return the value by which a row is sorted. A subclass adds those of its `FIGURES`."""
        return natural_order(self.fields(key).get(field, ""))

    def links(self, key: K) -> Sequence[Link]:
        """Return the links of a row's detail."""
        return ()

    def detail_actions(self, key: K) -> Sequence[DetailAction]:
        """Return the actions that a row's detail offers."""
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
        """Show the rows that match the filter."""
        keys = self._choose(self.rows(frame))
        test = self._test
        title = self.caption
        if test is not None:
            title += f"  / {safe_text(self.filter_text, 40)}  {len(keys):,} of {self._of:,}"
        title += self.order_text
        if self.list.marked:
            title += f"  {len(self.list.marked):,} marked"
        self.list.border_title = Content(title)
        if test is not None and self._of:
            self.list.empty = "Nothing here fits the filter."
        else:
            self.list.empty = UNREADABLE if self.host.feed.trouble else self.nothing
        self.list.show(self.in_order(keys), self.line, self.heading)

    def _choose(self, keys: Sequence[K]) -> Sequence[K]:
        """Return the rows that match the filter. For very many rows the result is cached until they or the filter
        change.
        """
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
        """Do nothing: only ages change with time, and `show` updates them each second."""

    @property
    def matched(self) -> tuple[int, int]:
        """The number of rows that match the filter, and the number of all rows."""
        return len(self.list.keys), self._of

    @property
    def filter_problem(self) -> str:
        """The problem of a filter that matches nothing."""
        return unknown_field(self.filter_text, self.FIELDS) if self._of and not self.list.keys else ""

    def filter_by(self, text: str) -> None:
        """Show only the rows that match the filter."""
        super().filter_by(text)
        self._test = list_filter(text, self.FIELDS)
        self.host.show()

    def action_unfilter(self) -> None:
        """Remove all marks, or the filter if there are none."""
        if self.list.marked:
            self.unmark()
        elif self.filter_text:
            self.filter_by("")
        else:
            raise SkipAction  # the key leaves the past

    def unmark(self) -> None:
        """Remove all marks."""
        if self.list.marked:
            self.list.marked.clear()
            self.host.show()

    def action_mark(self) -> None:
        """Mark or unmark the row under the cursor, and move to the next."""
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
        """Open the detail of the row under the cursor."""
        key = self.list.selected
        if key is not None:
            title, make = self.title_of(key), lambda cells: self.about(key, cells)
            about = TextDetailScreen(title, self.host.palette, make, self.links(key), self.detail_actions(key))
            self.host.push_screen(about)
