"""Handles tasks whose whole chain refuses: waits until an adapter recovers, or calls one as a last resort.

Tasks that wait for the same adapters share one queue, and only its head tries them. When the head is admitted the next
one tries, so as many are admitted as the breakers allow, and a recovering adapter is not overrun.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple, Protocol

from fuseboard_engine.adapters.registry import Adapter, Registry
from fuseboard_engine.events import AdapterRemoved, Event, HealthChecked, ProbeChanged, StateChanged
from fuseboard_engine.retry.policy import Retry, policy_for
from fuseboard_engine.routing.gates import ShuttingDown
from fuseboard_engine.routing.policy import RoutingPolicy
from fuseboard_engine.routing.route import ActiveRoute
from fuseboard_engine.runtime.formatting import format_duration

LAST_RESORT = "every adapter of a chain is out: a last resort"
"""The detail of a change of state for a last resort."""

WAITED = "every adapter was out, waited"
"""What the explanation of a route says that waited, before for how long."""

SHORTEST_PAUSE = 0.001  # minimum seconds between two rounds without a wake-up

TryAdapter = Callable[[str, ActiveRoute, Retry], Awaitable[bool]]
"""Runs the attempts on one adapter; returns True when the route ends there."""


class Recovery(NamedTuple):
    """When an unavailable adapter may be admitted: in `wait` seconds, or earlier if `may_be_earlier`."""

    adapter: Adapter
    wait: float
    may_be_earlier: bool = False


def recovery_of(adapter: Adapter, now: float) -> Recovery | None:
    """Return when an adapter may be admitted again; None if it does not recover by itself."""
    seen = adapter.breaker.snapshot()
    wait, may_be_earlier = 0.0, False
    if seen.state == "forced_open":
        return None
    if seen.state == "open":
        if seen.retry_after is None:
            return None
        wait = seen.retry_after
    elif seen.state == "half_open":
        may_be_earlier = True  # a probe in flight decides
    down = adapter.down
    if down is not None and now < down.until:
        wait, may_be_earlier = max(wait, down.until - now), True  # a good check may come before
    return Recovery(adapter, wait, may_be_earlier)


def recoveries(chain: tuple[Adapter, ...], now: float) -> list[Recovery]:
    """Return the adapters' recoveries, earliest first."""
    return sorted((r for adapter in chain if (r := recovery_of(adapter, now)) is not None), key=lambda r: r.wait)


def all_rejected(route: ActiveRoute) -> bool:
    """Return whether no adapter was called and at least one refused; False while the engine shuts down."""
    if route.only_handlers_of is not None or isinstance(route.exception, ShuttingDown):
        return False
    return bool(route.attempts) and all(attempt.outcome == "rejected" for attempt in route.attempts)


class Handle(Protocol):
    """A callback that is about to run."""

    def cancel(self) -> None:
        """Prevent it."""


class WaitingTask(Protocol):
    """One waiting task: how it pauses, and how another one wakes it."""

    def wake(self) -> None:
        """End its pause, or the next one if it does not pause now; callable from any thread."""

    async def pause(self, seconds: float) -> None:
        """Wait so many seconds, or until it is woken."""

    def call_soon(self, callback: Callable[..., object], /, *args: Any) -> Handle:
        """Call a function as soon as the task waits for something."""


