"""Routes streams. One attempt lasts from a stream's first item to its last; the consumer may stop at any time.

An attempt that fails before its first item is retried and failed over like any call. Once the consumer holds an item,
a failure ends the route, unless the chain says that its streams can start over.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import msgspec

from fuseboard_engine.adapters.callables import yields_many
from fuseboard_engine.adapters.registry import Adapter
from fuseboard_engine.errors import describe
from fuseboard_engine.events import AttemptFailed, StreamRestarted
from fuseboard_engine.retry.policy import Retry, policy_for
from fuseboard_engine.routing.attempt_runner import AttemptRunner
from fuseboard_engine.routing.gates import ShuttingDown, admit
from fuseboard_engine.routing.route import ActiveRoute, AllAdaptersFailed, RouteResult, StreamBroken
from fuseboard_engine.routing.stream_attempt import StreamAttempt

if TYPE_CHECKING:
    from fuseboard_engine.routing.router import TaskRouter


class RestartMarker(msgspec.Struct, frozen=True):
    """Appears among the items of a restartable stream: the items before it are void, the stream starts over.

    Attributes:
        adapter: the adapter whose stream follows; empty for a degraded answer.
        items: how many items are void.
        error: why the stream starts over.
    """

    adapter: str
    items: int
    error: str


class RouteStream:
    """The items of one task as they arrive. Read it with `async for`, preferably inside `async with`.

    Stopping early is not a failure: leaving the `async with` closes the adapter's stream and waits until it has ended.
    """

    def __init__(self, items: AsyncGenerator[Any, None], ended: list[RouteResult]) -> None:
        self._items = items
        self._ended = ended

    @property
    def result(self) -> RouteResult | None:
        """The route once it has ended, otherwise None. Its own `result` is None: items are not kept."""
        return self._ended[0] if self._ended else None

    def __aiter__(self) -> Self:
        return self

    def __anext__(self) -> Awaitable[Any]:
        return self._items.__anext__()

    async def aclose(self) -> None:
        """Stop reading. Returns once the adapter's stream has ended."""
        await self._items.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()


class _Attempts:
    """The attempts of one stream in order: retries, the next adapters of the chain, the first that recovers."""

    __slots__ = (
        "_attempts",
        "_chain",
        "_clock",
        "_failure",
        "_finished",
        "_last",
        "_recovery_tried",
        "_restartable",
        "_retry",
        "_route",
        "_router",
        "bypassed",
    )  # fmt: skip

    def __init__(
        self, router: TaskRouter, attempts: AttemptRunner, clock: Callable[[], float], route: ActiveRoute,
        retry: Retry, restartable: bool,
    ) -> None:  # fmt: skip
        self._router = router
        self._attempts = attempts
        self._clock = clock
        self._route = route
        self._retry = retry
        self._restartable = restartable
        self._chain = iter(route.order)
        self._last: StreamAttempt | None = None
        self._failure: AttemptFailed | None = None  # of the last attempt
        self._finished = False  # no further attempt may follow
        self._recovery_tried = False
        self.bypassed: Adapter | None = None
        """The adapter that a gate called in place of an attempt, and that answered."""

    async def next(self) -> StreamAttempt | None:
        """Start the next attempt, after its delay if it is a retry. Return None if there is none."""
        attempt = None if self._last is None else await self._retried(self._last)
        while attempt is None and not self._finished:
            name, self._route.return_to = self._route.return_to, None
            if name is None:
                name = next(self._chain, None)
                if name is None:
                    attempt = await self._recovered()
                    break
                self._route.reached += 1
            adapter = self._router.registry.find(name)
            if adapter is None:
                self._route.why += f"; {name} is not registered"
            else:
                attempt = await self._start(adapter) if self._attempts.gate else self._admitted(adapter)
        self._last, self._failure = attempt, None
        return attempt

    def failed(self, error: Exception) -> None:
        """Report that the current attempt raised."""
        attempt = self._last
        assert attempt is not None
        if attempt.stopped and isinstance(error, ShuttingDown):
            attempt.record_cancelled(str(error))
            self._route.fail(error)
            return
        attempt.leave()
        stop = ""
        if attempt.items and not self._restartable:
            stop = f"{attempt.items} items were delivered, and this stream cannot start over"
        self._failure = self._attempts.after_failure(attempt.as_failed_call(), error, stop, may_return=True)

    async def _retried(self, last: StreamAttempt) -> StreamAttempt | None:
        """Return the retry of the last attempt, if its failure calls for one."""
        failure = self._failure
        if failure is None or failure.then == "stop":
            self._finished = True
            return None
        if failure.then != "retry":
            return None
        if failure.delay > 0:
            await asyncio.sleep(failure.delay)
        attempt = await self._start(last.adapter, last.number, failure.delay)
        if (
            attempt is None and not self._finished
        ):  # its adapter opened meanwhile; perhaps an earlier one takes calls again
            self._attempts.can_fail_over(self._route, last.adapter.name, may_return=True)
        return attempt

    async def _start(self, adapter: Adapter, made: int = 0, wait: float = 0.0) -> StreamAttempt | None:
        """Start an attempt on an adapter that made `made` before, if gate, deadline and breaker allow it."""
        gate = self._attempts.gate
        if gate is not None and (settled := await gate(adapter, self._route)) is not None:
            self._finished = settled
            if settled and self._route.adapter is not None:
                self.bypassed = adapter
            return None
        return self._admitted(adapter, made, wait)

    def _admitted(self, adapter: Adapter, made: int = 0, wait: float = 0.0) -> StreamAttempt | None:
        route = self._route
        permit = admit(adapter, route, made, self._clock)
        if permit is None:
            self._finished = route.expired
            return None
        policy, attempts = policy_for(adapter.retry, self._retry), self._attempts
        inner = attempts.running is not None and asyncio.current_task() in attempts.running.tasks
        streams = None if inner else attempts.streams
        overdue = self._router.registry.overdue
        return StreamAttempt(adapter, route, policy, permit, made + 1, wait, self._clock, streams, overdue)

    async def _recovered(self) -> StreamAttempt | None:
        """When every adapter refused, return an attempt on the first that recovers, if the policy waits for one."""
        all_out = self._router.all_out
        if all_out is None or self._recovery_tried:
            return None
        self._recovery_tried = True
        started: list[StreamAttempt] = []

        async def start(name: str, route: ActiveRoute, policy: Retry) -> bool:
            route.reached += 1
            adapter = self._router.registry.find(name)
            attempt = None if adapter is None else self._admitted(adapter)
            if attempt is not None:
                started.append(attempt)
            return attempt is not None

        await all_out.handle(self._route, start, self._retry)
        return started[0] if started else None


