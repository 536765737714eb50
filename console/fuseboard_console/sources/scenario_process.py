"""A scenario that runs in its own process and writes a recording."""

from __future__ import annotations

import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import Self

STOP_TIMEOUT = 5.0
"""Seconds that the process has to end before it is killed."""


class ScenarioProcess:
    """The process with the engine of one scenario. It ends with this process, even if that is killed."""

    def __init__(self, process: subprocess.Popen[bytes], log: Path) -> None:
        self._process = process
        self._log = log

    @classmethod
    def start(cls, scenario: Path, recording: Path, log: Path) -> Self:
        """Play a scenario file, recorded to `recording`; it waits at its end. Its errors are written to `log`."""
        command = [sys.executable, "-m", "fuseboard_console", "scenario", "play", str(scenario)]
        options = ["--record", str(recording), "--quiet", "--while-stdin"]
        with log.open("wb") as output:
            # Its standard input is a pipe: if this process dies, the pipe closes and the engine ends.
            process = subprocess.Popen(
                command + options,
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=output,
                start_new_session=True,  # Ctrl-C goes to the console, which stops it in order
            )
        return cls(process, log)

    @property
    def running(self) -> bool:
        """Whether the process is running."""
        return self._process.poll() is None

    def order(self, word: str) -> None:
        """Send an order of `scenario play --while-stdin`: a speed, `pause`, `resume`, `next` or `again`."""
        if self._process.stdin is not None:
            with suppress(OSError):  # the process has ended; `failure_reason` says why
                self._process.stdin.write(f"{word}\n".encode())
                self._process.stdin.flush()

    def failure_reason(self) -> str:
        """Return why the scenario's engine has ended early; empty while it runs."""
        if self.running:
            return ""
        lines = self._log.read_text(errors="replace").strip().splitlines()
        if self._process.returncode < 0:
            return f"The scenario's engine was killed by signal {-self._process.returncode}."
        return f"The scenario's engine ended early: {lines[-1] if lines else 'it gave no reason.'}"

    def stop(self) -> str:
        """Stop the process and wait for its end; return its error output if it had failed before."""
        failed = self._process.poll() not in (None, 0)
        if self._process.stdin is not None:
            with suppress(OSError):
                self._process.stdin.close()
        try:
            self._process.wait(STOP_TIMEOUT)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        return self._log.read_text(errors="replace").strip() if failed else ""
