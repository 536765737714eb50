"""Plays scenarios in virtual time, at full speed."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from fuseboard_console.scenario_actions.virtual_recording import VirtualRecorders
from fuseboard_console.views.events.narrator import EventNarrator
from fuseboard_engine.scenario.player import Player
from fuseboard_engine.scenario_derivation.observation import Observation
from fuseboard_engine.scenario_derivation.repetition import Repetition, compare
from fuseboard_engine.virtual_time import BEGAN_AT, VirtualTimeLoop
from fuseboard_storage.errors import RecordingError

if TYPE_CHECKING:
    from fuseboard_engine.events import Event
    from fuseboard_engine.scenario.model import Scenario
    from fuseboard_engine.scenario_outcome.verdict import Verdict


def play_virtually(
    scenario: Scenario,
    *,
    add_line: Callable[[str], object] | None = None,
    progress: Callable[[float], object] | None = None,
    recording: str | None = None,
    on_event: Callable[[Event], None] | None = None,
) -> Verdict:
    """Play a scenario in virtual time and return the verdict.

    Args:
        scenario: the scenario.
        add_line: called with a line for each notable event. It must not raise.
        progress: called with each event's seconds of the scenario.
        recording: the file to record to.
        on_event: called with each event.

    Raises:
        RecordingNotWritable: events are missing in the recording.
    """
    loop = VirtualTimeLoop()
    began, narrator = loop.wall(), EventNarrator(loop.wall())
    recorders = VirtualRecorders()

    def observe(engine: str, event: Event) -> None:
        if progress is not None:
            progress((event.at - began) / 1e6)
        if add_line is not None and (line := narrator.narrate(event, engine)):
            add_line(line)
        recorders.wait_for_disk(event)

    async def main() -> Verdict:
        player = Player(scenario, on_event=on_event)
        for engine in player.engines:
            engine.subscribe(partial(observe, engine.name if scenario.engines else ""))
        if recording is None:
            return await player.play()
        with recorders.running(player.engines, recording):
            return await player.play()

    with asyncio.Runner(loop_factory=lambda: loop) as runner:
        return runner.run(main())


def repetition_of(observation: Observation, scenario: Scenario) -> Repetition:
    """Play a scenario that was derived from an observation in virtual time, and return how well it repeats it."""
    repeated = Observation(BEGAN_AT, observation.only)
    play_virtually(scenario, on_event=repeated.add)
    return compare(observation, repeated)


def create_recording(path: str) -> None:
    """Create the empty file of a recording. Raises RecordingError if it exists, or cannot be created."""
    try:
        Path(path).touch(mode=0o600, exist_ok=False)
    except FileExistsError:
        raise RecordingError(f"{path} exists already.", "Choose another name for the recording.") from None
    except (OSError, ValueError) as error:  # a name with a NUL is a ValueError
        reason = getattr(error, "strerror", None) or str(error)
        raise RecordingError(f"{path} cannot be written: {reason}.", "Check the path.") from None
