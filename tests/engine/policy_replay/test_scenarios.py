"""Every scenario that comes along, replayed under its own policies, has the changes of state that it had."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from fuseboard_engine.events import Event
from fuseboard_engine.policy_replay.comparison import PolicyReplay
from fuseboard_engine.scenario.model import load
from fuseboard_engine.scenario.player import Player
from fuseboard_engine.virtual_time import VirtualTimeLoop, run
from fuseboard_scenarios import shipped
from support.policy_replays import assert_same_changes, changes, workloads


def played(path: Path) -> list[Event]:
    events: list[Event] = []

    async def play() -> None:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, VirtualTimeLoop)
        player = Player(load(path), wall=loop.wall, on_event=events.append)
        events.extend(player.engine.describe())
        await player.play()

    run(play())
    return events


@pytest.mark.parametrize("name", [name for name, file in shipped().items() if not load(file).engines])
def test_a_scenario_is_replayed_with_the_changes_of_state_that_it_had(name: str) -> None:
    events = played(shipped()[name])
    loads = workloads(events)
    (outcome,) = PolicyReplay(loads).outcomes({})
    for adapter in loads[0].adapters:
        assert_same_changes(outcome.adapters[adapter].states, changes(events, adapter))
