"""Polls the recording in view: renders what is new, and reports the outcomes of commands."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Final

from fuseboard_console.text.safe_text import safe_text
from fuseboard_console.tui.notices import show_notice

if TYPE_CHECKING:
    from fuseboard_console.app.app import ConsoleApp

POLL: Final = 0.1
"""Seconds between two polls of the recording."""
IDLE_AFTER: Final = 20
"""Polls in a row without a new event after which the interval doubles, so that an idle console costs little."""
FAILURE_SECONDS: Final = 120
"""Seconds that the notice about a failed session stays."""


class Polling:
    """Polls until the app ends.

    Args:
        app: The console.
        interval: Seconds between two polls.
    """

    def __init__(self, app: ConsoleApp, interval: float) -> None:
        self._app = app
        self._interval = interval
        self._idle = 0  # polls in a row without a new event
        self._watched_at = 0  # the second in which the recording below a scenario was last looked at
        self._data_key = (-1, "", 0)  # the Board, the page and the second for which the page last refreshed its data

    async def run(self) -> None:
        """Poll the session in view, its page and the commands, until cancelled."""
        app = self._app
        while True:
            await app.sessions.close_popped()
            self._idle += 1
            if app.sessions.paused:
                if await app.sessions.count_behind():
                    app.renderer.render_header()
            else:
                await self._read()
            await self._watch_below()
            await self._refresh_page_data()
            app.page.flush_deferred()
            for dispatcher in app.sessions.dispatchers:
                await dispatcher.poll()
            if reason := app.sessions.unreported_failure():
                show_notice(app, safe_text(reason, 400), "error", FAILURE_SECONDS)
            app.customisation.check_alerts()
            await asyncio.sleep(self._interval if self._idle < IDLE_AFTER else 2 * self._interval)

    async def _read(self) -> None:
        """Read what is new, and render it."""
        sessions, renderer = self._app.sessions, self._app.renderer
        unread = sessions.unread
        new = await sessions.read()
        if new or unread:
            renderer.invalidate()
        if new:
            self._idle = 0
            await asyncio.sleep(0)  # keys that came meanwhile are handled first
        if renderer.stale:
            renderer.render()

    async def _watch_below(self) -> None:
        """Look once a second whether the recording below a scenario has trouble."""
        second = int(time.monotonic())
        if second != self._watched_at:
            self._watched_at = second
            if await self._app.sessions.watch_below():
                self._app.renderer.render_header()

    async def _refresh_page_data(self) -> None:
        """Let the page read from the recording. That may change without an event, so it reads once a second too."""
        app = self._app
        key = (app.feed.board.seq, app.page.PAGE, int(time.monotonic()))
        if key != self._data_key and app.page.is_attached:
            self._data_key = key
            await app.page.refresh_data(app.frame)
