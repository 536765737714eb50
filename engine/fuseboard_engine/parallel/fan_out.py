"""A fan-out under way: one task with several adapters at work on it, each in an `asyncio` task of its own.

Whatever happens to one of them (an answer, a failure, the hedge timer, the caller giving up) decides at once what is
started and what is cut short; whoever waits, waits only for the last one to have ended. Nothing outlives it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import msgspec

from fuseboard_engine.adapters.recent_latency import RecentLatency
from fuseboard_engine.adapters.registry import Adapter
from fuseboard_engine.errors import BulkheadFull, CircuitOpen, Rejected
from fuseboard_engine.parallel.bulkhead import Bulkhead
from fuseboard_engine.parallel.policy import ExecutionStrategy
from fuseboard_engine.retry.policy import RetryPolicy
from fuseboard_engine.routing.gates import reject
from fuseboard_engine.routing.route import ActiveRoute

P95 = 0.95

Ask = Callable[[str, ActiveRoute, RetryPolicy], Awaitable[bool]]
"""Makes the attempts of one adapter; True when no other could help."""


class Branch(msgspec.Struct, eq=False):
    """One adapter's part: its route of one, and how long it took. `stop`: its failure is one no other can help with."""

    adapter: Adapter
    route: ActiveRoute
    policy: RetryPolicy
    task: asyncio.Task[None] | None = None
    duration: float = 0.0
    waited: float = 0.0
    stop: bool = False
    started: bool = False
    ended: bool = False


