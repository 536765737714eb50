"""A widget of one line: the header, the footer, the banner."""

from __future__ import annotations

from textual.strip import Strip

from fuseboard_console.painting.cached_widget import CachedWidget
from fuseboard_console.painting.strips import changed_region, strip_of
from fuseboard_console.text.line import Line
from fuseboard_console.tui.themes import Palette


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
