"""Limits of the texts in an event, and the memory that an event's texts take."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from hashlib import blake2b
from operator import attrgetter
from typing import Any, Final, NamedTuple, TypeVar

import msgspec
from msgspec import inspect

from fuseboard_engine.error_text.redaction import MAX_BYTES, cut

MAX_NAME: Final = 300
"""The longest name that an event keeps, in characters: of adapters, tasks, workflows, people."""

NAMES: Final = frozenset(
    (
        "actor",
        "adapter",
        "adapters",
        "answered",
        "batch",
        "category",
        "counts",
        "edges",
        "error_type",
        "figures",
        "finished",
        "gauges",
        "group",
        "host",
        "left",
        "listener",
        "name",
        "node",
        "nodes",
        "order",
        "rule",
        "run",
        "scenario",
        "strategy",
        "tags",
        "task",
        "task_type",
        "tasks",
        "verb",
        "workflow",
    )
)
"""The fields of events that hold names."""

TOO_DEEP: Final = "(nested too deeply)"
"""Stands for values at the ninth level of nesting and below."""

_DEPTH: Final = 8
_LONGEST_ESCAPE: Final = 6  # bytes of a character in JSON, as in \u0000
_CUT_MARK: Final = re.compile(r"… \[cut; ([\d,]{1,20}) characters in all\]$")
_ENDS: Final = 4_096  # characters at each end of a name that its mark is made of

S = TypeVar("S", bound=msgspec.Struct)


def name_within_limit(name: str) -> str:
    """Return a name in at most 300 characters. A shortened name contains a note, and different names stay different."""
    if len(name) <= MAX_NAME:
        return name
    ends = f"{name[:_ENDS]}\0{name[-_ENDS:]}".encode("utf-8", "backslashreplace")
    mark = f"… [cut; {len(name):,} characters in all; {blake2b(ends, digest_size=4).hexdigest()}]"
    return name[: MAX_NAME - len(mark)] + mark


def text_within_limit(text: str) -> str:
    """Return a text that takes at most 8,000 bytes as JSON. A shortened text ends with a note."""
    if len(text) * _LONGEST_ESCAPE <= MAX_BYTES:
        return text
    mark = _CUT_MARK.search(text, max(0, len(text) - 60))
    length = len(text) if mark is None else int(mark[1].replace(",", ""))
    limit, kept = MAX_BYTES, text
    if len(text[: MAX_BYTES + 1].encode("utf-8", "backslashreplace")) > MAX_BYTES:
        kept = cut(text[:MAX_BYTES], length)
    while (size := len(msgspec.json.encode(kept.encode("utf-8", "backslashreplace").decode())) - 2) > MAX_BYTES:
        limit = limit * MAX_BYTES // size  # quotes and control characters take up to six bytes
        kept = cut(text[:limit], length, limit)
    return kept


def text_length(struct: msgspec.Struct) -> int:
    """Return the number of characters in all texts of an event. Costs less than a microsecond for most events.

    Raises:
        TypeError: A field that should be a text is something else.
    """
    texts, containers = _shapes[type(struct)]
    total = sum(map(len, texts(struct)))
    for value in containers(struct):
        if value:
            total += _length(value)
    return total


def within_limits(struct: S) -> S:
    """Return an event whose names have at most 300 characters and whose other texts at most 8,000 bytes as JSON.

    The event itself is returned if its texts are shorter, which costs about a microsecond.
    """
    try:
        if text_length(struct) <= MAX_NAME:
            return struct
    except (TypeError, AttributeError, RecursionError):
        pass  # a field holds something else than its type says
    changes = {}
    for name in struct.__struct_fields__:
        value = getattr(struct, name)
        limited = value_within_limits(value, is_name=name in NAMES)
        if limited is not value:
            changes[name] = limited
    return msgspec.structs.replace(struct, **changes) if changes else struct


def value_within_limits(value: Any, *, is_name: bool = False, depth: int = _DEPTH) -> Any:
    """Return a value with its texts within their limits; the value itself if they are already.

    The keys of a mapping are names. What is not a value of JSON becomes its repr if that is too long.
    """
    if isinstance(value, str):
        return name_within_limit(value) if is_name else text_within_limit(value)
    if value is None or isinstance(value, int | float):
        return value
    if depth == 0:
        return TOO_DEEP
    if isinstance(value, msgspec.Struct):
        return within_limits(value)
    if isinstance(value, Mapping):
        pairs = [
            (
                value_within_limits(key, is_name=True, depth=depth - 1),
                value_within_limits(item, is_name=is_name, depth=depth - 1),
            )
            for key, item in value.items()
        ]
        same = all(map(_identical, [key for key, _ in pairs], value)) and all(
            map(_identical, [item for _, item in pairs], value.values())
        )
        return value if same else dict(pairs)
    if isinstance(value, list | tuple | set | frozenset):
        items = [value_within_limits(item, is_name=is_name, depth=depth - 1) for item in value]
        return value if all(map(_identical, items, value)) else tuple(items)
    shown = repr(value)
    limited = text_within_limit(shown)
    return value if limited is shown else limited


def _identical(one: object, other: object) -> bool:
    return one is other


class _Shape(NamedTuple):
    """Where an event's type has texts: in fields of their own, and in fields with something nested."""

    texts: Callable[[Any], tuple[str, ...]]
    containers: Callable[[Any], tuple[Any, ...]]


class _Shapes(dict[type[msgspec.Struct], _Shape]):
    """Maps a type of event to its shape. Filled on first use."""

    def __missing__(self, type_: type[msgspec.Struct]) -> _Shape:
        texts, containers = [], []
        for field in inspect.type_info(type_).fields:  # type: ignore[attr-defined]
            if isinstance(field.type, inspect.StrType):
                texts.append(field.name)
            elif not _is_bounded(field.type):
                containers.append(field.name)
        shape = self[type_] = _Shape(_getter(texts), _getter(containers))
        return shape


def _is_bounded(type_: inspect.Type) -> bool:
    """Return whether a field of a type holds no text of any length."""
    if isinstance(type_, inspect.UnionType):
        return all(map(_is_bounded, type_.types))
    bounded = (inspect.IntType, inspect.FloatType, inspect.BoolType, inspect.NoneType, inspect.LiteralType)
    return isinstance(type_, bounded)


def _getter(names: list[str]) -> Callable[[Any], tuple[Any, ...]]:
    if len(names) > 1:
        return attrgetter(*names)
    if not names:
        return lambda struct: ()
    get = attrgetter(names[0])
    return lambda struct: (get(struct),)


_shapes: Final = _Shapes()


def _length(value: Any) -> int:
    """Return the number of characters in a value's texts; eight for each item of it that is not a text."""
    type_ = type(value)
    if type_ is str:
        return len(value)
    if type_ is tuple or type_ is list:
        total = 0
        for item in value:
            total += _length(item)
        return total
    if type_ is dict:
        return sum([_length(key) + _length(item) for key, item in value.items()])
    if type_ in _shapes or isinstance(value, msgspec.Struct):
        return text_length(value)
    return 8
