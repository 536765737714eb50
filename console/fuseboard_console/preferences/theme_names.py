"""The names of the themes, known without loading what draws them."""

from __future__ import annotations

OWN = ("dark", "light", "contrast", "blue-orange", "teal-red")
"""The console's own."""


def theme_names() -> tuple[str, ...]:
    """Return the names of all themes: the console's own, then those of the library that draws the screen."""
    from textual.theme import BUILTIN_THEMES

    return (*OWN, *sorted(BUILTIN_THEMES))


def theme_id(name: str) -> str:
    """Return what the screen knows a theme by; that is a name too."""
    return f"fuseboard-{name}" if name in OWN else name


def is_theme(name: str) -> bool:
    """Say whether there is a theme of that name, or that the screen lists by it."""
    return name in own_names() or name in theme_names()


def own_names() -> tuple[str, ...]:
    """Return the names of the console's own themes, and what the screen lists them by."""
    return (*OWN, *map(theme_id, OWN))


def themes_near(name: str) -> tuple[str, ...]:
    """Return the names to suggest one of: the console's own where one of them is near, else all."""
    from difflib import get_close_matches  # only when something was misspelt

    return own_names() if get_close_matches(name.casefold(), own_names(), n=1) else theme_names()
