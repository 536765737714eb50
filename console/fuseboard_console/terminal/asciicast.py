"""What the console shows as a recording of a terminal: asciicast version 2, which web pages play."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable
from typing import Any, Final, TextIO

_COPIED: Final = re.compile(r"\x1b\]52;[^\x07\x1b]*(?:\x07|\x1b\\)?")
"""The escape code that sets the clipboard, which is no part of the picture."""


class Asciicast:
    """Writes an asciicast to a file. A file that can no longer be written does not disturb the console.

    Args:
        file: the file.
        columns: the width of the terminal.
        rows: its height.
        title: the title of the recording.
        clock: monotonic seconds.
        wall: the present, seconds since 1970.
    """

    def __init__(
        self,
        file: TextIO,
        columns: int,
        rows: int,
        title: str,
        *,
        clock: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self._file = file
        self._clock = clock
        self._began = clock()
        self._size = (columns, rows)
        self.error: OSError | None = None
        """Why the file could not be written to its end; None if it could."""
        self.empty = True
        """Whether nothing was displayed yet."""
        header = {"version": 2, "width": columns, "height": rows, "timestamp": int(wall()), "title": title}
        self._line({**header, "env": {"TERM": "xterm-256color"}})

    def write(self, text: str) -> None:
        """Add an output of the terminal."""
        if text := _COPIED.sub("", text):
            self._event("o", text)

    def resize(self, columns: int, rows: int) -> None:
        """Add a change of the terminal's size; the same size adds nothing."""
        if (columns, rows) != self._size and columns and rows:
            self._size = (columns, rows)
            self._event("r", f"{columns}x{rows}")

    def close(self) -> None:
        """Close the file."""
        try:
            self._file.close()
        except OSError as error:
            self.error = self.error or error

    def _event(self, kind: str, data: str) -> None:
        self.empty = False
        self._line([round(self._clock() - self._began, 6), kind, data])

    def _line(self, value: object) -> None:
        if self.error is None:
            try:
                self._file.write(json.dumps(value, ensure_ascii=False) + "\n")
            except OSError as error:
                self.error = error


def exporting(driver: type[Any], cast: Asciicast) -> type[Any]:
    """Return a Textual driver that also writes what it displays to an asciicast."""

    class ExportingDriver(driver):  # type: ignore[misc]
        """A driver whose output is also exported, so that it is never headless."""

        @property
        def is_headless(self) -> bool:
            return False

        def write(self, data: str) -> None:
            cast.resize(*self._app.size)
            cast.write(data)
            super().write(data)

    return ExportingDriver
