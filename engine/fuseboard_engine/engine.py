"""The engine an application embeds: adapters, a router, listeners, and an inbox for operators' commands."""

from __future__ import annotations

import asyncio
import os
import random
import time
from collections.abc import Callable, Iterable
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TypeVar

from fuseboard_engine.adapters.adding import add_adapter_from, add_http_adapter, add_process_adapter
from fuseboard_engine.adapters.call_target import make_target
from fuseboard_engine.adapters.callables import as_async
from fuseboard_engine.adapters.lifecycle import AdapterObject
from fuseboard_engine.adapters.registry import Adapter, Registry, Statistics
from fuseboard_engine.adapters.shared_resources import SharedResources
from fuseboard_engine.adapters.thread_pool import MAX_THREADS
from fuseboard_engine.background import begin_background, halt_background, stop_background
from fuseboard_engine.breaker.circuit_breaker import CircuitBreaker
from fuseboard_engine.breaker.policy import BreakerPolicy
from fuseboard_engine.command_handler import execute_command
from fuseboard_engine.config.reload import apply
from fuseboard_engine.events import AdapterRemoved
from fuseboard_engine.health.checker import HealthChecks
from fuseboard_engine.health.policy import HealthPolicy
from fuseboard_engine.health.report import check_health, get_adapter_health, get_health_status
from fuseboard_engine.parallel.batch import execute_batch
from fuseboard_engine.parallel.executor import ParallelExecutor
from fuseboard_engine.parallel.policy import ExecutionPolicy
from fuseboard_engine.preferences import set_preference
from fuseboard_engine.retry.attribution import DEFAULT_TABLE, Rule, soft_failure_of
from fuseboard_engine.retry.policy import RetryPolicy
from fuseboard_engine.routing.fallback import set_degraded
from fuseboard_engine.routing.features import RoutingFeatures
from fuseboard_engine.routing.policy import RoutingPolicy
from fuseboard_engine.routing.router import RoutingStatistics, TaskRouter
from fuseboard_engine.runtime.clock import wall_clock
from fuseboard_engine.runtime.event_bus import EventBus
from fuseboard_engine.shutdown.sequence import shutdown
from fuseboard_engine.state_events import adapter_added, describe, gauges
from fuseboard_engine.sync import SyncEngine
from fuseboard_engine.workflow.active_runs import ActiveRuns
from fuseboard_engine.workflow.checkpoints import Checkpoints
from fuseboard_engine.workflow.service import add_workflow, execute_workflow, remove_workflow, resume, resume_left
from fuseboard_engine.workflow.workflow import Workflow

if TYPE_CHECKING:
    from fuseboard_engine.config.settings import Settings
    from fuseboard_engine.dead_letters.policy import DeadLetterPolicy
    from fuseboard_engine.dead_letters.queue import DeadLetters

F = TypeVar("F", bound=Callable[..., Any])


