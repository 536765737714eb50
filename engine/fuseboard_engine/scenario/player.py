"""Plays a scenario: an engine with simulated adapters, the traffic, the timeline, and the verdict at the end."""

from __future__ import annotations

import asyncio
import itertools
import math
from bisect import bisect_right
from collections.abc import Callable, Coroutine, Iterator
from contextlib import AbstractAsyncContextManager, nullcontext
from random import Random
from typing import Any

from fuseboard_engine.command_handler import Report
from fuseboard_engine.commands import Command
from fuseboard_engine.config.factory import build_from_settings
from fuseboard_engine.documents.validation_errors import did_you_mean
from fuseboard_engine.events import (
    CommandDone,
    Event,
    FaultEnded,
    FaultInjected,
    ScenarioPaced,
    ScenarioStep,
)
from fuseboard_engine.faults.table import FAULTS, values_of
from fuseboard_engine.retry.default_table import DEFAULT_TABLE
from fuseboard_engine.runtime.clock import wall_clock
from fuseboard_engine.scenario.judge import events_to_keep, judge
from fuseboard_engine.scenario.model import Scenario
from fuseboard_engine.scenario.outcome import Outcome
from fuseboard_engine.scenario.paced_time import PacedLoop
from fuseboard_engine.scenario.scenario_engine import OutlivingEngine, ScenarioEngine
from fuseboard_engine.scenario.timeline import arrivals, timeline_of
from fuseboard_engine.scenario.traffic import request, workflow_of
from fuseboard_engine.scenario.verdict import Verdict
from fuseboard_engine.scenario_file.settings import changed, engine_part_of, settings_of
from fuseboard_engine.scenario_file.step import StepPart
from fuseboard_engine.scenario_file.traffic import TrafficPart
from fuseboard_engine.simulation.adapter import SimulatedAdapter
from fuseboard_engine.simulation.recorded_calls import recorded_rules
from fuseboard_engine.virtual_time import VirtualTimeLoop
from fuseboard_engine.workflow.checkpoints import MemoryCheckpoints

ACTOR = "scenario"
OPERATOR = "virtual operator"
"""The actor of commands that a scenario asks an operator for, and that none has given in time."""
MAX_IN_FLIGHT = 1000  # tasks; further traffic waits, as in a client's connection pool


