"""Which pages there are. A page's module is imported when someone first goes there."""

from __future__ import annotations

from importlib import import_module
from typing import NamedTuple

from fuseboard_console.pages.page import Page
from fuseboard_console.tui.protocols import ConsoleHost


class Entry(NamedTuple):
    """A page: its id, what it is called, and where its class is."""

    id: str
    title: str
    module: str
    name: str

    def make(self, host: ConsoleHost) -> Page:
        """Make the page."""
        made: Page = getattr(import_module(f"fuseboard_console.pages.{self.module}"), self.name)(host)
        return made


PAGES: tuple[Entry, ...] = (
    Entry("overview", "Overview", "overview", "Overview"),
    Entry("routes", "Routes", "routes", "Routes"),
    Entry("failures", "Failures", "failures", "Failures"),
    Entry("letters", "Dead letters", "dead_letters.page", "DeadLetters"),
    Entry("workflows", "Workflows", "workflows", "Workflows"),
    Entry("health", "Health", "health", "Health"),
    Entry("scenarios", "Scenarios", "scenarios", "Scenarios"),
    Entry("audit", "Audit", "audit", "Audit"),
    Entry("engines", "Engines", "engines", "Engines"),
)
"""All pages, in the order of their number keys."""


BY_ID = {entry.id: entry for entry in PAGES}
"""The same by their ids."""
