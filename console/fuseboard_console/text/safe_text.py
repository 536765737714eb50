"""Makes foreign text safe to show on a terminal.

Names, error messages and payloads come from outside. A terminal executes control characters, bidi marks reorder their
neighbours, and zero-width characters make two names look the same. All of them become visible escapes. Passwords,
tokens and keys are hidden, as in the log. Markup is left alone: nothing in the console parses it.
"""

from __future__ import annotations

import unicodedata
from functools import lru_cache

from fuseboard_engine.error_text.redaction import hide_secrets

MAX_LENGTH = 2000
"""Characters of one text that are read; no screen shows more."""

_INVISIBLE = frozenset("\u115f\u1160\u3164\uffa0\u2800\u034f\u17b4\u17b5")
_HIDDEN = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
_NAMED = {"\n": "\\n", "\r": "\\r", "\t": "\\t", "\x1b": "\\e"}
_MAX_MARKS = 2
_SHORT = 300  # characters of a short text; thousands of them are remembered, as names and reasons repeat in every frame
_LONG = 4_000  # characters of a text of which hundreds are remembered: errors repeat too
_MARGIN = 1_000  # characters behind the limit in which secrets are sought: one that is cut in two is still recognised


def safe_text(text: str, limit: int = MAX_LENGTH) -> str:
    """Return `text` on one line, without secrets, with escapes for all that a terminal would execute, reorder or hide.

    `text` may hold anything, lone surrogates included. In a text longer than `limit` characters, `…` replaces the
    rest. At most two combining marks per letter are kept.
    """
    if len(text) <= _SHORT:
        return _safe_short_text(text, limit, False)
    head = text[: limit + _MARGIN]
    make = _safe_long_text if len(head) <= _LONG else _safe_text
    return make(head, limit, len(head) < len(text))


def _safe_text(text: str, limit: int, cut: bool) -> str:
    """Return a text as `safe_text` does; `cut`: more of it follows."""
    hidden = hide_secrets(text)
    return escaped_text(f"{hidden}…" if cut and len(hidden) <= limit else hidden, limit)


_safe_short_text = lru_cache(4_096)(_safe_text)
_safe_long_text = lru_cache(512)(_safe_text)


def escaped_text(text: str, limit: int = MAX_LENGTH) -> str:
    """Return `text` as `safe_text` does, but with its secrets: for payloads that the operator asked to see."""
    if len(text) > limit:
        text = text[:limit] + "…"
    if text.isascii() and text.isprintable():
        return text
    out: list[str] = []
    marks = 0
    before = ""
    for character in text:
        if character.isascii() and character.isprintable():
            out.append(character)
            marks = 0
        else:
            category = unicodedata.category(character)
            marks = marks + 1 if category in ("Mn", "Me") else 0
            if character == "\ufe0f" and before and unicodedata.category(before) == "So":
                continue  # "show as emoji" has no width, and terminals disagree about it
            if (
                category in _HIDDEN
                or character in _INVISIBLE
                or _is_variation_selector(character)
                or marks > _MAX_MARKS
            ):
                out.append(_escape(character))
            else:
                out.append(" " if category == "Zs" and character != "\u3000" else character)
        before = character
    return "".join(out)


def _is_variation_selector(character: str) -> bool:
    return "\ufe00" <= character <= "\ufe0f" or "\U000e0100" <= character <= "\U000e01ef"


def _escape(character: str) -> str:
    if character in _NAMED:
        return _NAMED[character]
    code = ord(character)
    if code < 0x100:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
