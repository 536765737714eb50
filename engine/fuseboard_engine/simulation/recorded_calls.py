"""Repeats the recorded calls of an adapter."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Iterable, Sequence
from functools import cache
from random import Random
from typing import Any, Final

from fuseboard_engine.retry.default_table import DEFAULT_TABLE
from fuseboard_engine.retry.rule import Rule
from fuseboard_engine.scenario_file.adapter import AdapterPart
from fuseboard_engine.scenario_file.recorded_calls import RecordedCallsPart

TOLERANCE: Final = 0.01
"""Seconds by which a call may be late and still belong to calls that were not all made yet, or too early for others."""

TIMEOUT: Final = "AttemptTimeout"
"""The error type of calls that were ended by a limit: they give no answer."""

SOFT_FAILURE: Final = "SoftFailure"
"""The error type of answers that reported their own failure."""


class RecordedError(Exception):
    """An error that a recording tells of: its attribution row and its text. Its type has the name of the recorded one.

    `retry_after` is how many seconds the service asked to wait; None if it did not ask.
    """

    def __init__(self, rule: str, text: str, retry_after: float | None = None) -> None:
        super().__init__(text)
        self.rule = rule
        self.retry_after = retry_after

    def __reduce__(self) -> tuple[Any, ...]:
        return RecordedError, (self.rule, str(self), self.retry_after)


@cache
def _error_type(name: str) -> type[RecordedError]:
    return RecordedError if name == RecordedError.__name__ else type(name, (RecordedError,), {})


def recorded_rules(adapters: Iterable[AdapterPart]) -> tuple[Rule, ...]:
    """Return the attribution rows for the errors of the adapters' recorded calls.

    Each does what the built-in row of its name does. A name that the built-in table does not have is a failure that
    counts and may be retried.
    """
    built_in = {rule.name: rule for rule in reversed(DEFAULT_TABLE)}
    names = dict.fromkeys(part.rule for adapter in adapters for part in adapter.recorded if part.rule)
    return tuple(_rule_of(name, built_in.get(name)) for name in names)


def _rule_of(name: str, model: Rule | None) -> Rule:
    def tells(error: BaseException) -> bool:
        return isinstance(error, RecordedError) and error.rule == name

    if model is None:
        return Rule(name=name, reason="as it was recorded", when=tells)
    return Rule(
        name=name,
        reason=model.reason,
        when=tells,
        counts=model.counts,
        retry=model.retry,
        failover=model.failover,
        opens=model.opens,
        only_handlers=model.only_handlers,
    )


class RecordedCalls:
    """Makes calls go as those of a recording did.

    A call goes as the recorded ones did at its time. Between two that went differently the change is taken to be in the
    middle, because recordings do not tell how calls would have gone that were not made.

    Args:
        name: the adapter's name, for its answers.
        parts: the recorded calls, in the order of their times; at least one.
        position: returns the seconds of the scenario that have passed.
        rng: the source of chance.
    """

    def __init__(
        self, name: str, parts: Sequence[RecordedCallsPart], position: Callable[[], float], rng: Random
    ) -> None:
        self._name = name
        self._parts = parts
        self._position = position
        self._rng = rng
        self._place = 0  # of the part that the next call belongs to
        self._made = 0  # calls of that part

    def restart(self) -> None:
        """Begin with the first call again."""
        self._place = self._made = 0

    def _next(self) -> tuple[RecordedCallsPart, int]:
        """Return how the next call goes: its part, and the place of its seconds there."""
        position = self._position()
        while self._place + 1 < len(self._parts) and self._is_over(position):
            self._place, self._made = self._place + 1, 0
        part, made = self._parts[self._place], self._made
        self._made += 1
        in_order = part.count == len(part.seconds) and made < part.count
        return part, made if in_order else self._rng.randrange(len(part.seconds))

    def _is_over(self, position: float) -> bool:
        """Return whether the part is over at a position: half-way to the first call of the next one."""
        part, following = self._parts[self._place], self._parts[self._place + 1]
        end = (part.last + following.at) / 2
        return position > end + (-TOLERANCE if self._made >= part.count else TOLERANCE)

    async def __call__(self, task: Any) -> Any:
        """Do a task."""
        part, place = self._next()
        return await self._end(part, part.seconds[place], self._fails(part))

    async def stream(self, task: Any) -> AsyncGenerator[Any, None]:
        """Yield the items of a recorded stream at their times; of a call that was none, its answer."""
        part, place = self._next()
        seconds, fails = part.seconds[place], self._fails(part)
        if not part.items or (part.items[place] == 0 and not fails):
            yield await self._end(part, seconds, fails)
            return
        first, items = part.first_item[place], part.items[place]
        gaps = items if fails else items - 1  # an error comes as long after the last item as that after the one before
        for number in range(items):
            await asyncio.sleep((seconds - first) / gaps if number else first)
            yield f"item {number + 1}"
        if fails:
            await self._end(part, (seconds - first) / gaps if items else seconds, fails)

    def _fails(self, part: RecordedCallsPart) -> bool:
        return bool(part.rule) and (part.failing >= 1 or self._rng.random() < part.failing)

    async def _end(self, part: RecordedCallsPart, seconds: float, fails: bool) -> dict[str, Any]:
        """End a call after some seconds: with an answer, or the error of its part."""
        if fails and part.error == TIMEOUT:
            await asyncio.Event().wait()
        await asyncio.sleep(seconds)
        if not fails:
            return {"success": True, "adapter": self._name}
        if part.error == SOFT_FAILURE:
            return {"success": False, "error": part.text}
        raise _error_type(part.error)(part.rule, part.text, part.retry_after)
