"""What pages and panes lie in: a container that is covered by what it holds, and costs a frame next to nothing."""

from __future__ import annotations

from typing import Any, Self

from textual.containers import Container
from textual.geometry import Region
from textual.strip import Strip


class Ground(Container):
    """Keeps the blank lines that it painted: they are asked for in every frame, whatever changed."""

    _kept: tuple[Region, list[Strip]] | None = None

    def refresh(self, *regions: Region, **how: Any) -> Self:
        """Paint anew: the theme or the size is another."""
        self._kept = None
        return super().refresh(*regions, **how)

    def render_lines(self, crop: Region) -> list[Strip]:
        """Return the lines within `crop`."""
        if self._kept is None or self._kept[0] != crop:
            self._kept = (crop, super().render_lines(crop))
        return self._kept[1]
