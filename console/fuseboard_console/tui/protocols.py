"""The protocols of the app that pages and screens use, and the frame that they show."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
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
    """The content of one frame.

    `now` is the time that is shown, in UTC microseconds. `past` is True when that is not the present: the view is
    paused, or a replay.
    """

    board: Board
    now: int
    connection: Connection
    past: bool = False


class Faults(Protocol):
    """Sends the faults of a scenario's adapters."""

    async def send_fault(self, fault: str, args: Mapping[str, float], keys: Sequence[AdapterKey]) -> None:
        """Begin a fault of adapters, with its arguments; an empty one ends their fault."""
        ...


class Steered(Protocol):
    """Knows whether a scenario is steered."""

    @property
    def active(self) -> bool:
        """Whether a scenario is in view that this console steers."""
        ...


class Filtered(Protocol):
    """A page as another page refers to it."""

    def filter_by(self, text: str) -> None:
        """Show only the rows that match a filter."""
        ...


class ConsoleHost(Protocol):
    """The protocol of the app that a page uses."""

    glyphs: Glyphs
    reveal: bool
    actions: tuple[Action, ...]

    @property
    def operator(self) -> Faults:
        """Sends commands to engines."""
        ...

    @property
    def steering(self) -> Steered:
        """Steers the scenario in view."""
        ...

    @property
    def feed(self) -> Feed:
        """The feed in view."""
        ...

    @property
    def dispatcher(self) -> CommandDispatcher:
        """The dispatcher of the session in view."""
        ...

    @property
    def palette(self) -> Palette:
        """The styles of the theme in use."""
        ...

    @property
    def compact(self) -> bool:
        """Whether lists are shown without frames."""
        ...

    @property
    def frame(self) -> Frame:
        """The content of the current frame."""
        ...

    def show_notice(self, text: str, severity: SeverityLevel = "information") -> None:
        """Show a notice of safe text for a few seconds."""
        ...

    def refuse_if_read_only(self) -> bool:
        """Show why no command can be sent, in a replay or a read-only console; return whether it was refused."""
        ...

    async def act_on(self, action: Action, adapter: AdapterKey) -> None:
        """Run an action on one adapter, wherever the cursor is and whatever is marked."""
        ...

    def show(self) -> None:
        """Render everything: a choice was made."""
        ...

    def go_to(self, page: str) -> Filtered:
        """Go to a page by its id and return it."""
        ...

    @property
    def playing(self) -> tuple[str, str] | None:
        """The scenario that plays and its speed, such as `×2`; None when none plays."""
        ...

    def leave_scenario(self, then: Callable[[], object]) -> None:
        """Do what ends the scenario that was started from this console; ask first if it has not ended by itself."""
        ...

    def push_session(self, session: Session) -> None:
        """Show another session; `pop_all_sessions` returns."""
        ...

    def pop_all_sessions(self) -> None:
        """Return to the session that the console was opened on, and end what was started since."""
        ...

    def push_screen(self, screen: Screen[Any], callback: Any = None) -> object:
        """Open a screen on top."""
        ...
