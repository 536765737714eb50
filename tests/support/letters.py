"""Dead letters and times for tests of their stores."""

from __future__ import annotations

from typing import Any

from fuseboard_engine.dead_letters.letter import Capacity, NewLetter, RetryOutcome

NOON = 1_800_000_000_000_000
SECOND = 1_000_000
MINUTE = 60 * SECOND
LEASE = 30 * SECOND
ROOM = Capacity(100, True)


def letter(task: str = "t", at: int = NOON, **fields: Any) -> NewLetter:
    """Return a letter that is due at once."""
    return NewLetter(
        **{
            "engine": "checkout",
            "task": task,
            "task_type": "ai",
            "form": "payload",
            "payload": '{"question":"why"}',
            "category": "transient",
            "created_at": at,
            "due_at": at,
            "error_type": "ConnectError",
            "error": "refused",
            "adapter": "prefect",
            "attempts": 3,
            "max_retries": 3,
            **fields,
        }
    )


def settled(status: str = "succeeded", due_at: int | None = None, retries: int = 0, **fields: Any) -> RetryOutcome:
    """Return the outcome of a retry."""
    counts = ("retry_success",) if status == "succeeded" else ("retry_failed",)
    outcome = "succeeded" if status == "succeeded" else "failed"
    return RetryOutcome(
        **{
            "outcome": outcome,
            "status": status,
            "due_at": due_at,
            "retries": retries,
            "deferrals": 0,
            "max_retries": 3,
            "detail": "told",
            "counts": counts,
            **fields,
        }
    )
