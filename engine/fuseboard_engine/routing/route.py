"""Tasks, active routes and their results."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from fuseboard_engine.errors import FuseboardError, picklable, text_of
from fuseboard_engine.events import Attempt, RouteFinished

if TYPE_CHECKING:
    from fuseboard_engine.routing.policy import RouteLimits

OF_THIS_CALL = "order of this call"
"""The reason given for a chain that the caller passed."""

KEPT_BACK: ContextVar[object] = ContextVar("fuseboard_kept_back", default=None)
"""The task in this context for which the caller creates the dead letter itself; the router must not."""


RETRYING: ContextVar[tuple[object, int] | None] = ContextVar("fuseboard_dead_letter", default=None)
"""The task being retried in this context, and its dead letter; another failure creates no second one."""


class Task(msgspec.Struct, frozen=True, kw_only=True):
    """One piece of work to be routed.

    `id` is generated when empty. `deadline` is the seconds the whole route may take; None for no limit. `context`
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


R = TypeVar("R", bound=msgspec.Struct)


def rebuild_result(kind: type[R], fields: dict[str, Any]) -> R:
    """Return a result from its fields. Pickles refer to this function."""
    return kind(**fields)


def reduce_result(result: msgspec.Struct) -> tuple[Any, ...]:
    """Return a result as `__reduce__` does; an error in it that cannot be pickled is described instead."""
    fields = {name: getattr(result, name) for name in result.__struct_fields__}
    if fields["exception"] is not None:
        fields["exception"] = picklable(fields["exception"])
    return rebuild_result, (type(result), fields)


class RouteResult(msgspec.Struct, kw_only=True):
    """The result of a task, with all attempts.

    `success`: an adapter completed it. `degraded`: a fallback answered instead; that is never a success. `adapter` is
    the adapter that answered. `attempts` are all attempts and rejections in order, `left` the adapters never reached.
    `why` explains the choice of the chain. `error` and `exception` are the last failure; `retry_after` is the
    seconds until the first adapter that refused may admit a call again. `dead_letter` is the number of the task's dead
    letter, if it has one.
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
        """Number of calls made, retries included; rejections do not count."""
        return sum(attempt.outcome != "rejected" for attempt in self.attempts)

    @property
    def skipped(self) -> dict[str, str]:
        """The reason for each adapter that was skipped without a call, by name."""
        return {a.adapter: a.why for a in self.attempts if a.outcome == "rejected"}

    @property
    def retry_after(self) -> float | None:
        """Seconds until the first adapter that refused may admit a call; None if unknown."""
        last = {a.adapter: a.retry_after for a in self.attempts}
        return min((wait for wait in last.values() if wait is not None), default=None)

    def __reduce__(self) -> tuple[Any, ...]:
        return reduce_result(self)

    def unwrap(self) -> Any:
        """Return the result.

        Raises:
            AllAdaptersFailed: neither an adapter nor a fallback answered; its `result` is this route.
        """
        if self.success or self.degraded:
            return self.result
        raise AllAdaptersFailed(self) from self.exception


class AllAdaptersFailed(FuseboardError):
    """No adapter of the chain completed the task. `result` is the whole route."""

    def __init__(self, result: RouteResult) -> None:
        super().__init__(result.error or "no adapter could be tried")
        self.result = result


class StreamBroken(AllAdaptersFailed):
    """A stream ended with an error after its consumer had received `items` items."""

    def __init__(self, result: RouteResult, items: int) -> None:
        super().__init__(result)
        self.items = items


class ActiveRoute(msgspec.Struct):
    """The state of a running route, from which `end` builds the `RouteResult`.

    `until` is when the time limit ends, by the engine's clock. `reached` counts the adapters of `order` reached so far.
    `only_handlers_of` names the attribution rule that the next adapter must declare to handle. `last_resort`: every
    adapter is unavailable, and one is called although it is known to be down. `retried_letter` is the number of the
    dead letter that this route retries. `expired`: the time limit passed before the next call. `context` holds
    the ids.

    In a fan-out each adapter has a route of its own. `cancel_reason`, once set, says why its call no longer matters;
    the call then gets no verdict. `limit_name` names the limit that `until` ends. `blame_timeout`: a first attempt that
    `until` ended had the whole time limit, so the timeout counts against the adapter. `no_verdict_at_limit`: a call
    that `until` ended gets no verdict. `limits` bounds how many adapters and calls the task may cost, or is None.
    `return_to` is an adapter, earlier in the order, that refused and takes calls now: the route goes back to it.
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
    limits: RouteLimits | None = None
    return_to: str | None = None

    @property
    def deadline(self) -> float | None:
        """The seconds that the route may take; None: any time."""
        return None if self.until is None else round(max(0.0, self.until - self.started), 6)

    @property
    def failure(self) -> str:
        """The last failure of an unanswered route, in words."""
        return self.error or f"no adapter of the chain is registered ({', '.join(self.order) or 'it is empty'})"

    def fail(self, error: Exception) -> None:
        """Store the last failure."""
        self.exception = error
        self.error = text_of(error) or type(error).__name__

    def end(self, at: int, duration: float, emit: Callable[[RouteFinished], None]) -> RouteResult:
        """Emit the route's final event, and return its result. `at` is UTC microseconds, `duration` seconds."""
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
                deadline=None if self.until is None else self.deadline,
            )
        )
        self.exception = None  # its traceback refers to this route; avoids a reference cycle
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
                deadline=self.deadline,
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
