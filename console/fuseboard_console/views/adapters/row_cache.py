"""Cached lines of the breakers table. A line is rendered again only when its content may have changed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from fuseboard_console.text.formatting import SECOND
from fuseboard_console.text.glyphs import Glyphs
from fuseboard_console.text.line import Line
from fuseboard_console.views.adapters.adapter_view import (
    AdapterView,
    Stats,
    content_of,
    counted_until,
    is_quiet,
    make_view,
    stats_of,
)
from fuseboard_console.views.adapters.chain_positions import ChainPosition
from fuseboard_console.views.adapters.columns import ColumnLayout, ages, row_line, slices_of
from fuseboard_storage.board.board import AdapterKey, Board, InstanceRow
from fuseboard_storage.board.presence import Presence, killed, last_sign, presence

MAX_CACHED = 1_000
"""Rows over which nothing is kept from one frame to the next."""


class _View(NamedTuple):
    """A view and what it was made from."""

    view: AdapterView
    says: tuple[object, ...]
    stats: Stats
    quiet: bool
    second: tuple[int, ...]
    now: int


class _Line(NamedTuple):
    """A line and what it was made from."""

    line: Line
    view: AdapterView
    second: int
    highlighted: frozenset[str]


class RowLines:
    """Renders and caches views and lines of adapters for the current frame."""

    def __init__(self, glyphs: Glyphs) -> None:
        self._glyphs = glyphs
        self._board = Board()
        self._now = 0
        self._places: Mapping[AdapterKey, tuple[ChainPosition, ...]] = {}
        self._columns: tuple[ColumnLayout, ...] = ()
        self._slices = 0
        self._engines: Mapping[int, str] = {}
        self._since = False  # whether every row shows the time in its condition
        self._presences: dict[int, tuple[Presence, bool, int]] = {}
        self._frame: dict[AdapterKey, AdapterView] = {}  # the views of this frame
        self._views: dict[AdapterKey, _View] = {}
        self._lines: dict[AdapterKey, _Line] = {}

    def begin(
        self,
        board: Board,
        now: int,
        columns: tuple[ColumnLayout, ...],
        places: Mapping[AdapterKey, tuple[ChainPosition, ...]],
        engines: Mapping[int, str] = {},
    ) -> None:
        """Start a frame: a Board at `now` (UTC microseconds) in these columns. `places` are the positions in the
        chains, `engines` the short names of the instances.
        """
        renamed = engines is not self._engines and engines != self._engines
        if board is not self._board or columns != self._columns or renamed or len(self._views) > MAX_CACHED:
            self._views.clear()
            self._lines.clear()
        if columns is not self._columns:
            self._slices = slices_of(columns)
            self._since = any(placed.column.id == "since" for placed in columns)
        self._frame.clear()
        self._board, self._now, self._places, self._columns = board, now, places, columns
        self._engines = engines
        self._presences = {id: _presence(row, now) for id, row in board.instances.items()}

    def view(self, key: AdapterKey) -> AdapterView | None:
        """Return an adapter's view, or None if the adapter is gone."""
        view = self._frame.get(key)
        if view is None and key in self._board.adapters:
            view = self._frame[key] = self._view(key)
        return view

    def _view(self, key: AdapterKey) -> AdapterView:
        row = self._board.adapters[key]
        now, instance = self._now, self._board.instances.get(key.instance)
        counted = counted_until(row, instance, now)
        found = self._presences.get(key.instance)
        live = found is None or found[0] == "live"
        # Of a lost engine the last second counts as soon as it is read.
        second = (counted // SECOND,) if live else (counted // SECOND, row.calls, row.rejections)
        says = (content_of(row), found, self._places.get(key, ()))
        kept = self._views.get(key)
        quiet = is_quiet(row, counted)
        if kept is None or not (kept.second == second or (quiet and kept.quiet)):
            stats = stats_of(row, counted, self._slices)
        else:
            stats = kept.stats
            timed = (row.state == "open" and row.until is not None) or bool(row.fault)
            if kept.says == says and (kept.now == now or not timed):
                return kept.view
        engine = self._engines.get(key.instance, "")
        view = make_view(row, instance, now, stats, says[2], engine, counted=True)
        if kept is not None and kept.view == view:
            view = kept.view
        self._views[key] = _View(view, says, stats, quiet, second, now)
        return view

    def line(self, key: AdapterKey, highlighted: frozenset[str]) -> Line:
        """Return an adapter's line without cursor and mark. `highlighted` are ids of columns.

        The line is empty when the adapter is gone.
        """
        view = self.view(key)
        if view is None:
            return ()
        second = self._now // SECOND if self._since or ages(view) else 0
        kept = self._lines.get(key)
        if kept is not None and kept.view is view and kept.second == second and kept.highlighted == highlighted:
            return kept.line
        line = row_line(view, self._now, self._columns, self._glyphs, highlighted)[1:]
        self._lines[key] = _Line(line, view, second, highlighted)
        return line


def _presence(instance: InstanceRow, now: int) -> tuple[Presence, bool, int]:
    """Return all of an engine that an adapter's row shows; of one that is lost also its last sign of life."""
    state = presence(instance, now)
    return state, killed(instance), 0 if state == "live" else last_sign(instance)
