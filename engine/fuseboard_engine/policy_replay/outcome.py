"""What a replay came to."""

from __future__ import annotations

from array import array

from fuseboard_engine.events import StateChanged


class AdapterOutcome:
    """What a replay did with one adapter."""

    __slots__ = ("ambiguous", "calls", "estimated", "failed", "lost", "rejections", "states", "unknown", "wasted")

    def __init__(self) -> None:
        self.calls = 0
        self.failed = 0
        self.wasted = 0
        """Failed calls that were made while the service was down."""
        self.rejections = 0
        self.lost = 0
        """Rejections of calls that would have succeeded."""
        self.estimated = 0
        """Calls whose outcome was estimated, because the recording does not hold them."""
        self.ambiguous = 0
        """Calls and rejections with a good and a bad recorded call beside them."""
        self.unknown = 0
        """Tasks that passed an adapter without any recorded call."""
        self.states: list[StateChanged] = []


class ReplayOutcome:
    """What a replay of one engine's work came to. Latencies are those of tasks, in seconds."""

    __slots__ = ("adapters", "answered", "latencies", "tasks")

    def __init__(self) -> None:
        self.tasks = 0
        self.answered = 0
        self.latencies = array("d")
        self.adapters: dict[str, AdapterOutcome] = {}
