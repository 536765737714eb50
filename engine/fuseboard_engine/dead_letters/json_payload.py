"""The stored form of a task: JSON only, so that a retry after a restart gets exactly the original."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

from fuseboard_engine.dead_letters.letter import DeadLetter, Form, LetterRefused
from fuseboard_engine.routing.route import Task
from fuseboard_engine.runtime.json_check import why_not_json

MAX_VALUES: Final = 1_000_000

_encode = json.JSONEncoder(separators=(",", ":"), allow_nan=False, ensure_ascii=False).encode


def task_form(task: Any) -> Form:
    """Return the form in which a task was submitted."""
    if isinstance(task, Task):
        return "task"
    return "mapping" if isinstance(task, Mapping) else "payload"


def json_text(task: Any, limit: int) -> str:
    """Return a task's payload as JSON text of at most `limit` bytes.

    Raises:
        LetterRefused: it cannot be represented as JSON, or is too large; the message says where and why.
    """
    value = task.payload if isinstance(task, Task) else dict(task) if isinstance(task, Mapping) else task
    reason = why_not_json(value, "payload", max_values=MAX_VALUES, lone_surrogates=True)
    if reason is not None:
        raise LetterRefused(f"the payload cannot be stored: {reason}; use a payload of JSON values")
    text = _encode(value)
    try:
        size = len(text.encode())
    except UnicodeEncodeError:  # lone surrogates survive only as escapes
        text = json.dumps(value, separators=(",", ":"), allow_nan=False)
        size = len(text)
    if size > limit:
        raise LetterRefused(f"the payload cannot be stored: it has {size:,} bytes; the limit is {limit:,}")
    return text


def task_of(letter: DeadLetter) -> Any:
    """Return the task to route again, in the form in which it was submitted."""
    payload = json.loads(letter.payload)
    if letter.form != "task":
        return payload
    return Task(
        type=letter.task_type, payload=payload, id=letter.task, deadline=letter.deadline, context=letter.context
    )
