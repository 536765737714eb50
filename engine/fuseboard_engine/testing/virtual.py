"""Virtual time for tests."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Callable, Coroutine
from typing import Any, ParamSpec, TypeVar

from fuseboard_engine.testing.clocks import CLOCKS, TickingLoop, install

P = ParamSpec("P")
T = TypeVar("T")

install()


def virtual_time(test: Callable[P, Coroutine[Any, Any, T]]) -> Callable[P, T]:
    """Run an async function in virtual time: an hour's sleep ends at once, and in the correct order.

    Decorates a test, which is a plain function then, so that any other plugin leaves it alone. The clocks of engines
    that were made after the plugin was loaded follow, also of those that are made at import.

    Raises:
        RealIO: a socket or a program was used.
    """

    @functools.wraps(test)
    def in_virtual_time(*args: P.args, **kwargs: P.kwargs) -> T:
        return run(test(*args, **kwargs))

    return in_virtual_time


def run(main: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine to its end in virtual time and return its result; see `virtual_time`."""
    loop = TickingLoop()
    with CLOCKS.follow(loop), asyncio.Runner(loop_factory=lambda: loop) as runner:
        try:
            result = runner.run(main)
        except Exception as error:
            if loop.real_io is not None and error is not loop.real_io:
                raise loop.real_io from error
            raise
    if loop.real_io is not None:  # an adapter's failure hides it
        raise loop.real_io
    return result
