"""What answers when a chain is exhausted: a template or a callable per task type. Marked as such, never a success."""

from __future__ import annotations

import logging
import re
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from fuseboard_engine.adapters.callables import as_async
from fuseboard_engine.adapters.timeouts import AsyncCall, within
from fuseboard_engine.errors import DeadlineExceeded, FuseboardError, describe
from fuseboard_engine.retry.attribution import Rule
from fuseboard_engine.routing.route import ActiveRoute, Task

if TYPE_CHECKING:
    from fuseboard_engine.engine import Engine

log = logging.getLogger("fuseboard.engine")

PLACE: Final = re.compile(r"\{([A-Za-z_]\w*(?:\.\w+)*)\}")
CLAIMS: Final = ("success", "approved")
"""Fields a degraded answer must not hold as true."""


class InvalidFallbackAnswer(FuseboardError):
    """A degraded answer said that it succeeded, or approved of something. Nobody did the task, so it must not."""


class Fallback(NamedTuple):
    """What answers for one task type.

    `even_for` names attribution rows (`caller`, `deadline`) for which it answers although no other adapter was asked.
    `timeout` is how many seconds the callable may take. `name` is who answered, as events tell it.
    """

    name: str
    answer: Callable[[ActiveRoute], Awaitable[Any]]
    even_for: frozenset[str] = frozenset()
    timeout: float = 10.0


def fields_of(task: Any, task_type: str, error: str) -> dict[str, Any]:
    """Return what a template may name: the task's fields, those of its payload, `task_type`, and the last `error`."""
    fields: dict[str, Any] = {}
    if isinstance(task, Task):
        if isinstance(task.payload, Mapping):
            fields.update(task.payload)
        fields.update(id=task.id, type=task.type, payload=task.payload, context=task.context or {})
    elif isinstance(task, Mapping):
        if isinstance(payload := task.get("payload"), Mapping):
            fields.update(payload)
        fields.update(task)
    else:
        fields["payload"] = task
    return {**fields, "task_type": task_type, "error": error}


def fill(template: Any, fields: Mapping[str, Any]) -> Any:
    """Return a copy of a template with `{field}` and `{field.inner}` replaced.

    A text that is nothing but one place becomes the value itself, whatever its type; within a longer text the value's
    text stands. A place whose field does not exist stays as it is, for all to see.
    """
    if isinstance(template, str):
        whole = PLACE.fullmatch(template)
        if whole is not None:
            return _look_up(whole, fields)
        return PLACE.sub(lambda place: str(_look_up(place, fields)), template)
    if isinstance(template, Mapping):
        return {key: fill(value, fields) for key, value in template.items()}
    if isinstance(template, list | tuple):
        return [fill(value, fields) for value in template]
    return template


def _look_up(place: re.Match[str], fields: Mapping[str, Any]) -> Any:
    found: Any = fields
    for step in place[1].split("."):
        if not isinstance(found, Mapping) or step not in found:
            return place[0]
        found = found[step]
    return found


def marked(answer: Any) -> Any:
    """Return a degraded answer; a mapping says of itself that it is `degraded`.

    Raises:
        InvalidFallbackAnswer: it says that it succeeded or approved.
    """
    if not isinstance(answer, Mapping):
        return answer
    for claim in CLAIMS:
        if answer.get(claim) is True:
            raise InvalidFallbackAnswer(f"a degraded answer must not say {claim!r} is true: no adapter did the task")
    return {**answer, "degraded": True}


def fallback(
    task_type: str,
    answer: Any,
    callable_as: Callable[[Callable[[Any], Any]], AsyncCall],
    *,
    even_for: Iterable[str] = (),
    timeout: float = 10.0,
    name: str = "",
) -> Fallback:
    """Return the fallback that a template or a callable makes; see `set_degraded` for the arguments.

    Raises:
        InvalidFallbackAnswer: a template says that it succeeded or approved.
        ValueError: `timeout` is no positive number of seconds.
    """
    if not 0 < timeout < float("inf"):
        raise ValueError(f"timeout has to be a positive number of seconds, not {timeout!r}")
    even = frozenset((even_for,) if isinstance(even_for, str) else even_for)
    if callable(answer):
        call = callable_as(answer)
        called = name or getattr(answer, "__name__", None) or type(answer).__name__
        return Fallback(called, lambda route: call(route.task), even, timeout)
    marked(answer)

    async def filled(route: ActiveRoute) -> Any:
        return fill(answer, fields_of(route.task, route.type, route.error or ""))

    return Fallback(name or f"template for {task_type or 'all types'}", filled, even, timeout)


class Degradation:
    """The fallbacks of an engine by task type; the empty type answers for all that have none of their own."""

    def __init__(self, attribute: Callable[[BaseException], Rule], clock: Callable[[], float]) -> None:
        self.fallbacks: dict[str, Fallback] = {}
        self._attribute = attribute
        self._clock = clock

    def chosen(self, route: ActiveRoute) -> Fallback | None:
        """Return what answers for a route that no adapter did; None: nothing does.

        An error that no other adapter could have helped with (the caller's own, the deadline) is not degraded, unless
        the fallback was set to answer even for that.
        """
        found = self.fallbacks.get(route.type) or self.fallbacks.get("")
        if found is None or route.exception is None:
            return found
        rule = self._attribute(route.exception)
        return found if rule.failover or rule.name in found.even_for else None

    async def answer(self, route: ActiveRoute) -> None:
        """Answer in place of the chain if a fallback is set; note in the route who did, or why even that failed."""
        found = self.chosen(route)
        if found is None:
            return
        limit = found.timeout
        if route.until is not None and not isinstance(route.exception, DeadlineExceeded):
            limit = max(0.0, min(limit, route.until - self._clock()))
        try:
            route.result = marked(await within(found.answer, route, found.name, limit))
        except Exception as error:
            log.warning("the fallback %s failed for task %s: %s", found.name, route.id, describe(error))
            failed = f"the fallback {found.name} failed: {describe(error)}"
            route.why += f"; {failed}"
            route.error = f"{route.error}; {failed}" if route.error else failed
            return
        route.degraded = True
        route.why += f"; the chain is exhausted, {found.name} answered"


def set_degraded(
    engine: Engine,
    task_type: str,
    answer: Any,
    *,
    even_for: Iterable[str] = (),
    timeout: float = 10.0,
    name: str = "",
) -> None:
    """Set what answers a task of this type when its chain is exhausted; the result is `degraded`, no success.

    Args:
        engine: whose chains.
        task_type: whose chain; empty: of every type that has no fallback of its own.
        answer: a template (data; `{field}` in its texts is replaced by the task's), or a callable that takes the
            task. None: nothing answers any more.
        even_for: attribution rows, such as `caller` or `deadline`, that are answered too although no other
            adapter was asked.
        timeout: seconds a callable may take.
        name: who answered, as events tell it; default: the callable's own name.

    Raises:
        InvalidFallbackAnswer: a template says that it succeeded or approved.
    """
    if engine.router.degradation is None:
        engine.router.degradation = Degradation(engine.router.table.attribute, engine.clock)
    fallbacks = engine.router.degradation.fallbacks
    if answer is None:
        fallbacks.pop(task_type, None)
    else:
        fallbacks[task_type] = fallback(
            task_type,
            answer,
            lambda call: as_async(call, engine.resources.in_thread(name or task_type)),
            even_for=even_for,
            timeout=timeout,
            name=name,
        )
