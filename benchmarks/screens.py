"""A program in a pseudo-terminal of its own: what it writes, in how many frames, and the CPU time it takes.

The terminal says that it takes frames whole (synchronized output), as most do, so each frame comes between two marks.
"""

from __future__ import annotations

import fcntl
import os
import pty
import select
import struct
import subprocess
import termios
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Self

ASKED, ANSWER = b"\x1b[?2026$p", b"\x1b[?2026;2$y"
FRAME = b"\x1b[?2026h"
GIVE_UP = 60.0  # seconds


class Chunk(NamedTuple):
    """What came at once, and when, in seconds of the performance counter."""

    at: float
    data: bytes


class Passed(NamedTuple):
    """What a program did in some time: seconds on the clock, seconds of CPU, bytes and frames written."""

    seconds: float
    cpu: float
    written: int
    frames: int

    def __add__(self, other: Passed) -> Passed:  # type: ignore[override]
        return Passed(*(mine + theirs for mine, theirs in zip(self, other, strict=True)))


NOTHING = Passed(0.0, 0.0, 0, 0)


class Screen:
    """Runs a program in a pseudo-terminal until the `with` ends."""

    def __init__(
        self, command: Sequence[str], environment: Mapping[str, str], columns: int = 120, rows: int = 40
    ) -> None:
        self._ours, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        self._child = subprocess.Popen(
            command, stdin=theirs, stdout=theirs, stderr=theirs, env=environment, start_new_session=True
        )
        os.close(theirs)
        self._tail = b""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._child.kill()
        self._child.wait()
        os.close(self._ours)

    def press(self, keys: str) -> None:
        """Type."""
        os.write(self._ours, keys.encode())

    def cpu(self) -> float:
        """Return the seconds of CPU time the program has taken, all its threads together (Linux only)."""
        return time.clock_gettime((~self._child.pid << 3) | 2)  # as clock_getcpuclockid(3) makes it

    def wakeups(self) -> int:
        """Return how often the program was woken so far, all its threads together (Linux only)."""
        threads = Path(f"/proc/{self._child.pid}/task").iterdir()
        told = [line for thread in threads for line in (thread / "status").read_text().splitlines()]
        return sum(int(line.split()[1]) for line in told if line.startswith("voluntary_ctxt_switches"))

    def listen(self, seconds: float) -> list[Chunk]:
        """Take in what is written within `seconds`.

        Raises:
            RuntimeError: the program has ended.
        """
        found: list[Chunk] = []
        end = time.perf_counter() + seconds
        while (left := end - time.perf_counter()) > 0:
            if not select.select([self._ours], [], [], left)[0]:
                break
            try:
                data = os.read(self._ours, 65536)
            except OSError:
                data = b""
            if not data:
                raise RuntimeError(f"{self._child.args!r} ended early; the last it said was {self._tail!r}")
            found.append(Chunk(time.perf_counter(), data))
            if ASKED in self._tail[-len(ASKED) :] + data:
                self.press(ANSWER.decode())
            self._tail = (self._tail + data)[-500:]
        return found

    def wait_for(self, word: str) -> None:
        """Wait until a word was written.

        Raises:
            RuntimeError: the program has ended, or never wrote it.
        """
        end = time.perf_counter() + GIVE_UP
        while time.perf_counter() < end:
            before = self._tail
            said = before + b"".join(chunk.data for chunk in self.listen(0.05))
            if word.encode() in said:
                return
        raise RuntimeError(f"{self._child.args!r} never wrote {word!r}; the last it said was {self._tail!r}")

    def measure(self, seconds: float) -> Passed:
        """Return what the program does in so many seconds."""
        begun, cpu = time.perf_counter(), self.cpu()
        said = b"".join(chunk.data for chunk in self.listen(seconds))
        return Passed(time.perf_counter() - begun, self.cpu() - cpu, len(said), said.count(FRAME))
