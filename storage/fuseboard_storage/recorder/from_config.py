"""Records an engine according to its configuration."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

from fuseboard_storage.recorder.recorder import Recorder, record
from fuseboard_storage.recorder.retention import Retention

if TYPE_CHECKING:
    from fuseboard_engine.engine import Engine


@contextlib.asynccontextmanager
async def record_configured(engine: Engine) -> AsyncIterator[Recorder | None]:
    """Record an engine to the file named in its configuration, until the block ends.

    Args:
        engine: An engine created by `Engine.from_config`.

    Returns:
        The recorder; None if the configuration names no file, so that nothing is recorded.

    Raises:
        RecordingError: The file is not a recording and cannot become one.
    """
    part = None if engine.settings is None else engine.settings.recording
    if part is None or part.path is None:
        yield None
        return
    retention = Retention(**part.retention.model_dump())
    recorder = record(
        engine,
        part.path,
        buffer_size=part.buffer_size,
        buffer_bytes=part.buffer_bytes,
        retention=retention,
        events=part.events,
        close_timeout=part.close_timeout,
        open_timeout=part.open_timeout,
        restore=part.restore,
    )
    async with recorder:
        yield recorder
