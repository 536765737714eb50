"""Copies text to the clipboard through the terminal or tmux, or to a file.

A terminal takes text for the clipboard by an escape code (OSC 52), over SSH too, but does not confirm it. If it cannot
take it, or that is doubtful, the text is also written to a file that only its owner may read.
"""

from __future__ import annotations

import asyncio
import base64
import os
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Literal, NamedTuple

from fuseboard_console.preferences.paths import write_private
from fuseboard_console.text.safe_text import safe_text

MAX_BYTES = 74_994
"""Bytes that terminals take at once; base64 makes them a hundred thousand characters."""
TMUX_TIMEOUT = 2.0
"""Seconds that tmux has to take a text."""
COPY_FILE = "copied.txt"
"""The file for text that the clipboard does not take."""

CopyMethod = Literal["terminal", "doubtful", "tmux", "file"]


class Copied(NamedTuple):
    """The outcome of a copy. `place` is the file with the text; None if the clipboard has it."""

    done: bool
    place: Path | None = None
    trouble: str = ""


def copy_method(text: str, environment: Mapping[str, str]) -> CopyMethod:
    """Return how to copy a text in the terminal that the environment describes.

    `doubtful` means that the escape code may be swallowed, so the text is written to a file too.
    """
    if environment.get("TMUX"):
        return "tmux"
    terminal = environment.get("TERM", "")
    if environment.get("STY") or terminal in ("linux", "dumb") or environment.get("TERM_PROGRAM") == "Apple_Terminal":
        return "file"
    if len(text.encode("utf-8", "backslashreplace")) > MAX_BYTES:
        return "file"
    swallows = terminal.startswith(("screen", "tmux")) or bool(environment.get("VTE_VERSION"))
    return "doubtful" if swallows else "terminal"


def escape_code(text: str) -> str:
    """Return the escape code that puts a text on the terminal's clipboard."""
    data = base64.b64encode(text.encode("utf-8", "backslashreplace")).decode("ascii")
    return f"\x1b]52;c;{data}\x07"


async def copy(
    text: str, folder: Path, write: Callable[[str], None], environment: Mapping[str, str] = os.environ
) -> Copied:
    """Copy a text.

    Args:
        text: The text; the terminal interprets nothing in it.
        folder: The folder for the file, if the clipboard cannot be reached.
        write: Writes escape codes to the terminal.
        environment: Describes the terminal.
    """
    method = copy_method(text, environment)
    if method == "tmux" and await _tmux_takes(text):
        return Copied(True)
    if method == "terminal":
        write(escape_code(text))
        return Copied(True)
    if method == "doubtful":
        write(escape_code(text))
    path = folder / COPY_FILE
    try:
        write_private(path, text + "\n")
    except OSError as error:
        return Copied(False, path, error.strerror or "it cannot be written")
    return Copied(True, path)


async def _tmux_takes(text: str) -> bool:
    """Load a text into tmux's buffer and the terminal's clipboard; return whether tmux took it."""
    for options in (("-w", "-"), ("-",)):  # tmux before 3.2 has no -w
        with suppress(OSError, TimeoutError):
            tmux = await asyncio.create_subprocess_exec(
                "tmux",
                "load-buffer",
                *options,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.DEVNULL,
                stderr=asyncio.subprocess.DEVNULL,
            )
            try:
                async with asyncio.timeout(TMUX_TIMEOUT):
                    await tmux.communicate(text.encode("utf-8", "backslashreplace"))
            finally:
                if tmux.returncode is None:
                    tmux.kill()
            if tmux.returncode == 0:
                return True
    return False


def copied_text(text: str, copied: Copied) -> str:
    """Return the sentence about the outcome of a copy: `Copied 3 lines.`"""
    count = text.count("\n") + 1
    lines = "1 line" if count == 1 else f"{count:,} lines"
    if copied.place is None:
        return f"Copied {lines}."
    if not copied.done:
        return f"Nothing was copied: {safe_text(str(copied.place))}: {copied.trouble}."
    return f"Copied {lines} to {safe_text(str(copied.place))}."
