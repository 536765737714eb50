"""What the console shows, read from the screen. The only place that reaches into Textual's compositor."""

from __future__ import annotations

from typing import Any

from textual.app import App
from textual.strip import Strip


def screen_strips(app: App[Any]) -> list[Strip]:
    """Return the lines of the screen with their styles, top to bottom, each in full width."""
    return app.screen._compositor.render_strips()


def screen_text(app: App[Any]) -> str:
    """Return the text of the screen, without the blanks at the end of each line."""
    return "\n".join(strip.text.rstrip() for strip in screen_strips(app))
