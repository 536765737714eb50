"""Checks whether a value survives a JSON round trip."""

from __future__ import annotations

import math
from typing import Any, Final

MAX_DEPTH: Final = 100
"""Levels of nesting that a value may have."""


def why_not_json(value: Any, name: str, *, max_values: int | None = None, lone_surrogates: bool = False) -> str | None:
    """Return why a value would not survive a JSON round trip, with its location, or None if it would.

    A tuple counts as the list that it becomes.

    Args:
        value: the value.
        name: what the message calls it.
        max_values: how many values it may hold, containers included; None for any number.
        lone_surrogates: accept strings with lone surrogates, which survive only as escapes.
    """
    seen = 0
    stack: list[tuple[Any, str, int]] = [(value, name, 0)]
    while stack:
        item, place, depth = stack.pop()
        seen += 1
        if depth > MAX_DEPTH:
            return f"{name} is nested more than {MAX_DEPTH} deep, or contains itself"
        if max_values is not None and seen > max_values:
            return f"{name} holds more than {max_values:,} values"
        if item is None or isinstance(item, bool | int):
            continue
        if isinstance(item, str):
            if not lone_surrogates and not is_text(item):
                return f"{place} holds a lone surrogate, which is not a character"
        elif isinstance(item, float):
            if not math.isfinite(item):
                return f"{place} is {item}, which JSON cannot represent"
        elif isinstance(item, dict):
            for key, inner in item.items():
                if not isinstance(key, str) or not (lone_surrogates or is_text(key)):
                    return f"{place} has the key {key!r:.60}; JSON keys must be strings"
                stack.append((inner, f"{place}.{key[:60]}", depth + 1))
        elif isinstance(item, list | tuple):
            stack.extend((inner, f"{place}.{index}", depth + 1) for index, inner in enumerate(item))
        else:
            return f"{place} is of type {type(item).__name__}, which JSON cannot represent"
    return None


def is_text(value: str) -> bool:
    """Return whether a string consists of characters, without lone surrogates."""
    return value.isascii() or not any("\ud800" <= character <= "\udfff" for character in value)
