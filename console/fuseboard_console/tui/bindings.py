"""Textual key bindings made from actions."""

from __future__ import annotations

from collections.abc import Iterable

from textual.binding import Binding

from fuseboard_console.actions.catalogue import ACTIONS
from fuseboard_console.actions.model import Action

MOVES = tuple(action for action in ACTIONS if action.group == "Move")
"""The actions that move within a pane; the panes bind them."""


def bindings_of(actions: Iterable[Action]) -> list[Binding]:
    """Return one binding for each action. A keymap can change it by the action's id."""
    return [
        Binding(",".join(action.keys), action.call, action.label, show=action.footer, id=action.id)
        for action in actions
    ]
