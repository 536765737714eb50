"""Hides secrets in the error texts of events that are read.

Older versions recorded error texts as they came. A text that a newer version wrote is unchanged.
"""

from __future__ import annotations

from collections.abc import Callable
from operator import attrgetter, is_
from typing import Any, Final

import msgspec

from fuseboard_engine.error_text.redaction import safe_error_text
from fuseboard_engine.events import Attempt, Event, RouteFinished

ERROR_FIELDS: Final = ("error", "detail", "problem")
"""The fields of events and attempts that hold the text of an error, or quote one."""


def with_safe_errors(event: Event) -> Event:
    """Return an event without secrets in its error texts. Costs next to nothing for an event without such a text."""
    if type(event) is RouteFinished:  # by far the most frequent
        for attempt in event.attempts:
            if attempt.error:
                break
        else:
            if not event.error:
                return event
    get = _getters[type(event)]
    if get is None:
        return event
    for value in get(event):
        if value and _safe(value) is not value:
            names = _names_of(type(event))
            return msgspec.structs.replace(event, **{name: _safe(getattr(event, name)) for name in names})
    return event


def stored_error(text: Any) -> Any:
    """Return the error text in a column of another table without secrets; a value that is not a text as it is."""
    return safe_error_text(text) if isinstance(text, str) else text


def _safe(value: Any) -> Any:
    """Return a text, an attempt or attempts without secrets; the value itself if there are none."""
    if isinstance(value, str):
        safe = safe_error_text(value)
        return value if safe == value else safe
    if isinstance(value, Attempt):
        error = _safe(value.error)
        return value if error is value.error else msgspec.structs.replace(value, error=error)
    found = tuple([_safe(attempt) for attempt in value])
    return value if all(map(is_, found, value)) else found


def _names_of(type_: type[Event]) -> tuple[str, ...]:
    return tuple(name for name in (*ERROR_FIELDS, "attempt", "attempts") if name in _fields_with_texts(type_))


def _fields_with_texts(type_: type[Event]) -> set[str]:
    """Return the fields of an event; without those of the names above that hold a number, as a node's `attempts`."""
    return {field.name for field in msgspec.structs.fields(type_) if field.type in (str, Attempt, tuple[Attempt, ...])}


class _Getters(dict[type[Event], Callable[[Any], tuple[Any, ...]] | None]):
    """Maps a type of event to the getter of what may hold the text of an error. Filled on first use."""

    def __missing__(self, type_: type[Event]) -> Callable[[Any], tuple[Any, ...]] | None:
        names = _names_of(type_)
        get = None if not names else attrgetter(*names) if len(names) > 1 else _single(names[0])
        self[type_] = get
        return get


def _single(name: str) -> Callable[[Any], tuple[Any, ...]]:
    get = attrgetter(name)
    return lambda event: (get(event),)


_getters: Final = _Getters()
