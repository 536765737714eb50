"""A list with a cursor that stays on its row when rows come and go."""

from __future__ import annotations

import re
from collections.abc import Callable, Hashable, Sequence
from typing import Any, Generic, TypeVar

from textual.content import Content
from textual.events import Click
from textual.message import Message

from fuseboard_console.painting.line_list import UNCUT, LineList
from fuseboard_console.text.glyphs import Glyphs
from fuseboard_console.text.line import Line, Span, text_of
from fuseboard_console.text.width import fold, width
from fuseboard_console.tui.themes import Palette
from fuseboard_console.views.events.copy_text import lines_copy

MARGIN = 2
"""Cells at the left that the cursor and the mark of a row take."""


K = TypeVar("K", bound=Hashable)


class SelectableList(LineList, Generic[K]):
    """Rows identified by a key, each rendered when it becomes visible.

    The cursor follows its row. When the row is gone, the cursor keeps its index. Rows can be marked for actions on
    several.
    """

    HEADINGS = 1

    class Chosen(Message):
        """A row was double-clicked."""

        def __init__(self, choices: SelectableList[Any]) -> None:
            super().__init__()
            self.choices = choices

        @property
        def control(self) -> SelectableList[Any]:
            """The list that posted the message."""
            return self.choices

    class TitleClicked(Message):
        """The titles were clicked. `title` is the word at the place of the click, empty if there is none."""

        def __init__(self, title: str) -> None:
            super().__init__()
            self.title = title

    def __init__(self, palette: Palette, glyphs: Glyphs, *, id: str, title: str = "", empty: str = "") -> None:
        """Create an empty list. `empty` is its text while it has no rows."""
        super().__init__(palette, id=id)
        self.border_title = Content(title)
        self.glyphs = glyphs
        self.empty = empty
        self.newest_first = False
        """Whether new rows come at the top: what the eye is on then stays where it is."""
        self.follows = False
        """Whether a cursor on the first row stays on the first row, whichever that is."""
        self.keys: Sequence[K] = ()
        """The rows, top to bottom."""
        self.selected: K | None = None
        """The row under the cursor; None when there is none."""
        self.marked: set[K] = set()
        """The rows that were marked."""
        self.successor: Callable[[K], K | None] = lambda key: None
        """Returns the row that replaced a removed row, or None if none has yet."""
        self._missed: K | None = None  # where the cursor was, until its successor appears
        self._places: dict[K, int] = {}
        self._line: Callable[[K, int], Line] = lambda key, cells: ()
        self._heading: Callable[[int], Line] = lambda cells: ()

    def show(
        self, keys: Sequence[K], line: Callable[[K, int], Line], heading: Callable[[int], Line] | None = None
    ) -> None:
        """Show rows. `line` renders one row for a width, `heading` the titles."""
        self._line = line
        if heading is not None:
            self._heading = heading
        if keys != self.keys:
            self._take(keys)
        self.refresh_changed()

    def _take(self, keys: Sequence[K]) -> None:
        place = self.index
        on_screen = place - self.scroll_offset.y
        self.keys = keys
        self._places = {key: at for at, key in enumerate(keys)}
        self.marked &= self._places.keys()
        if self.selected is not None and self.selected not in self._places:
            self._missed = self._missed or self.selected
        successor = self.successor(self._missed) if self._missed is not None else None
        if successor is not None and successor in self._places:
            self.selected, self._missed = successor, None
        if self.selected is None or self.selected not in self._places or (self.follows and not place):
            self.selected = keys[min(place, len(keys) - 1)] if keys else None
            self.measure()
        elif (self.newest_first or self.scroll_offset.y) and 0 <= on_screen < self.page:
            self.measure()
            self.scroll_to(y=max(0, self.index - on_screen), animate=False)  # what the eye is on stays where it is

    # ---------------------------------------------------------------- lines

    def count(self) -> int:
        """Return the number of lines. The text of an empty list takes lines too."""
        return len(self.keys) or len(self._empty_lines())

    def _empty_lines(self) -> list[str]:
        return fold(self.empty, max(MARGIN, self.cells - MARGIN)) or [""]

    def heading(self) -> Line:
        """Return the column titles."""
        return (Span(" " * MARGIN), *self._heading(self.cells - MARGIN))

    def line_at(self, index: int) -> Line:
        """Return the line of a row."""
        if not self.keys:
            return (Span(" " * MARGIN), Span(self._empty_lines()[index], "faint"))
        key = self.keys[index]
        mark = Span(self.glyphs.mark, "key") if key in self.marked else Span(" ")
        cursor = Span(self.glyphs.cursor, "cursor-mark") if key == self.selected else Span(" ")
        return (cursor, mark, *self._line(key, self.cells - MARGIN))

    def copied(self) -> str:
        """The row under the cursor, uncut, for the clipboard."""
        return lines_copy([self._line(self.selected, UNCUT)]) if self.selected is not None else ""

    # ---------------------------------------------------------------- the cursor

    @property
    def index(self) -> int:
        """The index of the cursor."""
        return self._places.get(self.selected, 0) if self.selected is not None else 0

    def move(self, lines: int) -> None:
        """Move the cursor by a number of rows and keep it visible."""
        if self.keys:
            self.select(self.index + lines)

    def select(self, index: int) -> None:
        """Move the cursor to a row by index."""
        index = max(0, min(index, len(self.keys) - 1))
        self.selected, self._missed = self.keys[index], None
        self._scroll_to_cursor()
        self.refresh_changed()

    def _scroll_to_cursor(self) -> None:
        index, top = self.index, self.scroll_offset.y
        if index < top:
            self.scroll_to(y=index, animate=False)
        elif index >= top + self.page:
            self.scroll_to(y=index - self.page + 1, animate=False)

    def on_resize(self) -> None:
        """Keep the cursor visible after a resize."""
        below = self.index >= self.scroll_offset.y
        super().on_resize()
        if below:
            self._scroll_to_cursor()

    def choose(self) -> None:
        """Post that the row under the cursor was chosen."""
        if self.selected is not None:
            self.post_message(self.Chosen(self))

    def toggle_mark(self) -> None:
        """Mark or unmark the row under the cursor, and move to the next."""
        if self.selected is None:
            return
        self.marked ^= {self.selected}
        self.move(1)
        self.refresh_changed()

    def mark_all(self) -> None:
        """Mark every row, or none when all are."""
        self.marked = set() if len(self.marked) == len(self.keys) else set(self.keys)
        self.refresh_changed()

    def click_title(self, cell: int) -> None:
        """Post the word at a cell of the titles' line."""
        text, at = text_of(self.heading()), 0
        for title in re.split(r"(\s+)", text):
            cells = width(title)
            if at <= cell < at + cells:
                self.post_message(self.TitleClicked(title.strip()))
                return
            at += cells
        self.post_message(self.TitleClicked(""))

    def row_at(self, line: int) -> int | None:
        """Return the index of the row at a line below the titles; None below the last one."""
        return line if line < len(self.keys) else None

    def on_click(self, event: Click) -> None:
        """Select the clicked row. A double click chooses it, and a click on a title sorts."""
        place = event.get_content_offset(self)
        if place is not None and place.y < self.HEADINGS:
            self.click_title(place.x)
        if place is None or place.y < self.HEADINGS:
            return
        index = self.row_at(place.y - self.HEADINGS + self.scroll_offset.y)
        if index is not None and self.keys:
            self.select(index)
            if event.chain == 2:
                self.choose()
