"""The engines page: every instance that writes or wrote to the recording."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress

from fuseboard_console.pages.list_page import ListPage
from fuseboard_console.screens.text_detail import Link
from fuseboard_console.sources.feed import FEED_ERRORS
from fuseboard_console.text.formatting import SECOND
from fuseboard_console.text.line import Line
from fuseboard_console.text.safe_text import safe_text
from fuseboard_console.tui.protocols import ConsoleHost, Frame
from fuseboard_console.views.lists.engines import (
    Counts,
    counts_of,
    engine_line,
    engine_lines,
    engine_order,
    engines_heading,
    labels_width,
)
from fuseboard_storage.board.board import InstanceRow
from fuseboard_storage.board.presence import presence


class Engines(ListPage[int]):
    """Silent instances first, then live ones, then ended ones. The keys are instance ids."""

    PAGE = "engines"
    EMPTY = "No engine has written to this recording yet."
    FIELDS = ("name", "host", "state", "reason")

    def __init__(self, host: ConsoleHost) -> None:
        super().__init__(host)
        self._rows: dict[int, InstanceRow] = {}
        self._older: list[InstanceRow] = []
        self._counts: Counts = {}
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

    def rows(self, frame: Frame) -> Sequence[int]:
        """Return the Board's instances, and older ones that had ended by the shown time."""
        made = (frame.board, frame.board.roster_version, frame.now // SECOND, len(self._older))
        if made != self._made:
            self._made = made
            ended = (row for row in self._older if (row.ended_at or 0) <= frame.now)
            self._rows = {row.id: row for row in ended} | frame.board.instances
            self._counts = counts_of(frame.board, frame.now)
            self._labels = labels_width(self._rows.values())
        return engine_order(self._rows.values(), frame.now)

    def heading(self, cells: int) -> Line:
        """Return the column titles."""
        return engines_heading(cells, min(self._labels, cells // 3))

    def line(self, key: int, cells: int) -> Line:
        """Return an instance's line."""
        row = self._rows.get(key)
        if row is None:
            return ()
        return engine_line(
            row, self._counts, self.host.frame.now, cells, min(self._labels, cells // 3), self.host.glyphs
        )

    def fields(self, key: int) -> Mapping[str, str]:
        """Return the row's texts that a filter can match, by field."""
        row = self._rows[key]
        return {
            "name": row.name,
            "host": row.host,
            "state": presence(row, self.host.frame.now),
            "reason": row.reason,
            "": row.label,
        }

    def about(self, key: int, cells: int) -> list[Line]:
        """Return an instance in full."""
        frame = self.host.frame
        row = frame.board.instances.get(key) or self._rows.get(key)
        return [] if row is None else engine_lines(row, frame.board, frame.now, cells, self.host.glyphs)

    def title_of(self, key: int) -> str:
        """Return its label."""
        return safe_text(self._rows[key].label, 80)

    def links(self, key: int) -> Sequence[Link]:
        """Link to its adapters."""
        label = self._rows[key].label.replace('"', "?")

        def to_adapters() -> None:
            self.host.go_to("overview").filter_by(f'instance:"{label}"')

        return [Link("a", "its adapters", to_adapters)]
