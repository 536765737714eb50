"""The width of text on a terminal, and cutting to it. Wide characters take two cells, combining marks none."""

from __future__ import annotations

import re
from functools import lru_cache
from textwrap import wrap
from typing import Literal

ELLIPSIS = "…"
_NO_BREAK = "\0"  # in safe text there is none
_TOGETHER = re.compile(r"(?<=\d) (?=(?:µs|ms|s|min|h|d|%)\b|%)|(?<=…) (?=\d)")
_NARROW = frozenset("–…→×µ✗✖✓●◐◔■○◌▌")


@lru_cache(maxsize=8192)
def width(text: str) -> int:
    """Return the width of `text` in cells."""
    if text.isascii() or _NARROW.issuperset([character for character in text if not character.isascii()]):
        return len(text)
    from rich.cells import cell_len  # slow to import, and plain commands rarely need it

    return cell_len(text)


def cut(text: str, cells: int) -> str:
    """Return `text` cut to at most `cells`, ending in `…` if something is left out."""
    if cells <= 0:
        return ""
    if width(text) <= cells:
        return text
    used = 0
    for index, character in enumerate(text):
        used += width(character)
        if used > cells - 1:
            return text[:index] + ELLIPSIS
    return text


def fit(text: str, cells: int, align: Literal["left", "right"] = "left") -> str:
    """Return `text` cut or padded to exactly `cells`."""
    shown = cut(text, cells)
    pad = " " * max(0, cells - width(shown))
    return pad + shown if align == "right" else shown + pad


def fold(text: str, cells: int) -> list[str]:
    """Return a text as lines of at most `cells`, broken between words where possible.

    A number and its unit stay on one line, and so does what follows an ellipsis: `waits 1.5 s, 2.25 s … 60 s`.
    """
    lines: list[str] = []
    for kept_together in wrap(_TOGETHER.sub(_NO_BREAK, text), max(1, cells)):
        line = kept_together.replace(_NO_BREAK, " ")
        while width(line) > cells > 1:
            kept = cut(line, cells + 1)[:-1]  # without the ellipsis
            lines.append(kept)
            line = line[len(kept) :]
        lines.append(line)
    return lines
