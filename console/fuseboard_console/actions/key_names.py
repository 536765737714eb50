"""Names of keys: as an operator writes them (`?`, `ctrl+r`, `esc`) and as Textual names them."""

from __future__ import annotations

import difflib
import unicodedata
from functools import lru_cache

_NAMED = (
    "escape", "enter", "tab", "space", "backspace", "delete", "insert", "home", "end", "pageup", "pagedown",
    "up", "down", "left", "right", *(f"f{number}" for number in range(1, 25)),
)  # fmt: skip
_ALIASES = {"esc": "escape", "return": "enter", "pgup": "pageup", "pgdn": "pagedown", "del": "delete", "ins": "insert"}
_SHORT = {
    "solidus": "slash",
    "reverse_solidus": "backslash",
    "commercial_at": "at",
    "hyphen_minus": "minus",
    "plus_sign": "plus",
    "low_line": "underscore",
}
_MODIFIERS = ("alt", "ctrl", "shift")
_SENT_AS = {"ctrl+i": "tab", "ctrl+m": "enter", "ctrl+left_square_bracket": "escape"}
_RESERVED = {"ctrl+c": "it always quits", "ctrl+q": "it always quits", "ctrl+p": "it opens the palette"}


def parse_key(text: str) -> str:
    """Return Textual's name of a key: `question_mark` for `?`, `ctrl+r` for `Ctrl+R`.

    Raises:
        ValueError: The key is unknown, terminals cannot send it, or it is reserved; the message says what to write.
    """
    *modifiers, base = [text] if len(text) == 1 else text.replace("++", "+plus").split("+")
    held = sorted({one.lower() for one in modifiers})
    if unknown := [one for one in held if one not in _MODIFIERS]:
        raise ValueError(f"unknown modifier {unknown[0]!r}; write one of {', '.join(_MODIFIERS)}")
    base = _base(base, text)
    if held == ["shift"] and len(base) == 1:
        return base.upper()
    if held and len(base) == 1:
        base = base.lower()
    key = "+".join([*held, base])
    if key in _SENT_AS:
        raise ValueError(f"terminals send {key} as {_SENT_AS[key]}; choose another key")
    if key in _RESERVED:
        raise ValueError(f"{key} is reserved: {_RESERVED[key]}; choose another key")
    return key


def _base(base: str, text: str) -> str:
    if base == " ":
        return "space"
    if len(base) == 1 and base.isprintable():
        return base if base.isalnum() else _name(base)
    name = _ALIASES.get(base.lower(), base.lower())
    if name in _NAMED or name in _characters():
        return name
    near = difflib.get_close_matches(name, (*_NAMED, *_characters()), n=1)
    hint = f"did you mean {near[0]}?" if near else "write a letter, a sign, f1, enter, space, pageup or ctrl+r"
    raise ValueError(f"unknown key {text!r}; {hint}")


def _name(character: str) -> str:
    try:
        name = unicodedata.name(character).lower().replace("-", "_").replace(" ", "_")
    except ValueError:
        return character
    return _SHORT.get(name, name)


def character_of(key: str) -> str:
    """Return the character that a key types, such as `?` for `question_mark`; empty if it types none."""
    return key if len(key) == 1 else _characters().get(key, "")


def shown_key(key: str) -> str:
    """Return a key as an operator writes it: `?` for `question_mark`. `space` stays a word, because it is invisible."""
    return key if key == "space" else character_of(key) or key


@lru_cache(maxsize=1)
def _characters() -> dict[str, str]:
    """Return the characters of Latin keyboards by the names of their keys."""
    signs = (chr(code) for code in range(0x20, 0x250))
    return {_name(sign): sign for sign in signs if sign.isprintable() and not sign.isalnum()}
