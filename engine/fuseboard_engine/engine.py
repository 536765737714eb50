"""The engine an application embeds. It composes adapters, routing, health checks, dead letters and workflows."""

from __future__ import annotations

import asyncio
import os
import random
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Literal, Self, TypeVar

from fuseboard_engine.adapters.call_target import make_target
from fuseboard_engine.adapters.callables import as_async
from fuseboard_engine.adapters.from_spec import Spec, adapter_from
from fuseboard_engine.adapters.lifecycle import AdapterObject
from fuseboard_engine.adapters.registry import Adapter, Registry, Statistics
from fuseboard_engine.adapters.shared_resources import SharedResources
from fuseboard_engine.adapters.thread_pool import MAX_THREADS
from fuseboard_engine.breaker.circuit_breaker import CircuitBreaker
from fuseboard_engine.breaker.policy import BreakerPolicy
from fuseboard_engine.command_handler import CommandHandler, Report
from fuseboard_engine.commands import Command
from fuseboard_engine.config.reload import apply_settings
from fuseboard_engine.errors import FuseboardError
from fuseboard_engine.events import AdapterRemoved, AttemptFailed, CommandDone, ConfigReloaded, Event
from fuseboard_engine.faults.injector import SECONDS, FaultInjector, InjectedFault
from fuseboard_engine.health.checker import HealthChecks
from fuseboard_engine.health.policy import HealthPolicy
from fuseboard_engine.health.report import AdapterHealth, HealthReport, HealthStatus
from fuseboard_engine.health.status import HealthState
from fuseboard_engine.parallel.batch import BatchExecutor, BatchResult, RetriedParts, Rollback
from fuseboard_engine.parallel.combiners import Combine
from fuseboard_engine.parallel.executor import ParallelExecutor
from fuseboard_engine.parallel.policy import ExecutionPolicy, ExecutionStrategy
from fuseboard_engine.parallel.result import ParallelResult
from fuseboard_engine.retry.attribution import DEFAULT_TABLE, Rule, soft_failure_of
from fuseboard_engine.retry.policy import RetryPolicy
from fuseboard_engine.routing.features import RoutingFeatures
from fuseboard_engine.routing.policy import RoutingPolicy
from fuseboard_engine.routing.route import RouteResult
from fuseboard_engine.routing.router import RoutingStatistics, TaskRouter
from fuseboard_engine.routing.stream_router import RouteStream
from fuseboard_engine.runtime.arguments import as_words
from fuseboard_engine.runtime.clock import engine_clocks
from fuseboard_engine.runtime.event_bus import EventBus, Listener
from fuseboard_engine.runtime.forks import ForkHook
from fuseboard_engine.shutdown.sequence import Flushable, Save, ShutdownReport, shut_down
from fuseboard_engine.state_events import StateEvents, adapter_added
from fuseboard_engine.sync import SyncEngine, stop_in_loop
from fuseboard_engine.workflow.active_runs import ActiveRuns
from fuseboard_engine.workflow.checkpoints import Checkpoints
from fuseboard_engine.workflow.result import WorkflowResult
from fuseboard_engine.workflow.service import WorkflowService
from fuseboard_engine.workflow.workflow import Workflow

if TYPE_CHECKING:
    from fuseboard_engine.config.settings import Settings
    from fuseboard_engine.dead_letters.policy import DeadLetterPolicy
    from fuseboard_engine.dead_letters.queue import DeadLetters
    from fuseboard_engine.documents.loader import Document
    from fuseboard_engine.event_log.listener import EventLog

F = TypeVar("F", bound=Callable[..., Any])


