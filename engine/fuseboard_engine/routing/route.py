"""A task, its route while it is under way, and what became of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextvars import ContextVar
from typing import Any

import msgspec

from fuseboard_engine.errors import FuseboardError, text_of
from fuseboard_engine.events import Attempt, RouteFinished

OF_THIS_CALL = "order of this call"
"""Why a chain was what it was: the caller named it."""

KEPT_BACK: ContextVar[object] = ContextVar("fuseboard_kept_back", default=None)
"""The task of this context whose caller decides himself what becomes of it when nobody does it: no dead letter yet."""


RETRYING: ContextVar[tuple[object, int] | None] = ContextVar("fuseboard_dead_letter", default=None)
"""The task that is being retried in this context, and its letter: should it fail again, it makes no second letter."""


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
    if type(task) is dict or isinstance(task, Mapping):
        name, kind = task.get("task_id") or task.get("id") or "", task.get("task_type") or task.get("type") or ""
        return str(name), str(kind)
    if isinstance(task, Task):
        return task.id, task.type
    return "", ""


class RouteResult(msgspec.Struct, kw_only=True):
    """What became of a task, and the whole way there.

    `success`: an adapter did it. `degraded`: a fallback answered in its place; that is never a success. `adapter` is
    who answered. `attempts` are all attempts and rejections in order, `left` the adapters that were never reached.
    `why` says why the chain was what it was. `error` and `exception` are the last failure; `retry_after` is how many
    seconds until the first adapter that refused may admit a call again. `dead_letter` is the number under which the
    task is kept, for someone to retry it.
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
    dead_letter: int | None = None
    context: dict[str, str] | None = None

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
        last = {a.adapter: a.retry_after for a in self.attempts}
        return min((wait for wait in last.values() if wait is not None), default=None)

    def unwrap(self) -> Any:
        """Return the result.

        Raises:
            AllAdaptersFailed: neither an adapter nor a fallback answered; its `result` is this route.
        """
        if self.success or self.degraded:
            return self.result
        raise AllAdaptersFailed(self) from self.exception


class AllAdaptersFailed(FuseboardError):
    """No adapter of the chain did the task. `result` is the whole route."""

    def __init__(self, result: RouteResult) -> None:
        super().__init__(result.error or "no adapter could be tried")
        self.result = result


class StreamBroken(AllAdaptersFailed):
    """A stream ended with an error after its consumer had `items` items of it."""

    def __init__(self, result: RouteResult, items: int) -> None:
        super().__init__(result)
        self.items = items


class ActiveRoute(msgspec.Struct):
    """A route while it is being taken: what the router notes down, until `result` says it all.

    `until` is the end of the deadline by the engine's clock. `reached` counts the adapters of `order` that were come
    to. `only` names the attribution row that the next adapter must say it handles. `last_resort`: all are out, and one
    is asked although it is known to be down.
    `letter` is the dead letter that this retries, if it does. `context` holds its ids.

    In a fan-out each adapter has a route of its own, and what ends it early is said here: `cut`, once set, says why the
    call no longer matters, so that it gets no verdict. `bound` is what `until` is called. Where `patience` is set, a
    first attempt that `until` ended had all the time there is, and the timeout is held against the adapter.
    `cut_at_end`: whatever `until` ends gets no verdict.
    """

    task: Any
    id: str
    type: str
    order: tuple[str, ...]
    why: str
    started: float
    until: float | None
    attempts: list[Attempt]
    context: dict[str, str] | None = None
    reached: int = 0
    only_handlers_of: str | None = None
    last_resort: bool = False
    adapter: str | None = None
    result: Any = None
    degraded: bool = False
    error: str | None = None
    exception: BaseException | None = None
    dead_letter: int | None = None
    retried_letter: int | None = None
    expired: bool = False
    cancel_reason: str = ""
    limit_name: str = "deadline"
    blame_timeout: bool = False
    no_verdict_at_limit: bool = False

    @property
    def failure(self) -> str:
        """The last failure of a route that nobody answered, in words."""
        return self.error or f"no adapter of the chain is registered ({', '.join(self.order) or 'it is empty'})"

    def fail(self, error: Exception) -> None:
        """Note the last failure."""
        self.exception = error
        self.error = text_of(error) or type(error).__name__

    def end(self, at: int, duration: float, emit: Callable[[RouteFinished], None]) -> RouteResult:
        """Tell that the route has ended, and return its result. `at` is UTC microseconds, `duration` seconds."""
        name, attempts, left = self.adapter, tuple(self.attempts), self.order[self.reached :]
        if name is None:
            return self._end_unanswered(at, duration, attempts, left, emit)
        emit(
            RouteFinished(
                at=at,
                task=self.id,
                task_type=self.type,
                success=True,
                attempts=attempts,
                adapter=name,
                duration=duration,
                left=left,
                why=self.why,
                letter=self.retried_letter,
                context=self.context,
            )
        )
        self.exception = None  # its traceback leads back to this route: no cycle is to wait for the collector
        return RouteResult(
            task=self.id,
            task_type=self.type,
            success=True,
            adapter=name,
            result=self.result,
            attempts=attempts,
            left=left,
            why=self.why,
            duration=duration,
            context=self.context,
        )

    def _end_unanswered(
        self,
        at: int,
        duration: float,
        attempts: tuple[Attempt, ...],
        left: tuple[str, ...],
        emit: Callable[[RouteFinished], None],
    ) -> RouteResult:
        error = self.failure
        exception, self.exception = self.exception, None
        emit(
            RouteFinished(
                at=at,
                task=self.id,
                task_type=self.type,
                success=False,
                attempts=attempts,
                degraded=self.degraded,
                duration=duration,
                left=left,
                why=self.why,
                error=error,
                dead_letter=self.dead_letter,
                letter=self.retried_letter,
                context=self.context,
            )
        )
        return RouteResult(
            task=self.id,
            task_type=self.type,
            success=False,
            result=self.result,
            degraded=self.degraded,
            attempts=attempts,
            left=left,
            why=self.why,
            duration=duration,
            error=error,
            exception=exception,
            dead_letter=self.dead_letter,
            context=self.context,
        )
