"""A scenario played for spectators, with its captions and the faults that an operator injects."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

import pytest

from fuseboard_engine.commands import Command
from fuseboard_engine.documents.loader import parse
from fuseboard_engine.engine import Engine
from fuseboard_engine.events import (
    AttemptFailed,
    CommandDone,
    Event,
    FaultEnded,
    FaultInjected,
    RouteFinished,
    ScenarioPaced,
    ScenarioStep,
)
from fuseboard_engine.faults.table import FAULTS
from fuseboard_engine.scenario.model import Scenario
from fuseboard_engine.scenario.paced_time import PacedLoop
from fuseboard_engine.scenario.player import Player
from fuseboard_engine.scenario.show import Show
from fuseboard_engine.virtual_time import VirtualTimeLoop

SCENARIO = """
scenario: mine
title: Two adapters
duration: 40
breaker: {recovery_timeout: 2, jitter: 0}
retry: {attempt_timeout: 1}
adapters: {gpt: {}, claude: {}}
traffic: [{per_second: 5}]
timeline: [{at: 10, adapter: gpt, fault: refused, say: Gpt goes down}, {at: 30, adapter: gpt, heal: true}]
"""


def scenario() -> Scenario:
    return parse(SCENARIO, Scenario, "mine.yaml")


class Watched:
    """A show whose engines are listened to. `engines` counts them."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.engines = 0
        self._changed = asyncio.Event()
        self.show = Show(scenario(), self._listen)

    def _listen(self, engines: Sequence[Engine]) -> _Nothing:
        self.engines += 1
        (self.engine,) = engines
        self.engine.subscribe(self._note)
        return _Nothing()

    def _note(self, event: Event) -> None:
        self.events.append(event)
        self._changed.set()

    def of(self, kind: type[Any]) -> list[Any]:
        return [event for event in self.events if isinstance(event, kind)]

    @property
    def texts(self) -> list[str]:
        return [step.text for step in self.of(ScenarioStep)]

    async def until(self, condition: Callable[[], object]) -> None:
        while not condition():
            self._changed.clear()
            await self._changed.wait()


class _Nothing:
    async def __aenter__(self) -> None: ...

    async def __aexit__(self, *_: object) -> None: ...


def shown(main: Callable[[Watched], Coroutine[Any, Any, None]]) -> None:
    """Run a show, and a test beside it."""

    async def both() -> None:
        watched = Watched()
        playing = asyncio.create_task(watched.show.run())
        try:
            await main(watched)
        finally:
            playing.cancel()
            await asyncio.wait({playing})

    with asyncio.Runner(loop_factory=lambda: PacedLoop(64)) as runner:
        runner.run(both())


def test_each_caption_says_what_comes_next_and_when() -> None:
    async def main(watched: Watched) -> None:
        await watched.until(lambda: watched.texts and watched.texts[-1].startswith("The scenario has ended"))
        steps: list[ScenarioStep] = watched.of(ScenarioStep)
        assert [(step.position, step.text, step.next_text, step.next_in) for step in steps[:-1]] == [
            (0, "The traffic begins", "Gpt goes down", 10),
            (10, "Gpt goes down", "gpt has recovered", 20),
            (30, "gpt has recovered", "", None),
        ]
        assert (steps[-1].ends, steps[-1].position, steps[-1].next_in) == (True, 40, None)
        assert steps[-1].text == "The scenario has ended: 100.0% of 199 tasks answered"
        assert {(step.title, step.duration) for step in steps} == {("Two adapters", 40)}

    shown(main)


def test_at_its_end_it_waits_and_a_restart_plays_it_with_a_new_engine() -> None:
    async def main(watched: Watched) -> None:
        await watched.until(lambda: watched.texts and watched.texts[-1].startswith("The scenario has ended"))
        first = watched.texts
        assert watched.of(ScenarioStep)[-1].pace == 0
        watched.events.clear()
        watched.show.restart()
        await watched.until(lambda: watched.texts and watched.texts[-1].startswith("The scenario has ended"))
        assert watched.texts == first
        assert watched.engines == 2

    shown(main)


def test_a_pause_stops_everything_and_says_so() -> None:
    async def main(watched: Watched) -> None:
        await watched.until(lambda: len(watched.of(RouteFinished)) > 3)
        watched.show.pause()
        watched.show.pause()
        count = len(watched.of(RouteFinished))
        await asyncio.to_thread(lambda: None)
        assert len(watched.of(RouteFinished)) == count
        watched.show.resume()
        await watched.until(lambda: len(watched.of(RouteFinished)) > count)
        watched.show.set_speed(32)
        assert [event.pace for event in watched.of(ScenarioPaced)] == [0, 64, 32]

    shown(main)


