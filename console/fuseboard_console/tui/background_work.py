"""Work that runs in the background while the screen answers keys."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine, Generator
from typing import Any

from textual.dom import DOMNode

Work = Callable[[], Coroutine[Any, Any, None]]
"""Creates a coroutine. It is called when the work starts, which may be never: the console may be closed before."""


def run_in_background(node: DOMNode, work: Work, *, replaces: str = "") -> None:
    """Start work that runs while keys are answered. It ends when the page or screen that it belongs to is removed.

    Args:
        node: that page or screen.
        work: creates the coroutine. An exception that it raises ends the console.
        replaces: a name; running work of the same name is cancelled. Empty cancels nothing.
    """
    node.run_worker(_Deferred(work), group=replaces or "default", exclusive=bool(replaces))


class _Deferred(Awaitable[None]):
    """Creates its coroutine only when it is awaited, so that none is left un-awaited."""

    def __init__(self, work: Work) -> None:
        self._work = work

    def __await__(self) -> Generator[Any, Any, None]:
        return self._work().__await__()
