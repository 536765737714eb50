"""The console's pages, as data: to add a page, add a line here, its module in `pages/` and its view in `views/`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple

from fuseboard_console.actions.model import Action

Feature = Literal["filter", "list", "adapter", "mark"]
"""Requirements of an action on a page.

`filter`: its lines can be filtered. `list`: it consists of one list whose lines open. `adapter`: an adapter is under
the cursor, so that commands apply to it. `mark`: its lines can be marked, for commands on many.
"""
NUMBER_KEYS = "1234567890"
"""The keys of the first ten pages without a key of their own. `PAGE_MENU` and the palette lead to the others."""


class PageEntry(NamedTuple):
    """One page."""

    id: str
    title: str
    """The title in the breadcrumb; in lower case, the label of the action that goes there."""
    summary: str
    """The content of the page, for the help and the documentation."""
    path: str
    """The module below `fuseboard_console.pages` and the class: `audit:Audit`. It is imported at the first visit."""
    features: frozenset[Feature] = frozenset()
    key: str = ""
    """A key of its own; empty: the number key of its place."""


def _entry(id: str, title: str, summary: str, path: str, *features: Feature, key: str = "") -> PageEntry:
    return PageEntry(id, title, summary, path, frozenset(features), key)


PAGES: tuple[PageEntry, ...] = (
    _entry("overview", "Overview", "breakers, chains, failures", "overview:Overview", "filter", "adapter", "mark"),
    _entry("routes", "Routes", "how each recent task was routed, and why", "routes:Routes", "filter", "list"),
    _entry("failures", "Failures", "what went wrong, in full", "failures:Failures", "filter", "list", "adapter"),
    _entry(
        "dead_letters",
        "Dead letters",
        "tasks that failed everywhere, kept for a retry",
        "dead_letters.page:DeadLetters",
        "filter",
        "list",
        "mark",
    ),
    _entry(
        "workflows",
        "Workflows",
        "each run as a graph, and which can be resumed",
        "workflows:Workflows",
        "filter",
        "list",
    ),
    _entry(
        "health",
        "Health",
        "the last result of each health check, and since when",
        "health:Health",
        "filter",
        "list",
        "adapter",
    ),
    _entry("scenarios", "Scenarios", "choose one and watch it", "scenarios:Scenarios"),
    _entry("audit", "Audit", "operators' commands, when, by whom, and their outcome", "audit:Audit", "filter", "list"),
    _entry("engines", "Engines", "all that write or wrote here", "engines:Engines", "filter", "list"),
    _entry(
        "lanes",
        "Lanes",
        "the states of all adapters over time",
        "lanes.page:Lanes",
        "filter",
        "list",
        "adapter",
        key="l",
    ),
)
"""All pages, in the order of their number keys; those with a key of their own come last."""

PAGE_BY_ID = {entry.id: entry for entry in PAGES}

PAGE_MENU = Action("page_menu", ("m",), "all pages", "Choose among all pages.", "Pages", footer=False)
"""The action that leads to pages without a number key. It exists only while there are such pages."""


def pages_with(feature: Feature) -> tuple[str, ...]:
    """Return the ids of the pages that have a feature."""
    return tuple(entry.id for entry in PAGES if feature in entry.features)


def page_actions(pages: Sequence[PageEntry] = PAGES) -> tuple[Action, ...]:
    """Return the actions that go to each page: the first ten by a number key, more by a menu and the palette. A page
    with a key of its own takes no number key.
    """
    digits = iter(NUMBER_KEYS)
    actions = [
        Action(
            f"page_{entry.id}",
            tuple(entry.key or next(digits, "")),
            entry.title.lower(),
            f"Go to the {entry.title.lower()}: {entry.summary}.",
            "Pages",
            footer=False,
            run=f"page('{entry.id}')",
        )
        for entry in pages
    ]
    return tuple(actions) if all(action.keys for action in actions) else (*actions, PAGE_MENU)
