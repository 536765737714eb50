"""How foreign text is made safe in the sentence of an event."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import NamedTuple

_LISTED = 20  # names and numbers that are listed before `and 5 more`


class TextStyle(NamedTuple):
    """How foreign text is made safe for where a sentence is shown.

    Args:
        name: Makes a short name safe, and cuts it.
        text: Makes an error, a detail or an id safe.
        arrow: Stands between the steps of a route or a change.
        short: Shortens the id of a task. The log keeps it whole, so that it can be searched for.
    """

    name: Callable[[str], str]
    text: Callable[[str], str]
    arrow: str = "->"
    short: Callable[[str], str] = str

    def suffix(self, text: str, separator: str = ": ") -> str:
        """Return `text` after `separator`; empty if `text` is empty."""
        return f"{separator}{self.text(text)}" if text else ""

    def actor(self, actor: str) -> str:
        """Return ` by ann`; empty for the engine's own decisions."""
        return f" by {self.name(actor)}" if actor else ""

    def task(self, task: str, task_type: str) -> str:
        """Return a task as `8f20 (ai_task)`; without a type only its id."""
        id = self.text(self.short(task))
        return f"{id} ({self.name(task_type)})" if task_type else id

    def listed(self, names: Iterable[str]) -> str:
        """Return names separated by commas; after 20 only how many more there are."""
        safe = [self.name(name) for name in names]
        more = f" and {len(safe) - _LISTED:,} more" if len(safe) > _LISTED else ""
        return ", ".join(safe[:_LISTED]) + more
