"""Values on their way from node to node: JSON only, found by dotted path."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any, Final

from fuseboard_engine.workflow.errors import WorkflowError

DEEPEST: Final = 100
WHOLE: Final = "."
"""As an output field: the whole result."""


class MissingField(WorkflowError):
    """A result does not have the field that another node is to get."""


def to_json(value: Any, what: str) -> str:
    """Return a value as JSON text.

    Raises:
        WorkflowError: it would not come back as it is; the text says where and why. `what` names it there.
    """
    reason = _trouble(value, what, 0)
    if reason is not None:
        raise WorkflowError(f"{reason}; only JSON can be saved and taken up again")
    return json.dumps(value, separators=(",", ":"), allow_nan=False)


def _trouble(value: Any, place: str, depth: int) -> str | None:
    if value is None or isinstance(value, bool | int):
        return None
    if isinstance(value, str):
        return None if _is_text(value) else f"{place} holds half a character"
    if isinstance(value, float):
        return None if math.isfinite(value) else f"{place} is {value}, which JSON does not have"
    if depth >= DEEPEST:
        return f"{place:.80} is nested more than {DEEPEST} deep, or contains itself"
    if isinstance(value, dict):
        for key, item in value.items():
            if not isinstance(key, str) or not _is_text(key):
                return f"{place} has the key {key!r:.60}, and keys of JSON are text"
            if (reason := _trouble(item, f"{place}.{key}", depth + 1)) is not None:
                return reason
        return None
    if isinstance(value, list | tuple):
        for index, item in enumerate(value):
            if (reason := _trouble(item, f"{place}.{index}", depth + 1)) is not None:
                return reason
        return None
    return f"{place} is of type {type(value).__name__}, which JSON does not have"


def _is_text(value: str) -> bool:
    return value.isascii() or not any("\ud800" <= character <= "\udfff" for character in value)


def look_up(value: Any, path: str, whose: str) -> Any:
    """Return what stands in a result at a dotted path such as `items.0.name`; `.` is the whole.

    Raises:
        MissingField: there is nothing; the text names `whose` result it is and what it has instead.
    """
    if path == WHOLE:
        return value
    found, seen = value, whose
    for step in path.split("."):
        if isinstance(found, Mapping):
            if step not in found:
                has = ", ".join(map(str, list(found)[:20])) or "nothing"
                raise MissingField(f"{seen} has no field {step!r} (wanted: {path}); it has {has}")
            found = found[step]
        elif isinstance(found, list) and step.isascii() and step.isdigit():
            if int(step) >= len(found):
                raise MissingField(f"{seen} has {len(found)} items, so there is no {step} (wanted: {path})")
            found = found[int(step)]
        else:
            kind = "a list" if isinstance(found, list) else f"a {type(found).__name__}"
            raise MissingField(f"{seen} is {kind} and has no field {step!r} (wanted: {path})")
        seen = f"{seen}.{step}"
    return found