class _TaskOfLoop:
    """A waiting task of an asyncio loop."""

    __slots__ = ("_loop", "_wake_event", "call_soon")

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._wake_event = asyncio.Event()
        self.call_soon = self._loop.call_soon

    def wake(self) -> None:
        try:
            self._loop.call_soon_threadsafe(self._wake_event.set)
        except RuntimeError:
            pass  # its loop is closed

    async def pause(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._wake_event.wait()
        except TimeoutError:
            pass
        self._wake_event.clear()


Queue = deque[WaitingTask]


class AllUnavailableHandler:
    """Carries out `all_out` for the routes of an engine.

    Args:
        registry: the adapters.
        policy: `wait` or `last_resort`, and the limits.
        clock: monotonic seconds.
        new_waiting_task: returns the current task as one that waits; default: of the running loop.
    """

    def __init__(
        self,
        registry: Registry,
        policy: RoutingPolicy,
        clock: Callable[[], float],
        new_waiting_task: Callable[[], WaitingTask] = _TaskOfLoop,
    ) -> None:
        self.policy = policy
        self._find = registry.find
        self._clock = clock
        self._new_waiting_task = new_waiting_task
        self._queues: dict[frozenset[str], Queue] = {}
        self._waiting = 0
        self._last_resort_at: dict[str, float] = {}  # adapter -> start of its last attempt; inf while it is in flight

    async def handle(self, route: ActiveRoute, ask: TryAdapter, retry: Retry) -> None:
        """Continue a route whose whole chain refused; leave any other unchanged."""
        if not all_rejected(route):
            return
        chain = tuple(adapter for name in dict.fromkeys(route.order) if (adapter := self._find(name)) is not None)
        if self.policy.all_out == "wait":
            await self._wait(route, chain, ask, retry)
        elif self.policy.all_out == "last_resort":
            await self._last_resort(route, chain, ask, retry)

    def observe(self, event: Event) -> None:
        """Wake the heads of all queues that wait for the adapter of an event."""
        if isinstance(event, StateChanged | HealthChecked | ProbeChanged):
            if isinstance(event, ProbeChanged) and event.what == "admitted":
                return  # frees no capacity for another task
            for names, queue in list(self._queues.items()):
                if event.adapter in names:
                    _wake_head(queue)
        elif isinstance(event, AdapterRemoved):
            self._last_resort_at.pop(event.adapter, None)

    # ---------------------------------------------------------------- waiting

    async def _wait(self, route: ActiveRoute, chain: tuple[Adapter, ...], ask: TryAdapter, retry: Retry) -> None:
        started = self._clock()
        end = started + self.policy.max_wait
        if route.until is not None:
            end = min(end, route.until)
        if self._waiting >= self.policy.max_waiting:
            route.why += f"; every adapter is out and {self._waiting} tasks wait already"
            return
        key = frozenset(adapter.name for adapter in chain)
        queue = self._queues.setdefault(key, deque())
        waiter = self._new_waiting_task()
        queue.append(waiter)
        self._waiting += 1
        try:
            outcome = await self._wait_in_queue(queue, waiter, route, chain, ask, retry, end)
            at_work = sum(attempt.wait + attempt.duration for attempt in route.attempts)
            waited = format_duration(max(0.0, self._clock() - started - at_work))
            route.why += f"; {WAITED} {waited}: {outcome}"
        finally:
            self._waiting -= 1
            self._leave(queue, waiter)
            if not queue and self._queues.get(key) is queue:
                del self._queues[key]

    async def _wait_in_queue(
        self,
        queue: Queue,
        waiter: WaitingTask,
        route: ActiveRoute,
        chain: tuple[Adapter, ...],
        ask: TryAdapter,
        retry: Retry,
        end: float,
    ) -> str:
        """Wait until this route was continued or may wait no longer. Return the outcome in words."""
        while True:
            left = wait = end - self._clock()
            if queue[0] is waiter:
                if await self._try_chain(queue, waiter, route, chain, ask, retry):
                    if route.expired:
                        return "no adapter recovered"
                    return f"{route.adapter} is back" if route.adapter else "tried again"
                if waiter not in queue:  # the steps before a call took a while, then refused
                    queue.append(waiter)
                now = self._clock()
                left = end - now
                back = recoveries(chain, now)
                if not back:
                    return "no adapter recovers by itself"
                if back[0].wait > left and not any(r.may_be_earlier for r in back):
                    return f"{back[0].adapter.name} recovers only in {format_duration(back[0].wait)}"
                soonest = min((a.retry_after for a in route.attempts if a.retry_after), default=left)
                wait = min(left, max(soonest, SHORTEST_PAUSE))
            if left <= 0:
                return "no adapter recovered"
            await waiter.pause(wait)

    async def _try_chain(
        self,
        queue: Queue,
        waiter: WaitingTask,
        route: ActiveRoute,
        chain: tuple[Adapter, ...],
        ask: TryAdapter,
        retry: Retry,
    ) -> bool:
        """Try the whole chain again. Return whether an adapter was called, with whatever outcome."""
        route.attempts.clear()  # keep only the last round's refusals: all rounds are alike
        route.reached, route.exception, route.error = 0, None, None
        for adapter in chain:
            # A refusal comes at once. If this callback runs first, the call is in flight, and the next task may try.
            handing_over = waiter.call_soon(self._leave, queue, waiter)
            ended = await ask(adapter.name, route, retry)
            handing_over.cancel()
            if ended:
                return True
        route.reached = len(route.order)
        return not all_rejected(route)

    def _leave(self, queue: Queue, waiter: WaitingTask) -> None:
        if waiter in queue:
            queue.remove(waiter)
            _wake_head(queue)

    # ---------------------------------------------------------------- last resort

    async def _last_resort(self, route: ActiveRoute, chain: tuple[Adapter, ...], ask: TryAdapter, retry: Retry) -> None:
        now = self._clock()
        for back in recoveries(chain, now):
            adapter = back.adapter
            since = now - self._last_resort_at.get(adapter.name, float("-inf"))
            if since < self.policy.last_resort_every:
                continue
            breaker = adapter.breaker
            if breaker.state == "open" and not breaker.half_open_early(LAST_RESORT):
                continue
            route.last_resort = True
            self._last_resort_at[adapter.name] = float("inf")
            try:
                once = policy_for(adapter.retry, retry).model_copy(update={"max_attempts": 1})
                await ask(adapter.name, route, once)
            finally:
                route.last_resort = False
                self._last_resort_at[adapter.name] = now
            if not all_rejected(route):
                route.why += f"; every adapter was out, {adapter.name} would have returned first: a last resort"
                return
        route.why += "; every adapter is out and no last resort is due"


def _wake_head(queue: Queue) -> None:
    try:
        head = queue[0]
    except IndexError:
        return
    head.wake()
