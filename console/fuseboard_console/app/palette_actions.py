"""Actions in the palette: those that work on the page in view run, those of another page go there."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from typing import Protocol, cast

from textual.app import SystemCommand
from textual.command import DiscoveryHit, Hit, Hits, Provider

from fuseboard_console.actions.model import Action
from fuseboard_console.actions.pages import PAGE_BY_ID, PAGES
from fuseboard_console.pages.overview import Overview
from fuseboard_console.views.adapters.columns import COLUMNS


class ActionHost(Protocol):
    """Runs the actions."""

    overview: Overview

    async def run_one(self, action: Action) -> None:
        """Run an action that works on the page in view."""
        ...

    def go_to(self, page: str) -> object:
        """Go to a page by its id."""
        ...


def commands_of(console: ActionHost, actions: Sequence[Action], available: Sequence[Action]) -> Iterator[SystemCommand]:
    """Yield `actions` as commands; those that are not `available` here go to a page where they are."""
    ids = {action.id for action in available}  # a scenario may have taken the key of one
    for action in actions:
        if (
            action.group == "Move"
            or action.id == "palette"
            or (action.pages and not set(action.pages) & PAGE_BY_ID.keys())
        ):
            continue
        label = action.label.capitalize()
        if action.id in ids:
            yield SystemCommand(label, action.description, partial(console.run_one, action))
        else:
            page = next(page for page in action.pages if page in PAGE_BY_ID)
            description = f"{PAGE_BY_ID[page].title}: {action.description}"
            yield SystemCommand(label, description, partial(console.go_to, page))

    def sort_by(column: str) -> None:
        console.go_to("overview")
        console.overview.sort_by(column)

    for column in COLUMNS:
        description = "Overview: Sort the breakers by this column, shown or not."
        yield SystemCommand(f"Sort by {column.title}", description, partial(sort_by, column.id))


class PageCommands(Provider):
    """Offers all pages, in a palette that offers nothing else."""

    async def discover(self) -> Hits:
        """Yield all pages."""
        console = cast(ActionHost, self.app)
        for entry in PAGES:
            yield DiscoveryHit(entry.title, partial(console.go_to, entry.id), help=entry.summary)

    async def search(self, query: str) -> Hits:
        """Yield the pages whose titles match."""
        console, matcher = cast(ActionHost, self.app), self.matcher(query)
        for entry in PAGES:
            if (score := matcher.match(entry.title)) > 0:
                yield Hit(score, matcher.highlight(entry.title), partial(console.go_to, entry.id), help=entry.summary)
