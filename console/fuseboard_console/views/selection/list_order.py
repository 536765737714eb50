"""The order of the rows of a list by one of their texts, and the field that a title stands for."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

_TITLES: Final = {
    "adapter": ("name",), "engine": ("name",), "breaker": ("health",), "said": ("detail",), "when": ("",), "age": ("",),
    "newest": ("",), "first": ("",), "what": ("title",), "it": ("title",), "shows": ("title",),
}  # fmt: skip
"""The fields that other words of titles stand for; empty: the list's own order."""
_NUMBER: Final = re.compile(r"(\d+)")


def natural_order(text: str) -> tuple[tuple[int, int, str], ...]:
    """Return a key that sorts texts as people do: without case, and numbers in them by their value."""
    parts = _NUMBER.split(text.casefold()[:200])
    return tuple((0, int(part[:40]), "") if part.isdecimal() else (1, 0, part) for part in parts if part)


def field_of_title(title: str, fields: Sequence[str]) -> str | None:
    """Return the field that a word of the titles stands for, empty for the list's own order; None if there is none."""
    word = title.casefold().strip(":;,")
    if not word:
        return None
    return next((field for field in (word, *_TITLES.get(word, ())) if field in fields or not field), None)
