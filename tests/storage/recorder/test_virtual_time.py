"""A recording does not change what happens in virtual or paced time: the clock stands still while a store writes."""

from __future__ import annotations

import asyncio
from contextlib import nullcontext
from pathlib import Path

from fuseboard_engine.events import Event, RouteFinished
from fuseboard_engine.scenario.model import Scenario, load
from fuseboard_engine.scenario.paced_time import PacedLoop
from fuseboard_engine.scenario.player import Player
from fuseboard_engine.virtual_time import BEGAN_AT, VirtualTimeLoop
from fuseboard_storage import record
from support.paths import CASES


def routes(
    scenario: Scenario, path: Path | None = None, loop: PacedLoop | VirtualTimeLoop | None = None
) -> list[tuple[str, int, bool]]:
    """Return each task that ended, with its time and whether an adapter answered it."""
    events: list[Event] = []

    async def main() -> None:
        player = Player(scenario, on_event=events.append)
        with nullcontext() if path is None else record(player.engine, path):
            await player.play()

    with asyncio.Runner(loop_factory=lambda: loop or VirtualTimeLoop()) as runner:
        runner.run(main())
    return sorted((event.task, event.at, event.success) for event in events if isinstance(event, RouteFinished))


def test_dead_letters_and_runs_take_no_time_to_store(tmp_path: Path) -> None:
    scenario = load(CASES / "scenarios" / "everything.yaml")
    assert routes(scenario, tmp_path / "mine.db") == routes(scenario)


def test_they_take_no_paced_time_either(tmp_path: Path) -> None:
    scenario = load(CASES / "scenarios" / "everything.yaml")
    loop = PacedLoop(64, wall=lambda: BEGAN_AT)
    assert routes(scenario, tmp_path / "mine.db", loop) == routes(scenario)
