"""Waiting for a condition instead of a fixed time."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable

PATIENCE = 60.0
"""Seconds to wait for a condition before a test fails. Generous, so that a busy machine fails no test."""

TIMED_OUT = ("timeout", "local")
"""The rows of the attribution table for a timeout in real time; the second if a busy machine noticed it late."""


def until(condition: Callable[[], object], seconds: float = PATIENCE) -> None:
    """Return once the condition holds; fail when it does not within `seconds`."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"the condition did not hold within {seconds:g} s"
        time.sleep(0.005)


async def until_async(condition: Callable[[], Awaitable[object]], seconds: float = PATIENCE) -> None:
    """Return once the condition holds; fail when it does not within `seconds`."""
    end = time.monotonic() + seconds
    while not await condition():
        assert time.monotonic() < end, f"the condition did not hold within {seconds:g} s"
        await asyncio.sleep(0.005)
