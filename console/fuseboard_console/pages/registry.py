"""Creates pages from their entries in `actions/pages.py`. A page's module is imported at the first visit."""

from __future__ import annotations

from importlib import import_module

from fuseboard_console.actions.pages import PAGE_BY_ID
from fuseboard_console.pages.page import Page
from fuseboard_console.tui.protocols import ConsoleHost


def page_class(id: str) -> type[Page]:
    """Import and return the class of a page."""
    module, _, name = PAGE_BY_ID[id].path.partition(":")
    found: type[Page] = getattr(import_module(f"fuseboard_console.pages.{module}"), name)
    return found


def make_page(id: str, host: ConsoleHost) -> Page:
    """Create a page."""
    return page_class(id)(host)