class StreamRouter:
    """Routes streams; the counterpart of `TaskRouter.execute_with_fallback`.

    Args:
        router: finds adapters and chains, and ends routes.
        attempts: handles failed attempts.
        clock: monotonic seconds.
    """

    def __init__(self, router: TaskRouter, attempts: AttemptRunner, clock: Callable[[], float]) -> None:
        self._router = router
        self._attempts = attempts
        self._clock = clock

    def route(self, start: Callable[[], ActiveRoute], retry: Retry, restartable: bool) -> RouteStream:
        """Return the stream of a task. `start` returns its route and is called when the first item is read."""
        ended: list[RouteResult] = []
        return RouteStream(self._items(start, retry, restartable, ended), ended)

    async def _items(
        self, start: Callable[[], ActiveRoute], retry: Retry, restartable: bool, ended: list[RouteResult]
    ) -> AsyncGenerator[Any, None]:
        router, route = self._router, start()
        attempts = _Attempts(router, self._attempts, self._clock, route, retry, restartable)
        void = 0  # items the consumer holds from earlier attempts
        try:
            while route.adapter is None and (attempt := await attempts.next()) is not None:
                try:
                    while True:
                        try:
                            item = await attempt.next()
                        except StopAsyncIteration:
                            attempt.record_success()
                            break
                        except Exception as error:
                            attempts.failed(error)
                            break
                        if void:
                            yield self._restarted(route, attempt.adapter.name, void)
                            void = 0
                        yield item
                except GeneratorExit:
                    attempt.record_stopped()
                    raise
                except BaseException:
                    attempt.record_cancelled()
                    raise
                finally:
                    await attempt.close()
                void = attempt.items or void
            if attempts.bypassed is not None:
                for item in _items_of(attempts.bypassed, route):
                    yield item
            if route.adapter is None:
                await router.on_chain_exhausted(route, may_answer=not void or restartable)
                if route.degraded:
                    if void:
                        yield self._restarted(route, "", void)
                    yield route.result
        except BaseException as error:
            if route.adapter is None:
                route.error = "the caller gave up" if not isinstance(error, Exception) else describe(error)
            ended.append(router.finish_route(route))
            raise
        result = router.finish_route(route)
        ended.append(result)
        _raise_for(result, void)

    def _restarted(self, route: ActiveRoute, adapter: str, items: int) -> RestartMarker:
        router, error = self._router, route.error or ""
        router.emit(StreamRestarted, task=route.id, task_type=route.type, adapter=adapter, items=items, error=error)
        return RestartMarker(adapter, items, error)


def _raise_for(result: RouteResult, void: int) -> None:
    """Raise if a stream's route failed. `void` is how many items the consumer holds of the failed attempt."""
    if not result.success and not result.degraded:
        broken = StreamBroken(result, void) if void else AllAdaptersFailed(result)
        raise broken from result.exception


def _items_of(adapter: Adapter, route: ActiveRoute) -> list[Any]:
    """Return the items of an adapter that a gate called, all at once."""
    result, route.result = route.result, None
    return list(result) if yields_many(adapter.stream) else [result]