class FanOut:
    """One task's fan-out.

    Args:
        route: the whole; what the strands share and what came of them is noted there.
        strands: in the order in which they are asked.
        strategy: see `execute_parallel`.
        end: when the time is over, by `clock`.
        hedge_delay: seconds until a hedge; `p95`: the adapter's own; only for `hedged`.
        ask: makes an adapter's attempts.
        slots: what they work in.
        clock: seconds, never going back.
    """

    __slots__ = (
        "_ask",
        "_clock",
        "_closed",
        "_end",
        "_error",
        "_hedge_delay",
        "_loop",
        "_next",
        "_over",
        "_route",
        "_running",
        "_slots",
        "_strands",
        "_strategy",
        "_timer",
        "answered",
    )

    def __init__(
        self,
        route: ActiveRoute,
        strands: list[Branch],
        strategy: ExecutionStrategy,
        end: float,
        hedge_delay: float | str,
        ask: Ask,
        slots: Bulkhead,
        clock: Callable[[], float],
    ) -> None:
        self._route = route
        self._strands = strands
        self._strategy = strategy
        self._end = end
        self._hedge_delay = hedge_delay
        self._ask = ask
        self._slots = slots
        self._clock = clock
        self._loop = asyncio.get_running_loop()
        self._over: asyncio.Future[None] = self._loop.create_future()
        self._next = 0  # the first strand that was not started
        self._running = 0
        self._closed = False
        self._timer: asyncio.TimerHandle | None = None
        self._error: BaseException | None = None
        self.answered: list[Branch] = []

    async def run(self) -> None:
        """Have the task done as the strategy says. Every strand that was started has ended when this returns or raises.

        Raises:
            asyncio.CancelledError: the caller gave up.
        """
        try:
            if self._strategy == "hedged":
                self._start_next()
            else:
                while self._next < len(self._strands):
                    self._start_next()
            await self._over
        except BaseException:
            self._cut("the caller gave up")
            await self._ended_all()
            raise
        finally:
            if self._timer is not None:
                self._timer.cancel()
        if self._error is not None:
            raise self._error

    async def _ended_all(self) -> None:
        """Wait for the last strand, however often the caller is cancelled meanwhile: it has given up already."""
        while self._running:
            self._over = self._loop.create_future()
            try:
                await self._over
            except asyncio.CancelledError:
                continue

    def clear_exceptions(self) -> None:
        """Let go of the errors: their tracebacks lead back here, and no cycle is to wait for the collector."""
        for strand in self._strands:
            strand.route.exception = strand.task = None

    # ---------------------------------------------------------------- starting and ending strands

    def _start_next(self) -> Branch:
        strand = self._strands[self._next]
        self._next += 1
        self._running += 1
        strand.task = self._loop.create_task(self._work(strand))
        if self._strategy == "hedged" and self._next < len(self._strands):
            self._set_timer(strand.adapter)
        return strand

    def _cut(self, why: str, spare: Branch | None = None) -> None:
        """Start nothing more, and cancel what is under way."""
        self._closed = True
        for strand in self._strands[: self._next]:
            if strand is spare or strand.ended or strand.task is None:
                continue
            strand.route.cancel_reason = strand.route.cancel_reason or why
            strand.task.cancel()
            if not strand.started:  # it never will: a task cancelled before its first step runs none of its code
                self._ended(strand)

    async def _work(self, strand: Branch) -> None:
        strand.started = True
        try:
            if self._slots.take() or await self._slot_for(strand):
                await self._attempts_of(strand)
        except GeneratorExit:
            raise  # the loop is gone, and with it whoever waits
        except asyncio.CancelledError:
            pass  # the route says so, and whether it was cut
        except BaseException as error:
            if not isinstance(error, Exception):
                self._ended(strand)
                raise
            if not strand.route.cancel_reason:  # none of the adapter's own: those are outcomes
                self._error = error
                self._cut("the engine failed", strand)
        self._ended(strand)

    async def _attempts_of(self, strand: Branch) -> None:
        clock = self._clock
        began = clock()
        try:
            strand.stop = await self._ask(strand.adapter.name, strand.route, strand.policy)
        finally:
            self._slots.give_back()
            strand.duration = clock() - began
        if strand.route.adapter is not None:
            self.answered.append(strand)
            if self._strategy in ("first_success", "hedged"):
                self._cut(f"{strand.adapter.name} answered first", strand)

    async def _slot_for(self, strand: Branch) -> bool:
        """Wait for a slot. False: it was refused one, or its breaker would refuse it, for which it need not wait."""
        adapter, route = strand.adapter, strand.route
        began = self._clock()
        try:
            adapter.breaker.admit().release()
            await self._slots.wait(max(0.0, self._end - began))
        except CircuitOpen as refusal:
            reject(adapter, route, refusal.why, refusal.retry_after)
            route.fail(refusal)
            return False
        except BulkheadFull as refusal:
            reject(adapter, route, str(refusal))
            route.fail(refusal)
            return False
        finally:
            strand.waited = self._clock() - began
        route.blame_timeout = False  # it no longer has all the time there is
        return True

    def _ended(self, strand: Branch) -> None:
        if strand.ended:
            return
        strand.ended = True
        self._running -= 1
        self._note(strand.route)
        if not self._closed and strand.route.adapter is None and self._next < len(self._strands):
            self._go_on(strand)
        if not self._running and not self._over.done():
            self._over.set_result(None)

    def _note(self, route: ActiveRoute) -> None:
        """Keep the last failure for the whole; a refusal only where nobody failed."""
        error, whole = route.exception, self._route
        if error is not None and (whole.exception is None or not isinstance(error, Rejected)):
            whole.exception, whole.error = error, route.error

    # ---------------------------------------------------------------- hedging

    def _go_on(self, failed: Branch) -> None:
        """Ask the next when one failed, unless no other can help or another is still at it."""
        if failed.stop or self._clock() >= self._end:
            return
        self._strands[self._next].route.only_handlers_of = failed.route.only_handlers_of
        if not self._running:
            name = self._start_next().adapter.name
            self._route.why += f"; {name} was asked when {failed.adapter.name} had failed"
        elif not any(attempt.number for attempt in failed.route.attempts if attempt.adapter == failed.adapter.name):
            self._hedge()  # the hedge was refused; the slow one is as slow as before

    def _set_timer(self, adapter: Adapter) -> None:
        """Set the time at which the next adapter is asked too, unless this one has answered."""
        if self._timer is not None:
            self._timer.cancel()
        delay = self._hedge_delay
        if isinstance(delay, str):
            if adapter.latency is None:
                adapter.latency = RecentLatency()
            known = adapter.latency.percentile(P95)
            if known is None:
                return
            delay = known
        self._timer = self._loop.call_later(delay, self._hedge)

    def _hedge(self) -> None:
        if self._closed or self._next >= len(self._strands):
            return
        adapter = self._strands[self._next].adapter
        if not adapter.budget.withdraw(self._clock()):
            self._route.why += f"; {adapter.name} was not asked too: its retry budget is spent"
            return
        slow = ", ".join(
            s.adapter.name for s in self._strands[: self._next] if s.task is not None and not s.task.done()
        )
        self._start_next()
        self._route.why += f"; {adapter.name} was asked too: {slow or 'nobody'} had not answered"
