"""A minimal engine that fulfils the recorder's contract, and events for it to emit."""

from __future__ import annotations

import time
from collections.abc import Callable

from fuseboard_engine.commands import Command
from fuseboard_engine.events import (
    AdapterAdded,
    Attempt,
    AttemptFailed,
    CommandDone,
    Event,
    PreferenceSet,
    RouteFinished,
    StateChanged,
)
from fuseboard_engine.workflow.checkpoints import Checkpoints


class FakeEngine:
    """Emits the events it is given. Executes any command, and refuses those for an unknown adapter."""

    def __init__(self, name: str = "checkout", adapters: tuple[str, ...] = ("prefect", "agno")) -> None:
        self.name = name
        self.dead_letters = None
        self.checkpoints: Checkpoints | None = None
        self.adapters = adapters
        self.listeners: list[Callable[[Event], None]] = []
        self.commands: list[Command] = []

    def wall(self) -> int:
        return time.time_ns() // 1_000

    def subscribe(self, listener: Callable[[Event], None]) -> Callable[[], None]:
        self.listeners.append(listener)
        return lambda: self.listeners.remove(listener) if listener in self.listeners else None

    def emit(self, *events: Event) -> None:
        for event in events:
            for listener in list(self.listeners):
                listener(event)

    def describe(self) -> list[Event]:
        at = self.wall()
        added = [AdapterAdded(at=at, adapter=name, policy={"failure_threshold": 5}) for name in self.adapters]
        return [*added, PreferenceSet(at=at, order=self.adapters)]

    def gauges(self) -> dict[str, tuple[int, int]]:
        return {}

    def begin_background(self) -> bool:
        return True

    async def stop_background(self) -> None:
        pass

    def halt_background(self) -> None:
        pass

    def execute_command(self, command: Command) -> CommandDone:
        self.commands.append(command)
        known = not command.adapter or command.adapter in self.adapters
        done = CommandDone(
            at=self.wall(),
            command=command.id,
            verb=command.verb,
            actor=command.actor,
            ok=known,
            adapter=command.adapter,
            detail="" if known else f"There is no adapter {command.adapter}.",
            requested_at=command.requested_at,
        )
        self.emit(done)
        return done


NOON = 1_800_000_000_000_000
"""A fixed time, UTC microseconds."""


def answered(task: str = "t", adapter: str = "agno", at: int = NOON, duration: float = 0.01) -> RouteFinished:
    """Return the event of a task that succeeded at the first attempt."""
    attempt = Attempt(adapter=adapter, outcome="success", number=1, duration=duration)
    return RouteFinished(at=at, task=task, task_type="ai", success=True, adapter=adapter, attempts=(attempt,))


def failed(task: str = "t", adapter: str = "prefect", at: int = NOON, error: str = "refused") -> AttemptFailed:
    """Return the event of a failed attempt."""
    attempt = Attempt(
        adapter=adapter, outcome="failure", number=1, duration=0.2, error_type="ConnectError", error=error
    )
    return AttemptFailed(at=at, task=task, task_type="ai", attempt=attempt, then="failover", threshold=5)


def opened(adapter: str = "prefect", at: int = NOON) -> StateChanged:
    """Return the event of a breaker that opened."""
    return StateChanged(
        at=at, adapter=adapter, before="closed", after="open", reason="failures", wait=1.0, until=at + 1_000_000
    )
