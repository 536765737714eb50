"""Lines about one thing, with keys that lead on from it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from fuseboard_console.actions import Action
from fuseboard_console.screens.sheet import Sheet
from fuseboard_console.themes import Palette
from fuseboard_console.views.line import Line


class Way(NamedTuple):
    """Where a key leads from here."""

    key: str
    label: str
    go: Callable[[], None]


class TextScreen(Sheet):
    """A sheet from which `ways` lead on."""

    def __init__(
        self, title: str, palette: Palette, make: Callable[[int], list[Line]], ways: Sequence[Way] = ()
    ) -> None:
        """Show what `make` says for a width under a `title` of safe text."""
        self._ways = {way.key: way for way in ways}
        leads = [
            Action(f"lead_{way.key}", (way.key,), way.label, f"Go to {way.label}.", "Go to", run=f"lead('{way.key}')")
            for way in ways
        ]
        super().__init__(title, palette, make, leads)
        for way in ways:
            self._bindings.bind(way.key, f"lead('{way.key}')", way.label)

    def action_lead(self, key: str) -> None:
        """Close this, and go where a key leads."""
        self.dismiss()
        self.app.call_later(self._ways[key].go)
