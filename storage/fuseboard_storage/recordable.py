"""What an engine must offer to be recorded."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from fuseboard_engine.commands import Command
from fuseboard_engine.events import CommandDone, Event


class Recordable(Protocol):
    """What an engine must offer to be recorded; `fuseboard_engine.Engine` does."""

    name: str

    def wall(self) -> int:
        """Return UTC microseconds now."""

    def subscribe(self, listener: Callable[[Event], None]) -> Callable[[], None]:
        """Have `listener` told every event, in order; return what ends that."""

    def describe(self) -> list[Event]:
        """Return what a new recording must know first: adapters, chains, breakers that are not closed."""

    def execute_command(self, command: Command) -> CommandDone | None:
        """Do what an operator asked, at once, and emit the outcome as an event. Called from another thread.

        None: it takes its time; the event follows.
        """
