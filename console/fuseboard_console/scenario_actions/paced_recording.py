"""Records engines that play a scenario in paced time."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING

from fuseboard_storage import record

if TYPE_CHECKING:
    from fuseboard_engine.engine import Engine
    from fuseboard_engine.scenario.paced_time import PacedLoop


@asynccontextmanager
async def record_paced(engines: Iterable[Engine], path: str, loop: PacedLoop) -> AsyncIterator[None]:
    """Record engines to one file whose scenario plays in `loop`, the running one.

    While the file is opened, the time of the scenario stands still: at ×64 a tenth of a second would be six seconds.

    Raises:
        RecordingError: The file is not a recording and cannot become one.
    """
    async with AsyncExitStack() as opened:
        paused, loop.paused = loop.paused, True
        try:
            for engine in engines:
                recorder = record(engine, path)
                recorder.start()  # not in the loop, whose timers stand still too
                opened.push_async_exit(recorder)
        finally:
            loop.paused = paused
        yield
