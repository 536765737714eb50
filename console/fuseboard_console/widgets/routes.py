"""The pane of recent routes: how the latest tasks went along their chains."""

from __future__ import annotations

from fuseboard_console.painting.line_list import LineList
from fuseboard_console.text.glyphs import Glyphs
from fuseboard_console.text.line import Line, Span
from fuseboard_console.tui.themes import Palette
from fuseboard_console.views.adapters.engine_names import NO_ENGINES, engine_names
from fuseboard_console.views.events.chains import engine_of, route_line, type_width
from fuseboard_console.views.events.copy_text import route_copy
from fuseboard_engine.events import RouteFinished
from fuseboard_storage.board.board import Board, Entry


class RoutesPane(LineList):
    """Routes, newest first. Scrolled down, it keeps its position when new ones arrive."""

    def __init__(self, palette: Palette, glyphs: Glyphs) -> None:
        super().__init__(palette, id="routes")
        self.glyphs = glyphs
        self._routes: tuple[Entry, ...] = ()
        self._shown: tuple[Board | None, int] = (None, 0)  # the Board, and the number of its newest route
        self._engines = NO_ENGINES
        self._type_cells = 0

    def show(self, board: Board) -> None:
        """Show a Board's routes."""
        shown = (board, board.routes[0].seq if board.routes else 0)
        engines = engine_names(board)
        if shown == self._shown and engines == self._engines:
            return
        before, self._shown, self._engines = self._shown[1], shown, engines
        self._routes = tuple(board.routes)
        if self.scroll_offset.y:
            self.measure()
            new = sum(1 for entry in self._routes if entry.seq > before)
            self.scroll_to(y=self.scroll_offset.y + new, animate=False)
        self._type_cells = type_width(self._routes)
        self.refresh_changed()

    def count(self) -> int:
        """Return the number of lines. The text of an empty list is a line too."""
        return max(1, len(self._routes))

    def copied(self) -> str:
        """The route at the top, with all its attempts, for the clipboard."""
        if not self._routes:
            return ""
        entry = self._routes[min(self.scroll_offset.y, len(self._routes) - 1)]
        assert isinstance(entry.event, RouteFinished)
        return route_copy(entry.event, engine_of(entry, self._engines))

    def line_at(self, index: int) -> Line:
        """Return a route's line."""
        if not self._routes:
            return (Span(" No task has been routed yet.", "faint"),)
        entry, engines = self._routes[index], self._engines
        event = entry.event
        assert isinstance(event, RouteFinished)
        engine = engine_of(entry, engines)
        return (Span(" "), *route_line(event, self.cells - 2, self._type_cells, self.glyphs, engine, engines.cells))
