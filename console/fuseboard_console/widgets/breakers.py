"""The breakers table. It is virtual: its cost depends on the visible rows, not on all."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from contextlib import suppress

from textual.events import Click
from textual.message import Message
from textual.strip import Strip
from textual.timer import Timer

from fuseboard_console.painting.line_list import LineList
from fuseboard_console.text.formatting import SECOND
from fuseboard_console.text.glyphs import PROBLEMS, Glyphs
from fuseboard_console.text.line import Line, Span
from fuseboard_console.tui.themes import Palette
from fuseboard_console.views.adapters.adapter_view import condition_of, name_width
from fuseboard_console.views.adapters.chain_positions import ChainPosition
from fuseboard_console.views.adapters.change_highlight import ChangeHighlight
from fuseboard_console.views.adapters.columns import MARGIN, Column, ColumnLayout, column_at, place, titles
from fuseboard_console.views.adapters.engine_names import engine_names
from fuseboard_console.views.adapters.row_cache import RowLines
from fuseboard_console.views.adapters.successors import Successors
from fuseboard_console.views.selection.grouping import (
    FOLD_CELLS,
    GroupHead,
    can_have_cursor,
    head_line,
    head_of,
    members_of,
    nearest_selectable,
)
from fuseboard_console.views.selection.ordering import Order
from fuseboard_console.views.selection.sorting import BY_STATE, is_descending
from fuseboard_storage.board.board import AdapterKey, Board

_BLANK = Span(" ")


class BreakersTable(LineList):
    """One line per adapter, the most severe first. The cursor stays on its adapter when the order changes."""

    HEADINGS = 1

    class TitleClicked(Message):
        """The title of a column was clicked."""

        def __init__(self, column: str) -> None:
            super().__init__()
            self.column = column

    class GroupClicked(Message):
        """The sign of a group's fold was clicked, or its heading twice."""

        def __init__(self, group: str) -> None:
            super().__init__()
            self.group = group

    def __init__(self, palette: Palette, glyphs: Glyphs, *, highlight: bool = True) -> None:
        """Create an empty table. `highlight` enables the highlight of changed cells."""
        super().__init__(palette, id="breakers")
        self.glyphs = glyphs
        self.highlights_changes = highlight
        self.selected: AdapterKey | None = None
        """The adapter under the cursor; None when there is none."""
        self._group = ""  # the folded group under the cursor; empty if the cursor is on an adapter
        self.marked: set[AdapterKey] = set()
        """The adapters that were marked, shown or not."""
        self.sort = BY_STATE
        """By what the adapters are sorted, for the mark in the titles."""
        self.chosen: tuple[Column, ...] = ()
        """The operator's own columns; empty: those that matter most."""
        self.empty = ""
        """The text of an empty table."""
        self.grouped_by_engine = False
        """Whether each adapter stands under its engine's name."""
        self.counting = False
        """Whether a countdown is in sight."""
        self._board = Board()
        self._roster = -1
        self._order = Order((), {})
        self._places: dict[AdapterKey, tuple[ChainPosition, ...]] = {}
        self._at = 0  # the cursor's line
        self._successors = Successors()
        self._missed: AdapterKey | None = None  # where the cursor was, until its engine's next run has it again
        self._unmarked: set[AdapterKey] = set()  # the same, of marks
        self._now = 0
        self._columns: tuple[ColumnLayout, ...] = ()
        self._placed_in = 0
        self._without: frozenset[str] = frozenset()
        self._lost = False
        self._longest = 0
        self._rows = RowLines(glyphs)
        self._titled: tuple[tuple[ColumnLayout, ...], str, str] = ((), "", "")
        self._titles: Line = ()
        self._highlight = ChangeHighlight()
        self._compared = (-1, -1, -1, -1)  # the Board's number, the second and the lines of the last comparison
        self._fade_timer: Timer | None = None

    def show(
        self,
        board: Board,
        order: Order,
        now: int,
        *,
        lost: bool,
        places: dict[AdapterKey, tuple[ChainPosition, ...]] | None = None,
    ) -> None:
        """Show a Board at `now` (UTC microseconds).

        `lost`: some states are only the last known ones. `places` are the adapters' positions in the chains.
        """
        self._now = now
        self._places = places or {}
        if board is not self._board or board.roster_version != self._roster:
            self._take_roster(board)
        if order is not self._order and order != self._order:
            self._take_order(order)
        self._lost = lost
        self._place()
        self._compare()
        self.refresh_changed()
        self.counting = any(self._counts(key) for key in self._in_sight())

    def _take_roster(self, board: Board) -> None:
        if board is not self._board:
            self._highlight.forget()
        self._board, self._roster = board, board.roster_version
        self._successors.note(board)
        self._longest = max((name_width(key.adapter) for key in board.adapters), default=0)
        self.marked, self._unmarked = self._successors.followed(board, self.marked | self._unmarked)
        tagged = any(row.tags for row in board.rows())
        self._without = frozenset(({"chain"} if not board.chains else set()) | ({"tags"} if not tagged else set()))

    def _place(self) -> None:
        self._placed_in = self.cells
        engines = len(self._board.instances)
        names = engine_names(self._board)
        cells = 0 if self.grouped_by_engine else names.cells
        self._columns = place(self._placed_in, self._longest, engines, self._lost, self.chosen, self._without, cells)
        self._rows.begin(self._board, self._now, self._columns, self._places, names.short)

    def _counts(self, key: AdapterKey) -> bool:
        row = self._board.adapters.get(key)
        return row is not None and row.state == "open" and row.until is not None and row.until > self._now

    def _take_order(self, order: Order) -> None:
        on_screen, before = self._at - self.scroll_offset.y, self._order
        self._order = order
        self._follow_engine()
        at = self._cursor_line(order.lines)
        # If it is removed or hidden, select what took its position.
        self._take_cursor(nearest_selectable(order.lines, self._at, 1) if at < 0 else at)
        if at >= 0 and before.lines and self.scroll_offset.y and 0 <= on_screen < self.page:
            self.measure()  # the reader looks at this line: it stays where the eye is
            self.scroll_to(y=max(0, self._at - on_screen), animate=False)

    def _cursor_line(self, lines: Sequence[AdapterKey | GroupHead]) -> int:
        """Return the line of what is under the cursor, which may have been folded or unfolded since; -1 without one."""
        if self.selected is not None:
            with suppress(ValueError):
                return lines.index(self.selected)
        for at, line in enumerate(lines):
            if isinstance(line, GroupHead) and (line.name == self._group or self.selected in line.folded):
                return at if line.folded else at + 1
        return -1

    def _take_cursor(self, at: int) -> None:
        """Put the cursor on a line that can have it."""
        self._at = at
        line = self._order.lines[at] if self._order.lines else None
        self.selected = line if isinstance(line, AdapterKey) else None
        self._group = line.name if isinstance(line, GroupHead) and line.folded else ""

    @property
    def folded(self) -> GroupHead | None:
        """The folded group under the cursor; None if there is none."""
        line = self._order.lines[self._at] if self._group and self._at < len(self._order.lines) else None
        return line if isinstance(line, GroupHead) else None

    @property
    def group(self) -> GroupHead | None:
        """The group that the cursor is in; None if there are no groups."""
        return head_of(self._order.lines, self._at)

    def _follow_engine(self) -> None:
        """Move the cursor to the same adapter of its engine's next instance, once that exists."""
        if self.selected is not None and self.selected not in self._board.adapters:
            self._missed = self._missed or self.selected
        successor = self._successors.of(self._board, self._missed) if self._missed is not None else None
        if successor is not None:
            self.selected, self._missed = successor, None

    def _in_sight(self) -> list[AdapterKey]:
        first = self.scroll_offset.y
        return [line for line in self._order.lines[first : first + self.page] if isinstance(line, AdapterKey)]

    # ---------------------------------------------------------------- highlight

    def _compare(self) -> None:
        """Highlight changed cells. A timer runs only while a highlight lasts."""
        now = (self._board.seq, self._now // SECOND, self.scroll_offset.y, self.page)
        if not self.highlights_changes or now == self._compared:
            return
        self._compared = now
        rows = (view for key in self._in_sight() if (view := self._rows.view(key)) is not None)
        self._highlight.take(rows, [placed.column for placed in self._columns], time.monotonic())
        self._schedule_fade()

    def _schedule_fade(self) -> None:
        if self._fade_timer is None and (left := self._highlight.fade(time.monotonic())) is not None:
            self._fade_timer = self.set_timer(left, self._on_faded)

    def _on_faded(self) -> None:
        self._fade_timer = None
        self._schedule_fade()
        self.refresh_changed()

    def on_hide(self) -> None:
        """Discard remembered content, so that nothing is highlighted when the page opens again."""
        self._highlight.forget()

    # ---------------------------------------------------------------- lines

    def count(self) -> int:
        """Return the number of lines, group headings included."""
        return len(self._order.lines) or bool(self.empty)

    def heading(self) -> Line:
        """Return the column titles."""
        titled = (
            self._columns,
            self.sort.column,
            self.glyphs.sort if is_descending(self.sort) else self.glyphs.sort_ascending,
        )
        if titled != self._titled:
            self._titled, self._titles = titled, titles(*titled)
        return self._titles

    @property
    def column_ids(self) -> tuple[str, ...]:
        """The visible columns, left to right."""
        return tuple(placed.column.id for placed in self._columns)

    def line_at(self, index: int) -> Line:
        """Return the line of the adapter or heading at an index of the order."""
        if not self._order.lines:
            return (Span(f"  {self.empty}", "muted"),)
        key = self._order.lines[index]
        if isinstance(key, GroupHead):
            return self._head_line(key)
        line = self._rows.line(key, self._highlight.of(key))
        if not line:
            return ()
        cursor = Span(self.glyphs.cursor, "cursor-mark") if key == self.selected else _BLANK
        mark = Span(self.glyphs.mark, "key") if key in self.marked else _BLANK
        return (cursor, mark, *line)

    def _head_line(self, head: GroupHead) -> Line:
        """Return a heading. A folded one has the cursor, and the mark if all of its adapters are marked."""
        cursor = Span(self.glyphs.cursor, "cursor-mark") if head.folded and head.name == self._group else _BLANK
        marked = bool(self.marked and head.folded) and all(key in self.marked for key in head.folded)
        mark = Span(self.glyphs.mark, "key") if marked else _BLANK
        return (cursor, mark, *head_line(head, self.cells - MARGIN, self.glyphs))

    def render_line(self, y: int) -> Strip:
        """Return visible line `y`."""
        if self._placed_in != self.cells:
            self._place()  # the layout changed since `show`: the first frame in a size is complete
        return super().render_line(y)

    # ---------------------------------------------------------------- the cursor

    def move(self, lines: int) -> None:
        """Move the cursor by a number of lines and keep it visible."""
        if self._order.keys:
            self.select(self._at + lines, -1 if lines < 0 else 1)

    def next_problem(self, now: int) -> bool:
        """Move the cursor to the next adapter that needs attention, wrapping around. Return False if there is none."""
        lines, at = self._order.lines, self._at
        for index in (*range(at + 1, len(lines)), *range(min(at + 1, len(lines)))):
            if can_have_cursor(lines[index]) and self._needs_attention(lines[index], now):
                self.select(index)
                return True
        return False

    def _needs_attention(self, line: AdapterKey | GroupHead, now: int) -> bool:
        if isinstance(line, GroupHead):
            return bool(line.troubles)
        row = self._board.adapters.get(line)
        return row is not None and condition_of(row, self._board.instances.get(row.key.instance), now) in PROBLEMS

    def select(self, index: int, step: int = 1) -> None:
        """Move the cursor to the line at an index, or to the next in the direction of `step` that can have it."""
        self._take_cursor(nearest_selectable(self._order.lines, index, step))
        self._missed = None
        self._scroll_to_cursor()
        self.refresh_changed()

    def _scroll_to_cursor(self) -> None:
        self.measure()
        at, top = self._at, self.scroll_offset.y
        if at <= top:
            above = at > 0 and not can_have_cursor(self._order.lines[at - 1])  # the heading of these adapters
            self.scroll_to(y=at - above, animate=False)
        elif at >= top + self.page:
            self.scroll_to(y=at - self.page + 1, animate=False)

    def on_resize(self) -> None:
        """Keep the cursor visible after a resize."""
        super().on_resize()
        if self._order.keys and not self._at < self.scroll_offset.y:
            self._scroll_to_cursor()

    def on_click(self, event: Click) -> None:
        """Select the clicked adapter. A title sorts.

        A group's heading marks its adapters; the sign of its fold, or a second click, folds or unfolds it.
        """
        place = event.get_content_offset(self)
        if place is None:
            return
        if place.y < self.HEADINGS:
            if column := column_at(self._columns, place.x):
                self.post_message(self.TitleClicked(column))
            return
        index = place.y - self.HEADINGS + self.scroll_offset.y
        if index >= len(self._order.lines):
            return
        line = self._order.lines[index]
        if can_have_cursor(line):
            self.select(index)
        if isinstance(line, AdapterKey):
            return
        on_sign = place.x < FOLD_CELLS
        if not on_sign:
            self.mark(members_of(self._order.lines, index))  # a second click takes back what the first one marked
        if on_sign or event.chain == 2:
            self.post_message(self.GroupClicked(line.name))

    def is_group(self, y: int) -> bool:
        """Return whether the heading of a group is at line `y` of the widget."""
        index = y - self.HEADINGS + self.scroll_offset.y
        return 0 <= index < len(self._order.lines) and isinstance(self._order.lines[index], GroupHead)

    # ---------------------------------------------------------------- marks

    def toggle_mark(self) -> None:
        """Mark or unmark the adapter or the folded group under the cursor, and move to the next."""
        if self.selected is not None:
            self.marked ^= {self.selected}
            self.move(1)
        elif (group := self.folded) is not None:
            self.mark(group.folded)
            self.move(1)

    def mark_all(self) -> None:
        """Mark every adapter that is shown, or unmark them if all are marked."""
        self.mark(self._order.keys)

    def mark(self, keys: Iterable[AdapterKey]) -> None:
        """Mark these adapters, or unmark them if all are marked."""
        wanted = set(keys)
        self.marked = self.marked - wanted if wanted <= self.marked else self.marked | wanted
        self.refresh_changed()

    def unmark(self) -> None:
        """Remove all marks."""
        self.marked.clear()
        self._unmarked.clear()
        self.refresh_changed()
