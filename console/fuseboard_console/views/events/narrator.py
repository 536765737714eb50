"""What happened, told in plain lines: for a pipe, a log, a screen reader."""

from __future__ import annotations

from fuseboard_console.text.formatting import clock, ordinal, pause, percent, plural, span
from fuseboard_console.text.safe_text import safe_text
from fuseboard_console.views.events.dead_letter_labels import retry_of
from fuseboard_engine.events import CommandDone, Event, EventsDropped, RouteFinished, ScenarioStep, StateChanged
from fuseboard_engine.scenario.player import Verdict

_NAME = 60  # characters of a foreign name in a sentence
_ID = 200  # and of a task's id: whole, so that it is found again elsewhere


class EventNarrator:
    """Turns events into lines. Of routes that took the same way it tells the first after each change of a breaker.

    A way is the adapters, their outcomes, and how it ended, not the text of an error: that may count down.

    Args:
        begin: UTC microseconds that count as the beginning; None: lines begin with the time of day.
    """

    def __init__(self, begin: int | None) -> None:
        self._begin = begin
        self._told: set[tuple[str, ...]] = set()

    def tell(self, event: Event) -> str | None:
        """Return the line for an event, or None if it adds nothing."""
        text = self._sentence(event)
        if text is None:
            return None
        when = clock(event.at) if self._begin is None else f"{(event.at - self._begin) / 1e6:6.1f} s"
        return f"{when}  {text}"

    def _sentence(self, event: Event) -> str | None:
        if isinstance(event, ScenarioStep):
            return f"── {safe_text(event.text, 200)}"
        if isinstance(event, StateChanged):
            self._told.clear()
            return change_text(event)
        if isinstance(event, RouteFinished):
            return self._route(event)
        if isinstance(event, CommandDone):
            done = "done" if event.ok else "refused"
            return f"{safe_text(event.actor, _NAME)}: {event.verb} {done}: {safe_text(event.detail, 200)}"
        if isinstance(event, EventsDropped):
            return f"{plural(event.count, 'event')} could not be recorded: {safe_text(event.reason, 200)}"
        return None

    def _route(self, event: RouteFinished) -> str | None:
        way = _way(event)
        if len(way) < 2 and event.success:
            return None
        end = "degraded" if event.degraded else "answered" if event.success else "unanswered"
        if (end, *way) in self._told:
            return None
        self._told.add((end, *way))
        return route_text(event)


def _way(event: RouteFinished) -> list[str]:
    way: list[str] = []
    for attempt in event.attempts:
        mark = {"success": "ok", "failure": "failed", "rejected": "skipped"}.get(attempt.outcome, attempt.outcome)
        step = f"{safe_text(attempt.adapter, _NAME)} {mark}"
        if not way or way[-1] != step:
            way.append(step)
    return way


def route_text(event: RouteFinished) -> str:
    """Return a task's route as a sentence: `ai_task #8f20: prefect failed → agno ok`; a dead letter's retry says so."""
    if event.degraded:
        end = f": degraded, answered by {safe_text(event.adapter, _NAME) or 'a fallback'}"
    else:
        end = "" if event.success else f": nobody answered ({safe_text(event.error, 120)})"
    kind = safe_text(event.task_type, 40) or "task"
    retry = "" if event.letter is None else f" ({retry_of(event.letter)})"
    return f"{kind} #{safe_text(event.task, _ID)}{retry}: {' → '.join(_way(event))}{end}"


def change_text(event: StateChanged) -> str:
    """Return a breaker's change as a sentence: who, what, why, and when it is tried again."""
    name = safe_text(event.adapter, _NAME)
    by = f" by {safe_text(event.actor, _NAME)}" if event.actor else ""
    if event.after == "open":
        wait = "" if event.wait is None else f"; next probe in {pause(event.wait)}"
        nth = f", {ordinal(event.openings)} time in a row" if event.openings > 1 else ""
        return f"{name} opens{by}: {safe_text(event.detail, 200)}{wait}{nth}"
    if event.after == "half_open":
        return f"{name} is half-open{by}: {safe_text(event.detail, 200)}"
    if event.after == "closed":
        return f"{name} is closed{by}: {safe_text(event.detail, 200)}"
    return f"{name} is {event.after.replace('_', ' ')}{by}"


def summary(verdict: Verdict, seconds: float) -> list[str]:
    """Return what came of a scenario of `seconds`, in a few lines."""
    answered = ", ".join(f"{safe_text(name, _NAME)} {count}" for name, count in verdict.answered.items())
    opened = ", ".join(
        f"{safe_text(name, _NAME)} {states.count('open')}"
        for name, states in verdict.states.items()
        if "open" in states
    )
    lines = [
        f"{plural(verdict.tasks, 'task')} in {span(seconds)}: {verdict.succeeded} answered "
        f"({percent(verdict.success_rate)} %), {verdict.failed_over} of them by another adapter than the first asked",
        f"answered by: {answered or 'nobody'}",
        f"times opened: {opened or 'no breaker opened'}",
    ]
    return lines + [f"not as expected: {line}" for line in verdict.broken]
