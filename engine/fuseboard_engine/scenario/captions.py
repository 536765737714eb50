"""What spectators of a scenario are told: what happens now, what comes next, and at which pace."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from fuseboard_engine.events import Event, ScenarioPaced, ScenarioStep
from fuseboard_engine.runtime.clock import wall_clock
from fuseboard_engine.scenario.model import Scenario
from fuseboard_engine.scenario.scenario_time import ScenarioTime
from fuseboard_engine.scenario.timeline import steps_after
from fuseboard_engine.scenario_file.step import StepPart


class Captions:
    """Tells what happens in a scenario, as events.

    In a `PacedLoop` they say at which pace it plays, so that every console shows its time.

    Args:
        scenario: the scenario.
        steps: what happens in it, in order.
        time: its time.
        emit: publishes an event.
    """

    def __init__(
        self, scenario: Scenario, steps: Sequence[StepPart], time: ScenarioTime, emit: Callable[[Event], None]
    ) -> None:
        self._scenario = scenario
        self._steps = steps
        self._time = time
        self._emit = emit

    def announce(self, text: str, *, ends: bool = False) -> None:
        """Tell what happens now; `ends`: the scenario is over."""
        scenario, time = self._scenario, self._time
        position, now = time.position, time.wall()
        following = None if ends else next(steps_after(self._steps, position), None)
        self._emit(
            ScenarioStep(
                at=now,
                scenario=scenario.scenario,
                text=text,
                ends=ends,
                title=scenario.title,
                position=round(min(position, scenario.duration), 3),
                duration=scenario.duration,
                next_text="" if following is None else following.say,
                next_in=None if following is None else round(following.at - position, 3),
                paced_at=now if time.paced else 0,
                clock_at=wall_clock() if time.paced else 0,
                pace=time.pace,
            )
        )

    def announce_pace(self) -> None:
        """Tell the pace, after it has changed."""
        if self._time.paced is not None:
            name, pace = self._scenario.scenario, self._time.pace
            self._emit(ScenarioPaced(at=self._time.wall(), scenario=name, pace=pace, clock_at=wall_clock()))
