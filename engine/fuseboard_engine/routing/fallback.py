"""Degraded answers for exhausted chains: a template or a callable per task type. Never a success."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any, Final, NamedTuple

from fuseboard_engine.adapters.callables import RunInThread, as_async
from fuseboard_engine.adapters.timeouts import within
from fuseboard_engine.error_text.safe_logging import get_logger
from fuseboard_engine.errors import DeadlineExceeded, FuseboardError, describe
from fuseboard_engine.retry.attribution import Rule
from fuseboard_engine.routing.route import ActiveRoute, Task
from fuseboard_engine.runtime.arguments import as_words, checked_positive
from fuseboard_engine.runtime.overdue_calls import OverdueCalls

log = get_logger("fuseboard.engine")

PLACEHOLDER: Final = re.compile(r"\{([A-Za-z_]\w*(?:\.\w+)*)\}")
CLAIMS: Final = ("success", "approved")
"""Fields a degraded answer must not hold as true."""


class InvalidFallbackAnswer(FuseboardError):
    """A degraded answer claims success or approval, although no adapter did the task."""


class Fallback(NamedTuple):
    """The fallback of one task type.

    `even_for` names attribution rows (`caller`, `deadline`) for which it answers although no other adapter was asked.
    `timeout` is the seconds its callable may take. `name` identifies it in events.
    """

    name: str
    answer: Callable[[ActiveRoute], Awaitable[Any]]
    even_for: frozenset[str] = frozenset()
    timeout: float = 10.0


def fields_of(task: Any, task_type: str, error: str) -> dict[str, Any]:
    """Return the fields a template may use: the task's, those of its payload, `task_type`, and the last `error`."""
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

    A string that consists of one placeholder becomes the value itself, of whatever type; within a longer string the
    value is converted to text. A placeholder whose field does not exist is left unchanged, so that it is noticed.
    """
    if isinstance(template, str):
        whole = PLACEHOLDER.fullmatch(template)
        if whole is not None:
            return _look_up(whole, fields)
        return PLACEHOLDER.sub(lambda placeholder: str(_look_up(placeholder, fields)), template)
    if isinstance(template, Mapping):
        return {key: fill(value, fields) for key, value in template.items()}
    if isinstance(template, list | tuple):
        return [fill(value, fields) for value in template]
    return template


def _look_up(placeholder: re.Match[str], fields: Mapping[str, Any]) -> Any:
    found: Any = fields
    for step in placeholder[1].split("."):
        if not isinstance(found, Mapping) or step not in found:
            return placeholder[0]
        found = found[step]
    return found


def marked(answer: Any) -> Any:
    """Return a degraded answer; a mapping gets the field `degraded`.

    Raises:
        InvalidFallbackAnswer: the answer claims success or approval.
    """
    if not isinstance(answer, Mapping):
        return answer
    for claim in CLAIMS:
        if answer.get(claim) is True:
            raise InvalidFallbackAnswer(f"a degraded answer must not say {claim!r} is true: no adapter did the task")
    return {**answer, "degraded": True}


class Fallbacks:
    """The fallbacks of an engine by task type; the empty type serves all types without one of their own.

    Args:
        attribute: returns the attribution row of an error.
        clock: monotonic seconds.
        overdue: watches the callables that continue after their timeout.
    """

    def __init__(
        self, attribute: Callable[[BaseException], Rule], clock: Callable[[], float], overdue: OverdueCalls
    ) -> None:
        self._overdue = overdue
        self.by_type: dict[str, Fallback] = {}
        self._attribute = attribute
        self._clock = clock

    def set(
        self,
        task_type: str,
        answer: Any,
        in_thread: RunInThread,
        *,
        even_for: Iterable[str] = (),
        timeout: float = 10.0,
        name: str = "",
    ) -> None:
        """Set or remove the fallback of a task type; see `Engine.set_degraded`. `in_thread` runs plain functions.

        Raises:
            InvalidFallbackAnswer: a template claims success or approval.
            ValueError: `timeout` is not a positive number of seconds.
        """
        if answer is None:
            self.by_type.pop(task_type, None)
            return
        timeout = checked_positive(timeout, "timeout")
        rows = frozenset(as_words(even_for))
        if callable(answer):
            call = as_async(answer, in_thread)
            name = name or getattr(answer, "__name__", None) or type(answer).__name__
            self.by_type[task_type] = Fallback(name, lambda route: call(route.task), rows, timeout)
            return
        marked(answer)

        async def filled(route: ActiveRoute) -> Any:
            return fill(answer, fields_of(route.task, route.type, route.error or ""))

        name = name or f"template for {task_type or 'all types'}"
        self.by_type[task_type] = Fallback(name, filled, rows, timeout)

    def fallback_for(self, route: ActiveRoute) -> Fallback | None:
        """Return the fallback for a route that every adapter failed, or None.

        An error that no other adapter could have avoided (the caller's own, the deadline) is not degraded, unless the
        fallback lists its row in `even_for`.
        """
        found = self.by_type.get(route.type) or self.by_type.get("")
        if found is None or route.exception is None:
            return found
        rule = self._attribute(route.exception)
        return found if rule.failover or rule.name in found.even_for else None

    async def answer(self, route: ActiveRoute) -> None:
        """Answer in place of the chain if a fallback is set, and note in the route which one, or why it failed."""
        found = self.fallback_for(route)
        if found is None:
            return
        limit = found.timeout
        if route.until is not None and not isinstance(route.exception, DeadlineExceeded):
            limit = max(0.0, min(limit, route.until - self._clock()))
        try:
            route.result = marked(await within(found.answer, route, found.name, limit, self._overdue))
        except Exception as error:
            log.warning("the fallback %s failed for task %s: %s", found.name, route.id, describe(error))
            failed = f"the fallback {found.name} failed: {describe(error)}"
            route.why += f"; {failed}"
            route.error = f"{route.error}; {failed}" if route.error else failed
            return
        route.degraded = True
        route.why += f"; the chain is exhausted, {found.name} answered"
