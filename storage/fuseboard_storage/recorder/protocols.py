"""What an engine must offer to be recorded."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from fuseboard_engine.commands import Command
from fuseboard_engine.dead_letters.store import DeadLetterStore
from fuseboard_engine.events import CommandDone, Event
from fuseboard_engine.workflow.checkpoints import Checkpoints


class DeadLetterKeeper(Protocol):
    """What keeps an engine's dead letters; `fuseboard_engine.dead_letters.queue.DeadLetters` does."""

    def attach_store(self, store: DeadLetterStore) -> None:
        """Keep letters in this store from now on, and retry what is due in it."""

    def detach_store(self, store: DeadLetterStore) -> None:
        """Use that store no more."""

    async def stop(self) -> None:
        """End all retries."""


class Recordable(Protocol):
    """What an engine must offer to be recorded; `fuseboard_engine.Engine` does."""

    name: str
    checkpoints: Checkpoints | None
    """What keeps its runs of workflows; None: the recording may."""

    @property
    def dead_letters(self) -> DeadLetterKeeper | None:
        """What keeps its dead letters, to be given a store in the recording; None: it keeps none."""

    def wall(self) -> int:
        """Return UTC microseconds now."""

    def subscribe(self, listener: Callable[[Event], None]) -> Callable[[], None]:
        """Have `listener` told every event, in order; return what ends that."""

    def describe(self) -> list[Event]:
        """Return what a new recording must know first: adapters, chains, breakers that are not closed."""

    def gauges(self) -> dict[str, tuple[int, int]]:
        """Return each adapter's calls in flight and retries left. Called from another thread."""

    def begin_background(self) -> bool:
        """Begin what goes on beside calls, such as health checks. False: it was under way."""

    async def stop_background(self) -> None:
        """End what goes on beside calls."""

    def halt_background(self) -> None:
        """End retries and what operators asked for, from a thread: as the engine's store and runs are to be closed."""

    def execute_command(self, command: Command) -> CommandDone | None:
        """Do what an operator asked, at once, and emit the outcome as an event. Called from another thread.

        None: it takes its time; the event follows.
        """
