"""Progress of long work, on one line of the terminal."""

from __future__ import annotations

import sys
from contextlib import suppress


class ProgressLine:
    """Shows on a terminal how far the work is, on one line of standard error that is removed at the end."""

    def __init__(self) -> None:
        self._shown = ""
        self._terminal = sys.stderr.isatty()

    def __enter__(self) -> ProgressLine:
        return self

    def __exit__(self, *_: object) -> None:
        self.clear()

    def show(self, done: float, total: float, what: str = "", before: float = 0.0) -> None:
        """Show the share of the work that is done, and `what` is being done, in safe text.

        `before` is what was done before `done`.
        """
        if not self._terminal:
            return
        text = f"{(before + done) / (total or 1):4.0%}" + (what and f"  {what}")
        if text != self._shown:
            self.clear()
            self._shown = text
            self._write(text)

    def clear(self) -> None:
        """Remove the line, before something else is printed."""
        if self._shown:
            self._write(f"\r{' ' * len(self._shown)}\r")
            self._shown = ""

    def _write(self, text: str) -> None:
        with suppress(OSError):
            sys.stderr.write(text)
            sys.stderr.flush()
