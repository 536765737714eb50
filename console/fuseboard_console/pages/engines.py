"""The engines page: every instance that writes or wrote to the recording, and the totals of each name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress

from fuseboard_console.pages.list_page import ListPage
from fuseboard_console.screens.text_detail import Link
from fuseboard_console.sources.feed import FEED_ERRORS
from fuseboard_console.text.formatting import SECOND
from fuseboard_console.text.line import Line
from fuseboard_console.text.safe_text import safe_text
from fuseboard_console.text.width import width
from fuseboard_console.tui.protocols import ConsoleHost, Frame
from fuseboard_console.views.lists.engine_totals import grouped_order, states_of, total_label, totals_line, totals_lines
from fuseboard_console.views.lists.engines import (
    Counts,
    counts_of,
    engine_line,
    engine_lines,
    engines_heading,
    labels_width,
)
from fuseboard_storage.board.board import InstanceRow
from fuseboard_storage.board.name_totals import EngineTotals
from fuseboard_storage.board.presence import presence


class Engines(ListPage[int | str]):
    """Silent instances first, then live ones, then ended ones; those of one name together, after their totals.

    The keys are instance ids, and names for the lines of totals.
    """

    PAGE = "engines"
    EMPTY = "No engine has written to this recording yet."
    FIELDS = ("name", "host", "state", "reason")

    def __init__(self, host: ConsoleHost) -> None:
        super().__init__(host)
        self._rows: dict[int, InstanceRow] = {}
        self._older: list[InstanceRow] = []
        self._counts: Counts = {}
        self._totals: dict[str, EngineTotals] = {}
        self._order: list[int | str] = []
        self._labels = 0
        self._made: tuple[object, ...] = ()
        self._read: tuple[object, ...] = ()

    async def refresh_data(self, frame: Frame) -> None:
        """Read earlier instances from the recording."""
        recording, roster = self.host.feed.recording, frame.board.roster_version
        if recording is not None and (recording, roster) != self._read:
            self._read = (recording, roster)
            with suppress(*FEED_ERRORS):  # the banner says what is wrong with the file
                end_reasons = await recording.end_reasons()
                self._older = [row for row in await recording.instances() if row.ended_at is not None]
                for row in self._older:
                    row.reason = end_reasons.get(row.id, "")
                self.host.show()

    def rows(self, frame: Frame) -> Sequence[int | str]:
        """Return the Board's instances, and older ones that had ended by the shown time."""
        made = (frame.board, frame.board.roster_version, frame.now // SECOND, len(self._older))
        if made != self._made:
            self._made = made
            ended = (row for row in self._older if (row.ended_at or 0) <= frame.now)
            self._rows = {row.id: row for row in ended} | frame.board.instances
            self._counts = counts_of(frame.board, frame.now)
            self._totals = frame.board.totals()
            self._order = grouped_order(self._rows.values(), frame.now)
            names = (width(total_label(key)) for key in self._order if isinstance(key, str))
            self._labels = min(40, max(labels_width(self._rows.values()), *names, 0))
        return self._order

    def heading(self, cells: int) -> Line:
        """Return the column titles."""
        return engines_heading(cells, min(self._labels, cells // 3))

    def line(self, key: int | str, cells: int) -> Line:
        """Return an instance's line, or that of a name's totals."""
        labels = min(self._labels, cells // 3)
        if isinstance(key, str):
            states = states_of(key, self._rows.values(), self.host.frame.now)
            return totals_line(key, self._totals_of(key), states, cells, labels)
        row = self._rows.get(key)
        if row is None:
            return ()
        return engine_line(row, self._counts, self.host.frame.now, cells, labels, self.host.glyphs)

    def _totals_of(self, name: str) -> EngineTotals:
        return self._totals.get(name) or EngineTotals()

    def fields(self, key: int | str) -> Mapping[str, str]:
        """Return the row's texts that a filter can match, by field."""
        if isinstance(key, str):
            return {"name": key, "host": "", "state": "", "reason": "", "": key}
        row = self._rows[key]
        return {
            "name": row.name,
            "host": row.host,
            "state": presence(row, self.host.frame.now),
            "reason": row.reason,
            "": row.label,
        }

    def about(self, key: int | str, cells: int) -> list[Line]:
        """Return an instance, or a name's totals, in full."""
        frame = self.host.frame
        if isinstance(key, str):
            totals = frame.board.totals().get(key) or EngineTotals()
            return totals_lines(key, totals, states_of(key, self._rows.values(), frame.now), cells)
        row = frame.board.instances.get(key) or self._rows.get(key)
        return [] if row is None else engine_lines(row, frame.board, frame.now, cells, self.host.glyphs)

    def title_of(self, key: int | str) -> str:
        """Return its label."""
        if isinstance(key, str):
            return total_label(key)
        return safe_text(self._rows[key].label, 80)

    def links(self, key: int | str) -> Sequence[Link]:
        """Link to its adapters."""
        label = (f"{key}@" if isinstance(key, str) else self._rows[key].label).replace('"', "?")

        def to_adapters() -> None:
            self.host.go_to("overview").filter_by(f'instance:"{label}"')

        return [Link("a", "its adapters", to_adapters)]
