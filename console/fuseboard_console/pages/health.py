"""The health page: the last health check of each adapter, and what else limits it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from fuseboard_console.pages.list_page import ListPage
from fuseboard_console.screens.adapter_detail import show_detail
from fuseboard_console.text.formatting import SECOND
from fuseboard_console.text.line import Line
from fuseboard_console.tui.protocols import ConsoleHost, Frame
from fuseboard_console.views.adapters.engine_names import engine_names
from fuseboard_console.views.adapters.successors import Successors
from fuseboard_console.views.lists.health import health_heading, health_line, health_order, names_width, summary
from fuseboard_storage.board.board import AdapterKey


class Health(ListPage[AdapterKey]):
    """All adapters, the least healthy first."""

    PAGE = "health"
    EMPTY = "There is no adapter yet."
    FIELDS = ("name", "health", "tag", "detail")
    FIGURES = ("since",)

    def __init__(self, host: ConsoleHost) -> None:
        super().__init__(host)
        self._successors = Successors()
        self.list.successor = lambda key: self._successors.of(host.frame.board, key)
        self._keys: list[AdapterKey] = []
        self._names = 0
        self._sorted: tuple[object, ...] = ()
        self._summary = ""

    def rows(self, frame: Frame) -> Sequence[AdapterKey]:
        """Return all adapters. They are sorted once a second, and when the set or a condition changes."""
        board = frame.board
        now = (board, board.roster_version, board.state_version, frame.now // SECOND)
        if now != self._sorted:
            self._sorted = now
            self._successors.note(board)
            self._keys = health_order(board)
            self._names = names_width(self._keys, engine_names(board))
            self._summary = summary(board)
        return self._keys

    @property
    def caption(self) -> str:
        """The counts by health."""
        return f"{self.title}  {self._summary}".rstrip()

    def heading(self, cells: int) -> Line:
        """Return the column titles."""
        return health_heading(cells, min(self._names, cells // 3))

    def line(self, key: AdapterKey, cells: int) -> Line:
        """Return the health of an adapter."""
        frame = self.host.frame
        row = frame.board.adapters.get(key)
        if row is None:
            return ()
        instance = frame.board.instances.get(key.instance)
        names, engine = min(self._names, cells // 3), engine_names(frame.board).of_key(key)
        return health_line(row, instance, frame.now, cells, names, self.host.glyphs, engine)

    def order_of(self, key: AdapterKey, field: str) -> Any:
        """Return the value by which a row is sorted."""
        row = self.host.frame.board.adapters.get(key)
        if field == "since":
            return -(row.health_at or 0) if row is not None else 0
        return super().order_of(key, field)

    def fields(self, key: AdapterKey) -> Mapping[str, str]:
        """Return the row's texts that a filter can match, by field."""
        row = self.host.frame.board.adapters.get(key)
        if row is None:
            return dict.fromkeys(self.FIELDS, "")
        detail = f"{row.health_detail} {row.held}"
        return {"name": row.name, "health": row.health or "unknown", "tag": " ".join(row.tags), "detail": detail}

    def action_open(self) -> None:
        """Open the detail of the adapter under the cursor."""
        if self.target is not None:
            show_detail(self.host, self.target)

    @property
    def target(self) -> AdapterKey | None:
        """The adapter under the cursor."""
        return self.list.selected
