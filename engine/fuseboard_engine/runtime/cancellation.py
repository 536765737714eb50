"""Distinguishes a requested cancellation from one that a call raised itself; calls into loops that may be closed."""

from __future__ import annotations

import asyncio
from collections.abc import Callable


def call_in_loop(loop: asyncio.AbstractEventLoop, function: Callable[..., object], *arguments: object) -> bool:
    """Call a function in a loop, from any thread. Return False if the loop is closed, which may happen at any time."""
    try:
        loop.call_soon_threadsafe(function, *arguments)
    except RuntimeError:
        return False
    return True


def _current_task() -> asyncio.Task[object] | None:
    try:
        return asyncio.current_task()
    except RuntimeError:  # no event loop runs in this thread
        return None


def cancel_requests() -> int:
    """Return how many cancellations of the current task were requested and not taken back; 0 outside a task."""
    task = _current_task()
    return 0 if task is None else task.cancelling()


def is_own_cancellation(error: BaseException, before: int = 0) -> bool:
    """Return whether an error is a `CancelledError` although the current task was not asked to end.

    False outside a task, where that is not known. `before` is what `cancel_requests` returned before the call.
    """
    if not isinstance(error, asyncio.CancelledError):
        return False
    task = _current_task()
    return task is not None and task.cancelling() <= before
