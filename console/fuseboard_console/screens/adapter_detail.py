"""The detail of one adapter: state, reasons, policy, history in charts, and available actions."""

from __future__ import annotations

import time
from typing import ClassVar

from textual.binding import BindingType

from fuseboard_console.actions.model import Action, on_page
from fuseboard_console.screens.detail_modal import DetailModal
from fuseboard_console.sources.feed import FEED_ERRORS
from fuseboard_console.text.formatting import SECOND
from fuseboard_console.text.line import Line
from fuseboard_console.text.safe_text import safe_text
from fuseboard_console.tui.background_work import run_in_background
from fuseboard_console.tui.protocols import ConsoleHost
from fuseboard_console.views.adapters.engine_names import engine_names
from fuseboard_console.views.adapters.successors import Successors
from fuseboard_console.views.detail.adapter_detail import Look, detail_lines, end_of_charts, is_kept_by_board
from fuseboard_console.views.detail.time_slices import FIRST, WINDOWS, Window
from fuseboard_engine.runtime.clock import wall_clock
from fuseboard_storage.board.board import AdapterKey
from fuseboard_storage.board.presence import known_until
from fuseboard_storage.recording.history import past_of
from fuseboard_storage.recording.recording import Recording

READ_EVERY = 2.0
"""Seconds between two readings of a past that the Board doesn't keep."""


def show_detail(host: ConsoleHost, key: AdapterKey, window: int = FIRST) -> None:
    """Open an adapter's detail over the current page, with the charts of one of `WINDOWS`."""
    host.push_screen(AdapterDetailScreen(host, key, window))


class AdapterDetailScreen(DetailModal):
    """Shows one adapter until Escape. The keys of its actions apply to this adapter."""

    PAGE = "detail"
    BINDINGS: ClassVar[list[BindingType]] = []

    def __init__(self, host: ConsoleHost, adapter: AdapterKey, window: int = FIRST) -> None:
        """Show `adapter` of the console `host`, with the charts of one of `WINDOWS`."""
        own = [
            action
            for action in on_page(host.actions, self.PAGE)
            if self.PAGE in action.pages and (action.needs_selection or not action.verb)
        ]
        super().__init__(engine_names(host.frame.board).adapter(adapter), host.palette, self._lines, own)
        self._adapter = adapter
        self._source = host
        self._successors = Successors()
        self._successors.note(host.frame.board)
        self._doable = [action for action in own if action.verb and (action.id != "inject" or self._of_scenario)]
        self._window = window
        self._look = Look(WINDOWS[window], reading=not is_kept_by_board(WINDOWS[window]))
        self._shown: tuple[object, ...] = ()
        self._reading = False
        self._read_at = 0.0
        for action in own:
            self._bindings.bind(",".join(action.keys), self._call(action), action.label)

    @property
    def _of_scenario(self) -> bool:
        """Whether the adapter may be one of a scenario, which takes faults."""
        return self.host.feed.board.scenario is not None

    @property
    def adapter(self) -> AdapterKey:
        """The adapter that actions apply to. After a restart of its engine, the same adapter of the next instance."""
        board = self._source.frame.board
        self._successors.note(board)
        if self._adapter not in board.adapters:
            self._adapter = self._successors.of(board, self._adapter) or self._adapter
        return self._adapter

    def _call(self, action: Action) -> str:
        return action.id if hasattr(self, f"action_{action.id}") else f"app.{action.id}"

    def _lines(self, cells: int) -> list[Line]:
        frame = self._source.frame
        look = self._look._replace(rows=self.pane.size.height)
        return detail_lines(frame.board, self.adapter, frame.now, cells, self._doable, self._source.glyphs, look)

    # ---------------------------------------------------------------- the window of time

    def action_zoom_in(self) -> None:
        """Show a shorter time window."""
        self._zoom(self._window - 1)

    def action_zoom_out(self) -> None:
        """Show a longer time window."""
        self._zoom(self._window + 1)

    def _zoom(self, place: int) -> None:
        self._window = max(0, min(place, len(WINDOWS) - 1))
        window = WINDOWS[self._window]
        self._look = Look(window, reading=not is_kept_by_board(window))
        self._read_at = 0.0
        self.refresh_lines()

    def refresh_lines(self) -> None:
        """Show the current lines. Read a longer past when that is due, one reading at a time."""
        due = time.monotonic() - self._read_at >= READ_EVERY
        if due and not self._reading and not is_kept_by_board(self._look.window):
            self._reading = True
            run_in_background(self, self._read)
        super().refresh_lines()

    async def _read(self) -> None:
        window, frame, adapter = self._look.window, self._source.frame, self.adapter
        recording = self._source.feed.recording
        wanted = (recording, adapter, window, frame.now)
        try:
            if frame.past and wanted == self._shown and self._look.past is not None:
                return  # the past does not change
            look = await self._read_detail(recording, adapter, window, self._end(adapter, window))
        finally:
            self._reading = False
        if window == self._look.window and recording is self._source.feed.recording:
            self._look, self._shown, self._read_at = look, wanted, time.monotonic()
        self.refresh_lines()  # where another is wanted by now, that is read next

    def _end(self, adapter: AdapterKey, window: Window) -> int:
        """Return where the charts end, in UTC microseconds."""
        frame = self._source.frame
        instance = frame.board.instances.get(adapter.instance)
        known = known_until(instance, frame.now)
        return end_of_charts(None if known == frame.now else known, frame.now, window)

    async def _read_detail(self, recording: Recording | None, adapter: AdapterKey, window: Window, now: int) -> Look:
        """Return the look at a time window that ends at `now` (UTC microseconds), with the past in it."""
        since = now - window.seconds * SECOND
        look = Look(window, age=max(0.0, (wall_clock() - since) / SECOND))
        if recording is None:
            return look._replace(trouble="there is no file to read more from")
        try:
            # Of its own: the one that is followed has more urgent things to do, and is closed when the file goes.
            async with Recording.open(recording.path) as own:
                return look._replace(past=await past_of(own, adapter, since, now + 1))
        except FEED_ERRORS as error:
            return look._replace(trouble=safe_text(f"it can't be read: {error}", 200))
