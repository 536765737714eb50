"""Checks the health of adapters at intervals; `health.status` defines what a result means.

A check is not a call: it takes no permit, counts for no breaker or statistics, and occupies no slot. Its result decides
only two things: whether routes skip the adapter for now, and whether an open breaker's wait ends early. The breaker
still decides whether a call is admitted.
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, NamedTuple

from fuseboard_engine.adapters.registry import Adapter, DownMark
from fuseboard_engine.adapters.timeouts import within
from fuseboard_engine.events import Event, HealthAlert, HealthChecked
from fuseboard_engine.health.failure_rate import FailureRates
from fuseboard_engine.health.history import History
from fuseboard_engine.health.policy import HealthPolicy
from fuseboard_engine.health.status import (
    Health,
    HealthState,
    Verdict,
    apply_verdict,
    overall,
    verdict_of,
    verdict_of_error,
)
from fuseboard_engine.runtime.cancellation import call_in_loop
from fuseboard_engine.runtime.event_bus import Listener
from fuseboard_engine.runtime.overdue_calls import OverdueCalls

STALE_ENTRIES = 100  # entries of removed adapters that the schedule may hold
GRACE = 1.0  # seconds that a mark outlives the next check, so that a slow check does not expire it


class _Watched:
    """An adapter that is checked, its policy and its current state."""

    __slots__ = ("adapter", "policy", "state")

    def __init__(self, adapter: Adapter, policy: HealthPolicy) -> None:
        self.adapter = adapter
        self.policy = policy
        self.state = HealthState()


class _PendingCheck(NamedTuple):
    """An adapter that has a check.

    `own` is the policy it was added with; `explicit`: whether `health=` was passed to `add_adapter`.
    """

    adapter: Adapter
    own: HealthPolicy | None
    explicit: bool


class HealthChecks:
    """The health checks of one engine.

    Args:
        emit: receives each change of health and each alert.
        subscribe: subscribes a listener to every event; returns a function that ends the subscription.
        policy: for adapters without their own; with None only adapters with an explicit health check are checked.
        clock: seconds, monotonic. wall: UTC microseconds, a label. rng: like `random.random`; spreads the first checks.
        overdue: watches the checks that continue after their timeout.
    """

    def __init__(
        self,
        emit: Callable[[Event], None],
        subscribe: Callable[[Listener], Callable[[], None]],
        policy: HealthPolicy | None,
        *,
        clock: Callable[[], float],
        wall: Callable[[], int],
        rng: Callable[[], float],
        overdue: OverdueCalls,
    ) -> None:
        self._overdue = overdue
        self.policy: HealthPolicy | None = None
        self.history: History | None = None
        """The last calls of each adapter; None if they are not kept."""
        self._emit = emit
        self._subscribe = subscribe
        self._end_history: Callable[[], None] | None = None
        self._rates: FailureRates | None = None
        self._end_rates: Callable[[], None] | None = None
        self._pending: dict[str, _PendingCheck] = {}
        self._by_name: Mapping[str, HealthPolicy | None] = {}
        self._clock = clock
        self._wall = wall
        self._rng = rng
        self._watched: dict[str, _Watched] = {}
        self._due: list[tuple[float, int, _Watched]] = []
        self._numbers = itertools.count()
        self._running: set[asyncio.Task[None]] = set()
        self._scheduler: asyncio.Task[None] | None = None
        self._wake_up: asyncio.Event | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self.update_policy(policy)

    # ---------------------------------------------------------------- adapters and policies

    def add(self, adapter: Adapter, own: HealthPolicy | None, *, explicit: bool) -> None:
        """Check an adapter from now on, if it has a health check.

        Args:
            adapter: the adapter.
            own: its own policy; None for the policy of its name, or the engine's.
            explicit: whether `health=` was passed to `add_adapter`; such an adapter is always checked, by the default
                policy if there is no other.
        """
        if adapter.health is not None:
            self._pending[adapter.name] = _PendingCheck(adapter, own, explicit)
            self._update_watched(adapter.name)

    def remove(self, name: str) -> None:
        """Stop checking an adapter. Does nothing if it is not checked."""
        self._pending.pop(name, None)
        self._stop_watching(name)

    def update_policy(
        self, policy: HealthPolicy | None, by_name: Mapping[str, HealthPolicy | None] | None = None
    ) -> None:
        """Apply other policies. The state and history of adapters stay.

        Args:
            policy: for adapters without their own; with None only adapters with an explicit health check are checked.
            by_name: for single adapters, with priority over their own; with None the adapter is not checked.
        """
        self.policy, self._by_name = policy, by_name or {}
        if policy is None:
            if self._end_history is not None:
                self._end_history()
            self.history = self._end_history = None
        elif self.history is None:
            self.history = History(policy)
            self._end_history = self._subscribe(self.history.observe)
        else:
            self.history.update_policy(policy)
        self._update_rates(policy)
        for name in list(self._pending):
            self._update_watched(name)

    def _update_rates(self, policy: HealthPolicy | None) -> None:
        if policy is None or policy.failure_rate_alert is None:
            if self._end_rates is not None:
                self._end_rates()
            self._rates = self._end_rates = None
        elif self._rates is None or self._rates.policy.failure_rate_window != policy.failure_rate_window:
            if self._end_rates is not None:
                self._end_rates()
            self._rates = FailureRates(policy, self._emit, self._clock, self._wall)
            self._end_rates = self._subscribe(self._rates.observe)
        else:
            self._rates.policy = policy

    def _update_watched(self, name: str) -> None:
        """Start, stop or change the checks of an adapter according to the policy that now applies to it."""
        adapter, own, explicit = self._pending[name]
        if name in self._by_name:
            policy = self._by_name[name]
        else:
            policy = own or self.policy or (HealthPolicy() if explicit else None)
        before = self._watched.get(name)
        if policy is None:
            self._stop_watching(name)
        elif before is None or before.policy != policy or before.adapter is not adapter:
            watched = self._watched[name] = _Watched(adapter, policy)
            if before is not None and before.adapter is adapter:
                watched.state = before.state
            if self._loop is not None:
                call_in_loop(self._loop, self._schedule, watched, self._spread(watched))

    def _stop_watching(self, name: str) -> None:
        watched = self._watched.pop(name, None)
        if watched is not None:
            watched.adapter.down = None

    # ---------------------------------------------------------------- state

    def state_of(self, name: str) -> HealthState:
        """Return the health of an adapter after its checks so far; unknown if it is not checked."""
        watched = self._watched.get(name)
        return watched.state if watched is not None else HealthState()

    def states(self) -> dict[str, str]:
        """Return the health status of each adapter that is checked."""
        return {name: watched.state.status for name, watched in list(self._watched.items())}

    def overall(self) -> Health:
        """Return the health of the engine."""
        return overall((w.state.status, w.policy.critical) for w in list(self._watched.values()))

    def describe(self, now: int) -> list[HealthChecked]:
        """Return the events that describe the current health of the checked adapters to a new listener. `now` is UTC
        microseconds.
        """
        return [
            HealthChecked(at=now, adapter=name, status=w.state.status, detail=w.state.detail)
            for name, w in list(self._watched.items())
            if w.state.status != "unknown"
        ]

    # ---------------------------------------------------------------- checking

    def start(self) -> bool:
        """Start checking, in the running loop. Return False if checks already run there."""
        loop = asyncio.get_running_loop()
        if self._loop is loop:
            return False
        self._loop, self._wake_up, self._scheduler = loop, asyncio.Event(), None
        self._due, self._running = [], set()  # the checks of another loop have ended
        for watched in list(self._watched.values()):
            self._schedule(watched, self._spread(watched))
        return True

    def after_fork(self) -> None:
        """Check nothing in a forked child until `start`: the checks run in a loop of the parent."""
        self._loop = self._wake_up = self._scheduler = None
        self._due, self._running = [], set()

    async def stop(self) -> None:
        """Cancel all checks, including running ones, and remove every mark: nothing would remove it later."""
        self._loop = None
        scheduler, self._scheduler = self._scheduler, None
        tasks = [*self._running, *([scheduler] if scheduler is not None else [])]
        here = asyncio.get_running_loop()
        for task in tasks:
            if task.get_loop() is here:
                task.cancel()
        await asyncio.gather(*(task for task in tasks if task.get_loop() is here), return_exceptions=True)
        self._running.clear()
        for watched in self._watched.values():
            watched.adapter.down = None

    async def check(self, *names: str) -> dict[str, HealthState]:
        """Check these adapters now (default: all that are checked), with the concurrency of the policy.

        Returns:
            The health of each; adapters that are not checked are left out.
        """
        chosen = [self._watched[name] for name in (names or tuple(self._watched)) if name in self._watched]
        slots = asyncio.Semaphore((self.policy or HealthPolicy()).concurrency)

        async def one(watched: _Watched) -> None:
            async with slots:
                await self._check(watched)

        await asyncio.gather(*(one(watched) for watched in chosen))
        return {watched.adapter.name: watched.state for watched in chosen}

    def _spread(self, watched: _Watched) -> float:
        """Return the time of the first check, random within the first interval to spread the checks."""
        return self._clock() + self._rng() * watched.policy.interval

    def _schedule(self, watched: _Watched, due: float) -> None:
        if self._loop is None or self._wake_up is None:
            return  # stopped in the meantime
        if len(self._due) > 2 * len(self._watched) + STALE_ENTRIES:  # most entries belong to removed adapters
            self._due = [entry for entry in self._due if self._watched.get(entry[2].adapter.name) is entry[2]]
            heapq.heapify(self._due)
        heapq.heappush(self._due, (due, next(self._numbers), watched))
        self._wake_up.set()
        if self._scheduler is None:  # created when there is something to check
            self._scheduler = self._loop.create_task(self._schedule_all(self._wake_up), name="fuseboard-health")

    async def _schedule_all(self, wake_up: asyncio.Event) -> None:
        concurrency = (self.policy or HealthPolicy()).concurrency
        while True:
            now = self._clock()
            while self._due and self._due[0][0] <= now and len(self._running) < concurrency:
                watched = heapq.heappop(self._due)[2]
                if self._watched.get(watched.adapter.name) is watched:
                    task = asyncio.create_task(self._check(watched))
                    self._running.add(task)
                    task.add_done_callback(lambda done, watched=watched: self._done(done, watched))  # type: ignore[misc]
            wait = max(0.0, self._due[0][0] - now) if self._due and len(self._running) < concurrency else None
            wake_up.clear()
            try:
                async with asyncio.timeout(wait):
                    await wake_up.wait()
            except TimeoutError:
                pass

    def _done(self, task: asyncio.Task[None], watched: _Watched) -> None:
        self._running.discard(task)
        self._schedule(watched, self._clock() + watched.policy.interval)
        if not task.cancelled():
            task.exception()  # retrieve it; it was logged where it happened

    async def _check(self, watched: _Watched) -> None:
        adapter, policy = watched.adapter, watched.policy
        before = adapter.breaker.snapshot()
        started = self._clock()
        try:
            verdict = verdict_of(
                await within(_without_task(adapter), None, adapter.name, policy.timeout, self._overdue)
            )
        except Exception as error:
            verdict = verdict_of_error(error)
        if self._watched.get(adapter.name) is not watched:
            return  # removed or replaced during the check
        self._apply(watched, verdict, self._clock() - started)
        if verdict.status != "unhealthy" and before.state == "open":
            after = adapter.breaker.snapshot()
            if after.generation == before.generation:  # a check that started before the breaker opened proves nothing
                adapter.breaker.half_open_early("its health check passed")

    def _apply(self, watched: _Watched, verdict: Verdict, duration: float) -> None:
        adapter, policy, at = watched.adapter, watched.policy, self._wall()
        before = watched.state
        change = apply_verdict(before, verdict, at=at, duration=duration, alert_after=policy.alert_after)
        watched.state = change.now
        if verdict.status == "unhealthy":
            until = self._clock() + policy.interval + policy.timeout + GRACE
            adapter.down = DownMark(verdict.detail or "its health check failed", until)
        else:
            adapter.down = None
        if change.changed:
            self._emit(
                HealthChecked(
                    at=at,
                    adapter=adapter.name,
                    status=verdict.status,
                    before=before.status,
                    detail=verdict.detail,
                    duration=duration,
                )
            )
        if change.alert:
            self._emit(HealthAlert(at=at, adapter=adapter.name, failures=change.now.failures, detail=verdict.detail))


def _without_task(adapter: Adapter) -> Callable[[Any], Awaitable[Any]]:
    async def call(_: Any) -> Any:
        health = adapter.health
        return await health() if health is not None else None

    return call
