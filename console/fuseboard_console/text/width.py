"""How wide text is on a terminal, and how to make it fit. Wide characters take two cells, marks none."""

from __future__ import annotations

from functools import lru_cache
from textwrap import wrap
from typing import Literal

ELLIPSIS = "…"
_NARROW = frozenset("–…→×µ✗✖✓●◐◔■○◌▌")


@lru_cache(maxsize=8192)
def width(text: str) -> int:
    """Return how many cells `text` takes."""
    if text.isascii() or _NARROW.issuperset([character for character in text if not character.isascii()]):
        return len(text)
    from rich.cells import cell_len  # only when needed: plain commands start without it

    return cell_len(text)


def cut(text: str, cells: int) -> str:
    """Return as much of `text` as fits in `cells`, ending in `…` when something is left out."""
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
    """Return a text as lines of at most `cells`, parted between words where that is possible."""
    lines: list[str] = []
    for line in wrap(text, max(1, cells)):
        while width(line) > cells > 1:
            kept = cut(line, cells + 1)[:-1]  # without the ellipsis
            lines.append(kept)
            line = line[len(kept) :]
        lines.append(line)
    return lines
