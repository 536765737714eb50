"""What an engine's parts do in a forked child, which has none of the threads, loops and calls of its parent."""

from __future__ import annotations

import os
import weakref
from typing import Protocol


class Forkable(Protocol):
    """A part with state that belongs to one process."""

    def after_fork(self) -> None:
        """Begin as a part of a new process. Called in the child, in its only thread."""


class ForkHook:
    """Calls `after_fork` of its parts, in order, in each forked child. Ends when it is collected.

    Args:
        parts: The parts; None is left out.
    """

    def __init__(self, *parts: Forkable | None) -> None:
        self._parts = [part for part in parts if part is not None]
        _hooks.add(self)

    def run(self) -> None:
        """Call `after_fork` of each part."""
        for part in self._parts:
            part.after_fork()


_hooks: weakref.WeakSet[ForkHook] = weakref.WeakSet()
_parts: weakref.WeakSet[Forkable] = weakref.WeakSet()


def call_after_fork(part: Forkable) -> None:
    """Call `after_fork` of a part that may belong to no engine in each forked child, until it is collected."""
    _parts.add(part)


def _after_fork() -> None:
    for part in list(_parts):
        part.after_fork()
    for hook in list(_hooks):
        hook.run()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
