"""Parallel execution: gives one task to several adapters at once, according to a strategy."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from types import CoroutineType
from typing import Any, Literal, get_args

from fuseboard_engine.context import CURRENT, complete
from fuseboard_engine.errors import UnknownAdapter, describe
from fuseboard_engine.events import Event, RouteFinished
from fuseboard_engine.parallel.bulkhead import Bulkhead
from fuseboard_engine.parallel.combiners import Combine, by_adapter
from fuseboard_engine.parallel.fan_out import Branch, FanOut
from fuseboard_engine.parallel.policy import ExecutionPolicy, ExecutionStrategy
from fuseboard_engine.parallel.result import AdapterResult, ParallelResult
from fuseboard_engine.retry.policy import RetryPolicy
from fuseboard_engine.routing.route import ActiveRoute
from fuseboard_engine.routing.router import TaskRouter
from fuseboard_engine.runtime.arguments import checked_positive

STRATEGIES: tuple[str, ...] = get_args(ExecutionStrategy)


@lru_cache(maxsize=256)
def _once(attempt_timeout: float | None) -> RetryPolicy:
    """Return a policy of a single attempt with this time limit."""
    return RetryPolicy(max_attempts=1, attempt_timeout=attempt_timeout)


class ParallelExecutor:
    """Gives tasks to several adapters at once.

    Args:
        router: provides the adapters, attempts and fallbacks.
        policy: the defaults of a call.
        emit: receives an event when a fan-out ends; must not raise.
        clock: monotonic seconds.
        wall: UTC microseconds, to label events.
    """

    def __init__(
        self,
        router: TaskRouter,
        policy: ExecutionPolicy,
        emit: Callable[[Event], None],
        clock: Callable[[], float],
        wall: Callable[[], int],
    ) -> None:
        self._router = router
        self._policy = policy
        self._emit = emit
        self._clock = clock
        self._wall = wall
        self.slots = Bulkhead(policy.max_concurrent_adapters, policy.max_queued)
        """Limits how many adapters of all fan-outs work at a time."""

    @property
    def policy(self) -> ExecutionPolicy:
        """The defaults of a call. May be replaced at any time; running fan-outs keep the earlier policy."""
        return self._policy

    @policy.setter
    def policy(self, policy: ExecutionPolicy) -> None:
        self._policy = policy
        self.slots.resize(policy.max_concurrent_adapters, policy.max_queued)

    async def execute_parallel(
        self,
        task: Any,
        adapters: Iterable[str] | None = None,
        *,
        strategy: ExecutionStrategy | None = None,
        timeout: float | None = None,
        retry: RetryPolicy | None = None,
        hedge_delay: float | Literal["p95"] | None = None,
        combine: Combine | None = None,
        context: Mapping[str, str] | None = None,
    ) -> ParallelResult:
        """Give a task to several adapters at once.

        `all` waits for every adapter. `first_success` returns with the first answer, `best_effort` with the
        answers received within the timeout; calls that still run then are cancelled, awaited, and get no verdict.
        `hedged` calls the first adapter, the next one too when it takes long, and the next one when all so far have
        failed; the first answer wins. A hedge takes one retry from the budget of the adapter it calls.

        Args:
            task: a `Task`, a mapping, or any payload.
            adapters: their names; default: the chain of the task's type.
            strategy: which answers to wait for; default: the engine's, which is `all`.
            timeout: seconds in total, waiting for a slot and initialising included; default: the engine's, 30. An
                adapter that had all of it and did not answer has failed; one that started later gets no verdict.
            retry: each adapter's retry policy for this task; default: one attempt each, with its own time limit.
            hedge_delay: seconds until a hedge, or `p95`: the 95th percentile of what the adapter's last 100 calls took
                (no hedge before there were 20); default: the engine's, `p95`.
            combine: combines the answers into the result (see `fuseboard_engine.parallel.combiners`); default:
                the answers by adapter, or the first answer if the strategy waits for only one.
            context: ids (request, trace, user, session, correlation) that adapters, events and results carry; default:
                the task's own. A request id is generated if there is none.

        Returns:
            Each adapter's result and the combined one. A failure of an adapter or of `combine` is not raised.

        Raises:
            ValueError: an argument is out of range.
            asyncio.CancelledError: the caller was cancelled, and every running call has ended or passed its limit.
        """
        policy, clock = self._policy, self._clock
        chosen = policy.strategy if strategy is None else strategy
        limit = policy.timeout if timeout is None else timeout
        delay = policy.hedge_delay if hedge_delay is None else hedge_delay
        _check(chosen, limit, delay)
        route = self._router.start_route(task, (adapters,) if isinstance(adapters, str) else adapters, None, context)
        if route.context is None:
            route.context = complete({})
        started, limit_name, blame_timeout = route.started, f"timeout ({limit:.3g} s)", chosen != "best_effort"
        end = started + limit
        if route.until is not None and route.until <= end:
            end, limit_name, blame_timeout = route.until, "deadline", False
        find = self._router.registry.find
        branches: list[Branch] = []
        order = tuple(dict.fromkeys(route.order))
        for index, name in enumerate(order):
            adapter = find(name)
            if adapter is None:
                route.why += f"; {name} is not registered"
                continue
            branch_route = ActiveRoute(
                task, route.id, route.type, order, "", started, end, route.attempts, route.context,
                reached=index if chosen == "hedged" else len(order),
                limit_name=limit_name,
                blame_timeout=blame_timeout and (chosen != "hedged" or not branches),
                no_verdict_at_limit=chosen == "best_effort",
            )  # fmt: skip
            branches.append(Branch(adapter, branch_route, retry or _once(adapter.retry.attempt_timeout)))
        fan_out = FanOut(route, branches, chosen, end, delay, self._router.attempts.try_adapter, self.slots, clock)
        token = CURRENT.set(route.context)
        try:
            if branches:
                await fan_out.run()
            results = self._results(route, order, branches)
            if fan_out.answered:
                only_one = chosen in ("first_success", "hedged")
                self._combine(route, results, fan_out, combine, only_one)
            else:
                await self._router.on_chain_exhausted(route, until=end)
        except BaseException as error:
            route.error = "the caller gave up" if not isinstance(error, Exception) else describe(error)
            self._finish(route, chosen, fan_out, self._results(route, order, branches))
            raise
        finally:
            CURRENT.reset(token)
        return self._finish(route, chosen, fan_out, results)

    def _combine(
        self,
        route: ActiveRoute,
        results: dict[str, AdapterResult],
        fan_out: FanOut,
        combine: Combine | None,
        only_one: bool,
    ) -> None:
        """Combine the answers into one result; store an exception of `combine` in the route."""
        winner = fan_out.answered[0].adapter.name
        if combine is None and only_one:
            route.adapter, route.result = winner, results[winner].result
            return
        answers = {name: result.result for name, result in results.items() if result.success}
        try:
            combined = (combine or by_adapter)(answers)
            if type(combined) is CoroutineType:
                combined.close()
                raise TypeError("combine must be a plain function; do async work after `execute_parallel`")
        except Exception as error:
            route.exception = error
            route.error = f"the answers of {', '.join(answers)} could not be combined: {describe(error)}"
        else:
            route.adapter, route.result = winner, combined

    def _results(self, route: ActiveRoute, order: tuple[str, ...], branches: list[Branch]) -> dict[str, AdapterResult]:
        """Return the result of each adapter in order, without those never reached."""
        by_name = {branch.adapter.name: branch for branch in branches}
        results: dict[str, AdapterResult] = {}
        for name in order:
            branch = by_name.get(name)
            if branch is None:
                unknown = UnknownAdapter(name, tuple(adapter.name for adapter in self._router.registry))
                results[name] = AdapterResult(
                    adapter=name, success=False, outcome="rejected", error=str(unknown), exception=unknown,
                    context=route.context,
                )  # fmt: skip
                continue
            attempts = tuple([attempt for attempt in route.attempts if attempt.adapter == name])
            own = branch.route
            if not attempts and own.exception is None:
                continue
            success, last = own.adapter is not None, attempts[-1] if attempts else None
            error = None
            if not success:
                cut = last is not None and last.outcome == "cancelled"
                error = ": ".join(filter(None, ["cancelled", own.cancel_reason])) if cut else own.error
            results[name] = AdapterResult(
                adapter=name,
                success=success,
                outcome="success" if success else "rejected" if last is None else last.outcome,
                result=own.result,
                error=error,
                exception=None if success else own.exception,
                duration=branch.duration,
                waited=branch.waited,
                attempts=attempts,
                context=route.context,
            )
        return results

    def _finish(
        self, route: ActiveRoute, strategy: str, fan_out: FanOut, results: dict[str, AdapterResult]
    ) -> ParallelResult:
        """Emit the event of a finished fan-out, and return its result."""
        self._router.count_fan_out(route)
        duration, attempts = self._clock() - route.started, tuple(route.attempts)
        success = route.adapter is not None
        left: tuple[str, ...] = ()
        if len(results) < len(route.order):
            left = tuple([name for name in dict.fromkeys(route.order) if name not in results])
        error = None
        if not success:
            error = route.error or next((f"{r.adapter}: {r.error}" for r in results.values() if r.error), None)
            error = error or "there is no adapter to give the task to"
        answered = tuple([branch.adapter.name for branch in fan_out.answered])
        self._emit(
            RouteFinished(
                at=self._wall(),
                task=route.id,
                task_type=route.type,
                success=success,
                attempts=attempts,
                adapter=route.adapter or "",
                degraded=route.degraded,
                duration=duration,
                left=left,
                why=route.why,
                error=error or "",
                dead_letter=route.dead_letter,
                context=route.context,
                strategy=strategy,
                answered=answered,
                deadline=round(max(0.0, fan_out.end - route.started), 6),
            )
        )
        exception, route.exception = route.exception, None  # its traceback refers to this frame; avoids a cycle
        fan_out.clear_exceptions()
        return ParallelResult(
            task=route.id,
            task_type=route.type,
            success=success,
            adapter=route.adapter,
            result=route.result,
            degraded=route.degraded,
            attempts=attempts,
            left=left,
            why=route.why,
            duration=duration,
            error=error,
            exception=None if success else exception,
            dead_letter=route.dead_letter,
            context=route.context,
            strategy=strategy,
            answered=answered,
            results=results,
        )


def _check(strategy: str, timeout: float, hedge_delay: float | str) -> None:
    if strategy not in STRATEGIES:
        raise ValueError(f"unknown strategy {strategy!r}; choose one of {', '.join(STRATEGIES)}")
    checked_positive(timeout, "timeout")
    if hedge_delay != "p95" and (isinstance(hedge_delay, str) or not 0 <= hedge_delay < math.inf):
        raise ValueError(f"hedge_delay must be a number of seconds from 0, or 'p95', not {hedge_delay!r}")
