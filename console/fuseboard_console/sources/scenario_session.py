"""A session that plays a scenario: its engine runs in its own process, its recording is in a temporary folder."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from pathlib import Path
from tempfile import TemporaryDirectory

from fuseboard_console.sources.live import LiveRecording
from fuseboard_console.sources.scenario_process import ScenarioProcess
from fuseboard_console.sources.session import Session
from fuseboard_console.text.safe_text import safe_text
from fuseboard_engine.scenario.paced_time import FASTEST, SLOWEST
from fuseboard_storage.recording.tail import Tail


class ScenarioControls:
    """Steers the scenario that a process plays: pause, pace, the next step, and again from the beginning."""

    def __init__(self, engine: ScenarioProcess) -> None:
        self._engine = engine
        self.speed = 1.0
        """Seconds of the scenario per second while it is not paused."""
        self.paused = False
        """Whether the operator has stopped it."""

    def faster(self) -> float:
        """Double the speed; return it."""
        return self._set_speed(self.speed * 2)

    def slower(self) -> float:
        """Halve the speed; return it."""
        return self._set_speed(self.speed / 2)

    def _set_speed(self, speed: float) -> float:
        self.speed = min(max(speed, SLOWEST), FASTEST)
        self._engine.order(f"{self.speed:g}")
        return self.speed

    def toggle(self) -> None:
        """Stop the scenario, or let it go on."""
        self.paused = not self.paused
        self._engine.order("pause" if self.paused else "resume")

    def next_step(self) -> None:
        """Go to the next step."""
        self._engine.order("next")

    def restart(self) -> None:
        """Play it from the beginning."""
        self.paused = False
        self._engine.order("again")


async def start_scenario(scenario: Path, *, read_only: bool = False) -> Session:
    """Start a scenario's engine and return a session that shows it; closing the session stops the engine.

    Raises:
        RecordingError: The recording cannot be opened.
        OSError: No folder or file can be created for the recording.
    """
    async with AsyncExitStack() as closing:
        folder = Path(closing.enter_context(TemporaryDirectory(prefix="fuseboard-scenario-")))
        recording = folder / f"{scenario.stem}.db"
        recording.touch(mode=0o600)  # an empty file is a recording without an engine yet
        engine = ScenarioProcess.start(scenario, recording, folder / "engine.log")
        closing.push_async_callback(asyncio.to_thread, engine.stop)
        live = LiveRecording(await closing.enter_async_context(Tail.open(recording)))
        return Session(
            live,
            safe_text(recording.name, 100),
            None if read_only else live,
            controls=ScenarioControls(engine),
            failure_reason=engine.failure_reason,
            closing=closing.pop_all(),
        )
