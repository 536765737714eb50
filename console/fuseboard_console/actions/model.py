"""One thing that an operator can do on the screen, and how it is read: which work where, under which keys."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from fuseboard_console.actions.key_names import shown_key


class Action(NamedTuple):
    """One thing that can be done.

    `verb` is what it changes, as the audit calls it; an action with one is gone in read-only mode. `dangerous` ones
    ask first. `needs_selection`: it concerns what is under the cursor. `footer`: it is shown there. `pages`: where it
    works; empty: everywhere. `run`: the call it stands for, where that is not its id.
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

    @property
    def call(self) -> str:
        """What a key press calls, as Textual writes it."""
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
    """Return those of the actions that work on a page."""
    return tuple(action for action in actions if not action.pages or page in action.pages)


def read_only_actions(actions: Sequence[Action]) -> tuple[Action, ...]:
    """Return those of the actions that ask nothing of an engine: all there is to do in a replay."""
    return tuple(action for action in actions if not action.verb)


def collapse_page_keys(actions: Sequence[Action]) -> tuple[Action, ...]:
    """Return the actions as the footer shows them: the keys of all pages stand together, before the help."""
    keys = [shown_keys(action._replace(keys=action.keys[:1])) for action in actions if action.group == "Pages"]
    at = next((place for place, action in enumerate(actions) if action.id == "help"), len(actions))
    if len(keys) < 2 or not all(keys):
        return tuple(actions)
    pages = Action("help", (f"{keys[0]}-{keys[-1]}",), "pages", "Show the keys of all pages.")
    return (*actions[:at], pages, *actions[at:])


def promoted(actions: Sequence[Action], labels: Mapping[str, str]) -> tuple[Action, ...]:
    """Return the actions with some of them first, by their ids, as they are called now: the footer shows these."""
    lead = [action for id in labels for action in actions if action.id == id]
    others = [action for action in actions if action.id not in labels]
    return (*(action._replace(label=labels[action.id], footer=True) for action in lead), *others)


def shown_keys(action: Action, ascii_only: bool = False) -> str:
    """Return an action's keys as people read them: `↓ j`."""
    arrows = ("down", "up", "left", "right")
    return " ".join(key if ascii_only and key in arrows else _SHOWN.get(key, shown_key(key)) for key in action.keys)


def key_for(actions: Sequence[Action], id: str) -> str:
    """Return the first key of an action, for a sentence that names it; where it has none, the way to the palette."""
    action = next(action for action in actions if action.id == id)
    return shown_keys(action._replace(keys=action.keys[:1])) if action.keys else f"ctrl+p “{action.label}”"
