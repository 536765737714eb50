"""Plays a scenario: an engine with simulated adapters, the traffic, the timeline, and the verdict at the end."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, nullcontext
from dataclasses import dataclass, field
from random import Random

from fuseboard_engine.commands import Command
from fuseboard_engine.engine import Engine
from fuseboard_engine.events import Event, RouteFinished, ScenarioStep, State, StateChanged
from fuseboard_engine.routing.route import Task
from fuseboard_engine.runtime.clock import wall_clock
from fuseboard_engine.scenario.model import Scenario, StepPart, TrafficPart
from fuseboard_engine.scenario.script_clock import ScriptClock
from fuseboard_engine.scenario.simulated_adapter import SimulatedAdapter

ACTOR = "scenario"
MAX_IN_FLIGHT = 1000  # tasks; further traffic waits, as in a client's connection pool


@dataclass
class Verdict:
    """The result of a scenario: counts, the states each breaker went through, and the expectations that failed."""

    tasks: int = 0
    succeeded: int = 0
    failed_over: int = 0
    answered: dict[str, int] = field(default_factory=dict)
    states: dict[str, list[State]] = field(default_factory=dict)
    broken: list[str] = field(default_factory=list)

    @property
    def success_rate(self) -> float | None:
        """Share of tasks that succeeded, 0..1; None without tasks."""
        return self.succeeded / self.tasks if self.tasks else None

    def observe(self, event: Event) -> None:
        """Count an event."""
        if isinstance(event, RouteFinished):
            self.tasks += 1
            self.succeeded += event.success
            if event.success:
                self.answered[event.adapter] = self.answered.get(event.adapter, 0) + 1
                self.failed_over += event.attempts[0].adapter != event.adapter
        elif isinstance(event, StateChanged):
            self.states.setdefault(event.adapter, [event.before]).append(event.after)

    def judge(self, scenario: Scenario) -> None:
        """Compare with the scenario's expectations; `broken` then names those that failed.

        A scenario in which no task ran fails, whatever it expects.
        """
        expect, share = scenario.expect, self.success_rate
        if share is None:
            self.broken.append("traffic: no task ran; raise per_second or duration")
        elif expect.success_rate is not None and share < expect.success_rate:
            self.broken.append(
                f"success_rate: {share:.1%} of {self.tasks} tasks, expected {expect.success_rate:.1%} or more"
            )
        for adapter, states in expect.states.items():
            seen = self.states.get(adapter, ["closed"])
            remaining = iter(seen)
            if not all(state in remaining for state in states):
                self.broken.append(f"states.{adapter}: was {' → '.join(seen)}, expected {' → '.join(states)} within it")
        for adapter, state in expect.end.items():
            last = self.states.get(adapter, ["closed"])[-1]
            if last != state:
                self.broken.append(f"end.{adapter}: {last}, expected {state}")
        for adapter, minimum in expect.answered.items():
            count = self.answered.get(adapter, 0)
            if count < minimum:
                self.broken.append(f"answered.{adapter}: {count} tasks, expected {minimum} or more")


class Player:
    """Plays one scenario in the running event loop, in that loop's time.

    Args:
        scenario: the scenario.
        wall: UTC microseconds, the time of events.
        on_event: called with each event, like any listener of the engine.
        speed: seconds of the script per second; `clock.speed` changes it while it plays.
    """

    def __init__(
        self,
        scenario: Scenario,
        *,
        wall: Callable[[], int] = wall_clock,
        on_event: Callable[[Event], None] | None = None,
        speed: float = 1.0,
    ) -> None:
        self.scenario = scenario
        self.clock = ScriptClock(speed)
        self.verdict = Verdict()
        self._rng = Random(scenario.seed)
        self._wall = wall
        loop = asyncio.get_running_loop()
        self.engine = Engine(
            scenario.scenario,
            breaker=scenario.breaker,
            retry=scenario.retry,
            clock=loop.time,
            wall=wall,
            rng=self._rng.random,
        )
        self.engine.subscribe(self.verdict.observe)
        if on_event is not None:
            self.engine.subscribe(on_event)
        self._adapters: dict[str, SimulatedAdapter] = {}
        for name, part in scenario.adapters.items():
            self._adapters[name] = SimulatedAdapter(name, part, Random(self._rng.random()))
            self.engine.add_adapter(name, self._adapters[name], breaker=part.breaker, retry=part.retry, tags=part.tags)
        for task_type, order in scenario.preference.items():
            self.engine.set_preference(order, "" if task_type == "default" else task_type)
        self._ids = itertools.count(0x8F00)
        self._routes: set[asyncio.Task[object]] = set()

    async def play(
        self, recording: AbstractAsyncContextManager[object] | None = None, *, repeat: bool = False
    ) -> Verdict:
        """Play to the end and return the verdict.

        Args:
            recording: entered for the whole play, such as the result of `record(engine, path)`.
            repeat: start over at the end, until cancelled.
        """
        async with recording or nullcontext():
            while True:
                await self._play_once()
                if not repeat:
                    break
        self.verdict.judge(self.scenario)
        return self.verdict

    async def _play_once(self) -> None:
        self.clock.begin()
        try:
            async with asyncio.TaskGroup() as parts:
                for traffic in self.scenario.traffic:
                    parts.create_task(self._run_traffic(traffic))
                parts.create_task(self._run_timeline())
        finally:
            for adapter in self._adapters.values():
                adapter.fault = None
            if self._routes:
                await asyncio.wait(self._routes, timeout=60)

    async def _run_traffic(self, traffic: TrafficPart) -> None:
        end = min(traffic.until or self.scenario.duration, self.scenario.duration)
        due = traffic.start
        while True:
            due += self._rng.uniform(0.6, 1.4) / traffic.per_second
            if due >= end:
                return
            await self.clock.until(due)
            if len(self._routes) >= MAX_IN_FLIGHT:
                await asyncio.wait(self._routes, return_when=asyncio.FIRST_COMPLETED)
            task = Task(type=traffic.type, id=f"{next(self._ids):x}", deadline=traffic.deadline)
            route = asyncio.create_task(self.engine.execute_with_fallback(task))
            self._routes.add(route)
            route.add_done_callback(self._routes.discard)

    async def _run_timeline(self) -> None:
        for step in sorted(self.scenario.timeline, key=lambda step: step.at):
            await self.clock.until(step.at)
            self._perform(step)
        await self.clock.until(self.scenario.duration)

    def _perform(self, step: StepPart) -> None:
        text = step.say or _describe(step)
        self.engine.emit(ScenarioStep(at=self._wall(), scenario=self.scenario.scenario, text=text))
        if step.command is not None:
            arguments = {} if step.seconds is None else {"seconds": step.seconds}
            self.engine.execute_command(
                Command(
                    id=0,
                    verb=step.command,
                    actor=ACTOR,
                    adapter=step.adapter or "",
                    args=arguments,
                    requested_at=self._wall(),
                )
            )
        elif step.adapter is not None:
            self._adapters[step.adapter].fault = step if step.fault else None


def _describe(step: StepPart) -> str:
    if step.command is not None:
        return f"an operator: {step.command} {step.adapter or ''}".rstrip()
    if step.adapter is None:
        return "…"
    return f"{step.adapter} has recovered" if step.heal else f"{step.adapter}: {step.fault}"
