"""An operator's action on the screen, and selections of actions by page, mode and key."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from fuseboard_console.actions.key_names import shown_key


class Action(NamedTuple):
    """An action.

    Args:
        id: Its name, which preferences use too.
        keys: The keys that trigger it.
        label: Its short name in the footer and the palette.
        description: One or two sentences for help and documentation.
        group: Its heading in the help.
        verb: The command it sends, as the audit names it. Read-only mode has no actions with a verb.
        dangerous: Whether it asks for confirmation.
        needs_selection: Whether it concerns the line under the cursor.
        footer: Whether the footer shows it.
        pages: The pages it works on; empty for all.
        run: The Textual action it calls, if that is not its id.
        steers: Whether it steers a scenario, and works only while one plays.
    """

    id: str
    keys: tuple[str, ...]
    label: str
    description: str
    group: str = "View"
    verb: str = ""
    dangerous: bool = False
    needs_selection: bool = False
    footer: bool = True
    pages: tuple[str, ...] = ()
    run: str = ""
    steers: bool = False

    @property
    def call(self) -> str:
        """The Textual action that a key press calls."""
        return self.run or self.id


_SHOWN = {
    "left": "←",
    "right": "→",
    "down": "↓",
    "up": "↑",
    "escape": "esc",
    "pagedown": "page down",
    "pageup": "page up",
}


def on_page(actions: Sequence[Action], page: str) -> tuple[Action, ...]:
    """Return the actions that work on a page."""
    return tuple(action for action in actions if not action.pages or page in action.pages)


def read_only_actions(actions: Sequence[Action]) -> tuple[Action, ...]:
    """Return the actions that send no command to an engine; a replay has only these."""
    return tuple(action for action in actions if not action.verb)


def without_steering(actions: Sequence[Action]) -> tuple[Action, ...]:
    """Return the actions that work while no scenario plays."""
    return tuple(action for action in actions if not action.steers)


def while_steered(actions: Sequence[Action], *, steered: bool) -> tuple[Action, ...]:
    """Return the actions that work while a scenario plays, or while none does."""
    return steering_first(actions) if steered else without_steering(actions)


def steering_first(actions: Sequence[Action]) -> tuple[Action, ...]:
    """Return the actions while a scenario plays, whose actions take their keys from the others."""
    taken = {key for action in actions if action.steers for key in action.keys}
    found = []
    for action in actions:
        keys = action.keys if action.steers else tuple(key for key in action.keys if key not in taken)
        found.append(action._replace(keys=keys, footer=action.footer and (bool(keys) or not action.keys)))
    return tuple(found)


def collapse_page_keys(actions: Sequence[Action]) -> tuple[Action, ...]:
    """Return the actions for the footer, with one entry for the keys of all pages before the help."""
    pages = [action for action in actions if action.run.startswith("page(")]
    while pages and pages[-1].keys and not pages[-1].keys[0].isdigit():  # with a key of their own
        pages.pop()
    keys = [shown_keys(action._replace(keys=action.keys[:1])) for action in pages]
    while keys and not keys[-1]:  # pages without a number key
        keys.pop()
    at = next((place for place, action in enumerate(actions) if action.id == "help"), len(actions))
    if len(keys) < 2 or not all(keys):
        return tuple(actions)
    collapsed = Action("help", (f"{keys[0]}-{keys[-1]}",), "pages", "Show the keys of all pages.")
    return (*actions[:at], collapsed, *actions[at:])


def promoted(actions: Sequence[Action], labels: Mapping[str, str]) -> tuple[Action, ...]:
    """Return the actions with those in `labels` first, under these labels and shown in the footer."""
    lead = [action for id in labels for action in actions if action.id == id]
    others = [action for action in actions if action.id not in labels]
    return (*(action._replace(label=labels[action.id], footer=True) for action in lead), *others)


def shown_keys(action: Action, ascii_only: bool = False) -> str:
    """Return an action's keys as text: `↓ j`."""
    arrows = ("down", "up", "left", "right")
    return " ".join(key if ascii_only and key in arrows else _SHOWN.get(key, shown_key(key)) for key in action.keys)


def key_for(actions: Sequence[Action], id: str) -> str:
    """Return an action's first key for use in a sentence; without a key, how to find it in the palette."""
    action = next(action for action in actions if action.id == id)
    return shown_keys(action._replace(keys=action.keys[:1])) if action.keys else f"ctrl+p “{action.label}”"
