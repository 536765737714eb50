"""The protocols of the app that its parts use."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from fuseboard_console.tui.protocols import ConsoleHost

if TYPE_CHECKING:
    from textual.geometry import Size
    from textual.screen import Screen
    from textual.timer import Timer

    from fuseboard_console.actions.model import Action
    from fuseboard_console.app.session_stack import SessionStack
    from fuseboard_console.pages.overview import Overview
    from fuseboard_console.pages.page import Page


class Console(ConsoleHost, Protocol):
    """The app as its own parts see it: what pages see, the sessions, the page in view, and the screen."""

    sessions: SessionStack
    overview: Overview
    page: Page

    @property
    def size(self) -> Size:
        """The size of the terminal, in cells."""
        ...

    @property
    def screen(self) -> Screen[Any]:
        """The screen on top."""
        ...

    @property
    def screen_stack(self) -> Sequence[Screen[Any]]:
        """The open screens, the topmost last."""
        ...

    @property
    def available_actions(self) -> tuple[Action, ...]:
        """The actions that work on the page in view."""
        ...

    @property
    def set_timer(self) -> Callable[..., Timer]:
        """Call a function after some seconds."""
        ...

    @property
    def run_worker(self) -> Callable[..., object]:
        """Run a coroutine in the background."""
        ...

    @property
    def run_action(self) -> Callable[..., Any]:
        """Run an action by its call."""
        ...

    def key(self, id: str) -> str:
        """Return the operator's key for an action, to be named in a sentence."""
        ...
