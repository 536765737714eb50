"""What keys are called: as people write them (`?`, `ctrl+r`, `esc`), and as the screen's library names them."""

from __future__ import annotations

import difflib
import unicodedata
from functools import lru_cache

_NAMED = (
    "escape", "enter", "tab", "space", "backspace", "delete", "insert", "home", "end", "pageup", "pagedown",
    "up", "down", "left", "right", *(f"f{number}" for number in range(1, 25)),
)  # fmt: skip
_ALSO = {"esc": "escape", "return": "enter", "pgup": "pageup", "pgdn": "pagedown", "del": "delete", "ins": "insert"}
_SHORT = {
    "solidus": "slash",
    "reverse_solidus": "backslash",
    "commercial_at": "at",
    "hyphen_minus": "minus",
    "plus_sign": "plus",
    "low_line": "underscore",
}
_MODIFIERS = ("alt", "ctrl", "shift")
_SAME = {"ctrl+i": "tab", "ctrl+m": "enter", "ctrl+left_square_bracket": "escape"}
_TAKEN = {"ctrl+c": "it always leaves", "ctrl+q": "it always leaves", "ctrl+p": "it opens the palette"}


def key_of(text: str) -> str:
    """Return the name of a key that somebody wrote: `question_mark` for `?`, `ctrl+r` for `Ctrl+R`.

    Raises:
        ValueError: there is no such key, terminals can't send it, or it is not to be given away; with what to do.
    """
    *modifiers, base = [text] if len(text) == 1 else text.replace("++", "+plus").split("+")
    held = sorted({one.lower() for one in modifiers})
    if unknown := [one for one in held if one not in _MODIFIERS]:
        raise ValueError(f"there is no key {unknown[0]!r} to hold; there are {', '.join(_MODIFIERS)}")
    base = _base(base, text)
    if held == ["shift"] and len(base) == 1:
        return base.upper()
    if held and len(base) == 1:
        base = base.lower()
    key = "+".join([*held, base])
    if key in _SAME:
        raise ValueError(f"a terminal sends {key} as {_SAME[key]}; name another")
    if key in _TAKEN:
        raise ValueError(f"{key} can't be given away: {_TAKEN[key]}; name another")
    return key


def _base(base: str, text: str) -> str:
    if base == " ":
        return "space"
    if len(base) == 1 and base.isprintable():
        return base if base.isalnum() else _name(base)
    name = _ALSO.get(base.lower(), base.lower())
    if name in _NAMED or name in _characters():
        return name
    near = difflib.get_close_matches(name, (*_NAMED, *_characters()), n=1)
    hint = f"did you mean {near[0]}?" if near else "write a letter, a sign, f1, or such as enter, space, pageup, ctrl+r"
    raise ValueError(f"there is no key {text!r}; {hint}")


def _name(character: str) -> str:
    try:
        name = unicodedata.name(character).lower().replace("-", "_").replace(" ", "_")
    except ValueError:
        return character
    return _SHORT.get(name, name)


def character_of(key: str) -> str:
    """Return the character that a key types, such as `?` for `question_mark`; empty when it types none."""
    return key if len(key) == 1 else _characters().get(key, "")


def shown_key(key: str) -> str:
    """Return a key as people write it: `?` for `question_mark`; `space` stays a word, for nobody sees it."""
    return key if key == "space" else character_of(key) or key


@lru_cache(maxsize=1)
def _characters() -> dict[str, str]:
    """Return the signs of Latin keyboards by the names of their keys."""
    signs = (chr(code) for code in range(0x20, 0x250))
    return {_name(sign): sign for sign in signs if sign.isprintable() and not sign.isalnum()}
