"""The names of the themes, available without importing the themes themselves."""

from __future__ import annotations

BUILT_IN = ("dark", "light", "contrast", "blue-orange", "teal-red")
"""The console's own themes."""


def theme_names() -> tuple[str, ...]:
    """Return the names of all themes: the console's own, then Textual's."""
    from textual.theme import BUILTIN_THEMES

    return (*BUILT_IN, *sorted(BUILTIN_THEMES))


def theme_id(name: str) -> str:
    """Return Textual's name of a theme, which an operator may write too."""
    return f"fuseboard-{name}" if name in BUILT_IN else name


def is_theme(name: str) -> bool:
    """Return whether there is a theme with this name or with this name in Textual."""
    return name in built_in_names() or name in theme_names()


def built_in_names() -> tuple[str, ...]:
    """Return the names of the console's own themes, and Textual's names of them."""
    return (*BUILT_IN, *map(theme_id, BUILT_IN))


def themes_near(name: str) -> tuple[str, ...]:
    """Return the names to suggest from: the console's own if one of them is close, else all."""
    from difflib import get_close_matches  # rarely needed

    return built_in_names() if get_close_matches(name.casefold(), built_in_names(), n=1) else theme_names()
