"""Any event as one plain line, or as a line of JSON."""

from __future__ import annotations

import json
from typing import Any

import msgspec

from fuseboard_console.text.formatting import stamp
from fuseboard_console.views.events.sentences import event_sentence
from fuseboard_engine.events import Event
from fuseboard_storage.board.board import Entry

_KIND_WIDTH = 20  # of the longest kind


def event_line(entry: Entry) -> str:
    """Return an entry as a line of safe text: its time, its kind, and its sentence."""
    event = entry.event
    return f"{stamp(event.at)}  {kind_of(event):<{_KIND_WIDTH}}  {event_sentence(event)}".rstrip()


def kind_of(event: Event) -> str:
    """Return the kind of an event, as a recording stores it."""
    return str(event.__struct_config__.tag)


def event_json(entry: Entry) -> str:
    """Return an entry as one line of JSON. Times are UTC microseconds, durations seconds."""
    body: dict[str, Any] = msgspec.to_builtins(entry.event)
    return json.dumps({"seq": entry.seq, "instance": entry.instance, **body})
