"""Widgets that cache what they painted: each frame asks all widgets near a change for all of their lines."""

from __future__ import annotations

from typing import Any, Self

from textual.containers import Container
from textual.geometry import Region, Size
from textual.screen import Screen
from textual.strip import Strip
from textual.widget import Widget


class CachedWidget(Widget):
    """Repaints only when it was refreshed or other lines are requested.

    As a second base it leaves the style and the keys of the first base unchanged.
    """

    _kept: tuple[Region, Size, list[Strip]] | None = None

    def refresh(self, *regions: Region, **how: Any) -> Self:
        """Discard the cache. Textual calls this too, for another theme, size, or scroll position."""
        self._kept = None
        return super().refresh(*regions, **how)

    def render_lines(self, crop: Region) -> list[Strip]:
        """Return the lines within `crop`."""
        # Between two layouts the same lines may be in sight of a widget of another size, whose frame ends elsewhere.
        if self._kept is None or self._kept[:2] != (crop, self.outer_size):
            self._kept = (crop, self.outer_size, self.paint_lines(crop))
        return self._kept[2]

    def paint_lines(self, crop: Region) -> list[Strip]:
        """Paint the lines within `crop`."""
        return super().render_lines(crop)


class CachedContainer(Container, CachedWidget):
    """The container of pages and panes."""


class CachedScreen(Screen[None], CachedWidget):
    """The screen that contains everything."""
