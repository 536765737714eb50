"""A scrolling list that paints only visible lines, and of those only changed ones."""

from __future__ import annotations

from typing import ClassVar, NamedTuple

from rich.style import Style
from textual.binding import BindingType
from textual.geometry import Region, Size
from textual.scroll_view import ScrollView
from textual.strip import Strip
from textual.widget import Widget

from fuseboard_console.painting.cached_widget import CachedWidget
from fuseboard_console.painting.strips import changed_region, has_cursor, strip_of
from fuseboard_console.text.line import Line
from fuseboard_console.tui.bindings import MOVES, bindings_of
from fuseboard_console.tui.themes import Palette
from fuseboard_console.views.events.copy_text import lines_copy

UNCUT = 5_000
"""Cells in which no line is cut: what is copied is made for so many."""


class _Viewport(NamedTuple):
    """The visible part: width, height, first line and number of lines. Cached, because reading each again is slow."""

    cells: int
    height: int
    top: int
    lines: int


class LineList(ScrollView, CachedWidget, can_focus=True, inherit_bindings=False):
    """Base of the panes. A subclass returns the number of lines, and any line on request."""

    BINDINGS: ClassVar[list[BindingType]] = [*bindings_of(MOVES)]
    HEADINGS = 0
    """Lines at the top that do not scroll."""

    def __init__(self, palette: Palette, *, id: str) -> None:
        super().__init__(id=id)
        self.palette = palette
        self._painted: dict[int, Line] = {}
        self._painted_in = Size(0, 0)
        self._viewport: _Viewport | None = None
        self._grounds = (Style.null(), Style.null())

    @property
    def cells(self) -> int:
        """The width of a line, without the scrollbar."""
        return self.scrollable_content_region.width if self._viewport is None else self._viewport.cells

    # ---------------------------------------------------------------- for subclasses

    def count(self) -> int:
        """Return the number of lines, without headings."""
        return 0

    def line_at(self, index: int) -> Line:
        """Return a line by its number."""
        return ()

    def heading(self) -> Line:
        """Return the line that does not scroll."""
        return ()

    def copied(self) -> str:
        """The text for the clipboard: all lines. Subclasses with a cursor return the item under it."""
        return lines_copy([self.line_at(index) for index in range(self.count())])

    # ---------------------------------------------------------------- painting

    def repaint(self, palette: Palette) -> None:
        """Repaint in the palette of another theme."""
        self.palette = palette
        self._painted.clear()
        self.refresh()

    def refresh_changed(self) -> None:
        """Compare the visible lines with what was painted, and repaint the difference."""
        self.measure()
        self._viewport = viewport = self._current_viewport()
        if self.HEADINGS:
            self._update_position_text(viewport)
        for y in range(viewport.height):
            region = changed_region(self._painted.get(y), self._line_of(y), y, viewport.cells)
            if region is not None:
                self.refresh(region)
        self._viewport = None

    def _update_position_text(self, viewport: _Viewport) -> None:
        page = max(1, viewport.height - self.HEADINGS)
        subtitle = ""
        if viewport.lines > page:
            first = min(viewport.top + 1, viewport.lines)
            dash = "-" if self.palette.ascii_only else "–"
            subtitle = f"{first:,}{dash}{min(first + page - 1, viewport.lines):,} of {viewport.lines:,}"
        if subtitle != self.border_subtitle:
            self.border_subtitle = subtitle

    def _current_viewport(self) -> _Viewport:
        return _Viewport(self.scrollable_content_region.width, self.size.height, self.scroll_offset.y, self.count())

    def measure(self) -> None:
        """Update the scrollbar for the number of lines.

        Assigning `virtual_size` would lay out and repaint the whole screen for each new line.
        """
        size = Size(self.cells, self.count() + self.HEADINGS)
        if size != self.virtual_size:
            self.set_reactive(Widget.virtual_size, size)
            self._scroll_update(size)

    def _line_of(self, y: int) -> Line:
        if y < self.HEADINGS:
            return self.heading()
        viewport = self._viewport or self._current_viewport()
        index = y - self.HEADINGS + viewport.top
        return self.line_at(index) if 0 <= index < viewport.lines else ()

    def paint_lines(self, crop: Region) -> list[Strip]:
        """Paint the lines within `crop`."""
        if self.size != self._painted_in:
            self._painted.clear()
            self._painted_in = self.size
        ground = self.visual_style.rich_style
        self._grounds = (ground, ground + self.palette["cursor"])
        self._viewport = self._current_viewport()
        strips = super().paint_lines(crop)
        self._viewport = None
        return strips

    def render_line(self, y: int) -> Strip:
        """Return visible line `y`. The line under the cursor has another background."""
        line = self._line_of(y)
        self._painted[y] = line
        return strip_of(line, self.cells, self.palette, self._grounds[has_cursor(line)])

    def on_resize(self) -> None:
        """Measure and announce the visible lines again; the widget is repainted because its size changed."""
        self.measure()
        if self.HEADINGS:
            self._update_position_text(self._current_viewport())

    @property
    def page(self) -> int:
        """The number of visible lines."""
        return max(1, self.size.height - self.HEADINGS)

    # ---------------------------------------------------------------- moving

    def move(self, lines: int) -> None:
        """Scroll by a number of lines, up if it is negative."""
        self.scroll_to(y=self.scroll_offset.y + lines, animate=False)

    def action_cursor_down(self) -> None:
        """Move to the next line."""
        self.move(1)

    def action_cursor_up(self) -> None:
        """Move to the previous line."""
        self.move(-1)

    def action_page_down(self) -> None:
        """Go down by a page."""
        self.move(self.page - 1 or 1)

    def action_page_up(self) -> None:
        """Go up by a page."""
        self.move(-(self.page - 1 or 1))

    def action_first(self) -> None:
        """Go to the first line."""
        self.move(-self.count())

    def action_last(self) -> None:
        """Go to the last line."""
        self.move(self.count())