class Player:
    """Plays one scenario in the running event loop, in that loop's time.

    In a `PacedLoop` its events say at which pace it plays, so that every console shows its time.

    Args:
        scenario: the scenario.
        wall: UTC microseconds, the time of events; the default is the wall time of the loop.
        on_event: called with each event, like any listener of the engine.
        announces: whether its beginning and its end are steps too.
    """

    def __init__(
        self,
        scenario: Scenario,
        *,
        wall: Callable[[], int] | None = None,
        on_event: Callable[[Event], None] | None = None,
        announces: bool = False,
    ) -> None:
        self.scenario = scenario
        self.outcome = Outcome()
        self._rng = Random(scenario.seed)
        loop = asyncio.get_running_loop()
        if wall is None:
            wall = loop.wall if isinstance(loop, PacedLoop | VirtualTimeLoop) else wall_clock
        self._wall = wall
        self._announces = announces
        self._loop = loop
        self._paced = loop if isinstance(loop, PacedLoop) else None
        self._configured = engine_part_of(scenario)
        self._settings = settings_of(scenario.scenario, self._configured)
        self._adapters = {
            name: SimulatedAdapter(name, part, Random(self._rng.random()), lambda: self.position)
            for name, part in scenario.adapters.items()
        }
        kills = any(step.kill for step in scenario.timeline)
        self.engine: ScenarioEngine = self._new_engine(OutlivingEngine) if kills else self._new_engine()
        """The engine that others see, with every event; it outlives those that a scenario kills."""
        self.engine.subscribe(self._observe)
        if on_event is not None:
            self.engine.subscribe(on_event)
        self._checkpoints = MemoryCheckpoints()
        self._running: ScenarioEngine | None = None  # None while it is killed
        self._start_engine()
        self._timeline = timeline_of(scenario)
        self._began = loop.time()
        self._ids = itertools.count(0x8F00)
        self._routes: set[asyncio.Task[object]] = set()
        self._given: set[tuple[str, str]] = set()  # verbs and adapters of the commands that were carried out
        self._timers: list[asyncio.TimerHandle] = []
        self._killed: set[asyncio.Task[None]] = set()

    def _observe(self, event: Event) -> None:
        self.outcome.observe(event)
        if isinstance(event, CommandDone) and event.ok:
            self._given.add((event.verb, event.adapter))

    def _new_engine(self, kind: type[ScenarioEngine] = ScenarioEngine) -> ScenarioEngine:
        """Return an engine with the settings in effect, without adapters."""
        return build_from_settings(
            self._settings,
            kind,
            handlers={"inject": self._inject, "heal": self._heal},
            operators_clock=self._wall if self._paced is None else wall_clock,
            table=(*recorded_rules(self.scenario.adapters.values()), *DEFAULT_TABLE),
            clock=self._loop.time,
            wall=self._wall,
            rng=self._rng.random,
        )

    def _start_engine(self) -> None:
        """Start an engine, with adapters and workflows."""
        if isinstance(self.engine, OutlivingEngine):
            engine = self._new_engine()
            self.engine.start_running(engine)
        else:
            engine = self.engine
        self._running = engine
        for name, section in self._settings.adapters.items():
            adapter, checks = self._adapters[name], section.health_monitoring or self._settings.health_monitoring
            engine.add_adapter(
                name,
                adapter,
                tags=section.tags,
                handles=section.handles,
                health=adapter.check_health if checks.enabled else None,
            )
        for name, nodes in self.scenario.workflows.items():
            engine.add_workflow(workflow_of(name, nodes))

    @property
    def position(self) -> float:
        """Seconds of the scenario that have passed."""
        return self._loop.time() - self._began

    def time_of_next_step(self, after: float) -> float:
        """Return the loop's time of the first step of the timeline after a time, or of the end after the last one."""
        following = self._following(after - self._began)
        return self._began + (self.scenario.duration if following is None else following.at)

    async def play(
        self, recording: AbstractAsyncContextManager[object] | None = None, *, repeat: bool = False
    ) -> Verdict:
        """Play to the end and return the verdict.

        Args:
            recording: entered for the whole play, such as the result of `record(engine, path)`.
            repeat: start over at the end, until cancelled.
        """
        async with recording or nullcontext():
            if self.engine.checkpoints is None:
                self.engine.checkpoints = self._checkpoints
            if self._running is not None:
                self._running.checkpoints = self.engine.checkpoints
            try:
                while True:
                    await self._play_once()
                    if not repeat:
                        break
            finally:
                if self._killed:
                    await asyncio.wait(self._killed)
                if self._running is not None:
                    await self._running.stop_background()
        return Verdict(self.outcome, judge(self.scenario, self.outcome))

    async def _play_once(self) -> None:
        self._began, self.outcome = self._loop.time(), self._new_outcome()
        if self._running is None:  # it was killed shortly before its end
            self._start_engine()
        assert self._running is not None
        await self._running.start()
        if self._announces and not (self._timeline and self._timeline[0].at == 0):
            self._announce("The traffic begins")
        try:
            async with asyncio.TaskGroup() as parts:
                for traffic in self.scenario.traffic:
                    parts.create_task(self._run_traffic(traffic))
                parts.create_task(self._run_timeline())
        except asyncio.CancelledError:
            for route in self._routes:
                route.cancel()
            raise
        finally:
            for handle in self._timers:
                handle.cancel()
            self._timers.clear()
            for name in self._adapters:
                self._clear_fault(name, "over")
            if self._routes:
                await asyncio.wait(self._routes, timeout=60)

    def _new_outcome(self) -> Outcome:
        return Outcome(self._wall(), self.scenario.duration, events_to_keep(self.scenario))

    async def _run_traffic(self, traffic: TrafficPart) -> None:
        for due in arrivals(traffic, self.scenario.duration, self._rng, self._timeline):
            await self._until(due)
            if len(self._routes) >= MAX_IN_FLIGHT:
                await asyncio.wait(self._routes, return_when=asyncio.FIRST_COMPLETED)
            id = f"{next(self._ids):x}"
            if self._running is not None:  # what arrives while no engine runs is lost
                self._in_flight(request(self._running, traffic, id))

    async def _run_timeline(self) -> None:
        said: tuple[float, str] | None = None
        for step in self._timeline:
            await self._until(step.at)
            text = step.say or _describe(step)
            if (step.at, text) != said:  # that of a tag happens to several adapters
                self._announce(text)
                said = step.at, text
            self._perform(step)
        await self._until(self.scenario.duration)

    async def _until(self, position: float) -> None:
        """Wait until a position in the scenario; yield to other tasks once if it is already past it."""
        await asyncio.sleep(max(0.0, position - self.position))

    def _perform(self, step: StepPart) -> None:
        if step.operator:
            self._ask_operator(step)
        elif step.command is not None:
            self._give_command(step, ACTOR)
        elif step.set:
            self._configured = changed(self._configured, step.set)
            self._settings = settings_of(self.scenario.scenario, self._configured)
            if self._running is not None:
                self._running.apply(self._settings, source=ACTOR)
        elif step.kill:
            self._kill(step)
        elif step.adapter is not None and step.fault:
            self._emit_fault(step, self._adapters[step.adapter].begin(step), ACTOR)
        elif step.adapter is not None:
            self._clear_fault(step.adapter, "healed", ACTOR)

    def _give_command(self, step: StepPart, actor: str) -> None:
        arguments = step.args if step.seconds is None else {**step.args, "seconds": step.seconds}
        if step.command == "resume" and "run" not in arguments:
            self._in_flight(self._resume_all(arguments, actor))
            return
        self.engine.execute_command(
            Command(
                id=0,
                verb=step.command or "",
                actor=actor,
                adapter=step.adapter or "",
                args=arguments,
                requested_at=self._wall(),
            )
        )

    async def _resume_all(self, arguments: dict[str, Any], actor: str) -> None:
        """Give a command to resume each run that is not complete, the oldest first."""
        store = self.engine.checkpoints or self._checkpoints
        for run, _ in await store.unfinished_runs(failed=True):
            args, now = {**arguments, "run": run}, self._wall()
            self.engine.execute_command(Command(id=0, verb="resume", actor=actor, args=args, requested_at=now))

    def _in_flight(self, work: Coroutine[Any, Any, object]) -> None:
        """Start what the end of the scenario waits for."""
        route = asyncio.create_task(work)
        self._routes.add(route)
        route.add_done_callback(self._routes.discard)

    def _kill(self, step: StepPart) -> None:
        """Drop the engine with its memory, without a shutdown; another one of its name starts after a while."""
        if not isinstance(self.engine, OutlivingEngine) or (killed := self.engine.kill()) is None:
            return
        self._running, lost = None, set(self._routes)
        for route in lost:
            route.cancel()

        async def forget() -> None:
            if lost:
                await asyncio.wait(lost)
            await killed.stop_background()

        forgetting = asyncio.create_task(forget())
        self._killed.add(forgetting)
        forgetting.add_done_callback(self._killed.discard)
        self._timers.append(self._loop.call_later(step.down, self._start_again, killed))

    def _start_again(self, killed: ScenarioEngine) -> None:
        """Start an engine after a kill. Its breakers are closed, and it resumes the runs that the kill interrupted."""
        unsubscribe = killed.subscribe(self.engine.emit)
        for adapter in killed.registry:
            adapter.breaker.reset(actor=ACTOR)
        unsubscribe()
        self._start_engine()
        assert self._running is not None
        self._running.begin_background()
        self._announce("The engine runs again")
        self._in_flight(_start_and_resume(self._running))

    def _ask_operator(self, step: StepPart) -> None:
        """Give an operator the time to give a command; the virtual operator gives it at the end of this time."""
        given = (step.command or "", step.adapter or "")
        self._given.discard(given)

        def give() -> None:
            if given not in self._given:
                self._give_command(step, OPERATOR)

        handle = self._loop.call_later(step.lasts or 0.0, give)
        self._timers.append(handle)

    # ---------------------------------------------------------------- faults

    def _emit_fault(self, step: StepPart, before: StepPart | None, actor: str, seconds: float = math.inf) -> None:
        """Publish the fault of a step. It lasts until the next step that concerns the adapter, at most `seconds`."""
        name, fault = step.adapter or "", step.fault or ""
        if before is not None:
            self.engine.emit(self._fault_ended(before, "replaced", actor))
        position = self.position
        ends = (other.at for other in self._after(position) if other.adapter == name and (other.fault or other.heal))
        end = min(next(ends, math.inf), self.scenario.duration)
        lasts = min(max(0.0, end - position), seconds)
        self.engine.emit(
            FaultInjected(
                at=self._wall(),
                adapter=name,
                fault=fault,
                until=self._wall() + round(lasts * 1e6),
                value=FAULTS[fault].value_of(step.values),
                actor=actor,
            )
        )

    def _clear_fault(self, name: str, reason: str, actor: str = "") -> None:
        step = self._adapters[name].begin(None)
        if step is not None:
            self.engine.emit(self._fault_ended(step, reason, actor))

    def _fault_ended(self, step: StepPart, reason: str, actor: str) -> FaultEnded:
        return FaultEnded(
            at=self._wall(), adapter=step.adapter or "", fault=step.fault or "", reason=reason, actor=actor
        )

    # ---------------------------------------------------------------- captions and pace

    def announce_end(self) -> None:
        """Announce that the scenario is over, and how it went."""
        verdict = Verdict(self.outcome)
        share = verdict.success_rate
        answered = "" if share is None else f": {share:.1%} of {verdict.tasks:,} tasks answered"
        self._announce(f"The scenario has ended{answered}", ends=True)

    def announce_pace(self) -> None:
        """Announce the pace of a paced loop after it has changed."""
        if self._paced is not None:
            name, pace = self.scenario.scenario, self._pace(self._paced)
            self.engine.emit(ScenarioPaced(at=self._wall(), scenario=name, pace=pace, clock_at=wall_clock()))

    def _announce(self, text: str, *, ends: bool = False) -> None:
        scenario, position, now = self.scenario, self.position, self._wall()
        following = None if ends else self._following(position)
        paced = self._paced
        self.engine.emit(
            ScenarioStep(
                at=now,
                scenario=scenario.scenario,
                text=text,
                ends=ends,
                title=scenario.title,
                position=round(min(position, scenario.duration), 3),
                duration=scenario.duration,
                next_text="" if following is None else following.say or _describe(following),
                next_in=None if following is None else round(following.at - position, 3),
                paced_at=now if paced else 0,
                clock_at=wall_clock() if paced else 0,
                pace=self._pace(paced) if paced else 1.0,
            )
        )

    def _following(self, position: float) -> StepPart | None:
        """Return the step that comes next after a position; None after the last one."""
        return next(self._after(position), None)

    def _after(self, position: float) -> Iterator[StepPart]:
        """Return the steps that come after a position."""
        first = bisect_right(self._timeline, position + 1e-6, key=lambda step: step.at)
        return (self._timeline[place] for place in range(first, len(self._timeline)))

    @staticmethod
    def _pace(loop: PacedLoop) -> float:
        return 0.0 if loop.paused else loop.speed

    # ---------------------------------------------------------------- faults by an operator's command, in any thread

    def _inject(self, command: Command, _: Report) -> str:
        """Begin the fault that a command names; it ends after `seconds`, if they are given."""
        name, adapter = command.args.get("fault"), self._adapter_of(command)
        if name not in FAULTS:
            raise ValueError(f"there is no fault {name!r}; {did_you_mean(str(name), FAULTS)}")
        fault, seconds = FAULTS[name], command.args.get("seconds")
        if seconds is not None and not (isinstance(seconds, int | float) and 0 < seconds < math.inf):
            raise ValueError(f"seconds must be a number above 0, not {seconds!r}")
        values = values_of(name, command.args.get("values"), command.args.get("value"))
        step = StepPart.model_validate({"at": 0, "fault": name, "adapter": command.adapter, **values})
        before = adapter.begin(step)
        later = self._loop.call_soon_threadsafe
        later(self._emit_fault, step, before, command.actor, math.inf if seconds is None else seconds)
        does = f"{command.adapter} {fault.sentence(values)}"
        if seconds is not None:
            does += f", for {seconds:g} s"
            later(self._loop.call_later, seconds, self._end_fault, step, "over", "")
        later(self._announce, does)
        return does

    def _heal(self, command: Command, _: Report) -> str:
        adapter = self._adapter_of(command)
        if adapter.fault is None:
            return f"{command.adapter} had no fault"
        self._loop.call_soon_threadsafe(self._end_fault, adapter.fault, "healed", command.actor)
        return f"{command.adapter} has no fault any more; its breaker decides when it is called again"

    def _adapter_of(self, command: Command) -> SimulatedAdapter:
        adapter = self._adapters.get(command.adapter)
        if adapter is None:
            raise ValueError(f"there is no adapter {command.adapter!r} in this scenario")
        return adapter

    def _end_fault(self, step: StepPart, reason: str, actor: str) -> None:
        """End a fault, unless another one has taken its place."""
        name = step.adapter or ""
        if self._adapters[name].fault is step:
            self._clear_fault(name, reason, actor)
            self._announce(f"{name} has recovered")


async def _start_and_resume(engine: ScenarioEngine) -> None:
    await engine.start()
    await engine.resume_left()


def _describe(step: StepPart) -> str:
    if step.operator:
        return f"asked of the operator: {step.command} {step.adapter or ''}".rstrip()
    if step.kill:
        return "the engine is killed"
    if step.set:
        return ", ".join(f"{path} is now {value}" for path, value in step.set.items())
    if step.traffic is not None:
        rate = "" if step.per_second is None else f"{step.per_second:g} tasks a second"
        change = "stops" if step.paused else rate or "goes on"
        return f"traffic {step.traffic}: {change}"
    if step.command is not None:
        return f"an operator: {step.command} {step.adapter or ''}".rstrip()
    if step.adapter is None:
        return "…"
    return f"{step.adapter} has recovered" if step.heal else f"{step.adapter}: {step.fault}"
