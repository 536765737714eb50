"""Actions in the palette: all there are, wherever one is; those of another page go there."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from typing import Protocol

from textual.app import SystemCommand

from fuseboard_console.actions.model import Action
from fuseboard_console.pages.overview import Overview
from fuseboard_console.pages.registry import BY_ID
from fuseboard_console.views.adapters.columns import COLUMNS


class ActionHost(Protocol):
    """What does them."""

    overview: Overview

    async def run_one(self, action: Action) -> None:
        """Do an action that works where one is."""
        ...

    def go_to(self, page: str) -> object:
        """Go to a page by its id."""
        ...


def commands_of(console: ActionHost, actions: Sequence[Action], working: Sequence[Action]) -> Iterator[SystemCommand]:
    """Yield `actions` as commands; those that are not `working` here go to a page where they do."""
    for action in actions:
        if action.group == "Move" or (action.pages and not set(action.pages) & BY_ID.keys()):
            continue
        label = action.label.capitalize()
        if action in working:
            yield SystemCommand(label, action.description, partial(console.run_one, action))
        else:
            page = next(page for page in action.pages if page in BY_ID)
            yield SystemCommand(label, f"{BY_ID[page].title}: {action.description}", partial(console.go_to, page))

    def sort_by(column: str) -> None:
        console.go_to("overview")
        console.overview.sort_by(column)

    for column in COLUMNS:
        about = "Overview: Sort the breakers by this column, shown or not."
        yield SystemCommand(f"Sort by {column.title}", about, partial(sort_by, column.id))
