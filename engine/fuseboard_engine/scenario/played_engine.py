"""An engine of a scenario that plays: its simulated adapters, their faults, its settings, and its kills."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Coroutine, Iterable, Sequence
from random import Random
from typing import Any

from msgspec.structs import replace

from fuseboard_engine.command_handler import Report
from fuseboard_engine.commands import Command
from fuseboard_engine.config.factory import build_from_settings
from fuseboard_engine.dead_letters.letter import DONE
from fuseboard_engine.dead_letters.operator_retry import selection_of
from fuseboard_engine.documents.validation_errors import did_you_mean
from fuseboard_engine.events import CommandDone, Event, FaultEnded, FaultInjected
from fuseboard_engine.faults.table import FAULTS, values_of
from fuseboard_engine.retry.default_table import DEFAULT_TABLE
from fuseboard_engine.runtime.clock import wall_clock
from fuseboard_engine.runtime.formatting import plural
from fuseboard_engine.scenario.model import Scenario
from fuseboard_engine.scenario.scenario_engine import OutlivingEngine, ScenarioEngine
from fuseboard_engine.scenario.scenario_time import ScenarioTime
from fuseboard_engine.scenario.timeline import steps_after
from fuseboard_engine.scenario.traffic import workflow_of
from fuseboard_engine.scenario_file.settings import changed, engine_part_of, settings_of
from fuseboard_engine.scenario_file.step import CHANGES_OF_LETTERS, StepPart
from fuseboard_engine.simulation.adapter import SimulatedAdapter
from fuseboard_engine.simulation.recorded_calls import recorded_rules
from fuseboard_engine.workflow.checkpoints import Checkpoints

ACTOR = "scenario"
OPERATOR = "virtual operator"
"""The actor of commands that a scenario asks an operator for, and that none has given in time."""


class PlayedEngine:
    """An engine of a scenario, with simulated adapters of its own.

    Args:
        name: its name.
        scenario: the scenario.
        steps: what happens in it, in order.
        time: its time.
        rng: the source of all randomness.
        announce: tells spectators what happens.
        listeners: called with each event, like any listener of an engine.
    """

    def __init__(
        self,
        name: str,
        scenario: Scenario,
        steps: Sequence[StepPart],
        time: ScenarioTime,
        rng: Random,
        announce: Callable[[str], None],
        listeners: Iterable[Callable[[Event], None]],
    ) -> None:
        self.name = name
        self._scenario = scenario
        self._steps = steps
        self._time = time
        self._rng = rng
        self._announce = announce
        self._configured = engine_part_of(scenario)
        self._settings = settings_of(name, self._configured)
        self._adapters = {
            adapter: SimulatedAdapter(adapter, part, Random(rng.random()), lambda: time.position)
            for adapter, part in scenario.adapters.items()
        }
        kills = any(step.kill and step.engine == name for step in steps)
        self.engine: ScenarioEngine = self._new_engine(OutlivingEngine) if kills else self._new_engine()
        """The engine that others see, with every event; it outlives those that a scenario kills."""
        for listener in (self._observe, *listeners):
            self.engine.subscribe(listener)
        self.running: ScenarioEngine | None = None
        """The engine that runs; None while it is killed."""
        self.in_flight: set[asyncio.Task[object]] = set()
        """What the end of the scenario waits for."""
        self._given: set[tuple[str, str]] = set()  # verbs and adapters of the commands that were carried out
        self._timers: list[asyncio.TimerHandle] = []
        self._killed: set[asyncio.Task[None]] = set()
        self._start()

    def _observe(self, event: Event) -> None:
        if isinstance(event, CommandDone) and event.ok:
            self._given.add((event.verb, event.adapter))

    # ---------------------------------------------------------------- start, kill and end

    def _new_engine(self, kind: type[ScenarioEngine] = ScenarioEngine) -> ScenarioEngine:
        """Return an engine with the settings in effect, without adapters."""
        time = self._time
        return build_from_settings(
            self._settings,
            kind,
            handlers={
                "inject": self._inject,
                "heal": self._heal,
                **dict.fromkeys(CHANGES_OF_LETTERS, self._change_letters),
            },
            operators_clock=time.wall if time.paced is None else wall_clock,
            table=(*recorded_rules(self._scenario.adapters.values()), *DEFAULT_TABLE),
            clock=time.loop.time,
            wall=time.wall,
            rng=self._rng.random,
        )

    def _start(self) -> ScenarioEngine:
        """Start an engine, with adapters and workflows."""
        if isinstance(self.engine, OutlivingEngine):
            engine = self._new_engine()
            self.engine.start_running(engine)
        else:
            engine = self.engine
        self.running = engine
        for name, section in self._settings.adapters.items():
            adapter, checks = self._adapters[name], section.health_monitoring or self._settings.health_monitoring
            engine.add_adapter(
                name,
                adapter,
                tags=section.tags,
                handles=section.handles,
                health=adapter.check_health if checks.enabled else None,
            )
        for name, nodes in self._scenario.workflows.items():
            engine.add_workflow(workflow_of(name, nodes))
        return engine

    def save_runs_in(self, checkpoints: Checkpoints) -> None:
        """Save the runs of workflows in a store, unless what records the engine has one."""
        if self.engine.checkpoints is None:
            self.engine.checkpoints = checkpoints
        if self.running is not None:
            self.running.checkpoints = self.engine.checkpoints

    async def begin(self) -> None:
        """Begin the scenario, from the beginning."""
        engine = self.running or self._start()  # it may have been killed shortly before its end
        await engine.start()

    def run(self, work: Coroutine[Any, Any, object]) -> None:
        """Start what the end of the scenario waits for."""
        task = asyncio.create_task(work)
        self.in_flight.add(task)
        task.add_done_callback(self.in_flight.discard)

    def _kill(self, step: StepPart) -> None:
        """Drop the engine with its memory, without a shutdown; another one of its name starts after a while."""
        if not isinstance(self.engine, OutlivingEngine) or (killed := self.engine.kill()) is None:
            return
        self.running, lost = None, set(self.in_flight)
        for task in lost:
            task.cancel()

        async def forget() -> None:
            if lost:
                await asyncio.wait(lost)
            await killed.stop_background()

        forgetting = asyncio.create_task(forget())
        self._killed.add(forgetting)
        forgetting.add_done_callback(self._killed.discard)
        self._timers.append(self._time.loop.call_later(step.down, self._start_again, killed))

    def _start_again(self, killed: ScenarioEngine) -> None:
        """Start an engine after a kill. Its breakers are closed, and it resumes the runs that the kill interrupted."""
        unsubscribe = killed.subscribe(self.engine.emit)
        _close_breakers(killed)
        unsubscribe()
        engine = self._start()
        engine.begin_background()
        self._announce(f"{self.name} runs again" if self._scenario.engines else "The engine runs again")
        self.run(_start_and_resume(engine))

    def end(self) -> None:
        """End every fault, and what is planned for later."""
        for handle in self._timers:
            handle.cancel()
        self._timers.clear()
        for name in self._adapters:
            self._clear_fault(name, "over")

    def close_breakers(self) -> None:
        """Close every breaker, so that no outage is left to another engine of its name."""
        if self.running is not None:
            _close_breakers(self.running)

    async def stop(self) -> None:
        """Stop what runs in the background."""
        if self._killed:
            await asyncio.wait(self._killed)
        if self.running is not None:
            await self.running.stop_background()

    # ---------------------------------------------------------------- steps

    def perform(self, step: StepPart) -> None:
        """Do what a step of the timeline says."""
        if step.operator:
            self._ask_operator(step)
        elif step.command is not None:
            self._give_command(step, ACTOR)
        elif step.set:
            self._configured = changed(self._configured, step.set)
            self._settings = settings_of(self.name, self._configured)
            if self.running is not None:
                self.running.apply(self._settings, source=ACTOR)
        elif step.kill:
            self._kill(step)
        elif step.adapter is not None and step.fault:
            self._emit_fault(step, self._adapters[step.adapter].begin(step), ACTOR)
        elif step.adapter is not None:
            self._clear_fault(step.adapter, "healed", ACTOR)

    def _give_command(self, step: StepPart, actor: str) -> None:
        arguments = step.args if step.seconds is None else {**step.args, "seconds": step.seconds}
        if step.command == "resume" and "run" not in arguments:
            self.run(self._resume_all(arguments, actor))
            return
        self.engine.execute_command(
            Command(
                id=0,
                verb=step.command or "",
                actor=actor,
                adapter=step.adapter or "",
                args=arguments,
                requested_at=self._time.wall(),
            )
        )

    async def _resume_all(self, arguments: dict[str, Any], actor: str) -> None:
        """Give a command to resume each run that is not complete, the oldest first."""
        store = self.engine.checkpoints
        for run, _ in [] if store is None else await store.unfinished_runs(failed=True):
            args, now = {**arguments, "run": run}, self._time.wall()
            self.engine.execute_command(Command(id=0, verb="resume", actor=actor, args=args, requested_at=now))

    def _ask_operator(self, step: StepPart) -> None:
        """Give an operator the time to give a command; the virtual operator gives it at the end of this time."""
        given = (step.command or "", step.adapter or "")
        self._given.discard(given)

        def give() -> None:
            if given not in self._given:
                self._give_command(step, OPERATOR)

        handle = self._time.loop.call_later(step.lasts or 0.0, give)
        self._timers.append(handle)

    def _change_letters(self, command: Command, report: Report) -> None:
        """Archive, unarchive, discard or purge the dead letters that a command selects."""
        letters, selection = self.engine.dead_letters, replace(selection_of(command.args), engine=self.name)
        if letters is None:
            raise ValueError("this engine keeps no dead letters")
        change = command.verb.removeprefix("dlq_")
        do = getattr(letters, change)

        async def carry_out() -> None:
            number = await do(selection, actor=command.actor)
            report(True, f"{plural(number, 'dead letter')} {DONE[change]}")

        self._time.loop.call_soon_threadsafe(lambda: self.run(carry_out()))

    # ---------------------------------------------------------------- faults

    def _emit_fault(self, step: StepPart, before: StepPart | None, actor: str, seconds: float = math.inf) -> None:
        """Publish the fault of a step. It lasts until the next step that concerns the adapter, at most `seconds`."""
        name, fault = step.adapter or "", step.fault or ""
        if before is not None:
            self.engine.emit(self._fault_ended(before, "replaced", actor))
        position, now = self._time.position, self._time.wall()
        ends = (other.at for other in steps_after(self._steps, position) if other.ends_fault_of(name, self.name))
        end = min(next(ends, math.inf), self._scenario.duration)
        lasts = min(max(0.0, end - position), seconds)
        self.engine.emit(
            FaultInjected(
                at=now,
                adapter=name,
                fault=fault,
                until=now + round(lasts * 1e6),
                value=FAULTS[fault].value_of(step.values),
                actor=actor,
            )
        )

    def _clear_fault(self, name: str, reason: str, actor: str = "") -> None:
        step = self._adapters[name].begin(None)
        if step is not None:
            self.engine.emit(self._fault_ended(step, reason, actor))

    def _fault_ended(self, step: StepPart, reason: str, actor: str) -> FaultEnded:
        name, fault = step.adapter or "", step.fault or ""
        return FaultEnded(at=self._time.wall(), adapter=name, fault=fault, reason=reason, actor=actor)

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
        loop = self._time.loop
        later = loop.call_soon_threadsafe
        later(self._emit_fault, step, before, command.actor, math.inf if seconds is None else seconds)
        does = f"{command.adapter} {fault.sentence(values)}"
        if seconds is not None:
            does += f", for {seconds:g} s"
            later(loop.call_later, seconds, self._end_fault, step, "over", "")
        later(self._announce, does)
        return does

    def _heal(self, command: Command, _: Report) -> str:
        adapter = self._adapter_of(command)
        if adapter.fault is None:
            return f"{command.adapter} had no fault"
        self._time.loop.call_soon_threadsafe(self._end_fault, adapter.fault, "healed", command.actor)
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


def _close_breakers(engine: ScenarioEngine) -> None:
    for adapter in engine.registry:
        adapter.breaker.reset(actor=ACTOR)


async def _start_and_resume(engine: ScenarioEngine) -> None:
    await engine.start()
    await engine.resume_left()
