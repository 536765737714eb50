"""Clocks of engines that follow virtual time while a test runs in it, and are those of the host otherwise."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from fuseboard_engine.runtime.clock import EngineClocks, set_engine_clocks, wall_clock
from fuseboard_engine.virtual_time import VirtualTimeLoop


class FollowingClocks:
    """Clocks that never go back: after virtual hours the host's time goes on from there."""

    def __init__(self) -> None:
        self._loop: VirtualTimeLoop | None = None
        self._entered = 0.0
        self._entered_wall = 0
        self._lead = 0.0

    def monotonic(self) -> float:
        """Return monotonic seconds."""
        return time.monotonic() + self._lead if self._loop is None else self._entered + self._loop.time()

    def wall(self) -> int:
        """Return UTC microseconds."""
        if self._loop is None:
            return wall_clock() + round(self._lead * 1e6)
        return self._entered_wall + round(self._loop.time() * 1e6)

    @contextmanager
    def follow(self, loop: VirtualTimeLoop) -> Iterator[None]:
        """Follow a loop that begins now."""
        self._entered, self._entered_wall = self.monotonic(), self.wall()
        self._loop = loop
        try:
            yield
        finally:
            reached = self.monotonic()
            self._loop = None
            self._lead += max(0.0, reached - self.monotonic())


CLOCKS = FollowingClocks()
"""The clocks of the engines that are made while the plugin is in use."""


def install() -> None:
    """Let the engines that are made from now on have these clocks."""
    set_engine_clocks(EngineClocks(CLOCKS.monotonic, CLOCKS.wall))
