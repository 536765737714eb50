"""A task as JSON, and JSON as a result: how tasks reach what lives outside this process."""

from __future__ import annotations

from typing import Any

import msgspec

from fuseboard_engine.errors import text_of
from fuseboard_engine.retry.attribution import CallerError


def to_json(task: Any) -> bytes:
    """Return a task as JSON: a `Task` as an object of its fields, anything else as it is.

    Raises:
        CallerError: there is something in it that JSON has no form for.
    """
    try:
        return msgspec.json.encode(task)
    except (TypeError, ValueError, RecursionError) as error:
        raise CallerError(f"the task cannot be sent as JSON: {text_of(error)}") from error


def from_json(data: bytes | bytearray) -> Any:
    """Return what JSON stands for; None for nothing at all.

    Raises:
        ValueError: it is no JSON; the text shows how it begins.
    """
    if not data.strip():
        return None
    try:
        return msgspec.json.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ValueError(f"the answer is no JSON ({text_of(error)}); it begins with {bytes(data[:80])!r}") from error
