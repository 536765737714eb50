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
    """One page. A subclass says what it shows; the keys of its actions work while it is in sight.

    Its actions are those of `ACTIONS` that name it in `pages`; each is a method `action_<id>` here.
    """

    PAGE: ClassVar[str] = ""
    """Its id in `actions/pages.py`, from which its title and its features come."""

    def __init__(self, host: ConsoleHost) -> None:
        super().__init__(id=f"page-{self.PAGE}", classes="page")
        self.host = host
        entry = PAGE_BY_ID[self.PAGE]
        self.title = entry.title
        """What the breadcrumb calls it."""
        self.filterable = "filter" in entry.features
        """Whether `/` filters what it lists."""
        self.filter_text = ""
        """What was typed to filter it."""
        own = (action for action in host.actions if self.PAGE in action.pages and hasattr(self, f"action_{action.id}"))
        for binding in bindings_of(own):
            self._bindings.bind(binding.key, binding.action, binding.description, show=binding.show)

    # ---------------------------------------------------------------- for subclasses

    @property
    def lists(self) -> Iterable[LineList]:
        """Its lists; the first takes the keys when the page comes."""
        raise NotImplementedError

    def show(self, frame: Frame) -> None:
        """Show a frame; called when something changed, and each second."""
        raise NotImplementedError

    def tick(self, frame: Frame) -> None:
        """Show what time alone changed; called ten times a second while `counting`."""
        self.show(frame)

    async def refresh_data(self, frame: Frame) -> None:
        """Read from the recording what the Board doesn't have; called when the page comes and as events come in."""

    def flush_deferred(self) -> None:
        """Paint what was deferred; called at each poll of the recording."""

    def filter_by(self, text: str) -> None:
        """Show only what a filter fits."""
        self.filter_text = text

    @property
    def matched(self) -> tuple[int, int]:
        """How many lines the filter fits, and of how many."""
        return 0, 0

    @property
    def counting(self) -> bool:
        """Whether a countdown is in sight."""
        return False

    @property
    def target(self) -> AdapterKey | None:
        """The adapter that an action means; None: none is selected."""
        return None

    @property
    def targets(self) -> tuple[AdapterKey, ...]:
        """The adapters that are marked, which an action means instead; empty: none is."""
        return ()

    @property
    def targets_name(self) -> str:
        """What those are called together, such as their tag; empty: nothing."""
        return ""

    def unmark(self) -> None:
        """Remove all marks."""

    @property
    def filter_problem(self) -> str:
        """What is wrong with the filter, as a sentence of safe text; empty when nothing is."""
        return ""

    def copied(self, frame: Frame) -> str:
        """What is copied: what the cursor is on, whole, as safe text; empty when there is nothing."""
        focused = self.screen.focused
        return focused.copied() if isinstance(focused, LineList) else ""

    @property
    def trail(self) -> str:
        """What the breadcrumb says after the page's title; safe text."""
        return ""

    # ---------------------------------------------------------------- for the console

    def apply_frames(self, *, frames: bool) -> None:
        """Frame its lists, or remove their frames."""
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