def test_it_goes_to_the_next_step_and_to_the_end_even_while_it_is_paused() -> None:
    async def main(watched: Watched) -> None:
        await watched.until(lambda: watched.texts)
        watched.show.pause()
        watched.show.next_step()
        await watched.until(lambda: watched.texts[-1] == "Gpt goes down")
        assert watched.of(ScenarioStep)[-1].pace == 0
        for text in ("gpt has recovered", "The scenario has ended"):
            watched.show.next_step()
            await watched.until(lambda text=text: watched.texts[-1].startswith(text))
        watched.show.next_step()  # nothing follows

    shown(main)


def test_a_pause_before_it_plays_holds_it_at_its_beginning() -> None:
    async def main(watched: Watched) -> None:
        watched.show.pause()
        await watched.until(lambda: watched.texts)
        await asyncio.to_thread(lambda: None)
        assert (watched.of(ScenarioStep)[-1].pace, watched.of(RouteFinished)) == (0, [])
        watched.show.resume()
        await watched.until(lambda: watched.of(RouteFinished))
        watched.events.clear()
        watched.show.restart()
        watched.show.pause()
        await watched.until(lambda: watched.texts)
        assert (watched.engines, watched.of(ScenarioStep)[-1].pace) == (2, 0)

    shown(main)


def test_a_restart_takes_back_a_pause_and_what_was_asked_for_after_the_end() -> None:
    async def main(watched: Watched) -> None:
        await watched.until(lambda: watched.texts)
        watched.show.pause()
        watched.show.restart()
        await watched.until(lambda: watched.engines == 2 and watched.texts[-1].startswith("The scenario has ended"))
        watched.show.pause()
        watched.show.next_step()
        watched.show.restart()
        await watched.until(lambda: watched.engines == 3 and watched.texts[-1].startswith("The scenario has ended"))

    shown(main)


def test_two_steps_asked_for_at_once_are_two_steps() -> None:
    async def main(watched: Watched) -> None:
        await watched.until(lambda: watched.texts)
        watched.show.pause()
        watched.show.next_step()
        watched.show.next_step()
        await watched.until(lambda: watched.texts[-1] == "gpt has recovered")
        for _ in range(5):
            watched.show.next_step()
        await watched.until(lambda: watched.texts[-1].startswith("The scenario has ended"))

    shown(main)


def test_a_restart_on_the_way_to_a_step_begins_at_the_beginning() -> None:
    async def main(watched: Watched) -> None:
        await watched.until(lambda: watched.texts)
        watched.show.next_step()
        watched.show.next_step()
        watched.show.restart()
        watched.show.pause()
        await watched.until(lambda: watched.engines == 2 and watched.texts[-1] == "The traffic begins")
        await asyncio.to_thread(lambda: None)
        assert watched.texts[-1] == "The traffic begins"
        assert watched.of(ScenarioStep)[-1].pace == 0

    shown(main)


def test_a_restart_in_an_outage_leaves_no_breaker_open() -> None:
    async def main(watched: Watched) -> None:
        await watched.until(lambda: watched.of(AttemptFailed))
        first = watched.engine
        watched.show.restart()
        await watched.until(lambda: watched.engines == 2 and watched.texts[-1] == "The traffic begins")
        assert {adapter.breaker.state for adapter in first.registry} == {"closed"}

    shown(main)


# ---------------------------------------------------------------- faults by command


def played(*commands: tuple[float, str, str, dict[str, object]]) -> list[Event]:
    """Play the scenario without its timeline in virtual time, with commands at some seconds; return its events."""
    events: list[Event] = []

    async def main() -> None:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, VirtualTimeLoop)
        quiet = scenario().model_copy(update={"timeline": ()})
        player = Player(quiet, wall=loop.wall, on_event=events.append)
        for at, verb, adapter, args in commands:
            command = Command(id=7, verb=verb, actor="ada", adapter=adapter, args=args)
            loop.call_later(at, player.engine.execute_command, command)
        await player.play()

    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        runner.run(main())
    return events


