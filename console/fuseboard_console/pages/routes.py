"""The routes page: how each recent task was routed, and why."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from fuseboard_console.actions.model import key_for
from fuseboard_console.pages.list_page import ListPage
from fuseboard_console.screens.adapter_detail import show_detail
from fuseboard_console.screens.text_detail import Link
from fuseboard_console.text.line import Line, Span
from fuseboard_console.tui.protocols import ConsoleHost, Frame
from fuseboard_console.views.adapters.engine_names import engine_names
from fuseboard_console.views.events.chains import engine_of, route_line, short_id, type_width
from fuseboard_console.views.events.routes import outcome_of, route_lines
from fuseboard_engine.events import RouteFinished
from fuseboard_storage.board.board import AdapterKey, Entry

OUTCOMES = ("", "failover", "degraded", "failed", "dead")
"""The choices of `f`; all at first."""


class Routes(ListPage[int]):
    """The latest routes, newest first. The keys are event numbers."""

    PAGE = "routes"
    EMPTY = "No task has been routed yet. Each task is listed here when it is done."
    FIELDS = ("outcome", "type", "adapter", "task", "error")

    def __init__(self, host: ConsoleHost) -> None:
        super().__init__(host)
        self.list.newest_first = self.list.follows = True
        self._entries: dict[int, Entry] = {}
        self._made: tuple[object, ...] = ()
        self._types = 0
        self._outcome = ""

    def rows(self, frame: Frame) -> Sequence[int]:
        """Return the event numbers of the routes that the Board keeps."""
        board, routes = frame.board, frame.board.routes
        made = (board, routes[0].seq if routes else 0, len(routes))
        if made != self._made:
            self._made = made
            self._entries = {entry.seq: entry for entry in routes}
            self._types = type_width(routes)
        if self._outcome:
            return [seq for seq in self._entries if outcome_of(self._route(seq)) == self._outcome]
        return list(self._entries)

    def _route(self, seq: int) -> RouteFinished:
        route = self._entries[seq].event
        assert isinstance(route, RouteFinished)
        return route

    def heading(self, cells: int) -> Line:
        """Return the column titles."""
        key = key_for(self.host.actions, "outcome")
        only = f"only {self._outcome}; {key} shows others" if self._outcome else f"newest first; {key} shows only some"
        return (Span(only, "muted"),)

    def line(self, key: int, cells: int) -> Line:
        """Return a route, attempts from left to right."""
        entry = self._entries.get(key)
        if entry is None:
            return ()
        engines = engine_names(self.host.frame.board)
        engine = engine_of(entry, engines)
        return route_line(self._route(key), cells, self._types, self.host.glyphs, engine, engines.cells)

    def fields(self, key: int) -> Mapping[str, str]:
        """Return the row's texts that a filter can match, by field."""
        route = self._route(key)
        return {
            "outcome": outcome_of(route),
            "type": route.task_type,
            "adapter": " ".join(attempt.adapter for attempt in route.attempts),
            "task": route.task,
            "error": " ".join((route.error, *(attempt.error for attempt in route.attempts))),
        }

    def about(self, key: int, cells: int) -> list[Line]:
        """Return a route in full. It stays available after the Board drops it."""
        return route_lines(self._shown, cells, self.host.glyphs, self._shown_engine)

    def title_of(self, key: int) -> str:
        """Return the end of its task's id."""
        self._shown = self._route(key)
        self._shown_engine = engine_of(self._entries[key], engine_names(self.host.frame.board))
        return f"Route of {short_id(self._shown.task, 30)}"

    def links(self, key: int) -> Sequence[Link]:
        """Link to the adapters that were tried, in order."""
        instance = self._entries[key].instance
        names = list(dict.fromkeys(attempt.adapter for attempt in self._route(key).attempts))

        def to(adapter: str) -> Link:
            from fuseboard_console.text.safe_text import safe_text

            return Link(
                str(names.index(adapter) + 1),
                safe_text(adapter, 16),
                lambda: show_detail(self.host, AdapterKey(instance, adapter)),
            )

        return [to(adapter) for adapter in names[:5]]

    def action_outcome(self) -> None:
        """Show only routes with the next outcome."""
        self._outcome = OUTCOMES[(OUTCOMES.index(self._outcome) + 1) % len(OUTCOMES)]
        self.host.show()
