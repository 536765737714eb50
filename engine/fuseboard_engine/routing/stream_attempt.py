"""One attempt of a stream: its items, its time limits, and how it ends."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextvars import Context, copy_context
from types import AsyncGeneratorType
from typing import Any

from fuseboard_engine.adapters.lifecycle import initialised
from fuseboard_engine.adapters.registry import Adapter, soft_failure
from fuseboard_engine.adapters.timeouts import in_context, within, within_context
from fuseboard_engine.breaker.permit import Permit
from fuseboard_engine.context import CURRENT
from fuseboard_engine.error_text.safe_logging import get_logger
from fuseboard_engine.errors import AttemptTimeout, describe
from fuseboard_engine.events import Attempt, Outcome
from fuseboard_engine.retry.policy import RetryPolicy
from fuseboard_engine.routing.attempt_runner import FailedCall, deadline_error
from fuseboard_engine.routing.gates import OpenStreams, ShuttingDown
from fuseboard_engine.routing.route import ActiveRoute
from fuseboard_engine.runtime.formatting import plural
from fuseboard_engine.runtime.overdue_calls import OverdueCalls

log = get_logger("fuseboard.streams")


class StreamAttempt:
    """One attempt of a stream in progress.

    Args:
        adapter: the adapter that produces the items; `admit` has counted the call.
        route: the task's route.
        policy: how long the first item and each further one may take.
        permit: the breaker's permit; its outcome is reported when the stream ends.
        number: which attempt on this adapter, from 1.
        wait: seconds waited before it.
        clock: monotonic seconds.
        streams: tracks the attempt while it is in flight; None if a call in flight in the same task does.
        overdue: watches the steps and the closing that continue after their limit.
    """

    __slots__ = (
        "_busy",
        "_cancelled",
        "_clock",
        "_closing",
        "_context",
        "_overdue",
        "_reading",
        "_stepping",
        "_streams",
        "_timed_out",
        "adapter",
        "began",
        "first_item",
        "items",
        "iterator",
        "loop",
        "number",
        "permit",
        "policy",
        "reader",
        "route",
        "stopped",
        "wait",
    )

    def __init__(
        self,
        adapter: Adapter,
        route: ActiveRoute,
        policy: RetryPolicy,
        permit: Permit,
        number: int,
        wait: float,
        clock: Callable[[], float],
        streams: OpenStreams | None,
        overdue: OverdueCalls,
    ) -> None:
        self.adapter = adapter
        self.route = route
        self.policy = policy
        self.permit = permit
        self.number = number
        self.wait = wait
        self._clock = clock
        self.began = clock()
        self.iterator: AsyncIterator[Any] | None = None
        self.first_item: float | None = None
        self.items = 0
        self._busy = 0.0
        self._stepping = False
        self._timed_out = False
        self._closing: asyncio.Future[None] | None = None
        self._overdue = overdue
        self.loop = asyncio.get_running_loop()
        self.reader: asyncio.Task[Any] | None = None
        """The task that read an item last."""
        self.stopped = False
        """Whether a shutdown ended the stream."""
        self._reading = False
        self._cancelled = 0  # requests to cancel the reader before it was stopped
        self._context: Context | None = None  # of every step, from the first item to the end
        self._streams = streams
        if streams is not None:
            streams.streams.add(self)

    async def next(self) -> Any:
        """Return the next item.

        Raises:
            StopAsyncIteration: there are no more items.
            AttemptTimeout: the item did not arrive in time.
            DeadlineExceeded: the task's deadline passed.
            SoftFailure: the first item reports a failure.
            ShuttingDown: a shutdown ended the stream.
            Exception: what the adapter raised.
        """
        if self.stopped:
            self._raise_if_stopped()
        policy, name, began = self.policy, self.adapter.name, self._clock()
        limit, remaining = self._limits(began)
        if remaining is not None and remaining <= 0:
            raise deadline_error(self.route, name)
        ids = self.route.context if self._context is None else None
        token = None if ids is None else CURRENT.set(ids)
        self.reader = asyncio.current_task()
        self._reading = True
        try:
            context, rest = self._context, limit
            if context is None:
                lifecycle = self.adapter.lifecycle
                if lifecycle is not None and not lifecycle.ready:
                    rest = await initialised(lifecycle, limit, policy.initialize_share)
                context = self._context = copy_context()
            item = await within_context(context, self._step(), name, rest, self._overdue)
        except AttemptTimeout as timeout:
            self._timed_out = True
            if limit is not None and limit == remaining:
                raise deadline_error(self.route, name) from timeout
            raise
        except asyncio.CancelledError:
            self._raise_if_stopped(cancelled=True)
            raise
        finally:
            self._reading = False
            self._busy += self._clock() - began
            if token is not None:
                CURRENT.reset(token)
        if not self.items:
            soft = self.adapter.failed(item)
            if soft is not None and soft is not False:
                raise soft_failure(soft)
            self.first_item = self._clock() - self.began
        self.items += 1
        return item

    async def _step(self) -> Any:
        # A coroutine rather than the awaitable of `anext`: an item that is ready at once then needs no timer.
        self._stepping = True
        try:
            if self.iterator is None:
                self.iterator = aiter(self.adapter.stream(self.route.task))
            return await anext(self.iterator)
        finally:
            self._stepping = False
            if self._closing is not None and not self._closing.done():
                self._closing.set_result(None)

    def stop(self) -> None:
        """Raise `ShuttingDown` from the read in progress, or from the next one. Called in its loop."""
        if not self.stopped:
            self.stopped = True
            if self._reading and self.reader is not None:
                self._cancelled = self.reader.cancelling()
                self.reader.cancel()

    def _raise_if_stopped(self, *, cancelled: bool = False) -> None:
        """Raise that a shutdown ended the stream, unless the reader was cancelled for another cause too."""
        if not self.stopped:
            return
        if not cancelled or (self.reader is not None and self.reader.uncancel() <= self._cancelled):
            raise ShuttingDown(f"shutting down: the stream was ended after {plural(self.items, 'item')}") from None

    def _limits(self, now: float) -> tuple[float | None, float | None]:
        """Return the seconds that the next step may take, and those until the deadline; None for no limit."""
        policy, until = self.policy, self.route.until
        limit = policy.item_timeout if self.items else policy.first_item_timeout
        if limit is None:
            limit = policy.attempt_timeout
        remaining = None if until is None else until - now
        if remaining is not None:
            limit = remaining if limit is None else min(limit, remaining)
        return limit, remaining

    def record_success(self) -> None:
        """Record that the stream ended normally."""
        adapter, ended = self.adapter, self._clock()
        duration = ended - self.began
        adapter.answered_at = ended
        self.permit.success(self._busy)  # excludes time the consumer spent between items
        adapter.successes += 1
        adapter.seconds += duration
        if adapter.latency is not None:
            adapter.latency.add(self._busy)
        self._record("success", duration)
        self.route.adapter = adapter.name

    def record_stopped(self) -> None:
        """Record that the consumer stopped early: no verdict on the adapter, and the task is done."""
        self.permit.release()
        why = f"the consumer stopped after {plural(self.items, 'item')}"
        self._record("ignored", self._clock() - self.began, why)
        self.route.adapter = self.adapter.name
        self.route.why += f"; {why}"

    def record_cancelled(self, why: str = "") -> None:
        """Record that the consumer was cancelled while it waited for an item, or that a shutdown ended the stream."""
        self.permit.release()
        self._record("cancelled", self._clock() - self.began, why)

    def _record(self, outcome: Outcome, duration: float, why: str = "") -> None:
        self.leave()
        self.route.attempts.append(
            Attempt(
                adapter=self.adapter.name,
                outcome=outcome,
                number=self.number,
                wait=self.wait,
                duration=duration,
                why=why,
                first_item=self.first_item,
                items=self.items,
                limit=self.policy.max_attempts,
            )
        )

    def as_failed_call(self) -> FailedCall:
        """Return this attempt, which has raised, for the attempt runner."""
        duration = self._clock() - self.began
        return FailedCall(
            self.adapter, self.route, self.policy, self.permit, self.number, self.wait, duration,
            self.first_item, self.items,
        )  # fmt: skip

    def leave(self) -> None:
        """Count the attempt as no longer in flight."""
        self.adapter.in_flight -= 1
        if self._streams is not None:
            self._streams.streams.discard(self)

    async def close(self) -> None:
        """Close the adapter's stream and wait until it has ended, at most as long as for an item.

        A step that has exceeded its limit and still runs ends in the background, and the stream is closed then. An
        error while closing is only logged.
        """
        iterator, context, name = self.iterator, self._context, self.adapter.name
        if context is None or (type(iterator) is AsyncGeneratorType and iterator.ag_frame is None):
            return  # nothing was read, or it has ended
        close = getattr(iterator, "aclose", None)
        if close is None:
            return
        try:
            if self._stepping:
                self._overdue.watch(name, self._close_later(context, close))
                return
            limit = 0.0 if self._timed_out else self._limits(self._clock())[0]
            await within(lambda _: in_context(context, close), None, name, limit, self._overdue)
        except AttemptTimeout:
            pass  # it is watched until it has ended
        except Exception as error:
            log.warning("the stream of %s could not be closed: %s", name, describe(error))

    async def _close_later(self, context: Context, close: Callable[[], Awaitable[None]]) -> None:
        """Close the stream once its current step has ended."""
        self._closing = asyncio.get_running_loop().create_future()
        await self._closing
        await in_context(context, close)
