"""Hides secrets in the free texts of what is read: of events, Boards, and the rows of other tables.

Older versions recorded texts as they came. A text that a newer version wrote is unchanged.

Free texts are errors, reasons, explanations, actors, and the words of scenarios and reloads. Names, ids and contexts
stay as they are, because they identify something: commands, filters and restored states need them, and two that become
equal would count as one. Whatever shows or exports them hides their secrets.
"""

from __future__ import annotations

from collections.abc import Callable
from operator import attrgetter, is_
from typing import Any, Final, TypeVar

import msgspec

from fuseboard_engine.error_text.redaction import safe_error_text
from fuseboard_engine.events import Attempt, RouteFinished

S = TypeVar("S", bound=msgspec.Struct)

FREE_TEXTS: Final = (
    "error", "error_type", "detail", "problem", "why", "reason", "actor", "text", "outcome", "source", "changes",
    "restart", "instructions", "moved_to",
)  # fmt: skip
"""The fields of events, attempts and rows that hold a free text, or several."""


def with_safe_texts(event: S) -> S:
    """Return an event without secrets in its free texts. Costs next to nothing for an event without such a text."""
    if isinstance(event, RouteFinished):  # by far the most frequent
        for attempt in event.attempts:
            if attempt.error or attempt.why or attempt.error_type:
                break
        else:
            if not event.error and not event.why:
                return event
    get = _getters[type(event)]
    if get is None:
        return event
    for value in get(event):
        if value and _safe(value) is not value:
            names = _names_of(type(event))
            return msgspec.structs.replace(event, **{name: _safe(getattr(event, name)) for name in names})
    return event


def safe_text_of(value: Any) -> Any:
    """Return the free text in a column of another table without secrets; a value that is not a text as it is."""
    return safe_error_text(value) if isinstance(value, str) else value


def hide_in_attributes(row: Any, names: tuple[str, ...]) -> None:
    """Hide the secrets in attributes of a row of a Board, each a text."""
    for name in names:
        setattr(row, name, safe_error_text(getattr(row, name)))


def _safe(value: Any) -> Any:
    """Return a text, an attempt, or several of them without secrets; the value itself if there are none."""
    if isinstance(value, str):
        safe = safe_error_text(value)
        return value if safe == value else safe
    if isinstance(value, Attempt):
        error, type_, why = map(safe_error_text, (value.error, value.error_type, value.why))
        if error == value.error and type_ == value.error_type and why == value.why:
            return value
        return msgspec.structs.replace(value, error=error, error_type=type_, why=why)
    found = tuple([_safe(item) for item in value])
    return value if all(map(is_, found, value)) else found


_SEVERAL: Final = (str, tuple[str, ...], Attempt, tuple[Attempt, ...])


def _names_of(type_: type[msgspec.Struct]) -> tuple[str, ...]:
    """Return the fields that are made safe; without those of these names that hold a number, as a node's `attempts`."""
    fields = {field.name for field in msgspec.structs.fields(type_) if field.type in _SEVERAL}
    return tuple(name for name in (*FREE_TEXTS, "attempt", "attempts") if name in fields)


class _Getters(dict[type[msgspec.Struct], Callable[[Any], tuple[Any, ...]] | None]):
    """Maps a type of event to the getter of what may hold a free text. Filled on first use."""

    def __missing__(self, type_: type[msgspec.Struct]) -> Callable[[Any], tuple[Any, ...]] | None:
        names = _names_of(type_)
        get = None if not names else attrgetter(*names) if len(names) > 1 else _single(names[0])
        self[type_] = get
        return get


def _single(name: str) -> Callable[[Any], tuple[Any, ...]]:
    get = attrgetter(name)
    return lambda event: (get(event),)


_getters: Final = _Getters()
