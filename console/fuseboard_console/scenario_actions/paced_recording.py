"""Records an engine that plays a scenario in paced time."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING

from fuseboard_storage import record

if TYPE_CHECKING:
    from fuseboard_engine.engine import Engine
    from fuseboard_engine.scenario.paced_time import PacedLoop
    from fuseboard_storage import Recorder


@asynccontextmanager
async def record_paced(engine: Engine, path: str, loop: PacedLoop) -> AsyncIterator[Recorder]:
    """Record an engine whose scenario plays in `loop`, the running one.

    While the file is opened, the time of the scenario stands still: at ×64 a tenth of a second would be six seconds.

    Raises:
        RecordingError: The file is not a recording and cannot become one.
    """
    recorder, paused = record(engine, path), loop.paused
    loop.paused = True
    try:
        recorder.start()  # not in the loop, whose timers stand still too
    finally:
        loop.paused = paused
    async with AsyncExitStack() as opened:
        opened.push_async_exit(recorder)
        yield recorder
