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
from fuseboard_engine.scenario.script_clock import FASTEST, SLOWEST
from fuseboard_storage.recording.tail import Tail


class ScenarioSpeeds:
    """The speed of a scenario's script, changed by factors of two."""

    def __init__(self, engine: ScenarioProcess) -> None:
        self._engine = engine
        self.speed = 1.0
        """Seconds of the script per second."""

    def faster(self) -> float:
        """Double the speed; return it."""
        return self._set(self.speed * 2)

    def slower(self) -> float:
        """Halve the speed; return it."""
        return self._set(self.speed / 2)

    def _set(self, speed: float) -> float:
        self.speed = min(max(speed, SLOWEST), FASTEST)
        self._engine.set_speed(self.speed)
        return self.speed


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
            speeds=ScenarioSpeeds(engine),
            failure_reason=engine.failure_reason,
            closing=closing.pop_all(),
        )
