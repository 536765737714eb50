"""What every page of the console has in common: one stands between the header and the footer at a time."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

from textual.notifications import SeverityLevel

from fuseboard_console.actions import Action
from fuseboard_console.glyphs import ASCII, Glyphs
from fuseboard_console.keys import bindings_of
from fuseboard_console.themes import Palette
from fuseboard_console.views.connection import Connection
from fuseboard_console.widgets.ground import Ground
from fuseboard_console.widgets.line_list import LineList
from fuseboard_storage.board import AdapterKey, Board

if TYPE_CHECKING:
    from textual.screen import Screen

    from fuseboard_console.desk import Desk
    from fuseboard_console.feed import Feed
    from fuseboard_console.travelling import Place


@dataclass(frozen=True, slots=True)
class Scene:
    """What there is to show in one frame.

    `now` is the time that is shown, UTC microseconds; `past`: it stands still or is replayed, so nothing can be asked
    of an engine about it.
    """

    board: Board
    now: int
    connection: Connection
    past: bool = False


class Host(Protocol):
    """What a page needs of the console around it."""

    feed: Feed
    glyphs: Glyphs
    palette: Palette
    desk: Desk
    actions: tuple[Action, ...]
    compact: bool

    @property
    def scene(self) -> Scene:
        """What is shown now."""
        ...

    def tell(self, text: str, severity: SeverityLevel = "information") -> None:
        """Say something to the operator for a few seconds; `text` is safe."""
        ...

    def is_past(self) -> bool:
        """Whether nothing can be asked, because this is a replay; if so, say it."""
        ...

    def show(self) -> None:
        """Show everything anew, for a choice was made."""
        ...

    def go(self, page: str) -> Page:
        """Go to a page by its id and return it."""
        ...

    @property
    def playing(self) -> tuple[str, str] | None:
        """The scenario that was started from here and how fast it plays, such as `×2`; None: none is."""
        ...

    def visit(self, place: Place) -> None:
        """Show another place; `leave_all` comes back."""
        ...

    def leave_all(self) -> None:
        """Go back to where the console was opened; what was started on the way ends."""
        ...

    def push_screen(self, screen: Screen[Any], callback: Any = None) -> object:
        """Put a screen on top."""
        ...


class Page(Ground, can_focus=False):
    """One page. A subclass says what it shows; the keys of its actions work while it is in sight.

    Its actions are those of `ACTIONS` that name it in `pages`; each is a method `action_<id>` here.
    """

    PAGE: ClassVar[str] = ""
    """Its id."""
    TITLE: ClassVar[str] = ""
    """What the breadcrumb calls it."""
    FILTERS: ClassVar[bool] = False
    """Whether `/` filters what it lists."""

    def __init__(self, host: Host) -> None:
        super().__init__(id=f"page-{self.PAGE}", classes="page")
        self.host = host
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

    def show(self, scene: Scene) -> None:
        """Show what there is now; called when something changed, and each second."""
        raise NotImplementedError

    def tick(self, scene: Scene) -> None:
        """Show what time alone changed; called ten times a second while `counting`."""
        self.show(scene)

    async def look(self, scene: Scene) -> None:
        """Read from the recording what the Board doesn't have; called when the page comes and as events come in."""

    def catch_up(self) -> None:
        """Paint what has waited; called at each look at the recording."""

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
        """Take all marks away."""

    @property
    def filter_problem(self) -> str:
        """What is wrong with the filter, as a sentence of safe text; empty when nothing is."""
        return ""

    def copied(self, scene: Scene) -> str:
        """What is copied: what the cursor is on, whole, as safe text; empty when there is nothing."""
        focused = self.screen.focused
        return focused.copied() if isinstance(focused, LineList) else ""

    @property
    def trail(self) -> str:
        """What the breadcrumb says after the page's title; safe text."""
        return ""

    # ---------------------------------------------------------------- for the console

    def dress(self, *, frames: bool) -> None:
        """Put frames round its lists, or take them away where there is no room."""
        for pane in self.lists:
            pane.add_class("pane")
        self.set_class(not frames, "bare")
        self.set_class(self.host.glyphs is ASCII, "ascii")

    def take_palette(self, palette: Palette) -> None:
        """Take another theme's palette."""
        for pane in self.lists:
            pane.repaint(palette)

    def take_keys(self) -> None:
        """Let the keys reach its first list."""
        for pane in self.lists:
            if pane.display:
                self.screen.set_focus(pane)
                return
