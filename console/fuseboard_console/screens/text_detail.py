"""The detail of one row: its lines, keys for actions on it, and keys that link to other pages."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from fuseboard_console.actions.model import Action
from fuseboard_console.screens.detail_modal import DetailModal
from fuseboard_console.text.line import Line
from fuseboard_console.tui.themes import Palette


class Link(NamedTuple):
    """A key that closes the detail and goes to another page."""

    key: str
    label: str
    go: Callable[[], None]


class DetailAction(NamedTuple):
    """An action of the page that also works in the detail, on the shown row. The detail stays open."""

    action: Action
    do: Callable[[], object]
    applies: Callable[[], bool] = lambda: True
    """Returns whether the action applies now; only then the footer and the help name it."""


class TextDetailScreen(DetailModal):
    """A detail with actions on its row and links to other pages."""

    def __init__(
        self,
        title: str,
        palette: Palette,
        make: Callable[[int], list[Line]],
        links: Sequence[Link] = (),
        actions: Sequence[DetailAction] = (),
    ) -> None:
        """Show what `make` returns for a width, under a `title` of safe text."""
        self._row_actions = {one.action.id: one for one in actions}
        self._offered: list[str] = []  # what the foot names
        done = [one.action._replace(footer=True, run=f"do('{one.action.id}')") for one in actions]
        self._links = {link.key: link for link in links}
        link_actions = [
            Action(
                f"link_{link.key}", (link.key,), link.label, f"Go to {link.label}.", "Go to", run=f"link('{link.key}')"
            )
            for link in links
        ]
        super().__init__(title, palette, make, (*done, *link_actions))
        for action in (*done, *link_actions):  # the first has a key that an operator gave to two
            if action.keys:
                self._bindings.bind(",".join(action.keys), action.call, action.label)

    def action_do(self, id: str) -> None:
        """Run an action of the page on the row that is shown."""
        self._row_actions[id].do()

    @property
    def _actions(self) -> tuple[Action, ...]:
        return tuple(
            one for one in super()._actions if one.id not in self._row_actions or self._row_actions[one.id].applies()
        )

    def refresh_lines(self) -> None:
        """Show the current lines, and the keys of the actions that apply."""
        super().refresh_lines()
        offered = [action.id for action in self._actions]
        if offered != self._offered:
            self._offered = offered
            self._show_keys()

    def action_link(self, key: str) -> None:
        """Close the detail and follow a link."""
        self.dismiss()
        self.app.call_later(self._links[key].go)
