"""Scrollbars for terminals without glyphs for parts of a cell."""

from __future__ import annotations

from typing import ClassVar

from textual.scrollbar import ScrollBar, ScrollBarRender


class WholeCells(ScrollBarRender):
    """A scrollbar of blank cells on two grounds."""

    VERTICAL_BARS: ClassVar[list[str]] = [" "]


def draw_scrollbars(ascii_only: bool) -> None:
    """Have all scrollbars of this process drawn with signs of parts of cells, or without."""
    ScrollBar.renderer = WholeCells if ascii_only else ScrollBarRender
