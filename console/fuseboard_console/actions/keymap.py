"""The actions with an operator's own keys; bindings, footer, help and palette are made from the result."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from fuseboard_console.actions.key_names import shown_key
from fuseboard_console.actions.model import Action

Keys = Mapping[str, tuple[str, ...]]
"""Keys by action id. An action with an empty tuple has no key and is only in the palette."""


def with_keys(actions: Iterable[Action], keys: Keys) -> tuple[Action, ...]:
    """Return the actions; those named in `keys` with these keys."""
    return tuple(
        action._replace(keys=keys[action.id], footer=action.footer and bool(keys[action.id]))
        if action.id in keys
        else action
        for action in actions
    )


def key_conflicts(actions: Sequence[Action], keys: Keys) -> list[tuple[str, str]]:
    """Return an action id and a sentence for each key in `keys` that has another meaning on the same page.

    Actions that share a key by default, each on pages of its own, are not conflicts.
    """
    found: list[tuple[str, str]] = []
    chosen = [action for action in with_keys(actions, keys) if action.id in keys]
    others = [action for action in actions if action.id not in keys]
    for index, action in enumerate(chosen):
        for other in (*others, *chosen[:index]):
            shared = [key for key in action.keys if key in other.keys and _share_a_page(action, other)]
            found += [
                (action.id, f"{shown_key(key)} is also the key of {other.id}; choose another key for one of them")
                for key in shared
            ]
    return found


def _share_a_page(action: Action, other: Action) -> bool:
    if action.steers != other.steers:  # while a scenario plays, its own keys come first
        return False
    return not action.pages or not other.pages or bool(set(action.pages) & set(other.pages))
