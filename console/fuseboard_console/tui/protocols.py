"""What pages and sheets need of the console around them, and what there is to show."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from textual.notifications import SeverityLevel

from fuseboard_console.actions.model import Action
from fuseboard_console.sources.feed import Feed
from fuseboard_console.sources.session import Session
from fuseboard_console.text.glyphs import Glyphs
from fuseboard_console.tui.themes import Palette
from fuseboard_console.views.adapters.engine_presence import Connection
from fuseboard_storage.board.board import AdapterKey, Board

if TYPE_CHECKING:
    from textual.screen import Screen

    from fuseboard_console.operator.dispatcher import CommandDispatcher


@dataclass(frozen=True, slots=True)
class Frame:
    """What there is to show in one frame.

    `now` is the time that is shown, UTC microseconds; `past`: it stands still or is replayed, and is not the present.
    """

    board: Board
    now: int
    connection: Connection
    past: bool = False


class Filtered(Protocol):
    """A page as another one leads to it."""

    def filter_by(self, text: str) -> None:
        """Show only what a filter fits."""
        ...


class ConsoleHost(Protocol):
    """What a page needs of the console around it."""

    feed: Feed
    glyphs: Glyphs
    palette: Palette
    dispatcher: CommandDispatcher
    actions: tuple[Action, ...]
    compact: bool

    @property
    def frame(self) -> Frame:
        """What is shown now."""
        ...

    def show_notice(self, text: str, severity: SeverityLevel = "information") -> None:
        """Say something to the operator for a few seconds; `text` is safe."""
        ...

    def refuse_if_read_only(self) -> bool:
        """Whether nothing can be asked, because this is a replay or only read; if so, say it."""
        ...

    async def act_on(self, action: Action, adapter: AdapterKey) -> None:
        """Do an action to an adapter, wherever the cursor is and whatever is marked."""
        ...

    def show(self) -> None:
        """Show everything anew, for a choice was made."""
        ...

    def go_to(self, page: str) -> Filtered:
        """Go to a page by its id and return it."""
        ...

    @property
    def playing(self) -> tuple[str, str] | None:
        """The scenario that was started from here and how fast it plays, such as `×2`; None: none is."""
        ...

    def push_session(self, place: Session) -> None:
        """Show another place; `pop_all_sessions` comes back."""
        ...

    def pop_all_sessions(self) -> None:
        """Go back to where the console was opened; what was started on the way ends."""
        ...

    def push_screen(self, screen: Screen[Any], callback: Any = None) -> object:
        """Put a screen on top."""
        ...
