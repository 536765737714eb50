"""A program in a pseudo-terminal of its own: measures what it writes, in how many frames, and its CPU time.

The terminal reports support for synchronized output, as most do, so each frame is written between two marks.
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
GIVE_UP = 60.0  # seconds until a missing word is an error


class Chunk(NamedTuple):
    """Output that was read at once, and when, in seconds of the performance counter."""

    at: float
    data: bytes


class Passed(NamedTuple):
    """The activity of a program in a period: elapsed seconds, CPU seconds, bytes and frames written."""

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
        """Type keys."""
        os.write(self._ours, keys.encode())

    def cpu(self) -> float:
        """Return the CPU seconds of the program, all threads together (Linux only)."""
        return time.clock_gettime((~self._child.pid << 3) | 2)  # as clock_getcpuclockid(3) makes it

    def wakeups(self) -> int:
        """Return how often the program has been woken, all threads together (Linux only)."""
        threads = Path(f"/proc/{self._child.pid}/task").iterdir()
        lines = [line for thread in threads for line in (thread / "status").read_text().splitlines()]
        return sum(int(line.split()[1]) for line in lines if line.startswith("voluntary_ctxt_switches"))

    def listen(self, seconds: float) -> list[Chunk]:
        """Return the output of the next `seconds`.

        Raises:
            RuntimeError: The program has ended.
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
                raise RuntimeError(f"{self._child.args!r} ended early; its last output was {self._tail!r}")
            found.append(Chunk(time.perf_counter(), data))
            if ASKED in self._tail[-len(ASKED) :] + data:
                self.press(ANSWER.decode())
            self._tail = (self._tail + data)[-500:]
        return found

    def wait_for(self, word: str) -> None:
        """Wait until the program has written a word.

        Raises:
            RuntimeError: The program has ended, or never wrote it.
        """
        end = time.perf_counter() + GIVE_UP
        while time.perf_counter() < end:
            before = self._tail
            output = before + b"".join(chunk.data for chunk in self.listen(0.05))
            if word.encode() in output:
                return
        raise RuntimeError(f"{self._child.args!r} never wrote {word!r}; its last output was {self._tail!r}")

    def measure(self, seconds: float) -> Passed:
        """Return what the program does in the next `seconds`."""
        started, cpu = time.perf_counter(), self.cpu()
        output = b"".join(chunk.data for chunk in self.listen(seconds))
        return Passed(time.perf_counter() - started, self.cpu() - cpu, len(output), output.count(FRAME))
