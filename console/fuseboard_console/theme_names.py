"""The names of the themes, known without loading what draws them."""

from __future__ import annotations

OWN = ("dark", "light", "contrast", "blue-orange", "teal-red")
"""The console's own."""


def theme_names() -> tuple[str, ...]:
    """Return the names of all themes: the console's own, then those of the library that draws the screen."""
    from textual.theme import BUILTIN_THEMES

    return (*OWN, *sorted(BUILTIN_THEMES))


def theme_id(name: str) -> str:
    """Return what the screen knows a theme by."""
    return f"fuseboard-{name}" if name in OWN else name
