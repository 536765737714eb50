"""Values as SQLite and JSON can hold them: storable, and within their limits."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from fuseboard_engine.error_text.text_limits import MAX_NAME, name_within_limit, text_within_limit, within_limits
from fuseboard_engine.events import Event
from fuseboard_storage.backend.unknown_event import UnknownEvent

_encode: Final = msgspec.json.Encoder(enc_hook=repr).encode


def encoded(event: Event) -> tuple[Event, str]:
    """Return an event as it can be stored, and its body: with storable values, and texts within their limits."""
    if type(event) is UnknownEvent:
        names = {name: stored_name(getattr(event, name) or "") or None for name in ("adapter", "task")}
        return msgspec.structs.replace(event, **names), escape_surrogates(event.body)
    try:
        body = _encode(event).decode()
    except Exception:
        event = storable(event)
        body = _encode(event).decode()
    if len(body) > MAX_NAME:  # no text in a shorter body exceeds a limit
        limited = within_limits(event)
        if limited is not event:
            return limited, _encode(limited).decode()
    return event, body


def storable(event: Event) -> Event:
    """Return an event without unstorable values: lone surrogates become `\\udcff`, foreign objects their repr."""
    values = {name: _storable(getattr(event, name)) for name in event.__struct_fields__}
    return type(event)(**values)


def escape_surrogates(text: str) -> str:
    """Return a text with lone surrogates, which SQLite does not accept, escaped as `\\udcff`."""
    return text.encode("utf-8", "backslashreplace").decode()


def stored_name(name: str) -> str:
    """Return a name as events, metrics, commands and instances hold it: storable and within its limit."""
    return name_within_limit(escape_surrogates(name))


def stored_text(text: str) -> str:
    """Return a text that is not a name as a recording holds it: storable and within its limit."""
    return text_within_limit(escape_surrogates(text))


def _storable(value: Any) -> Any:
    if isinstance(value, str):
        return escape_surrogates(value)
    if isinstance(value, dict):
        return {_storable(key if isinstance(key, str) else repr(key)): _storable(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return tuple(_storable(item) for item in value)
    if isinstance(value, msgspec.Struct):
        return type(value)(**{name: _storable(getattr(value, name)) for name in value.__struct_fields__})
    if isinstance(value, bool | float | None):
        return value
    if isinstance(value, int):
        return value if -(2**63) <= value < 2**63 else repr(value)
    return _storable(repr(value))
