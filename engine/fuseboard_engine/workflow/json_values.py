"""The values that nodes pass to each other: JSON only, addressed by dotted path."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

from fuseboard_engine.runtime.json_check import why_not_json
from fuseboard_engine.workflow.errors import WorkflowError

WHOLE_VALUE: Final = "."
"""As an output field: the whole result."""


class MissingField(WorkflowError):
    """A result does not have the field that another node needs."""


def to_json(value: Any, name: str) -> str:
    """Return a value as JSON text.

    Raises:
        WorkflowError: the value would change in a JSON round trip; the text says where and why, and calls the value
        `name`.
    """
    reason = why_not_json(value, name)
    if reason is not None:
        raise WorkflowError(f"{reason}; only JSON can be saved and resumed")
    return json.dumps(value, separators=(",", ":"), allow_nan=False)


def look_up(value: Any, path: str, name: str) -> Any:
    """Return the value in a result at a dotted path such as `items.0.name`; `.` is the whole result.

    Raises:
        MissingField: there is no such value; the text names the result as `name` and says what it has instead.
    """
    if path == WHOLE_VALUE:
        return value
    found, place = value, name
    for step in path.split("."):
        if isinstance(found, Mapping):
            if step not in found:
                has = ", ".join(map(str, list(found)[:20])) or "nothing"
                raise MissingField(f"{place} has no field {step!r} (wanted: {path}); it has {has}")
            found = found[step]
        elif isinstance(found, list) and step.isascii() and step.isdigit():
            if int(step) >= len(found):
                raise MissingField(f"{place} has {len(found)} items, so there is no {step} (wanted: {path})")
            found = found[int(step)]
        else:
            kind = "a list" if isinstance(found, list) else f"a {type(found).__name__}"
            raise MissingField(f"{place} is {kind} and has no field {step!r} (wanted: {path})")
        place = f"{place}.{step}"
    return found