class Engine:
    """Runs tasks over adapters and publishes every decision as an event.

    Args:
        name: the application's name, as operators see it.
        breaker: the policy of every adapter that has none of its own.
        retry: likewise, for retries.
        routing: how chains are ordered, and what happens when every adapter of a chain is unavailable.
        health: enables health checks and call history with this policy. None disables both.
        table: the attribution table; put your own rows in front of `DEFAULT_TABLE`.
        clock: monotonic seconds. Every decision is taken from it.
        wall: UTC microseconds, only a label on events.
        rng: the source of jitter, like `random.random`.
        execution: how a task is given to several adapters at once, unless a call says otherwise.
        dead_letters: which failed tasks are kept, and when they are retried. None keeps none.
        threads: plain functions that may run side by side; as many threads again may hang in abandoned calls.
        allow_faults: whether faults may be injected into the adapters, for exercises (see `inject_fault`). None: only
            if the environment variable `FUSEBOARD_ALLOW_FAULTS` is 1.
    """

    settings: Settings | None = None
    """The configuration in effect; None if the engine was configured in code."""
    stop_logging: Callable[[], None] | None = None
    """Stops the event log that the configuration started."""

    def __init__(
        self,
        name: str = "engine",
        *,
        breaker: BreakerPolicy | None = None,
        retry: RetryPolicy | None = None,
        routing: RoutingPolicy | None = None,
        health: HealthPolicy | None = None,
        table: tuple[Rule, ...] = DEFAULT_TABLE,
        clock: Callable[[], float] | None = None,
        wall: Callable[[], int] | None = None,
        rng: Callable[[], float] = random.random,
        execution: ExecutionPolicy | None = None,
        dead_letters: DeadLetterPolicy | None = None,
        threads: int = MAX_THREADS,
        allow_faults: bool | None = None,
    ) -> None:
        self.name = name
        usual = engine_clocks()
        self.clock = clock = clock or usual.monotonic
        self.wall = wall = wall or usual.wall
        self._rng = rng
        self._breaker_policy = breaker or BreakerPolicy()
        self._retry_policy = retry or RetryPolicy()
        self._bus = bus = EventBus(wall)
        # Several events a route: they skip the facade's call, unless a subclass overrides it.
        self._publish = emit = bus.emit if type(self).emit is Engine.emit else self.emit
        self.registry = Registry()
        self.registry.overdue.report_to(emit, wall)
        self.router = TaskRouter(self.registry, emit, table=table, clock=clock, wall=wall, rng=rng)
        if type(self).execute_with_fallback is _EXECUTE_WITH_FALLBACK:
            # The hot path: a delegating coroutine costs about 200 ns a route (5 %), this none. The method of the class
            # is what subclasses, `help`, `inspect` and mocks see, and what applies when it is overridden.
            self.execute_with_fallback = self.router.execute_with_fallback  # type: ignore[method-assign]
        self.parallel = ParallelExecutor(self.router, execution or ExecutionPolicy(), emit, clock, wall)
        self.resources = SharedResources(name, self.registry, self.router.table.attribute, emit, wall, threads)
        self.routing = RoutingFeatures(
            self.registry,
            self.router,
            bus.subscribe,
            emit,
            routing or RoutingPolicy(),
            clock=clock,
            wall=wall,
            rng=rng,
        )
        self.health = HealthChecks(
            emit, bus.subscribe, health, clock=clock, wall=wall, rng=rng, overdue=self.registry.overdue
        )
        self.dead_letters: DeadLetters | None = None
        if dead_letters is not None:
            self.dead_letters = self.router.dead_letters = self._keep_dead_letters(dead_letters)
        self._logs: list[EventLog] = []
        self.sync = SyncEngine(self)
        """The engine for threads and code without `await`."""
        self._workflows = WorkflowService(self)
        self._report = HealthReport(self.registry, self.health, clock, wall)
        self.faults = FaultInjector(allow_faults, self.registry, emit, clock, wall, rng)
        self._state = StateEvents(self.registry, self.routing, self.health, self.faults, wall)
        self._commands = CommandHandler(self.registry, emit, wall)
        self._commands.register("dlq_retry", self._retry_dead_letters)
        self._commands.register("dlq_stop", self._stop_dead_letter_retries)
        self._commands.register("resume", self._resume_run)
        self._commands.register("inject", self.faults.carry_out_inject)
        self._commands.register("heal", self.faults.carry_out_heal)
        parts = (self.registry, self.router, self.resources, self.parallel.slots, self.health, self._workflows)
        self._fork_hook = ForkHook(bus, self.sync, *parts, self.faults, self.dead_letters)

    def _keep_dead_letters(self, policy: DeadLetterPolicy) -> DeadLetters:
        from fuseboard_engine.dead_letters.availability import Availability
        from fuseboard_engine.dead_letters.queue import DeadLetters

        return DeadLetters(
            policy,
            engine=self.name,
            table=self.router.table,
            availability=Availability(self.registry, self.clock),
            route=self.execute_with_fallback,
            emit=self._publish,
            wall=self.wall,
            rng=self._rng,
        )

    # ---------------------------------------------------------------- adapters

    def add_adapter(
        self,
        name: str,
        call: Callable[[Any], Any] | AdapterObject,
        *,
        breaker: BreakerPolicy | None = None,
        retry: RetryPolicy | None = None,
        tags: Iterable[str] = (),
        handles: Iterable[str] = (),
        failed: Callable[[Any], str | bool | None] = soft_failure_of,
        health: Callable[[], Any] | None = None,
        health_policy: HealthPolicy | None = None,
    ) -> Adapter:
        """Register an adapter under a name.

        Args:
            name: unique in this engine.
            call: takes the task: async, an async generator, a plain function that then runs in a thread, or an object
                with a `call` method and perhaps `initialize`, `health` and `close` (see `AdapterObject`).
            breaker: its own breaker policy; default: the engine's.
            retry: its own retry policy; default: the engine's.
            tags: words an operator can filter by; one or several.
            handles: attribution rows (`context_window`, `content_policy`) whose tasks it can take over; one name or
                several.
            failed: reads a result and returns the text of its failure (or True), or None. It must not be async.
                Default: `success` is False.
            health: called to check whether the adapter works, by what it returns or raises; default: the object's own
                `health`, if it has one.
            health_policy: how often it is checked; default: the engine's.

        Raises:
            ValueError: the name is empty or taken, or no attribution row has a name in `handles`.
            TypeError: `call` cannot be an adapter, or `failed` is async.
        """
        policies = self.default_policies(name)
        adapter = Adapter(
            name,
            make_target(name, call, self.resources.in_thread(name)),
            CircuitBreaker(
                name,
                breaker or policies[0],
                clock=self.clock,
                on_event=self._publish,
                wall=self.wall,
                rng=self._rng,
            ),
            retry or policies[1],
            tags=as_words(tags),
            handles=self.router.table.check_names(as_words(handles), f"handles of adapter {name!r}"),
            failed=failed,
        )
        if health is not None:
            adapter.health = as_async(health, self.resources.in_thread(name))
        self.registry.add(adapter)
        self._publish(adapter_added(adapter, self.wall()))
        self.health.add(adapter, health_policy, explicit=health is not None)
        return adapter

    def adapter(self, name: str, **options: Any) -> Callable[[F], F]:
        """Register the decorated function as an adapter; options are those of `add_adapter`."""

        def register(function: F) -> F:
            self.add_adapter(name, function, **options)
            return function

        return register

    def add_adapter_from(self, name: str, spec: Spec, **options: Any) -> Adapter:
        """Register the adapter that a spec names: `module:attribute`, a URL, or a command; see `adapter_from`.

        Args:
            name: unique in this engine.
            spec: the spec.
            options: those of `add_adapter`.

        Raises:
            ValueError: the spec is not an adapter, or the name is empty or taken.
            MissingExtra: the spec is a URL, and neither httpx2 nor httpx is installed.
        """
        return self.add_adapter(name, adapter_from(spec, shared=self.resources.shared), **options)

    def add_http_adapter(
        self,
        name: str,
        url: str,
        *,
        method: str = "POST",
        headers: Mapping[str, str] | None = None,
        params: Mapping[str, str] | None = None,
        health_url: str | None = None,
        max_bytes: int | None = None,
        max_connections: int | None = None,
        context_headers: Mapping[str, str] | None = None,
        **options: Any,
    ) -> Adapter:
        """Register an HTTP endpoint. The task is sent as JSON, and the answer is read as JSON.

        Each adapter has connections of its own, and keeps no cookies.

        Args:
            name: unique in this engine.
            url: `http://` or `https://`.
            method: of the request; with GET, HEAD or DELETE a mapping goes into the query.
            headers: sent with each request.
            params: the query, sent with each request.
            health_url: requested by health checks; a relative one starts from `url`.
            max_bytes: a longer answer is a failure; default: ten million.
            max_connections: calls in flight at a time; others wait. Default: 100.
            context_headers: the header of each context id that is sent with a task; default: `x-request-id` and so on.
            options: those of `add_adapter`.

        Raises:
            ValueError: the URL is invalid, or the name is empty or taken.
            MissingExtra: neither httpx2 nor httpx is installed.
        """
        from fuseboard_engine.adapters.http import MAX_BYTES, MAX_CONNECTIONS, HttpAdapter

        endpoint = HttpAdapter(
            url,
            method=method,
            headers=headers,
            params=params,
            health_url=health_url,
            max_bytes=max_bytes or MAX_BYTES,
            max_connections=MAX_CONNECTIONS if max_connections is None else max_connections,
            context_headers=context_headers,
            clients=self.resources.clients,
        )
        return self.add_adapter(name, endpoint, **options)

    def add_process_adapter(
        self,
        name: str,
        command: Sequence[str | os.PathLike[str]],
        *,
        cwd: str | os.PathLike[str] | None = None,
        env: Mapping[str, str] | None = None,
        max_bytes: int | None = None,
        **options: Any,
    ) -> Adapter:
        """Register a program. It reads the task as JSON from stdin and writes the result as JSON to stdout.

        Args:
            name: unique in this engine.
            command: the program and its arguments, each a string of its own; no shell is involved.
            cwd: the working directory.
            env: variables set in addition to those of this process.
            max_bytes: the program is killed when it writes more; default: ten million.
            options: those of `add_adapter`.

        Raises:
            ValueError: the command is empty or a single string, or the name is empty or taken.
        """
        from fuseboard_engine.adapters.process import MAX_BYTES, ProcessAdapter

        program = ProcessAdapter(command, cwd=cwd, env=env, max_bytes=max_bytes or MAX_BYTES)
        return self.add_adapter(name, program, **options)

    def remove_adapter(self, name: str) -> None:
        """Remove an adapter. Calls in flight end normally. Raises UnknownAdapter."""
        self.resources.remove(self.registry.remove(name))
        self.faults.remove(name)
        self.health.remove(name)
        self._publish(AdapterRemoved(at=self.wall(), adapter=name))

    def breaker(self, name: str) -> CircuitBreaker:
        """Return an adapter's breaker. Raises UnknownAdapter."""
        return self.registry[name].breaker

    def default_policies(self, name: str) -> tuple[BreakerPolicy, RetryPolicy]:
        """Return the policies that an adapter of this name has unless it is given its own."""
        return (self._breaker_policy, self._retry_policy) if self.settings is None else self.settings.policies(name)

    def inject_fault(
        self,
        adapter: str,
        fault: str,
        seconds: float = SECONDS,
        *,
        share: float = 1.0,
        value: float | None = None,
        values: Mapping[str, Any] | None = None,
        actor: str = "",
    ) -> InjectedFault:
        """Let the calls of an adapter meet a fault for a while, in place of the service. May be called from any thread.

        Streams meet it before their first item; health checks do not. It takes the place of an earlier fault, is
        recorded, and ends by itself.

        Args:
            adapter: the adapter's name.
            fault: its name: `refused`, `hang`, `error`, `slow`, or another one in `docs/faults.md`.
            seconds: how long it lasts, at most an hour.
            share: the share of the calls that meet it, above 0 and up to 1.
            value: the value of the fault's first parameter: for `slow` times the usual latency, for `flaky` the share
                of failing calls, for `rate_limited` the seconds it asks to wait. None: the fault's own default.
            values: the values of any of its parameters, by name.
            actor: who asks, for the audit.

        Raises:
            UnknownAdapter: there is no such adapter.
            FaultsNotAllowed: the engine was not made with `allow_faults`.
            ValueError: there is no such fault, or one of the numbers is out of range.
        """
        return self.faults.inject(adapter, fault, seconds, share=share, value=value, values=values, actor=actor)

    def heal_fault(self, adapter: str, *, actor: str = "") -> bool:
        """End the injected fault of an adapter. Return whether it had one. Raises UnknownAdapter."""
        return self.faults.heal(adapter, actor=actor)

    # ---------------------------------------------------------------- chains

    def set_preference(
        self, order: Iterable[str] | None, task_type: str = "", *, adaptive: bool = False, restartable: bool = False
    ) -> None:
        """Set the chain of a task type; the empty type is the default for all others.

        Args:
            order: names of adapters, or one name. None removes the chain.
            task_type: the type of task.
            adaptive: order the chain by what was observed of its adapters; `order` then decides ties.
            restartable: whether its streams may start over after items were delivered; see `stream_with_fallback`.

        Raises:
            UnknownAdapter: a name is not registered.
        """
        self.routing.set_chain(task_type, order, adaptive=adaptive, restartable=restartable)

    def set_degraded(
        self,
        task_type: str,
        answer: Any,
        *,
        even_for: Iterable[str] = (),
        timeout: float = 10.0,
        name: str = "",
    ) -> None:
        """Set the answer for tasks of a type whose chain is exhausted. The result is `degraded`, not a success.

        Args:
            task_type: the type of task; the empty type serves all types without an answer of their own.
            answer: a template (data; `{field}` in its strings is replaced by the task's field), or a callable that
                takes the task. None removes the answer.
            even_for: attribution rows, such as `caller` or `deadline`, that are answered too although no other
                adapter was asked.
            timeout: seconds that a callable may take.
            name: how events name it; default: the callable's own name.

        Raises:
            InvalidFallbackAnswer: a template claims success or approval.
            ValueError: `timeout` is not a positive number of seconds, or no attribution row has a name in `even_for`.
        """
        self.router.table.check_names(as_words(even_for), f"even_for of {task_type or 'all types'}")
        in_thread = self.resources.in_thread(name or task_type)
        self.router.fallbacks.set(task_type, answer, in_thread, even_for=even_for, timeout=timeout, name=name)

    # ---------------------------------------------------------------- tasks

    async def execute_with_fallback(
        self,
        task: Any,
        preference_order: Iterable[str] | None = None,
        *,
        deadline: float | None = None,
        retry: RetryPolicy | None = None,
        context: Mapping[str, str] | None = None,
        max_retries: int | None = None,
        retry_delay_base: float | None = None,
        max_adapters: int | None = None,
        max_attempts: int | None = None,
    ) -> RouteResult:
        """Give a task to the first adapter of its chain that completes it.

        Each adapter is called at most `max_attempts` times, with backoff; one that must not be called is skipped. The
        result lists every attempt and rejection. An adapter is called with `task` as it was given here. Batches,
        workflows and retries of dead letters route their tasks through this method.

        Args:
            task: a `Task`, a mapping (its `task_type` selects the chain), or any payload.
            preference_order: the chain for this task, or the name of one adapter; default: that of its type, or the
                default one.
            deadline: seconds the whole route may take; default: the task's own, or none.
            retry: replaces each adapter's own retry policy for this task.
            context: ids (request, trace, user, session, correlation) that adapters, events and the result carry;
                default: the task's own.
            max_retries: attempts on each adapter, the first included; default: as its retry policy says.
            retry_delay_base: seconds before the first retry on each adapter; default: likewise.
            max_adapters: how many adapters are called at most; default: as the routing policy says.
            max_attempts: how many calls are made at most, retries included; default: likewise.

        Returns:
            The route. A failure of an adapter does not raise; `unwrap()` does.

        Raises:
            TypeError, ValueError: an argument is out of range. Nothing was called.
            asyncio.CancelledError: the caller was cancelled, and the call in flight has ended or passed its limit.
        """
        return await self.router.execute_with_fallback(
            task,
            preference_order,
            deadline=deadline,
            retry=retry,
            context=context,
            max_retries=max_retries,
            retry_delay_base=retry_delay_base,
            max_adapters=max_adapters,
            max_attempts=max_attempts,
        )

    def stream_with_fallback(
        self,
        task: Any,
        preference_order: Iterable[str] | None = None,
        *,
        deadline: float | None = None,
        retry: RetryPolicy | None = None,
        restartable: bool | None = None,
        context: Mapping[str, str] | None = None,
    ) -> RouteStream:
        """Give a task to the first adapter of its chain that completes it, and pass its items on as they come.

        Nothing happens before the first item is requested. Until then failover works as in `execute_with_fallback`;
        afterwards a failure ends the route with an error, unless the stream can start over. An adapter that is not a
        stream yields its result as the only item.

        Args:
            task: as for `execute_with_fallback`.
            preference_order: likewise.
            deadline: likewise, until the last item.
            retry: likewise; it also says how long the first item and each further one may take.
            restartable: whether the stream may start over, on this adapter or the next: a `RestartMarker` among its
                items then says that those before it are void. Default: as the chain says (`set_preference`).
            context: likewise.

        Returns:
            The items, for `async for`, best inside `async with`. Reading it raises `AllAdaptersFailed` when no adapter
            could complete the task, and `StreamBroken` when items had been delivered.
        """
        return self.router.stream_with_fallback(
            task, preference_order, deadline=deadline, retry=retry, restartable=restartable, context=context
        )

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

        `all` waits for every adapter. `first_success` returns with the first answer, `best_effort` with the answers
        that exist when the time is over; calls still in flight are cancelled, awaited, and get no verdict. `hedged`
        calls the first adapter, the next one too when that takes long, and the next one when all so far have failed;
        the first answer wins. A hedge counts against the retry budget of the adapter it calls.

        Args:
            task: a `Task`, a mapping, or any payload.
            adapters: their names; default: the chain of the task's type.
            strategy: which answers are awaited; default: the engine's, which is `all`.
            timeout: seconds in all, including the wait for a slot and initialisation; default: the engine's, 30. An
                adapter that had all of it and did not answer has failed; one that began later gets no verdict.
            retry: each adapter's retry policy for this task; default: one attempt each, with its own time limit.
            hedge_delay: seconds until a hedge, or `p95`: the 95th percentile of the adapter's last 100 calls (no hedge
                before there were 20); default: the engine's, `p95`.
            combine: makes the result from the answers by adapter (see `fuseboard_engine.parallel.combiners`);
                default: the answers by adapter, or the first answer where only one is awaited.
            context: ids (request, trace, user, session, correlation) that adapters, events and results carry; default:
                the task's own. A request id is made up when there is none.

        Returns:
            The result of each adapter and the combined one. Neither a failing adapter nor `combine` raises.

        Raises:
            ValueError: an argument is out of range.
            asyncio.CancelledError: the caller was cancelled, and every call in flight has ended or passed its limit.
        """
        return await self.parallel.execute_parallel(
            task,
            adapters,
            strategy=strategy,
            timeout=timeout,
            retry=retry,
            hedge_delay=hedge_delay,
            combine=combine,
            context=context,
        )

    async def execute_batch(
        self,
        tasks: Iterable[Any],
        *,
        min_success_rate: float = 0.5,
        rollback: Rollback | None = None,
        retries: int = 1,
        again: RetriedParts | None = None,
        max_concurrent: int = 10,
        name: str = "batch",
        preference_order: Iterable[str] | None = None,
        deadline: float | None = None,
        retry: RetryPolicy | None = None,
    ) -> BatchResult:
        """Route many tasks of which enough must succeed; otherwise roll them back and try again.

        Args:
            tasks: as `execute_with_fallback` takes them.
            min_success_rate: the share, 0..1, that must succeed, and is enough.
            rollback: called with the result so far whenever too few succeeded; it undoes what was done. If it raises,
                nothing is tried again.
            retries: how many more rounds there may be.
            again: what another round sends out: `failed`, or `all`. Default: all after a rollback, as the successes
                were undone too; without one, what failed.
            max_concurrent: tasks in progress at a time.
            name: the batch's name in events.
            preference_order: the chain of each task; default: that of its type.
            deadline: seconds for each task.
            retry: replaces each adapter's own retry policy.

        Returns:
            The result, part by part. A failure of an adapter does not raise. A task that failed in the last round
            becomes a dead letter if the engine keeps any; one that is tried again does not.

        Raises:
            ValueError: a number is out of range.
        """
        batch = BatchExecutor(self.execute_with_fallback, self.dead_letters, self._publish, self.clock, self.wall)
        result = await batch.execute(
            tasks,
            min_success_rate=min_success_rate,
            rollback=rollback,
            retries=retries,
            again=again,
            max_concurrent=max_concurrent,
            name=name,
            preference_order=preference_order,
            deadline=deadline,
            retry=retry,
        )
        self.router.count_batch(partial=result.accepted and len(result.succeeded) < len(result.parts))
        return result

    # ---------------------------------------------------------------- workflows

    @property
    def workflows(self) -> dict[str, Workflow]:
        """The registered workflows by id."""
        return self._workflows.workflows

    @property
    def runs(self) -> ActiveRuns:
        """The runs of workflows that are in progress, and those that were interrupted."""
        return self._workflows.runs

    @property
    def checkpoints(self) -> Checkpoints | None:
        """Saves the runs of workflows. A recording sets it; None saves nothing."""
        return self._workflows.checkpoints

    @checkpoints.setter
    def checkpoints(self, checkpoints: Checkpoints | None) -> None:
        self._workflows.checkpoints = checkpoints

    @property
    def loop(self) -> asyncio.AbstractEventLoop | None:
        """The event loop of workflows and of operators' resumes. None before the first."""
        return self._workflows.loop

    @loop.setter
    def loop(self, loop: asyncio.AbstractEventLoop | None) -> None:
        self._workflows.loop = loop

    def add_workflow(self, workflow: Workflow) -> Workflow:
        """Register a workflow, so that its runs can be resumed by their id alone.

        Args:
            workflow: a complete workflow. It cannot be changed from now on.

        Returns:
            The workflow.

        Raises:
            WorkflowError: its id is taken, or it is not complete; the text names the nodes.
        """
        return self._workflows.add(workflow)

    def remove_workflow(self, workflow_id: str) -> None:
        """Remove a workflow and the adapters of its nodes. Raises WorkflowError if no workflow has this id."""
        self._workflows.remove(workflow_id)

    async def execute_workflow(
        self,
        name: str,
        task_type: str,
        tasks: Iterable[Mapping[str, Any]],
        *,
        in_order: bool = True,
        resume: str = "",
        max_concurrent: int = 10,
        deadline: float | None = None,
        checkpoints: Checkpoints | None = None,
    ) -> WorkflowResult:
        """Run a plain list of tasks as a workflow; its nodes are `1`, `2` ...

        Args:
            name: of the workflow.
            task_type: its chain executes the tasks.
            tasks: mappings of JSON values.
            in_order: each task begins when the previous one is done, and a failure skips the rest; otherwise they run
                concurrently.
            resume: the id of a run to resume; give the same tasks.
            max_concurrent: tasks in progress at a time.
            deadline: seconds the run may take.
            checkpoints: saves the run; default: the engine's.

        Returns:
            The result: `success`, `adapter`, `fallback_chain`, `total_attempts`, and each node. A failure of a task
            does not raise.

        Raises:
            WorkflowError: there is no task, or one is not JSON.
            UnknownRun, ResumeRefused, CheckpointsUnavailable: as for `Workflow.execute`.
        """
        return await self._workflows.execute_tasks(
            name,
            task_type,
            tasks,
            in_order=in_order,
            resume=resume,
            max_concurrent=max_concurrent,
            deadline=deadline,
            checkpoints=checkpoints,
        )

    async def resume(self, run: str, *, max_concurrent: int = 10, deadline: float | None = None) -> WorkflowResult:
        """Resume an unfinished run of a registered workflow; see `Workflow.execute`.

        Args:
            run: the id of the run.
            max_concurrent: nodes in progress at a time.
            deadline: seconds this part of the run may take.

        Raises:
            UnknownRun, ResumeRefused: there is no such run, it is in use, or its workflow is not registered here or
                has changed since the run began.
        """
        return await self._workflows.resume(run, max_concurrent=max_concurrent, deadline=deadline)

    async def resume_left(
        self, *, failed: bool = False, max_concurrent: int = 10
    ) -> dict[str, WorkflowResult | FuseboardError]:
        """Resume every run of a registered workflow that an earlier engine left interrupted, or died in.

        Call it when the application starts, once its workflows are registered. The runs are resumed one after the
        other, the oldest first. When several processes call it at once, each run is resumed by one of them; the others
        skip it, or get its result.

        Args:
            failed: resume failed runs too.
            max_concurrent: nodes of a run in progress at a time.

        Returns:
            For each run its result, or the reason it could not be resumed: its workflow has changed since, or the disk
            failed. Runs of workflows that are not registered do not change.

        Raises:
            CheckpointsUnavailable: the runs could not be looked up.
        """
        return await self._workflows.resume_left(failed=failed, max_concurrent=max_concurrent)

    # ---------------------------------------------------------------- events

    def subscribe(self, listener: Listener) -> Callable[[], None]:
        """Call `listener` with every event from now on. Return a function that ends the subscription.

        The listener runs in the thread where the event happened, so it must be quick. If it raises, the error is
        logged, the other listeners receive a `ListenerFailed`, and no call is affected.
        """
        return self._bus.subscribe(listener)

    def emit(self, event: Event) -> None:
        """Deliver an event to all listeners. Never raises. The engine's own events go through an override of it."""
        self._bus.emit(event)

    def describe(self) -> list[Event]:
        """Return the current state as events: adapters, chains, health, and the breakers that are not closed."""
        return self._state.describe()

    def log_events(self, *, debug: bool = False) -> Callable[[], None]:
        """Log, through `logging`, each event an operator should read. Return a function that stops it.

        When the engine starts, each chain is logged with the states of its breakers. `debug` adds a line for every
        attempt and rejection, with timings, where the level DEBUG is enabled.
        """
        from fuseboard_engine.event_log.listener import EventLog

        log = EventLog(self.registry, debug=debug)
        unsubscribe = self.subscribe(log)
        self._logs.append(log)
        self.router.on_start = self._logs[0].log_route_start
        if self.loop is not None:
            log.log_chains()

        def stop() -> None:
            unsubscribe()
            if log in self._logs:
                self._logs.remove(log)
                self.router.on_start = self._logs[0].log_route_start if self._logs else None

        return stop

    # ---------------------------------------------------------------- figures and health

    def get_adapter_statistics(self) -> dict[str, Statistics]:
        """Return each adapter's figures by name."""
        return {adapter.name: adapter.statistics() for adapter in self.registry}

    def get_routing_statistics(self) -> RoutingStatistics:
        """Return the counts and shares of tasks and batches by outcome, openings of breakers and overdue calls."""
        return self.router.statistics(self._bus.breaker_opens)

    def get_recent_failures(self, limit: int = 10) -> list[AttemptFailed]:
        """Return the last failed attempts, newest first, at most `limit` of the 200 that are kept."""
        return self._bus.get_recent_failures(limit)

    def get_health_status(self) -> HealthStatus:
        """Return the health of the whole engine. An adapter that was never used counts as healthy."""
        return self._report.status()

    def get_adapter_health(self, name: str, *, full: bool = False) -> AdapterHealth:
        """Return an adapter's last 50 calls and 20 transitions, its breaker, figures and last health check.

        Calls and transitions are kept when the engine was made with `health=HealthPolicy(...)`.

        Args:
            name: the adapter's name.
            full: return all that is kept; the report then warns of its length.

        Raises:
            UnknownAdapter: no adapter has this name.
        """
        return self._report.adapter(name, full=full)

    async def check_health(self, *names: str) -> dict[str, HealthState]:
        """Check the named adapters now, or all that have a health check, and return the state of each.

        Args:
            names: of adapters with a health check.

        Raises:
            UnknownAdapter: no adapter has one of the names.
        """
        return await self._report.check(*names)

    def gauges(self) -> dict[str, tuple[int, int]]:
        """Return each adapter's calls in flight and the retries its budget has left. May be called from any thread.

        The recorder calls it once a second; injected faults whose time is over end then, also where no task runs.
        """
        self.faults.end_due()
        return self.registry.gauges(self.clock())

    # ---------------------------------------------------------------- operators' commands

    def execute_command(self, command: Command) -> CommandDone | None:
        """Carry out an operator's command at once, from any thread. Never raises: the outcome says what happened.

        None if the command takes longer (a retry of dead letters, a resume); its outcome then follows as an event.
        """
        return self._commands.execute(command)

    def _retry_dead_letters(self, command: Command, report: Report) -> None:
        if self.dead_letters is None:
            raise ValueError("this engine keeps no dead letters")
        self.dead_letters.start_operator_retry(command, report, self.sync.home)

    def _stop_dead_letter_retries(self, command: Command, report: Report) -> None:
        if self.dead_letters is None:
            raise ValueError("this engine keeps no dead letters")
        self.dead_letters.start_operator_stop(command, report, self.sync.home)

    def _resume_run(self, command: Command, report: Report) -> None:
        self._workflows.resume_for_operator(command, report, self.resume, self.sync.home)

    # ---------------------------------------------------------------- configuration

    @classmethod
    def from_config(cls, path: str | os.PathLike[str] | None = None, **options: Any) -> Self:
        """Make an engine from a TOML or YAML file and the environment; without a path, from the environment alone.

        The options (clock, wall ...) are those of `Engine`.

        Raises:
            DocumentError: the configuration is invalid; the text names every mistake with file, line and field.
        """
        from fuseboard_engine.config.factory import build
        from fuseboard_engine.config.loader import load_document

        return build(load_document(path), cls, **options)

    def apply(self, settings: Settings, *, source: str = "", document: Document | None = None) -> ConfigReloaded:
        """Apply other settings to the running engine. May be called from any thread.

        Breakers keep their state, counts, probes and the wait they announced; thresholds and waits change from now on.
        A window that becomes one of another kind starts empty. Adapters that the settings name are added, and those
        that only the previous settings named are removed; adapters added in code stay.

        Args:
            settings: the settings to apply.
            source: where they come from, for the event.
            document: what they were read from, so that an error can name the line.

        Returns:
            What has changed; it is also emitted. When something that the settings name cannot be found, nothing
            changes, and the event says so.
        """
        return apply_settings(self, settings, source=source, document=document)

    # ---------------------------------------------------------------- start and end

    async def start(self) -> dict[str, str]:
        """Initialise every adapter with an `initialize` now instead of at its first call; start the health checks.

        Returns:
            The errors by adapter. An error counts like a failed attempt, and the first call tries again.
        """
        failed = await self.resources.start()
        self.begin_background()
        return failed

    async def close(self) -> None:
        """Stop background work; close adapters, connections and threads. A later call opens them again."""
        await self.stop_background()
        await self.resources.close()
        await self.sync.leave()

    def begin_background(self) -> bool:
        """Start the health checks in the running loop. Dead letters are retried from the first one on.

        What operators ask for runs in this loop from now on.

        Returns:
            Whether this started the checks; False: they were running.
        """
        self.loop = asyncio.get_running_loop()
        begun = self.health.start()
        if begun:
            for log in self._logs:
                log.log_chains()
        return begun

    async def stop_background(self) -> None:
        """Stop health checks, retries of dead letters, and the runs that operators resumed. None is lost."""
        await self.health.stop()
        await self.runs.stop()
        if self.dead_letters is not None:
            await self.dead_letters.stop()

    def halt_background(self) -> None:
        """Stop retries of dead letters and the runs that operators resumed, from a thread outside their loop.

        Wait until the letters are released and the runs are saved, at most ten seconds for each.
        """
        stop_in_loop(self.loop, self.runs.stop)
        if self.dead_letters is not None:
            stop_in_loop(self.dead_letters.loop, self.dead_letters.stop)

    async def shutdown(
        self,
        reason: str = "shutdown was asked for",
        *,
        grace: float | None = None,
        save: Save | Iterable[Save] | None = None,
        recorder: Flushable | None = None,
        instructions: Path | None = None,
        hook: Any = None,
    ) -> ShutdownReport:
        """Stop admitting work, let calls in flight finish, save, and write down how to continue.

        New tasks are rejected at once with `shutting down`, without calling an adapter. A call in flight may end, and
        fail over, for `grace` seconds; a retry whose delay is still ahead is not awaited. Inside
        `shutdown_on_signals`, calls that hang are then cancelled; elsewhere they are named in `problems`.

        Arguments that are not given are taken from the section `shutdown` of the configuration, if there is one.

        Args:
            reason: the reason, for event, log and instructions.
            grace: seconds that calls in flight may still take; default: 10.
            save: saves the application's state, one function or several; each has five seconds.
            recorder: flushed at the end.
            instructions: the file for the recovery instructions, readable by its owner only. None writes none.
            hook: notified at the end: a URL, a command as a list, or a callable that takes the report.

        Returns:
            The report; what did not work is in `problems`.

        Raises:
            ValueError: a function that the configuration names cannot be found; the engine continues.
        """
        return await shut_down(
            self, reason, grace=grace, save=save, recorder=recorder, instructions=instructions, hook=hook
        )

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()


_EXECUTE_WITH_FALLBACK: Final = Engine.execute_with_fallback
