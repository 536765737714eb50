"""The base class of the pages, one of which is in view between the header and the footer."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar

from fuseboard_console.actions.pages import PAGE_BY_ID
from fuseboard_console.painting.cached_widget import CachedContainer
from fuseboard_console.painting.line_list import LineList
from fuseboard_console.tui.bindings import bindings_of
from fuseboard_console.tui.protocols import ConsoleHost, Frame
from fuseboard_console.tui.themes import Palette
from fuseboard_storage.board.board import AdapterKey


class Page(CachedContainer, can_focus=False):
    """One page. A subclass defines what it shows. The keys of its actions work while it is visible.

    Its actions are those of `ACTIONS` that name it in `pages`. Each is a method `action_<id>`.
    """

    PAGE: ClassVar[str] = ""
    """Its id in `actions/pages.py`, from which its title and its features come."""

    def __init__(self, host: ConsoleHost) -> None:
        super().__init__(id=f"page-{self.PAGE}", classes="page")
        self.host = host
        entry = PAGE_BY_ID[self.PAGE]
        self.title = entry.title
        """The name of the page in the breadcrumb."""
        self.filterable = "filter" in entry.features
        """Whether `/` filters what it lists."""
        self.filter_text = ""
        """The text of the page's filter."""
        own = (action for action in host.actions if self.PAGE in action.pages and hasattr(self, f"action_{action.id}"))
        for binding in bindings_of(own):
            self._bindings.bind(binding.key, binding.action, binding.description, show=binding.show)

    # ---------------------------------------------------------------- for subclasses

    @property
    def lists(self) -> Iterable[LineList]:
        """Its lists. The first gets the focus when the page opens."""
        return ()

    def show(self, frame: Frame) -> None:
        """Show a frame. Called when something changed, and each second."""

    def tick(self, frame: Frame) -> None:
        """Update what changes with time. Called ten times a second while `counting`."""
        self.show(frame)

    async def refresh_data(self, frame: Frame) -> None:
        """Read what the Board does not have. Called when the page opens and as events arrive."""

    def flush_deferred(self) -> None:
        """Paint what was deferred. Called at each poll of the recording."""

    def filter_by(self, text: str) -> None:
        """Show only what matches a filter."""
        self.filter_text = text

    @property
    def matched(self) -> tuple[int, int]:
        """The number of lines that match the filter, and the number of all lines."""
        return 0, 0

    @property
    def counting(self) -> bool:
        """Whether a countdown is visible."""
        return False

    @property
    def target(self) -> AdapterKey | None:
        """The adapter that an action applies to, or None."""
        return None

    @property
    def targets(self) -> tuple[AdapterKey, ...]:
        """The marked adapters, to which an action applies instead. Empty if there are none."""
        return ()

    @property
    def targets_name(self) -> str:
        """A common name of the targets, such as their tag, or an empty string."""
        return ""

    def unmark(self) -> None:
        """Remove all marks."""

    @property
    def filter_problem(self) -> str:
        """The problem of the filter, as safe text, or an empty string."""
        return ""

    def copied(self, frame: Frame) -> str:
        """The item under the cursor in full, as safe text, for the clipboard. Empty if there is none."""
        focused = self.screen.focused
        return focused.copied() if isinstance(focused, LineList) else ""

    @property
    def trail(self) -> str:
        """The breadcrumb after the page's title, as safe text."""
        return ""

    # ---------------------------------------------------------------- for the console

    def apply_frames(self, *, frames: bool) -> None:
        """Add or remove the frames of its lists."""
        for pane in self.lists:
            pane.add_class("pane")
        self.set_class(not frames, "bare")

    def apply_palette(self, palette: Palette) -> None:
        """Repaint in the palette of another theme."""
        for pane in self.lists:
            pane.repaint(palette)

    def focus_first(self) -> None:
        """Focus its first visible list."""
        for pane in self.lists:
            if pane.display:
                self.screen.set_focus(pane)
                return
