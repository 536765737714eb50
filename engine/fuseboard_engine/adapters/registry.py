"""The adapters of an engine, each with its breaker, policies and statistics."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypedDict

import msgspec

from fuseboard_engine.adapters.call_target import Target
from fuseboard_engine.adapters.recent_latency import RecentLatency
from fuseboard_engine.breaker.circuit_breaker import CircuitBreaker
from fuseboard_engine.error_text.text_limits import MAX_NAME, name_within_limit
from fuseboard_engine.errors import SoftFailure, UnknownAdapter
from fuseboard_engine.events import State
from fuseboard_engine.retry.attribution import soft_failure_of
from fuseboard_engine.retry.budget import RetryBudget
from fuseboard_engine.retry.policy import RetryPolicy
from fuseboard_engine.runtime.overdue_calls import OverdueCalls
from fuseboard_engine.runtime.plain_functions import ASYNC_JUDGE, is_async, refuse_awaitable


def soft_failure(answer: Any) -> SoftFailure:
    """Return the error for what an adapter's `failed` says of a result. Raises TypeError if it is an awaitable."""
    refuse_awaitable(answer, ASYNC_JUDGE)
    return SoftFailure("its result was judged a failure" if answer is True else answer)


class DownMark(msgspec.Struct, frozen=True, gc=False):
    """The mark of a failed health check: routes skip the adapter until `until` (the engine's clock) or a good check.

    The mark expires, so that an adapter is not excluded for ever when its checks stop.
    """

    why: str
    until: float

    def __str__(self) -> str:
        return f"known down: {self.why}"


class Statistics(TypedDict):
    """The statistics of an adapter since it was added.

    `successes`, `failures` and their sum `total_attempts` count tasks, regardless of retries; `calls` counts every
    call. `success_rate` is 0..1, None before the first task. `average_seconds` covers successful calls. `recovery_rate`
    is the share, 0..1, of its breaker's half-open periods that closed it; None before the first. `last_success_at` and
    `last_failure_at` are UTC microseconds; a reset clears the last failure.
    """

    successes: int
    failures: int
    total_attempts: int
    success_rate: float | None
    calls: int
    retries: int
    timeouts: int
    rejections: int
    in_flight: int
    average_seconds: float | None
    state: str
    recovery_rate: float | None
    last_success_at: int | None
    last_failure_at: int | None


RESTORED = ("successes", "failures", "calls", "retries", "timeouts", "rejections", "seconds")
"""The counts of an adapter that can be restored from an earlier run; `seconds` is the time of successful calls."""


class Adapter:
    """One named target: how to call it, and its state.

    `failed` reads a result and returns the text of its failure, or None; True and False will do. `handles` names the
    attribution rows (such as `context_window`) whose tasks it can take over from other adapters.
    """

    __slots__ = (
        "answered_at",
        "breaker",
        "budget",
        "call",
        "calls",
        "down",
        "failed",
        "failures",
        "handles",
        "health",
        "in_flight",
        "latency",
        "lifecycle",
        "name",
        "rejections",
        "restored",
        "retries",
        "retry",
        "seconds",
        "stream",
        "successes",
        "tags",
        "timeouts",
    )

    def __init__(
        self,
        name: str,
        target: Target,
        breaker: CircuitBreaker,
        retry: RetryPolicy,
        *,
        tags: tuple[str, ...] = (),
        handles: frozenset[str] = frozenset(),
        failed: Callable[[Any], str | bool | None] = soft_failure_of,
    ) -> None:
        if is_async(failed):
            raise TypeError(ASYNC_JUDGE)
        self.name = name
        self.call = target.call
        self.stream = target.stream
        self.lifecycle = target.lifecycle
        self.health = target.health
        self.breaker = breaker
        self.retry = retry
        self.budget = RetryBudget(retry)
        self.down: DownMark | None = None
        self.tags = tags
        self.handles = handles
        self.failed = failed
        self.successes = 0
        self.failures = 0
        self.calls = 0
        self.retries = 0
        self.timeouts = 0
        self.rejections = 0
        self.in_flight = 0
        self.seconds = 0.0
        self.answered_at: float | None = None
        """When it last completed a task, by the breaker's clock."""
        self.restored: dict[str, float] | None = None
        """The counts of an earlier run that it started with."""
        self.latency: RecentLatency | None = None
        """The durations of its last calls, once a percentile of them was requested."""

    def restore(self, figures: dict[str, float]) -> None:
        """Continue from the counts of an earlier run: any of `RESTORED`; others are ignored."""
        self.restored = {name: value for name, value in figures.items() if name in RESTORED}
        for name, value in self.restored.items():
            setattr(self, name, getattr(self, name) + value)

    def after_fork(self) -> None:
        """Begin without calls in a forked child, whose parent counts its own; the state of the breaker stays."""
        self.successes = self.failures = self.calls = self.retries = self.timeouts = self.rejections = 0
        self.in_flight, self.seconds, self.restored = 0, 0.0, None
        self.breaker.after_fork()
        if self.breaker.ejection_limits is not None:
            self.breaker.ejection_limits.after_fork()
        if self.lifecycle is not None:
            self.lifecycle.after_fork()

    def statistics(self) -> Statistics:
        """Return its current statistics."""
        total, breaker = self.successes + self.failures, self.breaker
        snapshot, at = breaker.snapshot(), self.answered_at
        half_open_periods = snapshot.recoveries + snapshot.relapses
        return Statistics(
            successes=self.successes,
            failures=self.failures,
            total_attempts=total,
            success_rate=self.successes / total if total else None,
            calls=self.calls,
            retries=self.retries,
            timeouts=self.timeouts,
            rejections=self.rejections,
            in_flight=self.in_flight,
            average_seconds=self.seconds / self.successes if self.successes else None,
            state=snapshot.state,
            recovery_rate=snapshot.recoveries / half_open_periods if half_open_periods else None,
            last_success_at=None if at is None else breaker.wall() - round((breaker.clock() - at) * 1e6),
            last_failure_at=snapshot.last_error_at,
        )


