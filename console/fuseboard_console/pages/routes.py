"""The routes page: how each recent task was routed, and why."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from fuseboard_console.actions.model import key_for
from fuseboard_console.pages.list_page import ListPage
from fuseboard_console.screens.adapter_detail import show_detail
from fuseboard_console.screens.text_detail import Link
from fuseboard_console.text.formatting import plural
from fuseboard_console.text.line import Line, Span
from fuseboard_console.tui.protocols import ConsoleHost, Frame
from fuseboard_console.views.adapters.engine_names import engine_names
from fuseboard_console.views.events.chains import engine_of, route_line, short_id, type_width
from fuseboard_console.views.events.routes import outcome_of, route_lines
from fuseboard_engine.events import RouteFinished
from fuseboard_storage.board.board import AdapterKey, Entry

OUTCOMES = ("", "failover", "degraded", "failed", "dead")
"""The choices of `f`; all at first. `failed` includes the tasks that became dead letters."""
_SINGULAR = {"failover": "failed over", "degraded": "degraded", "failed": "failed", "dead": "a dead letter"}
_WORDS = {"failover": "failed over", "degraded": "degraded", "failed": "failed", "dead": "dead letters"}


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
        self._outcomes: dict[int, str] = {}

    def rows(self, frame: Frame) -> Sequence[int]:
        """Return the event numbers of the routes that the Board keeps."""
        board, routes = frame.board, frame.board.routes
        made = (board, routes[0].seq if routes else 0, len(routes))
        if made != self._made:
            self._made = made
            self._entries = {entry.seq: entry for entry in routes}
            self._types = type_width(routes)
            self._outcomes = {seq: outcome_of(self._route(seq)) for seq in self._entries}
        if self._outcome:
            return [seq for seq, outcome in self._outcomes.items() if _is(outcome, self._outcome)]
        return list(self._entries)

    @property
    def nothing(self) -> str:
        """The text of an empty list."""
        if self._outcome and self._entries:
            key = key_for(self.host.actions, "outcome")
            return (
                f"None of the latest {len(self._entries):,} routes is {_SINGULAR[self._outcome]}; {key} shows others."
            )
        return self.EMPTY

    def _route(self, seq: int) -> RouteFinished:
        route = self._entries[seq].event
        assert isinstance(route, RouteFinished)
        return route

    def heading(self, cells: int) -> Line:
        """Return the column titles."""
        key = key_for(self.host.actions, "outcome")
        found = Counter(self._outcomes.values())
        counts = {name: sum(n for outcome, n in found.items() if _is(outcome, name)) for name in _WORDS}
        texts = {name: f"{count:,} {_WORDS[name]}" for name, count in counts.items() if count}
        if "dead" in texts:
            texts["dead"] = plural(counts["dead"], "dead letter")
        told = ", ".join(texts.values())
        if self._outcome:
            only = f"only {_WORDS[self._outcome]}: {counts[self._outcome]:,} of {len(self._entries):,}"
            return (Span(f"{only}; {key} shows others", "muted"),)
        return (Span(f"newest first{': ' if told else ''}{told}; {key} shows only some", "muted"),)

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


def _is(outcome: str, chosen: str) -> bool:
    """Return whether a route's outcome is among those of a choice."""
    return outcome == chosen or (chosen == "failed" and outcome == "dead")
