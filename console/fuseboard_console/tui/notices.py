"""Notices of a few seconds, over the footer."""

from __future__ import annotations

from typing import Any

from textual.actions import SkipAction
from textual.app import App
from textual.notifications import Notification, SeverityLevel

from fuseboard_console.text.width import fold

NOTICE_SECONDS = 6
"""How long a notice is shown."""
MARGIN = 3
"""The cells of a line that its edges take."""


def show_notice(app: App[Any], text: str, severity: SeverityLevel, seconds: float = NOTICE_SECONDS) -> None:
    """Show a notice of safe text in place of any other: the newest is what the operator waits for."""
    for shown in list(app._notifications):
        app._unnotify(shown, refresh=False)
    app.notify(text, severity=severity, markup=False, timeout=seconds)


def notice_lines(notice: Notification, cells: int) -> int:
    """Return how many lines a notice takes on a screen of `cells`."""
    lines = [line for line in notice.message.split("\n") for line in fold(line, max(1, cells - MARGIN))]
    return len(lines) + bool(notice.title)


class NoticeApp(App[None]):
    """An app whose `#body` gives a notice the lines beyond those of the keys and of a frame: it covers no data."""

    _given = 0

    def show_notice(self, text: str, severity: SeverityLevel = "information") -> None:
        """Show a notice of safe text for a few seconds. It takes the place of one that still stands."""
        show_notice(self, text, severity)

    def action_drop_notices(self) -> None:
        """Remove the notices. The key keeps its other effects."""
        self.clear_notifications()
        raise SkipAction

    def _refresh_notifications(self) -> None:
        super()._refresh_notifications()
        self._make_room()

    def _unnotify(self, notification: Notification, refresh: bool = True) -> None:
        super()._unnotify(notification, refresh)
        self._make_room()

    def _make_room(self) -> None:
        notices = list(self._notifications)
        for screen in self.screen_stack[:1]:
            over = 1 if screen.query(".bare") else 2  # the lines of the keys and of a frame
            lines = max(0, notice_lines(notices[-1], self.size.width) - over) if notices else 0
            if lines != self._given:
                self._given = lines
                screen.query("#body").set_styles(f"margin: 0 0 {lines} 0;")
