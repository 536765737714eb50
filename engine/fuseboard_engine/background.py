"""What an engine does beside the calls it is asked for: health checks, retries of dead letters, runs asked for.

These functions are methods of `Engine`. A recorder uses them too, so that an engine that is only recorded is whole.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fuseboard_engine.engine import Engine


def begin_background(engine: Engine) -> bool:
    """Begin the health checks in the running loop; dead letters are retried from the first one on.

    Returns:
        Whether that began them; False: they were under way.
    """
    return engine.health.start()


async def stop_background(engine: Engine) -> None:
    """End health checks, retries of dead letters, and the runs that operators asked for; none is lost."""
    await engine.health.stop()
    await engine.runs.stop()
    if engine.dead_letters is not None:
        await engine.dead_letters.stop()
