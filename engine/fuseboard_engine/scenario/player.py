"""Plays a scenario: engines with simulated adapters, the traffic, the timeline, and the verdict at the end."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, nullcontext
from random import Random

from fuseboard_engine.events import Event
from fuseboard_engine.scenario.captions import Captions
from fuseboard_engine.scenario.model import Scenario
from fuseboard_engine.scenario.played_engine import PlayedEngine
from fuseboard_engine.scenario.played_proxies import PlayedProxies
from fuseboard_engine.scenario.scenario_engine import ScenarioEngine
from fuseboard_engine.scenario.scenario_time import ScenarioTime
from fuseboard_engine.scenario.timeline import arrivals, steps_after, timeline_of
from fuseboard_engine.scenario.traffic import request
from fuseboard_engine.scenario_file.traffic import TrafficPart
from fuseboard_engine.scenario_outcome.judge import events_to_keep, judge
from fuseboard_engine.scenario_outcome.outcome import Outcome
from fuseboard_engine.scenario_outcome.verdict import Verdict
from fuseboard_engine.workflow.checkpoints import MemoryCheckpoints

MAX_IN_FLIGHT = 1000  # tasks; further traffic waits, as in a client's connection pool


class Player:
    """Plays one scenario in the running event loop, in that loop's time.

    Args:
        scenario: the scenario.
        wall: UTC microseconds, the time of events; the default is the wall time of the loop.
        on_event: called with each event of every engine, like any listener of an engine.
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
        self._announces = announces
        self._rng = Random(scenario.seed)
        self._steps = timeline_of(scenario)
        self._time = ScenarioTime(wall)
        self._captions = Captions(scenario, self._steps, self._time, lambda event: self.engines[0].emit(event))
        self.announce_pace = self._captions.announce_pace
        """Announce the pace of a paced loop after it has changed."""
        self._played = {name: self._new_engine(name, on_event) for name in scenario.engine_names}
        self.engines = tuple(played.engine for played in self._played.values())
        """The engines that others see, with every event; they outlive those that a scenario kills."""
        self._proxies = PlayedProxies(scenario, self._captions.announce)
        self._checkpoints = MemoryCheckpoints()
        self._ids = itertools.count(0x8F00)

    def _new_engine(self, name: str, on_event: Callable[[Event], None] | None) -> PlayedEngine:
        def observe(event: Event) -> None:
            self.outcome.observe(event, name)

        listeners = (observe,) if on_event is None else (observe, on_event)
        return PlayedEngine(name, self.scenario, self._steps, self._time, self._rng, self._captions.announce, listeners)

    @property
    def engine(self) -> ScenarioEngine:
        """The first of its engines: the only one, unless the scenario names several."""
        return self.engines[0]

    def time_of_next_step(self, after: float) -> float:
        """Return the loop's time of the first step of the timeline after a time, or of the end after the last one."""
        following = next(steps_after(self._steps, after - self._time.began), None)
        return self._time.began + (self.scenario.duration if following is None else following.at)

    async def play(
        self, recording: AbstractAsyncContextManager[object] | None = None, *, repeat: bool = False
    ) -> Verdict:
        """Play to the end and return the verdict.

        Args:
            recording: entered for the whole play, such as the result of `record(engine, path)`.
            repeat: start over at the end, until cancelled.

        Raises:
            DocumentError: a proxy cannot listen, or the scenario has proxies and plays in virtual time.
        """
        async with recording or nullcontext(), self._proxies:
            for played in self._played.values():
                played.save_runs_in(self._checkpoints)
            try:
                while True:
                    await self._play_once()
                    if not repeat:
                        break
            finally:
                for played in self._played.values():
                    await played.stop()
        if not self.scenario.traffic:  # it has only proxies
            return Verdict(self.outcome)
        return Verdict(self.outcome, judge(self.scenario.expect, self.scenario.duration, self.outcome))

    async def _play_once(self) -> None:
        self._time.begin()
        scenario, engines = self.scenario, tuple(self._played)
        self.outcome = Outcome(self._time.wall(), scenario.duration, events_to_keep(scenario.expect), engines)
        for played in self._played.values():
            await played.begin()
        if self._announces and scenario.traffic and not (self._steps and self._steps[0].at == 0):
            self._captions.announce("The traffic begins")
        try:
            async with asyncio.TaskGroup() as parts:
                for traffic in scenario.traffic:
                    parts.create_task(self._run_traffic(traffic))
                parts.create_task(self._run_timeline())
        except asyncio.CancelledError:
            for task in self._in_flight():
                task.cancel()
            raise
        finally:
            for played in self._played.values():
                played.end()
            self._proxies.heal()
            if in_flight := self._in_flight():
                await asyncio.wait(in_flight, timeout=60)

    def _in_flight(self) -> set[asyncio.Task[object]]:
        """Return what the end of the scenario waits for, in all engines."""
        return set().union(*(played.in_flight for played in self._played.values()))

    async def _run_traffic(self, traffic: TrafficPart) -> None:
        engines = [played for name, played in self._played.items() if traffic.engine in (None, name)]
        for due in arrivals(traffic, self.scenario.duration, self._rng, self._steps):
            await self._time.until(due)
            if sum(len(played.in_flight) for played in self._played.values()) >= MAX_IN_FLIGHT:
                await asyncio.wait(self._in_flight(), return_when=asyncio.FIRST_COMPLETED)
            id = f"{next(self._ids):x}"
            for place, played in enumerate(engines):  # what arrives while no engine runs is lost
                if played.running is not None:
                    played.run(request(played.running, traffic, id))
                    engines = [*engines[:place], *engines[place + 1 :], played]  # its next turn comes last
                    break

    async def _run_timeline(self) -> None:
        said: tuple[float, str] | None = None
        for step in self._steps:
            await self._time.until(step.at)
            if (step.at, step.say) != said:  # that of a tag happens to several adapters
                self._captions.announce(step.say)
                said = step.at, step.say
            if step.engine is not None:
                self._played[step.engine].perform(step)
            elif step.proxy is not None:
                self._proxies.perform(step)
        await self._time.until(self.scenario.duration)

    def announce_end(self) -> None:
        """Announce that the scenario is over, and how it went."""
        verdict = Verdict(self.outcome)
        share = verdict.success_rate
        answered = "" if share is None else f": {share:.1%} of {verdict.tasks:,} tasks answered"
        self._captions.announce(f"The scenario has ended{answered}", ends=True)

    def close_breakers(self) -> None:
        """Close every breaker, so that no outage is left to another engine of its name."""
        for played in self._played.values():
            played.close_breakers()
