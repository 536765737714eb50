"""A program in a real pseudo-terminal, whose screen is read as text."""

from __future__ import annotations

import base64
import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import termios
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType

import pyte

from support.waiting import PATIENCE

FRAME, FRAMED = b"\x1b[?2026h", b"\x1b[?2026l"
"""The start and end of a frame on a terminal with synchronized output."""

_HEEDED = re.compile(
    rb"\x1b\[\?(?P<modes>[0-9;]+)(?P<switch>[hl])"
    rb"|\x1b\]52;c;(?P<copied>[A-Za-z0-9+/=]*)\x07"
    rb"|(?P<asked>\x1b\[\?2026\$p)"
)
"""The control sequences that this terminal handles; the screen handles the rest."""

_ENVIRONMENT = {name: value for name, value in os.environ.items() if name not in ("COLUMNS", "LINES")}


class Terminal:
    """Runs a program in a pseudo-terminal of `columns` by `rows`.

    With `controlling` it is the program's controlling terminal: closing it sends SIGHUP. With `framed` it supports
    synchronized output, and `frames` holds what was written in each frame.
    """

    def __init__(
        self,
        *command: str,
        columns: int = 120,
        rows: int = 40,
        controlling: bool = False,
        framed: bool = False,
        **environment: str,
    ) -> None:
        self.screen = pyte.Screen(columns, rows)
        self._stream = pyte.ByteStream(self.screen)
        self._closed = False
        self.modes: set[int] = set()
        """Private modes that are on: 1049 is the alternate screen, 1000, 1002, 1003 and 1006 are the mouse."""
        self.clipboard = ""
        """The text that the program has put on the clipboard."""
        self.raw = bytearray()
        """The complete output of the program."""
        self._heeded = 0
        """The position in `raw` up to which control sequences have been handled."""
        self._framed = framed
        self._ours, theirs = pty.openpty()
        self.resize(columns, rows)
        self.process = subprocess.Popen(
            command,
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            start_new_session=True,
            preexec_fn=_take_terminal if controlling else None,
            env={**_ENVIRONMENT, "TERM": "xterm-256color", "COLORTERM": "truecolor", **environment},
        )
        os.close(theirs)

    def __enter__(self) -> Terminal:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        if not self._closed:
            os.close(self._ours)

    def hang_up(self) -> None:
        """Close the terminal and send SIGHUP to the program, as closing its window does."""
        self.cut()
        self.process.send_signal(signal.SIGHUP)

    def cut(self) -> None:
        """Close the terminal while the program runs. Only a controlling terminal sends SIGHUP."""
        os.close(self._ours)
        self._closed = True

    def resize(self, columns: int, rows: int) -> None:
        """Resize the terminal."""
        fcntl.ioctl(self._ours, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        self.screen.resize(max(1, rows), max(1, columns))

    def press(self, keys: str) -> None:
        """Type keys."""
        os.write(self._ours, keys.encode())

    def press_until(self, keys: str, true: str) -> str:
        """Type keys until the screen shows a text; return the screen. A program that takes the terminal back may not
        read what was typed in that moment.
        """
        end = time.monotonic() + PATIENCE
        while True:
            self.press(keys)
            try:
                return self.wait_for(true, 5)
            except AssertionError:
                if time.monotonic() > end:
                    raise

    @property
    def text(self) -> str:
        """The text of the screen."""
        return "\n".join(line.rstrip() for line in self.screen.display)

    @property
    def frames(self) -> list[bytes]:
        """The output of each complete frame."""
        return [part.split(FRAMED)[0] for part in bytes(self.raw).split(FRAME)[1:] if FRAMED in part]

    def read(self, seconds: float) -> bool:
        """Read what the program writes within `seconds`; return False when it has closed its terminal."""
        ready, _, _ = select.select([self._ours], [], [], seconds)
        if ready:
            try:
                data = os.read(self._ours, 65536)
            except OSError:
                return False
            if not data:
                return False
            self.raw += data
            self._heed()
            self._stream.feed(data)
        return True

    def _heed(self) -> None:
        """Handle the control sequences that are complete; a partial one is handled once the rest arrives."""
        for found in _HEEDED.finditer(self.raw, self._heeded):
            self._heeded = found.end()
            if found["asked"] is not None and self._framed:
                self.press("\x1b[?2026;2$y")
            elif found["modes"] is not None:
                change = self.modes.add if found["switch"] == b"h" else self.modes.discard
                for mode in found["modes"].split(b";"):
                    change(int(mode))
            elif found["copied"] is not None:
                self.clipboard = base64.b64decode(found["copied"]).decode()
        last = self.raw.rfind(b"\x1b", self._heeded)
        self._heeded = len(self.raw) if last < 0 else last

    def settle(self, seconds: float = 0.1) -> None:
        """Read until the program has been idle for `seconds`: it wrote nothing, and all of its threads slept.

        A thread that waits for a processor does not sleep, so this holds however busy the machine is.
        """
        idle_since = time.monotonic()
        end = idle_since + PATIENCE
        while time.monotonic() < idle_since + seconds:
            written = len(self.raw)
            if not self.read(0.01):
                return
            if len(self.raw) != written or not self._asleep():
                idle_since = time.monotonic()
            assert time.monotonic() < end, f"the program was not idle within {PATIENCE:g} s:\n{self.text}"

    def _asleep(self) -> bool:
        """Return whether every thread of the program waits for something other than a processor or a disk."""
        try:
            stats = [stat.read_text() for stat in Path(f"/proc/{self.process.pid}/task").glob("*/stat")]
        except OSError:  # a thread ended meanwhile
            return False
        return all(stat.rpartition(")")[2].split()[0] == "S" for stat in stats)

    def wait_for(self, true: str | Callable[[str], bool], seconds: float = PATIENCE) -> str:
        """Read until the screen shows a text, or fulfils a condition; return the screen."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if (true in self.text) if isinstance(true, str) else true(self.text):
                return self.text
            if not self.read(0.1):
                break
        raise AssertionError(f"waited {seconds:g} s for {true!r} on\n{self.text}")

    def ended(self, seconds: float = PATIENCE) -> int:
        """Read until the program ends; return its exit code."""
        end = time.monotonic() + seconds
        while self.process.poll() is None and time.monotonic() < end:
            self.read(0.1)
        while select.select([self._ours], [], [], 0)[0] and self.read(0):
            pass
        return self.process.wait(timeout=1)


def _take_terminal() -> None:
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)
