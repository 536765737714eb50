"""The lanes page: the worst state of each adapter over time, and the share of tasks answered above them."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence

from fuseboard_console.pages.lanes.lanes_list import LanesList
from fuseboard_console.pages.list_page import ListPage
from fuseboard_console.screens.adapter_detail import show_detail
from fuseboard_console.sources.feed import FEED_ERRORS
from fuseboard_console.text.formatting import SECOND
from fuseboard_console.text.line import Line
from fuseboard_console.text.safe_text import safe_text
from fuseboard_console.tui.background_work import run_in_background
from fuseboard_console.tui.protocols import ConsoleHost, Frame
from fuseboard_console.views.adapters.adapter_view import condition_of, condition_word
from fuseboard_console.views.adapters.engine_names import engine_names
from fuseboard_console.views.adapters.successors import Successors
from fuseboard_console.views.detail.adapter_detail import is_kept_by_board
from fuseboard_console.views.detail.lanes import (
    Answered,
    LaneWidths,
    answered_line,
    answered_of,
    axis_line,
    lane_line,
    lane_openings,
    lane_states,
    lane_widths,
    lanes_order,
)
from fuseboard_console.views.detail.time_slices import FIRST, WINDOWS, Cut, cut_at
from fuseboard_console.views.lists.health import names_width
from fuseboard_console.views.selection.ordering import Ordering
from fuseboard_engine.runtime.clock import wall_clock
from fuseboard_storage.board.board import AdapterKey
from fuseboard_storage.recording.history import Lanes as ReadLanes
from fuseboard_storage.recording.history import lanes_of
from fuseboard_storage.recording.recording import Recording

READ_EVERY = 2.0
"""Seconds between two readings of a past that the Board does not keep."""
SHARE = 10
"""A reading is repeated after this multiple of the time it took, at the earliest."""
AROUND = 20
"""Adapters above and below the visible ones that are read too."""


class Lanes(ListPage[AdapterKey]):
    """All adapters over time, those in trouble first. Only visible lanes are computed, and read."""

    PAGE = "lanes"
    EMPTY = "There is no adapter yet."
    FIELDS = ("name", "state", "tag", "engine")

    def __init__(self, host: ConsoleHost) -> None:
        super().__init__(host)
        self.list = LanesList(
            host.palette, host.glyphs, self._answered_line, id="lanes-list", title=self.title, empty=self.EMPTY
        )
        self._successors = Successors()
        self.list.successor = lambda key: self._successors.of(host.frame.board, key)
        self._window = FIRST
        self._ordering = Ordering()
        self._keys: list[AdapterKey] = []
        self._ordered: tuple[object, ...] = ()
        self._names = 0
        self._answered: list[Answered] = []
        self._counted: tuple[object, ...] = ()
        self._states: dict[AdapterKey, tuple[object, Line]] = {}
        self._read: ReadLanes | None = None
        self._read_cut = Cut(0, 1, 1)
        self._read_of: tuple[object, ...] = ()
        self._read_keys: frozenset[AdapterKey] = frozenset()
        self._next_read = 0.0
        self._reading = False
        self._trouble = ""
        self._age = 0.0  # the age of the oldest metrics that are shown: how fine they are

    # ---------------------------------------------------------------- rows

    def rows(self, frame: Frame) -> Sequence[AdapterKey]:
        """Return all adapters: those in trouble, then those that were within the window, then the others."""
        board = frame.board
        order = self._ordering.order(board, frame.now)
        since = frame.now - WINDOWS[self._window].seconds * SECOND
        ordered = (order, board.roster_version, self._window, since // (5 * SECOND))
        if not self._ordered or ordered[0] is not self._ordered[0] or ordered[1:] != self._ordered[1:]:
            self._ordered = ordered
            self._successors.note(board)
            self._keys = lanes_order(board, order.keys, since)
            self._names = names_width(self._keys, engine_names(board))
        return self._keys

    @property
    def caption(self) -> str:
        """The time window, and what is known about reading it."""
        window = WINDOWS[self._window]
        news = f"  {self._trouble}" if self._trouble else ""
        if not news and self._read is None and not is_kept_by_board(window):
            news = "  reading ..."
        return f"{self.title}  {window.title}{news}"

    def show(self, frame: Frame) -> None:
        """Show the lanes of the adapters that match the filter."""
        super().show(frame)
        self._read_when_due(frame)

    def _cut(self, cells: int) -> tuple[Cut, LaneWidths]:
        window, now = WINDOWS[self._window], self.host.frame.now
        widths = lane_widths(cells, self._names)
        return cut_at(now, window.seconds, widths.lane, self._age), widths

    def heading(self, cells: int) -> Line:
        """Return the times above the lanes."""
        cut, widths = self._cut(cells)
        return axis_line(cut, self.host.frame.now, widths, self.host.glyphs)

    def _answered_line(self, cells: int) -> Line:
        cut, widths = self._cut(cells)
        board = self.host.frame.board
        if is_kept_by_board(WINDOWS[self._window]):
            counted = (board, cut, self.host.frame.now // SECOND)
            if counted != self._counted:
                self._counted, self._answered = counted, answered_of(board, cut)
            return answered_line(self._answered, widths, self.host.glyphs)
        found = dict(zip(self._read_cut.edges(), self._read.answered, strict=False)) if self._read else {}
        return answered_line([found.get(start) for start in cut.edges()[:-1]], widths, self.host.glyphs)

    def line(self, key: AdapterKey, cells: int) -> Line:
        """Return an adapter's lane."""
        frame = self.host.frame
        row = frame.board.adapters.get(key)
        if row is None:
            return ()
        instance = frame.board.instances.get(key.instance)
        cut, widths = self._cut(cells)
        past = self._read.pasts.get(key) if self._read else None
        engine = engine_names(frame.board).of_key(key)
        condition = condition_of(row, instance, frame.now)
        newest = row.changes[-1] if row.changes else None
        faulty = row.fault_seconds(frame.now) > 0
        made = (cut, widths, past, newest, len(row.changes), condition, engine, row.down_since, row.health_at, faulty)
        kept = self._states.get(key)
        if kept is None or kept[0] != made:
            if len(self._states) > 1_000:
                self._states.clear()
            states = lane_states(row, instance, frame.now, cut, past)
            opened = lane_openings(row, cut, past)
            line = lane_line(row, instance, frame.now, cells, widths, states, self.host.glyphs, engine, opened)
            kept = self._states[key] = (made, line)
        return kept[1]

    def fields(self, key: AdapterKey) -> Mapping[str, str]:
        """Return the row's texts that a filter can match, by field."""
        frame = self.host.frame
        row, instance = frame.board.adapters.get(key), frame.board.instances.get(key.instance)
        if row is None:
            return dict.fromkeys(self.FIELDS, "")
        state = condition_word(condition_of(row, instance, frame.now), instance)
        engine = instance.label if instance is not None else ""
        return {"name": row.name, "state": state, "tag": " ".join(row.tags), "engine": engine}

    @property
    def target(self) -> AdapterKey | None:
        """The adapter under the cursor."""
        return self.list.selected

    def action_open(self) -> None:
        """Open the detail of the adapter under the cursor, at the same window."""
        if self.target is not None:
            show_detail(self.host, self.target, self._window)

    # ---------------------------------------------------------------- the window of time

    def action_zoom_in(self) -> None:
        """Show a shorter time window."""
        self._zoom(self._window - 1)

    def action_zoom_out(self) -> None:
        """Show a longer time window."""
        self._zoom(self._window + 1)

    def _zoom(self, place: int) -> None:
        self._window = max(0, min(place, len(WINDOWS) - 1))
        self._read, self._read_of, self._next_read, self._trouble = None, (), 0.0, ""
        self._age = 0.0
        self.host.show()

    def _wanted_keys(self) -> frozenset[AdapterKey]:
        top = self.list.scroll_offset.y
        return frozenset(self.list.keys[max(0, top - AROUND) : top + self.list.page + AROUND])

    def _seen_keys(self) -> frozenset[AdapterKey]:
        top = self.list.scroll_offset.y
        return frozenset(self.list.keys[top : top + self.list.page])

    def _read_when_due(self, frame: Frame) -> None:
        """Read the past of the visible adapters when that is due, one reading at a time."""
        if self._reading or is_kept_by_board(WINDOWS[self._window]) or not self.list.keys:
            return
        due = time.monotonic() >= self._next_read or not self._seen_keys() <= self._read_keys
        if due or self._read_of[:1] != (self.host.feed.recording,):
            self._reading = True
            run_in_background(self, self._read_past)

    async def _read_past(self) -> None:
        frame, window, recording = self.host.frame, self._window, self.host.feed.recording
        keys = self._wanted_keys()
        if recording is not None and self._read is None:
            self._age = max(0.0, (wall_clock() - frame.now) / SECOND + WINDOWS[window].seconds)
        cut, _ = self._cut(self.list.cells - 2)
        wanted = (recording, window, keys, cut)
        started = time.monotonic()
        try:
            if wanted == self._read_of and frame.past:
                return  # the past does not change
            found, trouble = await self._read_lanes(recording, keys, cut, frame.now)
        finally:
            self._reading = False
            self._next_read = time.monotonic() + max(READ_EVERY, SHARE * (time.monotonic() - started))
        if window == self._window and recording is self.host.feed.recording:
            self._read, self._trouble = found, trouble
            self._read_cut, self._read_of, self._read_keys = cut, wanted, keys
        self.host.show()

    async def _read_lanes(
        self, recording: Recording | None, keys: frozenset[AdapterKey], cut: Cut, now: int
    ) -> tuple[ReadLanes | None, str]:
        if recording is None:
            return None, "there is no file to read more from"
        try:
            # A connection of its own: the one that is followed must not wait for this.
            async with Recording.open(recording.path) as own:
                until = min(cut.until, now + 1)  # in a replay nothing later than what is shown
                return await lanes_of(own, keys, cut.since, until, cut.each * SECOND), ""
        except FEED_ERRORS as error:
            return None, safe_text(f"it can't be read: {error}", 200)
