"""A running fan-out: one task on several adapters, each in an `asyncio` task of its own.

Every occurrence (an answer, a failure, the hedge timer, a cancelled caller) decides at once which branches are started
and which are cancelled; `run` only waits for the last branch to end. No branch outlives the fan-out.
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

TryAdapter = Callable[[str, ActiveRoute, RetryPolicy], Awaitable[bool]]
"""Runs the attempts on one adapter; returns True when no other adapter could help."""


class Branch(msgspec.Struct, eq=False):
    """One adapter of a fan-out: its own route and timings. `stop`: no other adapter can help with its failure."""

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
        route: the route of the whole task; collects the attempts and the last failure of all branches.
        branches: the branches in the order in which they are started.
        strategy: see `execute_parallel`.
        end: when the time limit passes, by `clock`.
        hedge_delay: seconds until a hedge, or `p95` for the adapter's own percentile; used only by `hedged`.
        ask: runs an adapter's attempts.
        slots: limits how many adapters work at a time.
        clock: monotonic seconds.
    """

    __slots__ = (
        "_ask",
        "_branches",
        "_clock",
        "_closed",
        "_error",
        "_finished",
        "_hedge_delay",
        "_loop",
        "_next",
        "_route",
        "_running",
        "_slots",
        "_strategy",
        "_timer",
        "answered",
        "end",
    )

    def __init__(
        self,
        route: ActiveRoute,
        branches: list[Branch],
        strategy: ExecutionStrategy,
        end: float,
        hedge_delay: float | str,
        ask: TryAdapter,
        slots: Bulkhead,
        clock: Callable[[], float],
    ) -> None:
        self._route = route
        self._branches = branches
        self._strategy = strategy
        self.end = end
        """When its time limit passes."""
        self._hedge_delay = hedge_delay
        self._ask = ask
        self._slots = slots
        self._clock = clock
        self._loop = asyncio.get_running_loop()
        self._finished: asyncio.Future[None] = self._loop.create_future()
        self._next = 0  # index of the first branch that was not started
        self._running = 0
        self._closed = False
        self._timer: asyncio.TimerHandle | None = None
        self._error: BaseException | None = None
        self.answered: list[Branch] = []

    async def run(self) -> None:
        """Run the fan-out according to its strategy. Every started branch has ended when this returns or raises.

        Raises:
            asyncio.CancelledError: the caller was cancelled.
        """
        try:
            if self._strategy == "hedged":
                self._start_next()
            else:
                while self._next < len(self._branches):
                    self._start_next()
            await self._finished
        except BaseException:
            self._cut("the caller gave up")
            await self._wait_for_all()
            raise
        finally:
            if self._timer is not None:
                self._timer.cancel()
        if self._error is not None:
            raise self._error

    async def _wait_for_all(self) -> None:
        """Wait for the last branch to end. Further cancellations of the caller are ignored."""
        while self._running:
            self._finished = self._loop.create_future()
            try:
                await self._finished
            except asyncio.CancelledError:
                continue

    def clear_exceptions(self) -> None:
        """Drop the exceptions: their tracebacks refer to this object and would form a reference cycle."""
        for branch in self._branches:
            branch.route.exception = branch.task = None

    # ---------------------------------------------------------------- starting and ending branches

    def _start_next(self) -> Branch:
        branch = self._branches[self._next]
        self._next += 1
        self._running += 1
        branch.task = self._loop.create_task(self._work(branch))
        if self._strategy == "hedged" and self._next < len(self._branches):
            self._set_timer(branch.adapter)
        return branch

    def _cut(self, why: str, spare: Branch | None = None) -> None:
        """Start no more branches, and cancel those that run, except `spare`."""
        self._closed = True
        for branch in self._branches[: self._next]:
            if branch is spare or branch.ended or branch.task is None:
                continue
            branch.route.cancel_reason = branch.route.cancel_reason or why
            branch.task.cancel()
            if not branch.started:  # a task cancelled before its first step runs none of its code
                self._on_branch_end(branch)

    async def _work(self, branch: Branch) -> None:
        branch.started = True
        try:
            if self._slots.acquire() or await self._wait_for_slot(branch):
                await self._attempts_of(branch)
        except GeneratorExit:
            raise  # the event loop is gone, and with it the caller
        except asyncio.CancelledError:
            pass  # the route records it, and why it was cancelled
        except BaseException as error:
            if not isinstance(error, Exception):
                self._on_branch_end(branch)
                raise
            if not branch.route.cancel_reason:  # not an adapter's error: those are outcomes
                self._error = error
                self._cut("the engine failed", branch)
        self._on_branch_end(branch)

    async def _attempts_of(self, branch: Branch) -> None:
        clock = self._clock
        began = clock()
        try:
            branch.stop = await self._ask(branch.adapter.name, branch.route, branch.policy)
        finally:
            self._slots.release()
            branch.duration = clock() - began
        if branch.route.adapter is not None:
            self.answered.append(branch)
            if self._strategy in ("first_success", "hedged"):
                self._cut(f"{branch.adapter.name} answered first", branch)

    async def _wait_for_slot(self, branch: Branch) -> bool:
        """Wait for a slot; return whether there is one. Does not wait if the breaker refuses the call."""
        adapter, route = branch.adapter, branch.route
        began = self._clock()
        try:
            adapter.breaker.admit().release()
            await self._slots.wait(max(0.0, self.end - began))
        except CircuitOpen as refusal:
            reject(adapter, route, refusal.why, refusal.retry_after)
            route.fail(refusal)
            return False
        except BulkheadFull as refusal:
            reject(adapter, route, str(refusal))
            route.fail(refusal)
            return False
        finally:
            branch.waited = self._clock() - began
        route.blame_timeout = False  # the adapter no longer has the whole time limit
        return True

    def _on_branch_end(self, branch: Branch) -> None:
        if branch.ended:
            return
        branch.ended = True
        self._running -= 1
        self._keep_failure(branch.route)
        if not self._closed and branch.route.adapter is None and self._next < len(self._branches):
            self._continue_after(branch)
        if not self._running and not self._finished.done():
            self._finished.set_result(None)

    def _keep_failure(self, route: ActiveRoute) -> None:
        """Keep the last failure for the whole task; a rejection only if no adapter failed."""
        error, whole = route.exception, self._route
        if error is not None and (whole.exception is None or not isinstance(error, Rejected)):
            whole.exception, whole.error = error, route.error

    # ---------------------------------------------------------------- hedging

    def _continue_after(self, failed: Branch) -> None:
        """Start the next branch after a failure, unless no other can help or another branch still runs."""
        if failed.stop or self._clock() >= self.end:
            return
        self._branches[self._next].route.only_handlers_of = failed.route.only_handlers_of
        if not self._running:
            name = self._start_next().adapter.name
            self._route.why += f"; {name} was asked when {failed.adapter.name} had failed"
        elif not any(attempt.number for attempt in failed.route.attempts if attempt.adapter == failed.adapter.name):
            self._hedge()  # the hedge was refused, so the slow adapter still needs one

    def _set_timer(self, adapter: Adapter) -> None:
        """Schedule the next hedge, for when this adapter has not answered by then."""
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
        if self._closed or self._next >= len(self._branches):
            return
        adapter = self._branches[self._next].adapter
        if not adapter.budget.withdraw(self._clock()):
            self._route.why += f"; {adapter.name} was not called as well: its retry budget is spent"
            return
        slow = ", ".join(
            s.adapter.name for s in self._branches[: self._next] if s.task is not None and not s.task.done()
        )
        self._start_next()
        self._route.why += f"; {adapter.name} was called as well: {slow or 'no other adapter'} had not answered"
