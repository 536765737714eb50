"""An event of a kind that only a newer version knows, so that it can be stored and passed on unchanged."""

from __future__ import annotations

from typing import Final, get_args

import msgspec

from fuseboard_engine.events import AnyEvent, Event, Int64

_KNOWN: Final = frozenset(str(type_.__struct_config__.tag) for type_ in get_args(AnyEvent))


class UnknownEvent(Event, frozen=True, kw_only=True, gc=False, tag=False, tag_field=None):
    """An event of a kind that this version does not know. `body` is all of it, as JSON."""

    kind: str
    adapter: str | None = None
    task: str | None = None
    body: str


class _Head(msgspec.Struct, frozen=True):
    kind: str
    at: Int64
    adapter: str | None = None
    task: str | None = None


_decode_head = msgspec.json.Decoder(_Head).decode


def unknown_event(body: bytes | str) -> UnknownEvent | None:
    """Return the event in a body that could not be decoded; None if it is damaged, rather than of an unknown kind."""
    try:
        text = body if isinstance(body, str) else body.decode()
        head = _decode_head(text)
    except (msgspec.MsgspecError, UnicodeError, RecursionError, TypeError, AttributeError):
        return None
    if head.kind in _KNOWN:
        return None
    return UnknownEvent(at=head.at, kind=head.kind, adapter=head.adapter, task=head.task, body=text)


def is_readable(event: Event) -> bool:
    """Return whether an event that was read is of a kind that this version knows, and not damaged."""
    return type(event) not in (Event, UnknownEvent)
