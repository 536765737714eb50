"""Scripted streams that count their starts and closes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any


class ScriptedStream:
    """An async generator function that plays a script at each call, and the last one from then on.

    In a script an exception is raised, a float is a time to sleep, anything else is an item.
    """

    def __init__(self, *scripts: list[Any]) -> None:
        self.scripts = scripts
        self.started = 0
        self.closed = 0

    async def __call__(self, task: Any) -> AsyncIterator[Any]:
        script = self.scripts[min(self.started, len(self.scripts) - 1)]
        self.started += 1
        try:
            for step in script:
                if isinstance(step, float):
                    await asyncio.sleep(step)
                elif isinstance(step, BaseException):
                    raise step
                else:
                    yield step
        finally:
            await asyncio.sleep(0)
            self.closed += 1


async def read(stream: Any) -> list[Any]:
    """Return all items of a stream."""
    return [item async for item in stream]
