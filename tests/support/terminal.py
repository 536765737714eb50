"""A real pseudo-terminal with a program in it, its screen read back as text."""

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
from types import TracebackType

import pyte

FRAME, FRAMED = b"\x1b[?2026h", b"\x1b[?2026l"
"""What a frame begins and ends with on a terminal that shows frames whole."""

_ENVIRONMENT = {name: value for name, value in os.environ.items() if name not in ("COLUMNS", "LINES")}


class Terminal:
    """Runs a program in a pseudo-terminal of `columns` by `rows`.

    With `controlling` it is the program's own, as when it was opened for it: to close it sends SIGHUP. With `framed` it
    shows frames whole (synchronized output), and `frames` are what came in each.
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
        """What the program has put on the clipboard."""
        self.raw = bytearray()
        """All that the program has written."""
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
        """Close the terminal while the program runs, as its window would; the program is told."""
        self.cut()
        self.process.send_signal(signal.SIGHUP)

    def cut(self) -> None:
        """Close the terminal while the program runs; nobody tells it, unless the terminal is its own."""
        os.close(self._ours)
        self._closed = True

    def resize(self, columns: int, rows: int) -> None:
        """Give the terminal another size."""
        fcntl.ioctl(self._ours, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        self.screen.resize(max(1, rows), max(1, columns))

    def press(self, keys: str) -> None:
        """Type."""
        os.write(self._ours, keys.encode())

    @property
    def text(self) -> str:
        """What the screen shows."""
        return "\n".join(line.rstrip() for line in self.screen.display)

    @property
    def frames(self) -> list[bytes]:
        """What was written in each whole frame."""
        return [part.split(FRAMED)[0] for part in bytes(self.raw).split(FRAME)[1:] if FRAMED in part]

    def read(self, seconds: float) -> bool:
        """Take in what the program writes within `seconds`; False when it has closed its terminal."""
        ready, _, _ = select.select([self._ours], [], [], seconds)
        if ready:
            try:
                data = os.read(self._ours, 65536)
            except OSError:
                return False
            if not data:
                return False
            self.raw += data
            if self._framed and b"\x1b[?2026$p" in data:
                self.press("\x1b[?2026;2$y")
            for modes, switch in re.findall(rb"\x1b\[\?([0-9;]+)([hl])", data):
                change = self.modes.add if switch == b"h" else self.modes.discard
                for mode in modes.split(b";"):
                    change(int(mode))
            for copied in re.findall(rb"\x1b\]52;c;([A-Za-z0-9+/=]*)\x07", data):
                self.clipboard = base64.b64decode(copied).decode()
            self._stream.feed(data)
        return True

    def wait_for(self, true: str | Callable[[str], bool], seconds: float = 20) -> str:
        """Read until the screen shows a text, or a condition of it holds; return the screen."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if (true in self.text) if isinstance(true, str) else true(self.text):
                return self.text
            if not self.read(0.1):
                break
        raise AssertionError(f"waited {seconds} s for {true!r} on\n{self.text}")

    def ended(self, seconds: float = 20) -> int:
        """Read until the program ends; return its exit code."""
        end = time.monotonic() + seconds
        while self.process.poll() is None and time.monotonic() < end:
            self.read(0.1)
        while select.select([self._ours], [], [], 0)[0] and self.read(0):
            pass
        return self.process.wait(timeout=1)


def _take_terminal() -> None:
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)
