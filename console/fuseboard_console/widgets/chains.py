"""The pane of fallback chains: how many tasks of each type are answered, and by which adapter."""

from __future__ import annotations

from fuseboard_console.painting.line_list import LineList
from fuseboard_console.text.formatting import SECOND
from fuseboard_console.text.glyphs import Glyphs
from fuseboard_console.text.line import Line
from fuseboard_console.tui.themes import Palette
from fuseboard_console.views.lists.chains import (
    ChainView,
    chain_line,
    chain_views,
    chains_summary,
    name_cells,
    trend_of,
)
from fuseboard_storage.board.board import Board


class ChainsPane(LineList):
    """Chains, the most severe first. It is updated once a second, and when a breaker changes."""

    def __init__(self, palette: Palette, glyphs: Glyphs) -> None:
        super().__init__(palette, id="chains")
        self.border_title = "Fallback chains"
        self.glyphs = glyphs
        self.views: list[ChainView] = []
        """The chains shown."""
        self._board = Board()
        self._names = 0
        self._made: tuple[object, ...] = ()

    def show(self, board: Board, now: int) -> None:
        """Show a Board's chains at `now` (UTC microseconds)."""
        made = (board, now // SECOND, board.state_version, board.roster_version, len(board.chain_rows))
        if made == self._made:
            return
        self._made, self._board = made, board
        self.views = chain_views(board, now)
        self._names = name_cells(self.views)
        title = f"Fallback chains: {chains_summary(self.views)}" if len(self.views) > 1 else "Fallback chains"
        if title != self.border_title:
            self.border_title = title
        self.refresh_changed()

    def count(self) -> int:
        """Return the number of lines."""
        return len(self.views)

    def line_at(self, index: int) -> Line:
        """Return a chain's line."""
        view = self.views[index]
        row = self._board.chain_rows.get(view.key)
        trend = () if row is None else trend_of(row, view.now)
        return chain_line(view, trend, self.cells, self._names, self.glyphs)
