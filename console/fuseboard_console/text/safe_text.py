"""The one function that foreign text passes before anybody sees it.

Names, error messages and payloads come from outside. A terminal obeys control characters, bidi marks reorder what
stands beside them, and zero-width characters make two names look the same. Here they become visible escapes.
Markup needs no care: nothing in the console parses it.
"""

from __future__ import annotations

import unicodedata

LONGEST = 2000
"""Characters of one text that are looked at; no screen shows more."""

_INVISIBLE = frozenset("\u115f\u1160\u3164\uffa0\u2800\u034f\u17b4\u17b5")
_HIDDEN = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
_NAMED = {"\n": "\\n", "\r": "\\r", "\t": "\\t", "\x1b": "\\e"}
_MOST_MARKS = 2


def safe_text(text: str, limit: int = LONGEST) -> str:
    """Return `text` with everything a terminal would obey, reorder or hide written out, on one line.

    `text` may hold anything, lone surrogates included. `limit` is how many of its characters are looked at; a longer
    text ends in `…`. Combining marks stay, at most two on one letter.
    """
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
                continue  # "show as emoji": no width of its own, and terminals disagree about it
            if category in _HIDDEN or character in _INVISIBLE or _selects(character) or marks > _MOST_MARKS:
                out.append(_escape(character))
            else:
                out.append(" " if category == "Zs" and character != "\u3000" else character)
        before = character
    return "".join(out)


def _selects(character: str) -> bool:
    return "\ufe00" <= character <= "\ufe0f" or "\U000e0100" <= character <= "\U000e01ef"


def _escape(character: str) -> str:
    if character in _NAMED:
        return _NAMED[character]
    code = ord(character)
    if code < 0x100:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
