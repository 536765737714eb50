"""A line on the terminal that says how far a long command is."""

from __future__ import annotations

import sys
from time import monotonic

EVERY = 0.1
"""Seconds between two changes of the line."""


class ProgressLine:
    """A line on standard error that is replaced as work goes on; nothing where standard error is not a terminal."""

    def __init__(self) -> None:
        self._shown = 0
        self._next = 0.0
        self._on = sys.stderr.isatty()

    def show(self, text: str, *, now: bool = False) -> None:
        """Replace the line by a text, at most every 0.1 s unless `now`."""
        if not self._on or (not now and monotonic() < self._next):
            return
        self._next = monotonic() + EVERY
        sys.stderr.write(f"\r{text:<{self._shown}}")
        sys.stderr.flush()
        self._shown = len(text)

    def clear(self) -> None:
        """Remove the line."""
        if self._shown:
            sys.stderr.write(f"\r{'':<{self._shown}}\r")
            sys.stderr.flush()
            self._shown = 0
