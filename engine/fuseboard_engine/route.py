"""A task, and what became of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from fuseboard_engine.errors import AllAdaptersFailed
from fuseboard_engine.events import Attempt


class Task(msgspec.Struct, frozen=True, kw_only=True):
    """One piece of work to be routed.

    `id` is made up when empty. `deadline` is how many seconds the whole route may take; None: no limit. `context`
    holds ids (request, trace, user, session, correlation) that go into the route's event.
    """

    type: str = ""
    payload: Any = None
    id: str = ""
    deadline: float | None = None
    context: dict[str, str] | None = None


def identify(task: Any) -> tuple[str, str]:
    """Return a task's id and type; either may be empty. A task is a `Task`, a mapping, or any payload."""
    if isinstance(task, Task):
        return task.id, task.type
    if type(task) is dict or isinstance(task, Mapping):
        return str(task.get("task_id") or task.get("id") or ""), str(task.get("task_type") or task.get("type") or "")
    return "", ""


class RouteResult(msgspec.Struct, kw_only=True):
    """What became of a task, and the whole way there.

    `success`: an adapter did it. `degraded`: a fallback answered in its place; that is never a success. `adapter` is
    who answered. `attempts` are all attempts and rejections in order, `left` the adapters that were never reached.
    `why` says why the chain was what it was. `error` and `exception` are the last failure; `retry_after` is how many
    seconds until the first adapter that refused may admit a call again.
    """

    task: str
    task_type: str
    success: bool
    adapter: str | None = None
    result: Any = None
    degraded: bool = False
    attempts: tuple[Attempt, ...] = ()
    left: tuple[str, ...] = ()
    why: str = ""
    duration: float = 0.0
    error: str | None = None
    exception: BaseException | None = None

    @property
    def fallback_chain(self) -> list[str]:
        """The adapters that were called, in order, each once."""
        return list(dict.fromkeys(attempt.adapter for attempt in self.attempts if attempt.outcome != "rejected"))

    @property
    def total_attempts(self) -> int:
        """How many calls were made, retries included; a rejection is none."""
        return sum(attempt.outcome != "rejected" for attempt in self.attempts)

    @property
    def skipped(self) -> dict[str, str]:
        """The adapters that were refused without a call, and why."""
        return {a.adapter: a.why for a in self.attempts if a.outcome == "rejected"}

    @property
    def retry_after(self) -> float | None:
        """Seconds until the first adapter that refused may admit a call; None when none said."""
        waits = [a.retry_after for a in self.attempts if a.retry_after is not None]
        return min(waits, default=None)

    def unwrap(self) -> Any:
        """Return the result.

        Raises:
            AllAdaptersFailed: neither an adapter nor a fallback answered; its `result` is this route.
        """
        if self.success or self.degraded:
            return self.result
        raise AllAdaptersFailed(self) from self.exception
