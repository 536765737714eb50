"""Virtual time for tests."""

from __future__ import annotations

import asyncio
import functools
import random
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager, nullcontext
from typing import Any, ParamSpec, TypeVar, overload

from fuseboard_engine.testing.blocking_io import refuse_blocking_io
from fuseboard_engine.testing.clocks import CLOCKS, TickingLoop, install

P = ParamSpec("P")
T = TypeVar("T")

install()


@overload
def virtual_time(test: Callable[P, Coroutine[Any, Any, T]], /) -> Callable[P, T]: ...


@overload
def virtual_time(*, allow_io: bool = False) -> Callable[[Callable[P, Coroutine[Any, Any, T]]], Callable[P, T]]: ...


def virtual_time(test: Callable[P, Coroutine[Any, Any, T]] | None = None, /, *, allow_io: bool = False) -> Any:
    """Run an async function in virtual time: an hour's sleep ends at once, and in the correct order.

    Decorates a test, which is a plain function then, so that any other plugin leaves it alone. The clocks of engines
    that were made after the plugin was loaded follow, also of those that are made at import. Random numbers of the
    module `random` are the same in every run.

    Args:
        test: the function.
        allow_io: whether it may use sockets and programs, and sleep in plain functions.

    Raises:
        RealIO: it did so, also if the error was caught.
    """
    if test is None:
        return functools.partial(virtual_time, allow_io=allow_io)

    @functools.wraps(test)
    def in_virtual_time(*args: P.args, **kwargs: P.kwargs) -> T:
        return run(test(*args, **kwargs), allow_io=allow_io)

    return in_virtual_time


def run(main: Coroutine[Any, Any, T], *, allow_io: bool = False) -> T:
    """Run a coroutine to its end in virtual time and return its result; see `virtual_time`."""
    if CLOCKS.began_at is not None:
        main.close()
        raise RuntimeError("virtual time runs already: a test in virtual time cannot run another one")
    loop = TickingLoop(allow_io=allow_io)
    guard = nullcontext() if allow_io else refuse_blocking_io(loop)
    with _same_random_numbers(), CLOCKS.follow(loop), guard, asyncio.Runner(loop_factory=lambda: loop) as runner:
        try:
            result = runner.run(main)
        except Exception as error:
            if loop.real_io is not None and error is not loop.real_io:
                raise loop.real_io from error
            raise
        except BaseException as error:  # the end of a test, as `pytest.fail`
            if loop.real_io is not None:
                error.add_note(str(loop.real_io))
            raise
    if loop.real_io is not None:  # an adapter's failure hides it
        raise loop.real_io
    return result


@contextmanager
def _same_random_numbers() -> Iterator[None]:
    """Let `random` begin with the same numbers in each run, and go on afterwards as if there had been none."""
    state = random.getstate()
    random.seed(1)
    try:
        yield
    finally:
        random.setstate(state)