class Engine:
    """Runs tasks over adapters and tells what it decides.

    Args:
        name: the application's name, as operators know it.
        breaker: the policy of every adapter that brings none of its own.
        retry: likewise, for retries.
        routing: how chains are ordered, and what happens when every adapter of one is out.
        health: has every adapter checked that offers a check, and the last calls of each kept; None: neither.
        table: the attribution table; put rows of your own in front of `DEFAULT_TABLE`.
        clock: seconds, never going back; every decision is taken from it.
        wall: UTC microseconds, only a label on events.
        rng: where jitter comes from, like `random.random`.
        execution: how a task is given to several adapters at once, unless a call says otherwise.
        dead_letters: which tasks that nothing could do are kept, and when they are retried; None: none is.
        threads: plain functions that may run side by side; as many threads again may hang in calls given up.
    """

    def __init__(
        self,
        name: str = "engine",
        *,
        breaker: BreakerPolicy | None = None,
        retry: RetryPolicy | None = None,
        routing: RoutingPolicy | None = None,
        health: HealthPolicy | None = None,
        table: tuple[Rule, ...] = DEFAULT_TABLE,
        clock: Callable[[], float] = time.monotonic,
        wall: Callable[[], int] = wall_clock,
        rng: Callable[[], float] = random.random,
        execution: ExecutionPolicy | None = None,
        dead_letters: DeadLetterPolicy | None = None,
        threads: int = MAX_THREADS,
    ) -> None:
        self.name = name
        self.wall = wall
        self.registry = Registry()
        self._breaker_policy = breaker or BreakerPolicy()
        self._retry_policy = retry or RetryPolicy()
        self.clock = clock
        self._rng = rng
        hub = EventBus(wall)
        self.subscribe = hub.subscribe
        self.emit = hub.emit
        self.get_recent_failures = hub.get_recent_failures
        self.resources = SharedResources(self, threads)
        self.sync = SyncEngine(self)
        """The engine for threads and sync code."""
        self.router = TaskRouter(self.registry, self.emit, table=table, clock=clock, wall=wall, rng=rng)
        self.execute_with_fallback = self.router.execute_with_fallback
        self.stream_with_fallback = self.router.stream_with_fallback
        self.parallel = ParallelExecutor(self.router, execution or ExecutionPolicy(), self.emit, clock, wall)
        self.execute_parallel = self.parallel.execute_parallel
        self.dead_letters: DeadLetters | None = None
        if dead_letters is not None:
            from fuseboard_engine.dead_letters.availability import Availability
            from fuseboard_engine.dead_letters.queue import DeadLetters

            self.dead_letters = self.router.dead_letters = DeadLetters(
                dead_letters,
                engine=name,
                table=self.router.table,
                availability=Availability(self.registry, clock),
                route=self.router.execute_with_fallback,
                emit=self.emit,
                wall=wall,
                rng=rng,
            )
        self.workflows: dict[str, Workflow] = {}
        self.runs = ActiveRuns()
        """The runs of workflows that it is at, and those that were interrupted."""
        self.checkpoints: Checkpoints | None = None
        """What keeps the runs of workflows; a recording does."""
        self.loop: asyncio.AbstractEventLoop | None = None
        """Where its workflows run, and what operators ask for; None: nowhere yet."""
        self.routing = RoutingFeatures(self, routing or RoutingPolicy(), clock, rng)
        self.health = HealthChecks(self.emit, self.subscribe, health, clock=clock, wall=wall, rng=rng)

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
        failed: Callable[[Any], str | None] = soft_failure_of,
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
            tags: words an operator can filter by.
            handles: attribution rows (`context_window`, `content_policy`) whose tasks it can take over.
            failed: reads a result; returns the text of its failure, or None. Default: `success` is False.
            health: asked whether it could work now, by what it returns or raises; default: its own, if it has one.
            health_policy: how often it is asked; default: the engine's.

        Raises:
            ValueError: the name is empty or taken.
            TypeError: `call` can be no adapter.
        """
        policies = self.default_policies(name)
        adapter = Adapter(
            name,
            make_target(name, call, self.resources.in_thread(name)),
            CircuitBreaker(
                name,
                breaker or policies[0],
                clock=self.clock,
                on_event=self.emit,
                wall=self.wall,
                rng=self._rng,
            ),
            retry or policies[1],
            tags=tuple(tags),
            handles=frozenset(handles),
            failed=failed,
        )
        if health is not None:
            adapter.health = as_async(health, self.resources.in_thread(name))
        self.registry.add(adapter)
        self.emit(adapter_added(adapter, self.wall()))
        self.health.add(adapter, health_policy, explicit=health is not None)
        return adapter

    def adapter(self, name: str, **options: Any) -> Callable[[F], F]:
        """Register the decorated function as an adapter; options are those of `add_adapter`."""

        def register(function: F) -> F:
            self.add_adapter(name, function, **options)
            return function

        return register

    add_adapter_from = add_adapter_from
    add_http_adapter = add_http_adapter
    add_process_adapter = add_process_adapter

    def remove_adapter(self, name: str) -> None:
        """Take an adapter out. Calls under way end as they would. Raises UnknownAdapter."""
        self.resources.remove(self.registry.remove(name))
        self.health.remove(name)
        self.emit(AdapterRemoved(at=self.wall(), adapter=name))

    set_preference = set_preference
    set_degraded = set_degraded

    # ---------------------------------------------------------------- configuration, shutdown

    settings: Settings | None = None
    """What a configuration said; None: all was said in code."""
    stop_logging: Callable[[], None] | None = None
    """Ends the log that the configuration began."""

    @classmethod
    def from_config(cls, path: str | os.PathLike[str] | None = None, **options: Any) -> Engine:
        """Make an engine of a TOML or YAML file and the environment; options (clock, wall ...) are those of `Engine`.

        Without a path, of the environment alone.

        Raises:
            DocumentError: something in them is wrong; the text names every mistake with file, line and field.
        """
        from fuseboard_engine.config.factory import build
        from fuseboard_engine.config.loader import load_document

        return build(load_document(path), cls, **options)

    apply = apply
    shutdown = shutdown

    def default_policies(self, name: str) -> tuple[BreakerPolicy, RetryPolicy]:
        """Return the policies of an adapter that brings none of its own."""
        return (self._breaker_policy, self._retry_policy) if self.settings is None else self.settings.policies(name)

    def breaker(self, name: str) -> CircuitBreaker:
        """Return an adapter's breaker. Raises UnknownAdapter."""
        return self.registry[name].breaker

    # ---------------------------------------------------------------- start and end

    async def start(self) -> dict[str, str]:
        """Initialise every adapter that has an `initialize`, instead of at its first call; begin the health checks.

        Returns:
            What went wrong, by adapter. It counts like a failed attempt, and the first call tries again.
        """
        failed = await self.resources.start()
        self.begin_background()
        return failed

    async def close(self) -> None:
        """End what goes on beside calls; close adapters, connections and threads. A later call opens them again."""
        await self.stop_background()
        await self.resources.close()
        await self.sync.leave()

    begin_background = begin_background
    stop_background = stop_background
    halt_background = halt_background

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    # ---------------------------------------------------------------- many tasks

    execute_batch = execute_batch
    add_workflow = add_workflow
    remove_workflow = remove_workflow
    execute_workflow = execute_workflow
    resume = resume
    resume_left = resume_left

    # ---------------------------------------------------------------- looking

    def get_adapter_statistics(self) -> dict[str, Statistics]:
        """Return each adapter's figures by name."""
        return {adapter.name: adapter.statistics() for adapter in self.registry}

    def get_routing_statistics(self) -> RoutingStatistics:
        """Return what became of all tasks: how many succeeded, failed over, were degraded, failed; and their shares."""
        return self.router.statistics()

    get_health_status = get_health_status
    get_adapter_health = get_adapter_health
    check_health = check_health

    def log_events(self, *, debug: bool = False) -> Callable[[], None]:
        """Write a line through `logging` for each event an operator would read. Returns what ends that.

        `debug` adds a line for every attempt and rejection, with timings, where the level DEBUG is on.
        """
        from fuseboard_engine.event_log.listener import EventLog

        return self.subscribe(EventLog(self.registry, debug=debug))

    describe = describe
    gauges = gauges
    execute_command = execute_command
