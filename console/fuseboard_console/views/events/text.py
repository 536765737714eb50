"""Any event as one plain line, or as a line of JSON."""

from __future__ import annotations

from typing import Any

import msgspec

from fuseboard_console.text.formatting import stamp
from fuseboard_console.text.safe_json import safe_json
from fuseboard_console.views.adapters.engine_names import NO_ENGINES, EngineNames
from fuseboard_console.views.events.sentences import event_sentence
from fuseboard_engine.events import Event, RouteFinished
from fuseboard_storage.board.board import Entry

_KIND_WIDTH = 20  # of the longest kind


def event_line(entry: Entry, engines: EngineNames = NO_ENGINES) -> str:
    """Return an entry as a line of safe text: its time, its kind, and its sentence."""
    event = entry.event
    return f"{stamp(event.at)}  {kind_of(event):<{_KIND_WIDTH}}  {entry_sentence(entry, engines)}".rstrip()


def entry_sentence(entry: Entry, engines: EngineNames) -> str:
    """Return what an entry's event says, after its engine where an adapter's name does not tell it: `billing: ...`."""
    engine = engines.of(entry.instance, adapters_of(entry.event))
    sentence = event_sentence(entry.event)
    return f"{engine}: {sentence}" if engine else sentence


def adapters_of(event: Event) -> tuple[str, ...]:
    """Return the names of the adapters that an event names."""
    if isinstance(event, RouteFinished):
        return (event.adapter, *(attempt.adapter for attempt in event.attempts))
    adapter = getattr(getattr(event, "attempt", event), "adapter", None)
    return (adapter,) if isinstance(adapter, str) else ()


def kind_of(event: Event) -> str:
    """Return the kind of an event, as a recording stores it."""
    return str(event.__struct_config__.tag)


def event_json(entry: Entry) -> str:
    """Return an entry as one line of JSON; see `event_fields`."""
    return safe_json(event_fields(entry))


def event_fields(entry: Entry) -> dict[str, Any]:
    """Return an entry as plain values. Times are UTC microseconds, durations seconds."""
    return {"seq": entry.seq, "instance": entry.instance, **msgspec.to_builtins(entry.event)}
