"""Work that goes on beside the screen."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine, Generator
from typing import Any

from textual.dom import DOMNode

Work = Callable[[], Coroutine[Any, Any, None]]
"""Makes what is to be done when that begins, which may be never: the console may be left before."""


def run_in_background(node: DOMNode, work: Work, *, instead_of: str = "") -> None:
    """Begin work that goes on while keys are answered; it ends when the page or screen that it belongs to goes.

    Args:
        node: that page or screen.
        work: makes it; what it raises ends the console.
        instead_of: a name; work of this name that is still under way is given up. Empty: none is.
    """
    node.run_worker(_Begun(work), group=instead_of or "default", exclusive=bool(instead_of))


class _Begun(Awaitable[None]):
    def __init__(self, work: Work) -> None:
        self._work = work

    def __await__(self) -> Generator[Any, Any, None]:
        return self._work().__await__()
