"""Widgets of a text: the header and the footer of one line, the banner of up to three."""

from __future__ import annotations

from typing import Final

from textual.strip import Strip

from fuseboard_console.painting.cached_widget import CachedWidget
from fuseboard_console.painting.strips import changed_region, strip_of
from fuseboard_console.text.line import Line, fold_line
from fuseboard_console.tui.themes import Palette

MOST_LINES: Final = 3
"""Lines of a folded bar at the most."""


class LineBar(CachedWidget):
    """Shows one line, and repaints only the part that changed."""

    DEFAULT_CSS = "LineBar { height: 1; }"

    def __init__(self, palette: Palette, *, id: str) -> None:
        super().__init__(id=id)
        self.palette = palette
        self.line: Line = ()

    def show(self, line: Line) -> None:
        """Replace the line."""
        region = changed_region(self.line or None, line, 0, max(1, self.size.width))
        self.line = line
        if region is not None:
            self.refresh(region)

    def repaint(self, palette: Palette) -> None:
        """Repaint in the palette of another theme."""
        self.palette = palette
        self.refresh()

    def render_line(self, y: int) -> Strip:
        """Return line `y` of the widget."""
        return strip_of(self.line if y == 0 else (), self.size.width, self.palette, self.visual_style.rich_style)


class FoldedBar(LineBar):
    """Shows a text over the whole width of the screen, on as many lines as it needs, at most three."""

    def __init__(self, palette: Palette, *, id: str) -> None:
        super().__init__(palette, id=id)
        self._lines: list[Line] = []

    def show(self, line: Line) -> None:
        """Replace the text."""
        self.line = line
        lines = fold_line(line, self.app.size.width, MOST_LINES)
        if lines != self._lines:
            self._lines = lines
            self.styles.height = len(lines)
            self.refresh()

    def on_resize(self) -> None:
        """Fold the text into the new width."""
        self.show(self.line)

    def render_line(self, y: int) -> Strip:
        """Return line `y` of the widget."""
        line = self._lines[y] if y < len(self._lines) else ()
        return strip_of(line, self.size.width, self.palette, self.visual_style.rich_style)


class LinesBar(LineBar):
    """Shows some lines, and takes no room without any."""

    DEFAULT_CSS = "LinesBar { display: none; }"

    def __init__(self, palette: Palette, *, id: str) -> None:
        super().__init__(palette, id=id)
        self._lines: list[Line] = []

    def show_lines(self, lines: list[Line]) -> None:
        """Replace the lines."""
        if lines == self._lines:
            return
        if len(lines) != len(self._lines):
            self.display = bool(lines)
            self.styles.height = len(lines)
        self._lines = lines
        self.refresh()

    def render_line(self, y: int) -> Strip:
        """Return line `y` of the widget."""
        line = self._lines[y] if y < len(self._lines) else ()
        return strip_of(line, self.size.width, self.palette, self.visual_style.rich_style)
