"""Streams along a chain: one attempt lasts from the first item to the last, and whoever reads may stop at any time.

An attempt that fails before its first item is retried and failed over from like any call. Once the consumer holds an
item, the route ends with the error, unless the chain says that its streams can start over.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import msgspec

from fuseboard_engine.adapters.callables import yields_many
from fuseboard_engine.adapters.registry import Adapter
from fuseboard_engine.errors import CircuitOpen, describe
from fuseboard_engine.events import AttemptFailed, StreamRestarted
from fuseboard_engine.retry.policy import RetryPolicy
from fuseboard_engine.routing.attempt_runner import AttemptRunner, reject
from fuseboard_engine.routing.route import ActiveRoute, AllAdaptersFailed, RouteResult, StreamBroken
from fuseboard_engine.routing.stream_attempt import StreamAttempt

if TYPE_CHECKING:
    from fuseboard_engine.routing.router import TaskRouter


class RestartMarker(msgspec.Struct, frozen=True):
    """Stands among the items of a restartable stream: what came before is void, the stream starts over.

    `adapter` is who starts over, `items` how many items are void, `error` why.
    """

    adapter: str
    items: int
    error: str


class RouteStream:
    """The items of one task as they come. Read it with `async for`, best inside `async with`.

    A reader who stops early is no failure: leaving the `async with` closes the adapter's stream and waits for that.
    """

    def __init__(self, items: AsyncGenerator[Any, None], ended: list[RouteResult]) -> None:
        self._items = items
        self._ended = ended

    @property
    def result(self) -> RouteResult | None:
        """The route, once it has ended; its `result` is None, for the items are gone. None before."""
        return self._ended[0] if self._ended else None

    def __aiter__(self) -> Self:
        return self

    def __anext__(self) -> Awaitable[Any]:
        return self._items.__anext__()

    async def aclose(self) -> None:
        """Stop reading. Returns when the adapter's stream has ended."""
        await self._items.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()


