"""Events as plain lines, for pipes, logs and screen readers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fuseboard_console.text.formatting import clock, percent, plural, span
from fuseboard_console.text.safe_text import safe_text
from fuseboard_console.views.events.sentences import SCREEN_STYLE, event_sentence, route_sentence
from fuseboard_engine.event_log.sentences import route_steps
from fuseboard_engine.events import (
    CommandDone,
    Event,
    EventsDropped,
    RecordingRestarted,
    RouteFinished,
    ScenarioStep,
    StateChanged,
)

if TYPE_CHECKING:
    from fuseboard_engine.scenario_outcome.verdict import Verdict


class EventNarrator:
    """Writes a line for each event that a reader needs.

    Of routes with the same steps and the same end, only the first after each change of a breaker is written. The text
    of an error is not compared: it may hold a countdown.

    Args:
        begin: The time (UTC microseconds) that lines count seconds from. With None they show the time of day.
    """

    def __init__(self, begin: int | None) -> None:
        self._begin = begin
        self._routes: set[tuple[str, ...]] = set()

    def narrate(self, event: Event, engine: str = "") -> str | None:
        """Return the line for an event; None if it adds nothing.

        `engine` is its engine as safe text, to be named; empty if the adapter's name is enough.
        """
        text = self._text(event, engine)
        if text is None:
            return None
        if isinstance(event, ScenarioStep):  # it tells of the whole scenario
            engine = ""
        when = clock(event.at) if self._begin is None else f"{(event.at - self._begin) / 1e6:6.1f} s"
        return f"{when}  {engine}: {text}" if engine else f"{when}  {text}"

    def _text(self, event: Event, engine: str) -> str | None:
        if isinstance(event, RouteFinished):
            return route_sentence(event) if self._is_new(event, engine) else None
        if isinstance(event, StateChanged):
            self._routes.clear()
        if isinstance(event, ScenarioStep):
            return f"── {event_sentence(event)}"
        told = StateChanged | CommandDone | EventsDropped | RecordingRestarted
        return event_sentence(event) if isinstance(event, told) else None

    def _is_new(self, route: RouteFinished, engine: str) -> bool:
        steps = route_steps(route, SCREEN_STYLE)
        if len(steps) < 2 and route.success:
            return False
        end = "degraded" if route.degraded else "answered" if route.success else "unanswered"
        key = (engine, end, *steps)
        new = key not in self._routes
        self._routes.add(key)
        return new


def verdict_lines(verdict: Verdict, seconds: float) -> list[str]:
    """Return the outcome of a scenario of `seconds`, in a few lines."""
    answered = ", ".join(f"{safe_text(name, 60)} {count}" for name, count in verdict.answered.items())
    opened = ", ".join(
        f"{safe_text(name, 60)} {states.count('open')}" for name, states in verdict.states.items() if "open" in states
    )
    lines = [
        f"{plural(verdict.tasks, 'task')} in {span(seconds)}: {verdict.succeeded} answered "
        f"({percent(verdict.success_rate)} %), {verdict.failed_over} of them after a failover",
        f"answered by: {answered or 'no adapter'}",
        f"times opened: {opened or 'no breaker opened'}",
    ]
    return lines + [f"not as expected: {line}" for line in verdict.broken]
