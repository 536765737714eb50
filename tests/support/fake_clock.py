"""A clock that stands still until a test moves it."""

from __future__ import annotations


class FakeClock:
    """Seconds for a breaker's decisions, and wall time in microseconds for its labels."""

    def __init__(self) -> None:
        self.now = 0.0
        self.wall_offset = 0.0

    def __call__(self) -> float:
        return self.now

    def wall(self) -> int:
        return 1_700_000_000_000_000 + round((self.now + self.wall_offset) * 1e6)

    def advance(self, seconds: float) -> None:
        self.now += seconds
