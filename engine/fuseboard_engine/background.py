"""What an engine does beside the calls it is asked for: health checks, retries of dead letters, runs asked for.

These functions are methods of `Engine`. A recorder uses them too, so that an engine that is only recorded is whole.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from fuseboard_engine.engine import Engine

PATIENCE: Final = 10.0
"""Seconds that a thread waits for what it ends in another thread's loop."""


def begin_background(engine: Engine) -> bool:
    """Begin the health checks in the running loop; dead letters are retried from the first one on.

    What operators ask for runs in this loop from now on.

    Returns:
        Whether that began the checks; False: they were under way.
    """
    engine.loop = asyncio.get_running_loop()
    return engine.health.start()


async def stop_background(engine: Engine) -> None:
    """End health checks, retries of dead letters, and the runs that operators asked for; none is lost."""
    await engine.health.stop()
    await engine.runs.stop()
    if engine.dead_letters is not None:
        await engine.dead_letters.stop()


def halt_background(engine: Engine) -> None:
    """End retries of dead letters and the runs that operators asked for, from a thread that runs no loop of theirs.

    It waits until their letters are free again and the runs are saved as they stand, ten seconds at most for each.
    """
    _see_ended(engine.loop, engine.runs.stop)
    if engine.dead_letters is not None:
        _see_ended(engine.dead_letters.loop, engine.dead_letters.stop)


def _see_ended(loop: asyncio.AbstractEventLoop | None, stop: Callable[[], Coroutine[Any, Any, None]]) -> None:
    if loop is None or not loop.is_running() or asyncio._get_running_loop() is loop:
        return
    stopping = stop()
    try:
        ended = asyncio.run_coroutine_threadsafe(stopping, loop)
    except RuntimeError:  # it was closed just now, and has ended all that ran in it
        stopping.close()
        return
    concurrent.futures.wait([ended], timeout=PATIENCE)
