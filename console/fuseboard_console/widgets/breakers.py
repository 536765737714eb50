"""The breakers table: virtual, ten thousand rows cost what is in sight."""

from __future__ import annotations

from rich.style import Style
from textual.events import Click
from textual.strip import Strip

from fuseboard_console.cells import width
from fuseboard_console.glyphs import Glyphs
from fuseboard_console.safe_text import safe_text
from fuseboard_console.themes import Palette
from fuseboard_console.views.adapters import BY_STATE, AdapterView, Order, Stats, condition, stats_of, view_of
from fuseboard_console.views.columns import Placed, place, row_line, slices_of, titles
from fuseboard_console.views.line import Line, Span
from fuseboard_console.views.times import SECOND
from fuseboard_console.widgets.line_list import LineList
from fuseboard_console.widgets.paint import strip_of
from fuseboard_storage.board import AdapterKey, Board

PROBLEMS = ("open", "held", "ready", "probing", "silent")
"""How an adapter stands that needs a person."""


class BreakersTable(LineList):
    """One line per adapter, the most troubled first. The cursor stays on its adapter when the order changes."""

    HEADINGS = 1

    def __init__(self, palette: Palette, glyphs: Glyphs) -> None:
        super().__init__(palette, id="breakers")
        self.glyphs = glyphs
        self.selected: AdapterKey | None = None
        """The adapter under the cursor; None when there is none."""
        self.sort = BY_STATE
        """By what the adapters are sorted, for the mark in the titles."""
        self._board = Board()
        self._order = Order((), {})
        self._now = 0
        self._columns: tuple[Placed, ...] = ()
        self._placed_in = 0  # cells
        self._lost = False
        self._longest = 0
        self._stats: dict[AdapterKey, tuple[int, int, Stats]] = {}
        self.counting = False
        """Whether a countdown is in sight."""

    def show(self, board: Board, order: Order, now: int, *, lost: bool) -> None:
        """Show a Board as of `now` (UTC microseconds). `lost`: some states are only the last known."""
        self._board = board
        self._now = now
        if order != self._order:
            self._take_order(order)
        self._lost = lost
        self._place()
        self.refresh_changed()
        first = self.scroll_offset.y
        in_sight = order.keys[first : first + self.page]
        self.counting = any(self._counts(key) for key in in_sight)

    def _place(self) -> None:
        self._placed_in = self.cells
        self._columns = place(self._placed_in, self._longest, len(self._board.instances), self._lost)

    def _counts(self, key: AdapterKey) -> bool:
        row = self._board.adapters.get(key)
        return row is not None and row.state == "open" and row.until is not None and row.until > self._now

    def _take_order(self, order: Order) -> None:
        before = self._order
        if set(order.keys) != set(before.keys):
            self._longest = max((width(safe_text(key.adapter, 300)) for key in order.keys), default=0)
            self._stats = {key: kept for key, kept in self._stats.items() if key in self._board.adapters}
        place_on_screen = self._index() - self.scroll_offset.y
        self._order = order
        if self.selected is None or self.selected not in order.keys:
            old = before.keys.index(self.selected) if self.selected in before.keys else 0
            self.selected = order.keys[min(old, len(order.keys) - 1)] if order.keys else None
        elif before.keys and self.scroll_offset.y and 0 <= place_on_screen < self.page:
            # The reader looks at this line: it stays where the eye is.
            self.measure()
            self.scroll_to(y=max(0, self._index() - place_on_screen), animate=False)

    # ---------------------------------------------------------------- lines

    def count(self) -> int:
        """Return how many adapters there are."""
        return len(self._order.keys)

    def heading(self) -> Line:
        """Return the titles of the columns."""
        return titles(self._columns, self.sort.column, self.glyphs.turned if self.sort.turned else self.glyphs.sort)

    @property
    def column_ids(self) -> tuple[str, ...]:
        """The columns there is room for, left to right."""
        return tuple(placed.column.id for placed in self._columns)

    def line_at(self, index: int) -> Line:
        """Return the line of the adapter at a place of the order."""
        key = self._order.keys[index]
        view = self.view(key)
        if view is None:
            return ()
        line = row_line(view, self._now, self._columns, self.glyphs)
        if key == self.selected:
            line = (Span(self.glyphs.cursor, "cursor-mark"), Span(" "), *line[1:])
        return line

    def view(self, key: AdapterKey) -> AdapterView | None:
        """Return an adapter as shown; None when it is gone."""
        row = self._board.adapters.get(key)
        if row is None:
            return None
        slices = slices_of(self._columns)
        second = self._now // SECOND
        kept = self._stats.get(key)
        if kept is None or kept[0] != second or kept[1] != slices:
            kept = self._stats[key] = (second, slices, stats_of(row, self._now, slices))
        return view_of(row, self._board.instances.get(key.instance), self._now, kept[2])

    def render_line(self, y: int) -> Strip:
        """Return line `y` of what is in sight; the one with the cursor stands on another ground."""
        if self._placed_in != self.cells:
            self._place()  # laid out anew since it was shown: the first frame in a size is whole already
        line = self._line_of(y)
        self._painted[y] = line
        on_cursor = bool(line) and line[0].style == "cursor-mark"
        base = self.rich_style + (self.palette["cursor"] if on_cursor else Style.null())
        return strip_of(line, self.cells, self.palette, base)

    # ---------------------------------------------------------------- the cursor

    def _index(self) -> int:
        try:
            return self._order.keys.index(self.selected) if self.selected is not None else 0
        except ValueError:
            return 0

    def move(self, lines: int) -> None:
        """Move the cursor by so many adapters and keep it in sight."""
        if not self._order.keys:
            return
        self.select(self._index() + lines)

    def next_problem(self, now: int) -> bool:
        """Put the cursor on the next adapter that needs a person, from the top again at the end; False: none does."""
        keys, at = self._order.keys, self._index()
        for index in (*range(at + 1, len(keys)), *range(min(at + 1, len(keys)))):
            row = self._board.adapters.get(keys[index])
            if row and condition(row, self._board.instances.get(row.key.instance), now) in PROBLEMS:
                self.select(index)
                return True
        return False

    def select(self, index: int) -> None:
        """Put the cursor on the adapter at a place of the order."""
        index = max(0, min(index, len(self._order.keys) - 1))
        self.selected = self._order.keys[index]
        top = self.scroll_offset.y
        if index < top:
            self.scroll_to(y=index, animate=False)
        elif index >= top + self.page:
            self.scroll_to(y=index - self.page + 1, animate=False)
        self.refresh_changed()

    def on_click(self, event: Click) -> None:
        """Select the adapter that was clicked."""
        place = event.get_content_offset(self)
        if place is None or place.y < self.HEADINGS:
            return
        index = place.y - self.HEADINGS + self.scroll_offset.y
        if index < self.count():
            self.select(index)