class Registry:
    """Adapters by name, in the order they were added, and the chains that contain them."""

    def __init__(self) -> None:
        self._adapters: dict[str, Adapter] = {}
        self.orders: dict[str, tuple[str, ...]] = {}
        """The chain per task type; the empty type is the default."""
        self.restartable: set[str] = set()
        """Task types whose chains have streams that can start over; the empty type is the default."""
        self.find = self._adapters.get
        """Return the adapter of a name, or None."""
        self.held: dict[str, State] = {}
        """The states in which operators held adapters that were removed by a configuration."""
        self.overdue = OverdueCalls()
        """The adapters' calls that continue after their time limit."""
        self._registered: tuple[str, ...] | None = None
        self._excluded: set[str] = set()
        self.order_for: Callable[[str], tuple[tuple[str, ...], str]] = self.fixed_order
        """Return the chain for a task type and why it is this one; adaptive orders take its place."""

    def add(self, adapter: Adapter) -> None:
        """Add an adapter.

        Raises:
            ValueError: the name is empty or taken.
        """
        if not adapter.name:
            raise ValueError("an adapter needs a name")
        if adapter.name in self._adapters:
            raise ValueError(f"an adapter called {adapter.name!r} is registered already; remove it first")
        if adapter.lifecycle is not None:
            adapter.lifecycle.overdue = self.overdue
        self._adapters[adapter.name] = adapter
        self._registered = None

    def remove(self, name: str) -> Adapter:
        """Remove an adapter and return it. Raises UnknownAdapter."""
        adapter = self[name]
        del self._adapters[name]
        self._excluded.discard(name)
        self._registered = None
        return adapter

    def set_chain(
        self, task_type: str, order: Iterable[str] | None, *, restartable: bool = False, registered: bool = True
    ) -> tuple[str, ...]:
        """Set the chain of a task type and return it. All chains are set here.

        Args:
            task_type: the empty type is the default for all others.
            order: names of adapters, or one name; a repeated name counts once. None removes the chain.
            restartable: whether the chain's streams can start over after items were delivered.
            registered: refuse names that are not registered. A configuration may name adapters that are added later.

        Raises:
            UnknownAdapter: a name is not registered.
        """
        names = (order,) if isinstance(order, str) else tuple(dict.fromkeys(order or ()))
        if registered:
            for name in names:
                self[name]
        if order is None:
            self.orders.pop(task_type, None)
        else:
            self.orders[task_type] = names
        if restartable and order is not None:
            self.restartable.add(task_type)
        else:
            self.restartable.discard(task_type)
        return names

    def exclude_from_default_chain(self, name: str) -> None:
        """Exclude an adapter from the order of registration: only chains that name it use it. Raises UnknownAdapter."""
        self._excluded.add(self[name].name)
        self._registered = None

    def __getitem__(self, name: str) -> Adapter:
        adapter = self._adapters.get(name) or self._of_cut_name(name)
        if adapter is None:
            raise UnknownAdapter(name, tuple(self._adapters))
        return adapter

    def _of_cut_name(self, name: str) -> Adapter | None:
        """Return the adapter whose name an event holds as `name`, because it is too long for events."""
        if not isinstance(name, str) or len(name) != MAX_NAME:
            return None
        return next((adapter for key, adapter in self._adapters.items() if name_within_limit(key) == name), None)

    def __contains__(self, name: object) -> bool:
        return name in self._adapters

    def __iter__(self) -> Iterator[Adapter]:
        return iter(self._adapters.values())

    def __len__(self) -> int:
        return len(self._adapters)

    def all(self) -> list[Adapter]:
        """Return the current adapters. Unlike iteration, this is safe from any thread."""
        return list(self._adapters.values())

    def after_fork(self) -> None:
        """Begin without calls in a forked child."""
        self.overdue.after_fork()
        for adapter in self.all():
            adapter.after_fork()

    def gauges(self, now: float) -> dict[str, tuple[int, int]]:
        """Return each adapter's calls in flight and the retries its budget has left at `now`. For any thread."""
        return {adapter.name: (adapter.in_flight, int(adapter.budget.left_at(now))) for adapter in self.all()}

    def fixed_order(self, task_type: str) -> tuple[tuple[str, ...], str]:
        """Return the chain set for a task type, else the default chain, else all adapters in order of registration."""
        orders = self.orders
        if orders:
            order = orders.get(task_type)
            if order is not None and task_type:
                return order, f"preference for {task_type}"
            order = orders.get("")
            if order is not None:
                return order, "default preference"
        registered = self._registered
        if registered is None:
            registered = self._registered = tuple(name for name in self._adapters if name not in self._excluded)
        return registered, "order of registration"

    def can_restart(self, task_type: str) -> bool:
        """Return whether the streams of a task type's chain can start over."""
        return (task_type if task_type in self.orders else "") in self.restartable