class StreamRouter:
    """Routes streams; the router's other half.

    Args:
        router: whose adapters, chains and events.
        attempts: what settles failed attempts.
        clock: seconds, never going back.
    """

    def __init__(self, router: TaskRouter, attempts: AttemptRunner, clock: Callable[[], float]) -> None:
        self._router = router
        self._attempts = attempts
        self._clock = clock

    def route(self, begin: Callable[[], ActiveRoute], retry: RetryPolicy | None, restartable: bool) -> RouteStream:
        """Return the stream of a task whose route begins when its first item is asked for."""
        ended: list[RouteResult] = []
        return RouteStream(self._items(begin, retry, restartable, ended), ended)

    async def _items(
        self, begin: Callable[[], ActiveRoute], retry: RetryPolicy | None, restartable: bool, ended: list[RouteResult]
    ) -> AsyncGenerator[Any, None]:
        router, route = self._router, begin()
        void = 0  # items the consumer holds that are not of the present attempt
        try:
            for name in (*route.order, None):
                first: StreamAttempt | None = None
                if name is None:
                    first = await self._come_back(route, retry)
                    if first is None:
                        break
                    adapter = first.adapter
                else:
                    route.reached += 1
                    found = router.registry.find(name)
                    if found is None:
                        route.why += f"; {name} is not registered"
                        continue
                    adapter = found
                    if (settled := await self._gate(adapter, route)) is not None:
                        for item in _items_of(adapter, route):
                            yield item
                        if settled:
                            break
                        continue
                policy, number, wait, over = retry or adapter.retry, 0, 0.0, False
                while (flow := first or self._open(adapter, route, policy, number + 1, wait)) is not None:
                    number, first = number + 1, None
                    step = None
                    try:
                        while True:
                            try:
                                item = await flow.next()
                            except StopAsyncIteration:
                                flow.succeeded()
                                break
                            except Exception as error:
                                step = self._failed(flow, error, restartable)
                                break
                            if void:
                                yield self._restarted(route, adapter.name, void)
                                void = 0
                            yield item
                    except GeneratorExit:
                        flow.stopped()
                        raise
                    except BaseException:
                        flow.cancelled()
                        raise
                    finally:
                        await flow.close()
                    void = flow.items or void
                    over = step is None or step.then == "stop"
                    if step is None or step.then != "retry":
                        break
                    wait = step.delay
                    if wait > 0:
                        await asyncio.sleep(wait)
                    if (settled := await self._gate(adapter, route)) is not None:
                        for item in _items_of(adapter, route):
                            yield item
                        over = settled
                        break
                if flow is None:
                    over = route.until is not None and self._clock() >= route.until
                if over:
                    break
            if route.adapter is None:
                await router.on_chain_exhausted(route, may_answer=not void or restartable)
                if route.degraded:
                    if void:
                        yield self._restarted(route, "", void)
                    yield route.result
        except BaseException as error:
            if route.adapter is None:
                route.error = "the caller gave up" if not isinstance(error, Exception) else describe(error)
            ended.append(router.finish(route))
            raise
        result = router.finish(route)
        ended.append(result)
        if not result.success and not result.degraded:
            broken = StreamBroken(result, void) if void else AllAdaptersFailed(result)
            raise broken from result.exception

    async def _gate(self, adapter: Adapter, route: ActiveRoute) -> bool | None:
        """Ask what stands before attempts while the engine shuts down, or its protection is off; None: go on."""
        gate = self._attempts.gate
        return None if gate is None else await gate(adapter, route)

    async def _come_back(self, route: ActiveRoute, retry: RetryPolicy | None) -> StreamAttempt | None:
        """When every adapter was out: begin with the first that comes back, if the policy says to wait for one."""
        all_out, begun = self._router.all_out, list[StreamAttempt]()
        if all_out is None or route.adapter is not None:
            return None

        async def begin(name: str, route: ActiveRoute, policy: RetryPolicy | None) -> bool:
            route.reached += 1
            adapter = self._router.registry.find(name)
            flow = None if adapter is None else self._open(adapter, route, policy or adapter.retry, 1, 0.0)
            if flow is not None:
                begun.append(flow)
            return flow is not None

        await all_out.go_on(route, begin, retry)
        return begun[0] if begun else None

    def _open(
        self, adapter: Adapter, route: ActiveRoute, policy: RetryPolicy, number: int, wait: float
    ) -> StreamAttempt | None:
        """Begin an attempt if the breaker and the deadline allow it."""
        if route.only is not None and route.only not in adapter.handles:
            reject(adapter, route, f"it does not handle {route.only}")
            return None
        if route.until is not None and self._clock() >= route.until:
            self._attempts.too_late(adapter, route, number - 1)
            return None
        if adapter.down is not None and self._attempts.is_down(adapter, adapter.down, route, number - 1):
            return None
        try:
            permit = adapter.breaker.admit()
        except CircuitOpen as refusal:
            self._attempts.refused(adapter, route, number - 1, refusal)
            return None
        if number == 1:
            adapter.budget.first_attempts += 1
        else:
            adapter.retries += 1
        return StreamAttempt(adapter, route, policy, permit, number, wait, self._clock, self._attempts.running)

    def _failed(self, flow: StreamAttempt, error: Exception, restartable: bool) -> AttemptFailed:
        flow.end()
        duration = self._clock() - flow.began
        began = flow.items > 0 and not restartable
        return self._attempts.after_failure(
            flow.adapter,
            flow.route,
            flow.policy,
            flow.permit,
            error,
            flow.number,
            flow.wait,
            duration,
            first_item=flow.first_item,
            items=flow.items,
            stop=f"{flow.items} items were delivered, and this stream cannot start over" if began else "",
        )

    def _restarted(self, route: ActiveRoute, adapter: str, items: int) -> RestartMarker:
        router, error = self._router, route.error or ""
        router.tell(StreamRestarted, task=route.id, task_type=route.type, adapter=adapter, items=items, error=error)
        return RestartMarker(adapter, items, error)


def _items_of(adapter: Adapter, route: ActiveRoute) -> list[Any]:
    """Return what a gate let the adapter bring, all at once."""
    if route.adapter is None:
        return []
    result, route.result = route.result, None
    return list(result) if yields_many(adapter.stream) else [result]
