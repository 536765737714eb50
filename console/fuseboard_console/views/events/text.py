"""Any event as one plain line, or as a line of JSON."""

from __future__ import annotations

import json
from typing import Any

import msgspec

from fuseboard_console.text.formatting import latency, pause, stamp
from fuseboard_console.text.safe_text import safe_text
from fuseboard_console.views.events.failures import what_failed
from fuseboard_console.views.events.narrator import change_text, route_text
from fuseboard_console.views.events.sentences import event_words
from fuseboard_engine.events import AttemptFailed, Event, RouteFinished, ScenarioStep, StateChanged
from fuseboard_storage.board.board import Entry

_ID = 200  # characters of a task's id: all of it, so that it is found again elsewhere
_KIND = 16


def event_line(entry: Entry) -> str:
    """Return an entry as a line: when, what kind, and what happened. All of it is safe text."""
    event = entry.event
    return f"{stamp(event.at)}  {kind_of(event):<{_KIND}}  {_says(event)}".rstrip()


def kind_of(event: Event) -> str:
    """Return the kind of an event, as it stands in a recording."""
    return str(event.__struct_config__.tag)


def event_json(entry: Entry) -> str:
    """Return an entry as one line of JSON; times are UTC microseconds, durations seconds."""
    body: dict[str, Any] = msgspec.to_builtins(entry.event)
    return json.dumps({"seq": entry.seq, "instance": entry.instance, **body})


def _says(event: Event) -> str:
    if isinstance(event, StateChanged):
        return change_text(event)
    if isinstance(event, RouteFinished):
        return f"{route_text(event)} in {latency(event.duration)}"
    if isinstance(event, AttemptFailed):
        return failure_text(event)
    if isinstance(event, ScenarioStep):
        return safe_text(event.text, 200)
    return event_words(event)


def failure_text(event: AttemptFailed) -> str:
    """Return a failed attempt as a line: `prefect  ConnectError: refused  (ai_task #8f20, attempt 1, 42 ms; retry)`."""
    attempt = event.attempt
    delay = f"in {pause(event.delay)}" if event.delay else "at once"
    then = f"retry {delay}" if event.then == "retry" else event.then
    kind = safe_text(event.task_type, 40) or "task"
    where = f"{kind} #{safe_text(event.task, _ID)}, attempt {attempt.number}, {latency(attempt.duration)}; {then}"
    return f"{safe_text(attempt.adapter, 60)}  {what_failed(attempt)}  ({where})"
