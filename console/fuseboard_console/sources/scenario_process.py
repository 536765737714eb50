"""A scenario that plays in a process of its own and records what happens."""

from __future__ import annotations

import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import Self

PATIENCE = 5.0
"""Seconds the process has to end by itself."""


class ScenarioProcess:
    """The engine of one scenario. It ends when this process does, however that ends."""

    def __init__(self, process: subprocess.Popen[bytes], log: Path) -> None:
        self._process = process
        self._log = log

    @classmethod
    def start(cls, scenario: Path, recording: Path, log: Path, *, speed: float = 1.0) -> Self:
        """Play a scenario's file again and again, recorded to `recording`; what goes wrong is written to `log`."""
        command = [sys.executable, "-m", "fuseboard_console", "scenario", "play", str(scenario)]
        how = ["--record", str(recording), "--again", "--quiet", "--while-stdin", "--speed", f"{speed:g}"]
        with log.open("wb") as output:
            # Its standard input is a pipe of ours: should this process die, the engine sees it close and ends.
            process = subprocess.Popen(
                command + how,
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=output,
                start_new_session=True,  # Ctrl-C is for the console, which ends it in good order
            )
        return cls(process, log)

    @property
    def running(self) -> bool:
        """Whether it has not ended."""
        return self._process.poll() is None

    def set_speed(self, speed: float) -> None:
        """Run the script faster or slower from now on."""
        if self._process.stdin is not None:
            with suppress(OSError):  # it has ended, which `failure_reason` tells
                self._process.stdin.write(f"{speed:g}\n".encode())
                self._process.stdin.flush()

    def failure_reason(self) -> str:
        """Return why the scenario stands still when its engine has ended early; nothing while it runs."""
        if self.running:
            return ""
        lines = self._log.read_text(errors="replace").strip().splitlines()
        if self._process.returncode < 0:
            return f"The scenario's engine was killed by signal {-self._process.returncode}."
        return f"The scenario's engine ended early: {lines[-1] if lines else 'it said nothing.'}"

    def stop(self) -> str:
        """End it and wait until it has ended; return what it said if it had failed before."""
        failed = self._process.poll() not in (None, 0)
        if self._process.stdin is not None:
            with suppress(OSError):
                self._process.stdin.close()
        try:
            self._process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        return self._log.read_text(errors="replace").strip() if failed else ""
