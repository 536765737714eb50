"""The actions with the keys an operator chose: bindings, footer, help and palette are made from the result."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from fuseboard_console.actions.key_names import shown_key
from fuseboard_console.actions.model import Action

Keys = Mapping[str, tuple[str, ...]]
"""Keys by the id of an action; none: the action has no key, and is only in the palette."""


def actions_with(actions: Iterable[Action], keys: Keys) -> tuple[Action, ...]:
    """Return the actions, those that `keys` names with its keys."""
    return tuple(
        action._replace(keys=keys[action.id], footer=action.footer and bool(keys[action.id]))
        if action.id in keys
        else action
        for action in actions
    )


def clashes(actions: Sequence[Action], keys: Keys) -> list[tuple[str, str]]:
    """Return the keys that would mean two things on one page: for each the action that `keys` names, and a sentence.

    Actions that share a key from the start, each on pages of its own, are none.
    """
    found: list[tuple[str, str]] = []
    chosen = [action for action in actions_with(actions, keys) if action.id in keys]
    others = [action for action in actions if action.id not in keys]
    for place, action in enumerate(chosen):
        for other in (*others, *chosen[:place]):
            shared = [key for key in action.keys if key in other.keys and _meet(action, other)]
            found += [(action.id, f"{shown_key(key)} is the key of {other.id} too; give one another") for key in shared]
    return found


def _meet(action: Action, other: Action) -> bool:
    return not action.pages or not other.pages or bool(set(action.pages) & set(other.pages))
