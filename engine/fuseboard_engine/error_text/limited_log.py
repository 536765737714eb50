"""A log of complaints that repeat with every task while something outside is broken."""

from __future__ import annotations

import logging
from typing import Any, Final

REPEAT: Final = 60.0
"""Seconds between two lines of one text."""


class LimitedLog:
    """Logs the first line of a text at once, and later ones at most every `REPEAT` seconds.

    The next line that is logged says how many of its text were left out, so that a full disk costs one line a minute
    instead of one a task.
    """

    def __init__(self, logger: logging.Logger) -> None:
        self._logger = logger
        self._next: dict[str, float] = {}
        self._left_out: dict[str, int] = {}

    def write(self, now: float, level: int, text: str, *arguments: Any) -> None:
        """Log a line, unless one of the same text was logged less than `REPEAT` seconds before.

        Args:
            now: The time in seconds, of a clock that never goes back.
            level: A level of `logging`.
            text: A fixed text with the places of the arguments; lines with the same text count together.
            arguments: What stands in these places.
        """
        if now < self._next.get(text, now):
            self._left_out[text] = self._left_out.get(text, 0) + 1
            return
        self._next[text] = now + REPEAT
        if left_out := self._left_out.pop(text, 0):
            text, arguments = text + " %d more lines like this one were left out.", (*arguments, left_out)
        self._logger.log(level, text, *arguments)
