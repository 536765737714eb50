"""The protocols that an engine must satisfy to be recorded."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from fuseboard_engine.commands import Command
from fuseboard_engine.dead_letters.store import DeadLetterStore
from fuseboard_engine.events import CommandDone, Event
from fuseboard_engine.workflow.checkpoints import Checkpoints
from fuseboard_storage.backend.protocols import Describable


class DeadLetterKeeper(Protocol):
    """An engine's dead letter queue. `fuseboard_engine.dead_letters.queue.DeadLetters` implements it."""

    def attach_store(self, store: DeadLetterStore) -> None:
        """Store letters here from now on, and retry the letters that are due in it."""

    def detach_store(self, store: DeadLetterStore) -> None:
        """Stop using this store."""

    async def stop(self) -> None:
        """Stop all retries."""


class Recordable(Describable, Protocol):
    """An engine that can be recorded. `fuseboard_engine.Engine` implements it."""

    @property
    def checkpoints(self) -> Checkpoints | None:
        """Where its workflow runs are stored; None if the recorder may set it."""

    @checkpoints.setter
    def checkpoints(self, checkpoints: Checkpoints | None) -> None: ...

    @property
    def dead_letters(self) -> DeadLetterKeeper | None:
        """Its dead letter queue, which the recorder gives a store in the recording; None if it keeps none."""

    def subscribe(self, listener: Callable[[Event], None]) -> Callable[[], None]:
        """Call `listener` with every event, in order. Return a function that ends the subscription."""

    def gauges(self) -> dict[str, tuple[int, int]]:
        """Return each adapter's calls in flight and retries left. Called from another thread."""

    def begin_background(self) -> bool:
        """Start the background tasks, such as health checks. Return False if they were already running."""

    async def stop_background(self) -> None:
        """Stop the background tasks."""

    def halt_background(self) -> None:
        """Stop retries and operators' requests before the store and the checkpoints close. Called from a thread."""

    def execute_command(self, command: Command) -> CommandDone | None:
        """Execute an operator's command and emit the outcome as an event. Called from another thread.

        Returns:
            The outcome; None if the command takes longer and its event follows later.
        """
