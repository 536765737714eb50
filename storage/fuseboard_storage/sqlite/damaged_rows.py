"""Reading of rows that may be damaged: a value that cannot be read costs itself, not its row, its query or its file."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache, partial
from typing import Any, Final, Literal, TypeVar, get_args, get_origin

import msgspec

S = TypeVar("S", bound=msgspec.Struct)

UNREADABLE: Final = "damaged in the recording, unreadable: "
"""Begins the text that names the fields of a row which could not be read."""

readable_text: Final = partial(str, encoding="utf-8", errors="backslashreplace")
"""A connection's `text_factory` that accepts every byte: what is not UTF-8 becomes `\\xff`."""


def decoded(decode: Callable[[Any], Any], value: Any, default: Any) -> Any:
    """Return a JSON column decoded, or `default` if it is damaged."""
    try:
        return decode(value)
    except (msgspec.MsgspecError, TypeError, UnicodeError, RecursionError):
        return default


def whole_number(value: Any) -> int:
    """Return an integer column's value, or 0 if it is not an integer."""
    return value if type(value) is int else 0


def text(value: Any) -> str:
    """Return a text column's value, or an empty text if it is not a text."""
    return value if isinstance(value, str) else ""


def struct_from(type_: type[S], fields: Mapping[str, Any]) -> tuple[S, tuple[str, ...]]:
    """Return a struct of a row's fields, and the names of those that could not be read.

    A damaged field takes its default, or else the neutral value of its type: 0, an empty text, the first literal.
    """
    try:
        return msgspec.convert(fields, type_), ()
    except msgspec.ValidationError:
        values, damaged = {}, []
        for field, neutral in _fields(type_):
            try:
                values[field.name] = msgspec.convert(fields[field.name], field.type)
            except (msgspec.ValidationError, KeyError):
                values[field.name] = neutral
                damaged.append(field.name)
        return type_(**values), tuple(damaged)


@cache
def _fields(type_: type[msgspec.Struct]) -> list[tuple[msgspec.structs.FieldInfo, Any]]:
    return [(field, _neutral(field)) for field in msgspec.structs.fields(type_)]


def _neutral(field: msgspec.structs.FieldInfo) -> Any:
    if field.default is not msgspec.NODEFAULT:
        return field.default
    if get_origin(field.type) is Literal:
        return get_args(field.type)[0]
    return field.type() if isinstance(field.type, type) else None
