"""The panes below the breakers: routes or failures."""

from __future__ import annotations

from time import monotonic

from textual.app import ComposeResult

from fuseboard_console.painting.cached_widget import CachedContainer
from fuseboard_console.text.glyphs import Glyphs
from fuseboard_console.tui.themes import Palette
from fuseboard_console.views.selection.layout import Plan
from fuseboard_console.widgets.failures import FailuresPane
from fuseboard_console.widgets.routes import RoutesPane
from fuseboard_storage.board.board import Board

EVERY = 0.25
"""Minimum seconds between two frames: all lines move at once, faster than anyone can read."""


class LogPanes(CachedContainer):
    """Holds the two panes and limits how often they are repainted."""

    def __init__(self, palette: Palette, glyphs: Glyphs) -> None:
        super().__init__(id="panes")
        self.routes = RoutesPane(palette, glyphs)
        self.failures = FailuresPane(palette, glyphs)
        self.routes.border_title = "Recent routes"
        self.failures.border_title = "Recent failures"
        self._board = Board()
        self._due = False
        self._painted_at = 0.0

    def compose(self) -> ComposeResult:
        """Yield the panes."""
        yield self.routes
        yield self.failures

    def divide(self, plan: Plan) -> None:
        """Apply a plan's heights, and repaint at once next time."""
        self.routes.display = plan.routes > 0
        self.failures.display = plan.failures > 0
        self.routes.styles.height = plan.routes
        self.failures.styles.height = plan.failures
        self._painted_at = 0.0

    def show(self, board: Board) -> None:
        """Show a Board's routes and failures now, or at a later `flush_deferred`."""
        self._board = board
        self._due = True
        self.flush_deferred()

    @property
    def deferred(self) -> bool:
        """Whether changes wait for the next frame."""
        return self._due

    def flush_deferred(self) -> None:
        """Paint deferred changes, if they have waited long enough."""
        now = monotonic()
        if self._due and now - self._painted_at >= EVERY:
            self._due = False
            self._painted_at = now
            for pane in (self.routes, self.failures):
                if pane.display:
                    pane.show(self._board)
