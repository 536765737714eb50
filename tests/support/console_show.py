"""A console on a list of events, with a clock that the test sets."""

from __future__ import annotations

from collections.abc import Callable

from fuseboard_console.app.app import ConsoleApp
from fuseboard_engine.events import Event
from support.console_story import (
    STORY_ENDS,
    ListFeed,
    ListMailbox,
    at,
    story,
)
from support.screen import screen_text


class Show:
    """A console on a list of events, with a clock that the test sets."""

    def __init__(
        self,
        events: list[Event] | None = None,
        *,
        when: float = STORY_ENDS,
        read_only: bool = False,
        failure_reason: Callable[[], str] | None = None,
    ) -> None:
        self.when = when
        self.feed = ListFeed(alive=when, events=story() if events is None else events)
        self.mailbox = ListMailbox()
        self.app = ConsoleApp(
            self.feed,
            file="checkout.db",
            mailbox=None if read_only else self.mailbox,
            now=lambda: at(self.when),
            poll=0.01,
            failure_reason=failure_reason,
        )

    def screen(self) -> str:
        """Return the text of the screen."""
        return screen_text(self.app)

    def line_of(self, text: str) -> int:
        return next((y for y, line in enumerate(self.screen().splitlines()) if text in line), -1)

    def sees(self, *texts: str) -> Callable[[], bool]:
        def seen() -> bool:
            screen = self.screen()
            return all(text in screen for text in texts)

        return seen

    def selected(self) -> str:
        key = self.app.overview.table.selected
        return key.adapter if key else ""
