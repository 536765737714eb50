"""Plays scenarios in virtual time, at full speed."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Final

from fuseboard_console.views.events.narrator import EventNarrator
from fuseboard_engine.scenario.player import Player
from fuseboard_engine.scenario_derivation.observation import Observation
from fuseboard_engine.scenario_derivation.repetition import Repetition, compare
from fuseboard_engine.virtual_time import BEGAN_AT, VirtualTimeLoop
from fuseboard_storage import record
from fuseboard_storage.errors import RecordingError

if TYPE_CHECKING:
    from fuseboard_engine.events import Event
    from fuseboard_engine.scenario.model import Scenario
    from fuseboard_engine.scenario_outcome.verdict import Verdict
    from fuseboard_storage import Recorder

MOST_WAITING: Final = 20_000
"""Events that may wait for the disk; the virtual clock stands still until fewer do, so that none is dropped."""


def play_virtually(
    scenario: Scenario,
    *,
    add_line: Callable[[str], object] | None = None,
    progress: Callable[[float], object] | None = None,
    recording: str | None = None,
    on_event: Callable[[Event], object] | None = None,
) -> Verdict:
    """Play a scenario in virtual time and return the verdict.

    Args:
        scenario: the scenario.
        add_line: called with a line for each notable event. It must not raise.
        progress: called with each event's seconds of the scenario.
        recording: the file to record to.
        on_event: called with each event.
    """
    loop = VirtualTimeLoop()
    began, narrator = loop.wall(), EventNarrator(loop.wall())
    recorder: Recorder | None = None

    def observe(event: Event) -> None:
        if progress is not None:
            progress((event.at - began) / 1e6)
        if add_line is not None and (line := narrator.narrate(event)):
            add_line(line)
        if on_event is not None:
            on_event(event)
        if recorder is not None:
            _wait_for_disk(recorder)

    async def main() -> Verdict:
        nonlocal recorder
        player = Player(scenario, on_event=observe)
        if recording is None:
            return await player.play()
        with record(player.engine, recording) as recorder:  # not by the loop, whose clock would not wait for the disk
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


def _wait_for_disk(recorder: Recorder) -> None:
    """Block while too many events wait."""
    while recorder.waiting > MOST_WAITING:
        time.sleep(0.001)
