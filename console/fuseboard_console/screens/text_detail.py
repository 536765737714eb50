"""Lines about one thing, with keys that act on it, and keys that lead on from it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from fuseboard_console.actions.model import Action
from fuseboard_console.screens.detail_modal import DetailModal
from fuseboard_console.text.line import Line
from fuseboard_console.tui.themes import Palette


class Link(NamedTuple):
    """Where a key leads from here."""

    key: str
    label: str
    go: Callable[[], None]


class DetailAction(NamedTuple):
    """An action of the page that works here too, and means what this is about; this stays open."""

    action: Action
    do: Callable[[], object]
    applies: Callable[[], bool] = lambda: True
    """Whether it can be done just now: the foot and the help name it then."""


class TextDetailScreen(DetailModal):
    """A sheet on which `deeds` can be done, and from which `ways` lead on."""

    def __init__(
        self,
        title: str,
        palette: Palette,
        make: Callable[[int], list[Line]],
        ways: Sequence[Link] = (),
        deeds: Sequence[DetailAction] = (),
    ) -> None:
        """Show what `make` says for a width under a `title` of safe text."""
        self._deeds = {deed.action.id: deed for deed in deeds}
        self._offered: list[str] = []  # what the foot names
        done = [deed.action._replace(footer=True, run=f"do('{deed.action.id}')") for deed in deeds]
        self._ways = {way.key: way for way in ways}
        leads = [
            Action(f"lead_{way.key}", (way.key,), way.label, f"Go to {way.label}.", "Go to", run=f"lead('{way.key}')")
            for way in ways
        ]
        super().__init__(title, palette, make, (*done, *leads))
        for action in (*done, *leads):  # the first has a key that an operator gave to two
            if action.keys:
                self._bindings.bind(",".join(action.keys), action.call, action.label)

    def action_do(self, id: str) -> None:
        """Do what an action of the page does, to what this is about."""
        self._deeds[id].do()

    @property
    def _actions(self) -> tuple[Action, ...]:
        return tuple(one for one in super()._actions if one.id not in self._deeds or self._deeds[one.id].applies())

    def refresh_lines(self) -> None:
        """Show what there is now, and name the keys that do something to it."""
        super().refresh_lines()
        offered = [action.id for action in self._actions]
        if offered != self._offered:
            self._offered = offered
            self._show_keys()

    def action_lead(self, key: str) -> None:
        """Close this, and go where a key leads."""
        self.dismiss()
        self.app.call_later(self._ways[key].go)
