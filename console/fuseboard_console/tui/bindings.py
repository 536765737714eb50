"""Key bindings made from the actions."""

from __future__ import annotations

from collections.abc import Iterable

from textual.binding import Binding

from fuseboard_console.actions.catalogue import ACTIONS
from fuseboard_console.actions.model import Action

MOVES = tuple(action for action in ACTIONS if action.group == "Move")
"""What moves within a pane; bound by the panes."""


def bindings_of(actions: Iterable[Action]) -> list[Binding]:
    """Return one binding for each action, to be changed by its id."""
    return [
        Binding(",".join(action.keys), action.call, action.label, show=action.footer, id=action.id)
        for action in actions
    ]
