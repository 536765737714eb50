"""The failures page: recent failures, repeated ones on one line."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from fuseboard_console.pages.list_page import ListPage
from fuseboard_console.screens.adapter_detail import show_detail
from fuseboard_console.screens.text_detail import Link
from fuseboard_console.text.line import Line, Span
from fuseboard_console.text.width import width
from fuseboard_console.tui.protocols import ConsoleHost, Frame
from fuseboard_console.views.adapters.engine_names import NO_ENGINES, engine_names
from fuseboard_console.views.events.failure_detail import failure_detail
from fuseboard_console.views.events.failures import failure_line
from fuseboard_console.views.selection.list_filter import field_filter
from fuseboard_storage.board.board import AdapterKey, FailureRow

Key = tuple[AdapterKey, int, str]
"""An adapter, when the first of the failures that say the same happened, and what it said."""


class Failures(ListPage[Key]):
    """The latest failures, newest first."""

    PAGE = "failures"
    EMPTY = "Nothing has failed."
    FIELDS = ("adapter", "error", "type", "task")

    def __init__(self, host: ConsoleHost) -> None:
        super().__init__(host)
        self.list.newest_first = True
        self._failures: dict[Key, FailureRow] = {}
        self._names = 0
        self._engines = NO_ENGINES
        self._opened: FailureRow | None = None

    def rows(self, frame: Frame) -> Sequence[Key]:
        """Return the failures that the Board keeps."""
        self._failures = {
            (row.key, row.first_at, "" if row.slow_probe else row.attempt.error): row for row in frame.board.failures
        }
        self._engines = engine_names(frame.board)
        self._names = max((width(self._engines.adapter(row.key)) for row in frame.board.failures), default=0)
        return list(self._failures)

    def heading(self, cells: int) -> Line:
        """Return the column titles."""
        return (Span("newest first; those that say the same in a row stand on one line", "muted"),)

    def line(self, key: Key, cells: int) -> Line:
        """Return a failure's line."""
        row = self._failures.get(key)
        if row is None:
            return ()
        names = min(self._names, cells // 3, 40 if self._engines.repeated else 24)
        return failure_line(row, cells, names, self.host.glyphs, self._engines)

    def fields(self, key: Key) -> Mapping[str, str]:
        """Return the row's texts that a filter can match, by field."""
        row = self._failures[key]
        error = f"{row.attempt.error_type} {row.attempt.error}"
        return {"adapter": row.key.adapter, "error": error, "type": row.task_type, "task": row.task}

    def about(self, key: Key, cells: int) -> list[Line]:
        """Return a failure in full. It stays available after the Board drops it."""
        self._opened = self._failures.get(key, self._opened)
        if self._opened is None:
            return []
        frame = self.host.frame
        return failure_detail(self._opened, frame.now, cells, engine_names(frame.board).of_key(self._opened.key))

    def title_of(self, key: Key) -> str:
        """Return the name of its adapter."""
        self._opened = self._failures[key]
        return f"Failure of {engine_names(self.host.frame.board).adapter(key[0])}"

    def links(self, key: Key) -> Sequence[Link]:
        """Link to the adapter, and to the routes of the task."""
        task = self._failures[key].task

        def to_route() -> None:
            self.host.go_to("routes").filter_by(field_filter("task", task))

        adapter = Link("a", "adapter", lambda: show_detail(self.host, key[0]))
        return (adapter, Link("v", "its route", to_route)) if task else (adapter,)

    @property
    def target(self) -> AdapterKey | None:
        """The adapter whose failure is under the cursor."""
        key = self.list.selected
        return None if key is None else key[0]
