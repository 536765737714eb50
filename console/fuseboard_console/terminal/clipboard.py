"""What is copied reaches the operator: by the terminal, by tmux, or as a file.

A terminal takes text for the clipboard by an escape code (OSC 52), over SSH too. Nothing says whether it did: where it
is known that it can't, or is in doubt, the text is also kept in a file that only its owner may read.
"""

from __future__ import annotations

import asyncio
import base64
import os
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Literal, NamedTuple

from fuseboard_console.preferences.state_folder import write_private
from fuseboard_console.text.safe_text import safe_text

MOST = 74_994
"""Bytes that terminals take at once: as base64 they are a hundred thousand characters."""
PATIENCE = 2.0
"""Seconds that tmux has to take a text."""
COPIED = "copied.txt"
"""The file for what the clipboard doesn't take."""

Way = Literal["terminal", "doubtful", "tmux", "file"]


class Copied(NamedTuple):
    """What became of a text. `place`: the file it is in; None: the clipboard has it."""

    done: bool
    place: Path | None = None
    trouble: str = ""


def way_to_copy(text: str, environment: Mapping[str, str]) -> Way:
    """Return how a text gets to the clipboard, from what the environment says of the terminal.

    `doubtful`: the escape code may be swallowed on its way, and the text is kept in a file too.
    """
    if environment.get("TMUX"):
        return "tmux"
    terminal = environment.get("TERM", "")
    if environment.get("STY") or terminal in ("linux", "dumb") or environment.get("TERM_PROGRAM") == "Apple_Terminal":
        return "file"
    if len(text.encode("utf-8", "backslashreplace")) > MOST:
        return "file"
    swallows = terminal.startswith(("screen", "tmux")) or bool(environment.get("VTE_VERSION"))
    return "doubtful" if swallows else "terminal"


def escape_code(text: str) -> str:
    """Return what makes a terminal put a text on its clipboard."""
    data = base64.b64encode(text.encode("utf-8", "backslashreplace")).decode("ascii")
    return f"\x1b]52;c;{data}\x07"


async def copy(
    text: str, folder: Path, write: Callable[[str], None], environment: Mapping[str, str] = os.environ
) -> Copied:
    """Copy a text.

    Args:
        text: what is copied; nothing in it is obeyed by a terminal.
        folder: where a file goes when the clipboard is out of reach.
        write: takes escape codes to the terminal.
        environment: what is known of the terminal.
    """
    way = way_to_copy(text, environment)
    if way == "tmux" and await _tmux_takes(text):
        return Copied(True)
    if way == "terminal":
        write(escape_code(text))
        return Copied(True)
    if way == "doubtful":
        write(escape_code(text))
    path = folder / COPIED
    try:
        write_private(path, text + "\n")
    except OSError as error:
        return Copied(False, path, error.strerror or "it can't be written")
    return Copied(True, path)


async def _tmux_takes(text: str) -> bool:
    """Give a text to tmux, as its buffer and for the terminal's clipboard; return whether it took it."""
    for options in (("-w", "-"), ("-",)):  # before 3.2 it knew no -w
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
                async with asyncio.timeout(PATIENCE):
                    await tmux.communicate(text.encode("utf-8", "backslashreplace"))
            finally:
                if tmux.returncode is None:
                    tmux.kill()
            if tmux.returncode == 0:
                return True
    return False


def copied_text(text: str, copied: Copied) -> str:
    """Return the sentence about what became of a text: `Copied 3 lines.`"""
    count = text.count("\n") + 1
    lines = "1 line" if count == 1 else f"{count:,} lines"
    if copied.place is None:
        return f"Copied {lines}."
    if not copied.done:
        return f"Nothing was copied: {safe_text(str(copied.place))}: {copied.trouble}."
    return f"Copied {lines} to {safe_text(str(copied.place))}."
