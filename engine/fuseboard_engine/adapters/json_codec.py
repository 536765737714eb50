"""Conversion of tasks to JSON and of JSON to results, for adapters outside this process."""

from __future__ import annotations

from typing import Any

import msgspec

from fuseboard_engine.errors import text_of
from fuseboard_engine.retry.attribution import CallerError


def to_json(task: Any) -> bytes:
    """Return a task as JSON: a `Task` as an object of its fields, any other value as it is.

    Raises:
        CallerError: the task holds a value that JSON cannot represent.
    """
    try:
        return msgspec.json.encode(task)
    except (TypeError, ValueError, RecursionError) as error:
        raise CallerError(f"the task cannot be sent as JSON: {text_of(error)}") from error


def from_json(data: bytes | bytearray) -> Any:
    """Return the value of a JSON text; None for an empty text.

    Raises:
        ValueError: it is not valid JSON; the message shows how it starts.
    """
    if not data.strip():
        return None
    try:
        return msgspec.json.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ValueError(
            f"the answer is not valid JSON ({text_of(error)}); it starts with {bytes(data[:80])!r}"
        ) from error
