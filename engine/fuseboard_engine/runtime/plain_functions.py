"""Functions that are called where nothing awaits them: an async one is refused, not taken silently."""

from __future__ import annotations

import functools
import inspect
from typing import Any, Final

ASYNC_LISTENER: Final = "a listener must be a plain function, as nothing awaits it; it may start a task or fill a queue"
ASYNC_JUDGE: Final = "`failed` must be a plain function: it reads a result that is there already"


def is_async(function: Any) -> bool:
    """Return whether a callable, its `__call__`, or the function inside a partial is async."""
    while isinstance(function, functools.partial):
        function = function.func
    return any(
        inspect.iscoroutinefunction(part) or inspect.isasyncgenfunction(part)
        for part in (function, getattr(function, "__call__", None))  # noqa: B004 - not whether it can be called
    )


def refuse_awaitable(value: Any, why: str) -> None:
    """Raise TypeError, with the reason `why`, if a function that must be plain returned an awaitable."""
    if inspect.isawaitable(value):
        if inspect.iscoroutine(value):
            value.close()
        raise TypeError(why)
