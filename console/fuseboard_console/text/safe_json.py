"""JSON for terminals and HTTP: ASCII, without secrets, and with numbers that every parser accepts."""

from __future__ import annotations

import json
import math
from collections.abc import Container
from typing import Any

from fuseboard_engine.error_text.redaction import HIDDEN, hide_secrets, is_secret_name


def safe_json(value: Any, *, indent: int | None = None, as_is: Container[str] = ()) -> str:
    """Return a value of JSON types as JSON in ASCII, with the secrets in its texts hidden.

    What a terminal would execute or reorder is escaped as `\\u202e`. A number that is not finite becomes null.

    Args:
        value: The value.
        indent: Spaces per level; None: one line.
        as_is: Fields whose texts are not changed, because they are masked already or the operator asked for them.
    """
    return json.dumps(_safe(value, as_is), indent=indent)


def _safe(value: Any, as_is: Container[str]) -> Any:
    if isinstance(value, str):
        return hide_secrets(value)
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, list | tuple):
        return [_safe(item, as_is) for item in value]
    if value is None or isinstance(value, int):
        return value
    if not isinstance(value, dict):
        return hide_secrets(str(value))  # a damaged file may hold anything
    shown: dict[str, Any] = {}
    for key, item in value.items():
        name = str(key)
        if name in as_is:
            shown[name] = item
        else:
            secret = isinstance(item, str) and item and is_secret_name(name)
            shown[_unused(hide_secrets(name), shown)] = HIDDEN if secret else _safe(item, as_is)
    return shown


def _unused(name: str, taken: Container[str]) -> str:
    """Return a name, with a number if it is taken: two names may differ in their secrets only."""
    number, found = 1, name
    while found in taken:
        number += 1
        found = f"{name} ({number})"
    return found