@pytest.mark.parametrize("name", [name for name in FAULTS if name != "brown_out"])  # which needs more traffic
def test_every_fault_can_be_injected_by_a_command_and_healed(name: str) -> None:
    events = played((5, "inject", "gpt", {"fault": name, **FAULTS[name].chosen}), (20, "heal", "gpt", {}))
    done = [(event.verb, event.adapter, event.actor, event.ok) for event in events if isinstance(event, CommandDone)]
    assert done == [("inject", "gpt", "ada", True), ("heal", "gpt", "ada", True)]
    failed = [event.at for event in events if isinstance(event, AttemptFailed)]
    slow = [e.at for e in events if isinstance(e, RouteFinished) and e.duration > 0.3]
    begin = events[0].at + 5_000_000
    assert [at for at in (*failed, *slow) if begin <= at <= begin + 15_500_000]
    assert not [at for at in (*failed, *slow) if at < begin]


def test_a_fault_for_some_seconds_ends_by_itself_unless_another_took_its_place() -> None:
    events = played(
        (5, "inject", "gpt", {"fault": "rate_limited", "value": 10, "seconds": 10}),
        (20, "inject", "gpt", {"fault": "error", "seconds": 10}),
        (25, "inject", "gpt", {"fault": "refused"}),
    )
    texts = [event.text for event in events if isinstance(event, ScenarioStep)]
    assert texts == [
        "gpt answers 429 with a Retry-After of 10 seconds, for 10 s",
        "gpt has recovered",
        "gpt answers 503, for 10 s",
        "gpt refuses connections",
    ]


@pytest.mark.parametrize(
    ("verb", "adapter", "args", "why"),
    [
        ("inject", "gpt", {"fault": "hangs"}, "did you mean hang?"),
        ("inject", "gpt", {}, "there is no fault None"),
        ("inject", "gtp", {"fault": "hang"}, "there is no adapter 'gtp' in this scenario"),
        ("inject", "gpt", {"fault": "slow", "value": -1}, "cannot be -1: input should be greater than 0"),
        ("inject", "gpt", {"fault": "hang", "seconds": "long"}, "seconds must be a number above 0"),
        ("inject", "gpt", {"fault": "hang", "value": 3}, "the fault hang takes no value"),
        ("heal", "gpt", {}, "gpt had no fault"),
    ],
)
def test_a_command_that_has_no_effect_says_why(verb: str, adapter: str, args: dict[str, object], why: str) -> None:
    (done,) = (event for event in played((5, verb, adapter, args)) if isinstance(event, CommandDone))
    assert why in done.detail


def faults(events: list[Event]) -> list[tuple[float, str, float | str, str]]:
    """Return when faults began and ended, which, for how many seconds or why, and by whom."""
    begin, found = events[0].at, list[tuple[float, str, float | str, str]]()
    for event in events:
        if isinstance(event, FaultInjected):
            found.append(((event.at - begin) / 1e6, event.fault, (event.until - event.at) / 1e6, event.actor))
        elif isinstance(event, FaultEnded):
            found.append(((event.at - begin) / 1e6, event.fault, event.reason, event.actor))
    return [(round(at, 3), *rest) for at, *rest in found]  # type: ignore[misc]


def test_faults_of_commands_are_recorded_with_their_ends() -> None:
    events = played(
        (5, "inject", "gpt", {"fault": "slow", "value": 3, "seconds": 10}),
        (20, "inject", "gpt", {"fault": "error"}),
        (25, "inject", "gpt", {"fault": "refused"}),
        (30, "heal", "gpt", {}),
        (35, "inject", "claude", {"fault": "hang", "seconds": 60}),
    )
    assert faults(events) == [
        (5, "slow", 10, "ada"), (15, "slow", "over", ""),
        (20, "error", 20, "ada"), (25, "error", "replaced", "ada"), (25, "refused", 15, "ada"),
        (30, "refused", "healed", "ada"),
        (35, "hang", 5, "ada"), (40, "hang", "over", ""),
    ]  # fmt: skip
    (slow,) = [event.value for event in events if isinstance(event, FaultInjected) and event.fault == "slow"]
    assert slow == 3


def test_faults_of_the_timeline_are_recorded_and_last_until_the_next_step_of_their_adapter() -> None:
    events: list[Event] = []

    async def main() -> None:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, VirtualTimeLoop)
        await Player(scenario(), wall=loop.wall, on_event=events.append).play()

    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        runner.run(main())
    assert faults(events) == [(10, "refused", 20, "scenario"), (30, "refused", "healed", "scenario")]
