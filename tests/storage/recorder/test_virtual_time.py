"""A recording does not change what happens in virtual time: the clock stands still while a store writes."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path

from fuseboard_engine.events import Event, RouteFinished
from fuseboard_engine.scenario.model import Scenario, load
from fuseboard_engine.scenario.player import Player
from fuseboard_engine.virtual_time import run
from fuseboard_storage import record
from support.paths import CASES


def routes(scenario: Scenario, path: Path | None = None) -> list[tuple[str, int, bool]]:
    """Return each task that ended, with its time and whether an adapter answered it."""
    events: list[Event] = []

    async def main() -> None:
        player = Player(scenario, on_event=events.append)
        with nullcontext() if path is None else record(player.engine, path):
            await player.play()

    run(main())
    return sorted((event.task, event.at, event.success) for event in events if isinstance(event, RouteFinished))


def test_dead_letters_and_runs_take_no_time_to_store(tmp_path: Path) -> None:
    whole = load(CASES / "scenarios" / "everything.yaml")
    timeline = tuple(step for step in whole.timeline if not step.kill)  # a kill loses dead letters in memory
    scenario = whole.model_copy(update={"timeline": timeline})
    assert routes(scenario, tmp_path / "mine.db") == routes(scenario)
