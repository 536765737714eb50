"""One adapter: how it stood, why, under which policy, its past in charts, and what may be done."""

from __future__ import annotations

import sqlite3
import time
from typing import ClassVar

from textual.binding import BindingType

from fuseboard_console.action import Action, on_page
from fuseboard_console.host import Host
from fuseboard_console.safe_text import safe_text
from fuseboard_console.screens.sheet import Sheet
from fuseboard_console.views.detail import Look, detail_lines, kept_by_board
from fuseboard_console.views.heirs import Heirs
from fuseboard_console.views.line import Line
from fuseboard_console.views.slices import FIRST, WINDOWS
from fuseboard_console.views.times import SECOND
from fuseboard_engine.clock import wall_clock
from fuseboard_storage.board import AdapterKey
from fuseboard_storage.errors import RecordingError
from fuseboard_storage.history import past_of

READ_EVERY = 2.0
"""Seconds between two readings of a past that the Board doesn't keep."""


def show_detail(host: Host, key: AdapterKey) -> None:
    """Open an adapter's detail over whatever page is in sight."""
    host.push_screen(DetailScreen(host, key))


class DetailScreen(Sheet):
    """Shows one adapter until Escape; the keys of its actions work here too, and mean this adapter."""

    PAGE = "detail"
    BINDINGS: ClassVar[list[BindingType]] = []

    def __init__(self, host: Host, adapter: AdapterKey) -> None:
        """Show `adapter`, of which `host` knows all."""
        own = [
            action
            for action in on_page(host.actions, self.PAGE)
            if self.PAGE in action.pages and (action.needs_selection or not action.verb)
        ]
        super().__init__(safe_text(adapter.adapter, 60), host.palette, self._lines, own)
        self._adapter = adapter
        self._source = host
        self._heirs = Heirs()
        self._heirs.note(host.scene.board)
        self._doable = [action for action in own if action.verb]
        self._window = FIRST
        self._look = Look()
        self._shown: tuple[object, ...] = ()
        self._read_at = 0.0
        for action in own:
            self._bindings.bind(",".join(action.keys), self._call(action), action.label)

    @property
    def adapter(self) -> AdapterKey:
        """What its actions mean: after a restart of its engine, the same adapter of the next run."""
        board = self._source.scene.board
        self._heirs.note(board)
        if self._adapter not in board.adapters:
            self._adapter = self._heirs.of(board, self._adapter) or self._adapter
        return self._adapter

    def _call(self, action: Action) -> str:
        return action.id if hasattr(self, f"action_{action.id}") else f"app.{action.id}"

    def _lines(self, cells: int) -> list[Line]:
        scene = self._source.scene
        look = self._look._replace(rows=self.pane.size.height)
        return detail_lines(scene.board, self.adapter, scene.now, cells, self._doable, self._source.glyphs, look)

    # ---------------------------------------------------------------- the window of time

    def action_zoom_in(self) -> None:
        """Show a shorter time."""
        self._zoom(self._window - 1)

    def action_zoom_out(self) -> None:
        """Show a longer time."""
        self._zoom(self._window + 1)

    def _zoom(self, place: int) -> None:
        self._window = max(0, min(place, len(WINDOWS) - 1))
        window = WINDOWS[self._window]
        reads = not kept_by_board(window)
        past = self._look.past if reads else None
        self._look = Look(window, past, reading=reads and past is None)
        self._read_at = 0.0
        self.frame()

    def frame(self) -> None:
        """Show what there is now; read a longer past when that is due."""
        if not kept_by_board(self._look.window) and time.monotonic() - self._read_at >= READ_EVERY:
            self._read_at = time.monotonic()
            self.run_worker(self._read(), name="past", exclusive=True, exit_on_error=True)
        super().frame()

    async def _read(self) -> None:
        window, now = self._look.window, self._source.scene.now
        if self._look.past is not None and self._source.scene.past and self._shown == (window, now):
            return  # it stands still
        since = now - window.seconds * SECOND
        recording = self._source.feed.recording
        look = Look(window, age=max(0.0, (wall_clock() - since) / SECOND))
        if recording is None:
            look = look._replace(trouble="there is no file to read more from")
        else:
            try:
                look = look._replace(past=await past_of(recording, self.adapter, since, now + 1))
            except (sqlite3.Error, OSError, RecordingError) as error:
                look = look._replace(trouble=safe_text(f"it can't be read: {error}", 200))
        if look.window == self._look.window:
            self._look, self._shown = look, (window, now)
            super().frame()
