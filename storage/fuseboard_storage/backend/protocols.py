"""The interface of a store: what keeps the events, commands, dead letters and workflow runs of engines.

A recording, which is a file, is one. Another one, shared by many hosts, implements the same protocols and passes
`fuseboard_storage.backend.conformance`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import AbstractAsyncContextManager, AbstractContextManager
from typing import Any, Protocol

from fuseboard_engine.commands import Command
from fuseboard_engine.dead_letters.store import DeadLetterStore
from fuseboard_engine.events import Event
from fuseboard_engine.workflow.checkpoints import Checkpoints
from fuseboard_storage.backend.values import NEWEST, CommandStatus, EventBatch, Extent, Target
from fuseboard_storage.board.board import Board
from fuseboard_storage.board.metrics import AdapterSecond
from fuseboard_storage.board.rows import Entry, InstanceRow


class Describable(Protocol):
    """What a store needs to know of an engine, to register it."""

    name: str

    def wall(self) -> int:
        """Return the current time in UTC microseconds."""

    def describe(self) -> list[Event]:
        """Return the engine's current state as events: adapters, chains, and breakers that are not closed."""


class EngineWriter(Protocol):
    """Writes one engine to a store. One thread at a time uses it, inside `gate`; `hurry` may be called from any.

    No method waits for longer than about a second for a store that does not answer. A method that raises has changed
    nothing, unless it raises `InDoubt`.
    """

    @property
    def gate(self) -> AbstractContextManager[object]:
        """A lock around each use, which lets a fork release what a child must not use."""

    @property
    def instance(self) -> int | None:
        """The engine's instance id, unique in the store and never used again; None until the first `open`."""

    @property
    def certain(self) -> bool:
        """Whether `append` never raises `InDoubt`. The recorder numbers its batches otherwise."""

    @property
    def alone(self) -> bool:
        """Whether no other engine writes to the store, so that batches may follow each other without a pause."""

    @property
    def held(self) -> float:
        """The seconds for which the last batch kept other engines from writing; 0 in a store where none waits."""

    def open(self) -> None:
        """Connect to the store, if that is not done, and register the engine as a new instance, if it is not.

        A new instance begins with `EngineStarted` and the events that describe the engine, which are kept in one step.

        Raises:
            RecordingError: There is something else than a store, or one of a newer version.
            NotWritten: The store cannot be reached at the moment.
        """

    def append(self, batch: EventBatch) -> None:
        """Keep a batch: all of it in one step, after everything that this instance has appended before.

        Events of kinds that only a newer version knows are kept unchanged.

        Raises:
            NotWritten: Nothing was kept.
            StoreBehind: The same, because the store has to catch up: it takes at most `room()` events at the moment.
            InDoubt: All of the batch was kept, or nothing.
            Exception: One of the events cannot be stored by any attempt; nothing was kept.
        """

    def room(self) -> int:
        """Return about how many events the store takes at the moment; `UNLIMITED` if it does not limit them.

        Raises:
            NotWritten: The store cannot be reached.
        """

    def take_commands(self, now: int) -> list[Command]:
        """Take the commands that wait for this instance, in the order of request, so that no other instance gets them.

        One that was taken and whose `CommandDone` does not follow counts as failed a while after it has expired. It is
        not given out again: whether it was executed is unknown.

        Args:
            now: UTC microseconds. A command that has expired by then is not taken. A store that hosts share uses its
                own time instead.

        Raises:
            NotWritten: The store could not be reached; no command was taken.
        """

    def maintain(self, spent: float, *, calm: bool, writable: bool) -> bool:
        """Do a part of the maintenance that the store needs, if any, for about as long as `spent`.

        Args:
            spent: The seconds that were spent on writing since the last call.
            calm: Whether few events wait.
            writable: Whether the last attempt to write succeeded.

        Returns:
            Whether there is more to do.

        Raises:
            Exception: It failed, and is tried again with a later call. The recorder logs the error once.
        """

    def hurry(self, seconds: float) -> None:
        """Wait for nothing any more: the engine ends, and everything has to be over in so many seconds."""

    def close(self) -> None:
        """Close the connection, and keep the registration: a later `open` continues as the same instance."""


class Reader(Protocol):
    """Reads a store, and sends commands to its engines. All methods raise `RecordingError` if it cannot be read."""

    async def extent(self) -> Extent:
        """Return the numbers of the newest event, and of the newest that was pruned with all before it."""

    async def slice(self, after: int, limit: int, to: int = NEWEST) -> list[Entry]:
        """Return the first events numbered above `after`, in the order of their numbers.

        Numbers grow, and each event keeps its own; there may be gaps between them. An event that was returned once is
        never followed by a new one with a lower number. Events of one batch are returned in its order, and those of one
        instance in the order in which it appended them. An event of a kind that only a newer version knows is an
        `UnknownEvent`.

        Args:
            after: Only events with a number above this.
            limit: The maximum number of events.
            to: Only events with a number up to this.
        """

    async def keyframe(self, to: int = NEWEST) -> Board:
        """Return the newest stored Board of an event up to a number; an empty one if the store has none.

        Its `seq` is the number of the last event that it holds. Folding the events after it gives the same Board as
        folding all of them.
        """

    async def instances(self) -> list[InstanceRow]:
        """Return every engine that wrote to the store, in the order of registration.

        `heartbeat_at` is its last sign of life, `ended_at` its end, or None if it gave no sign of one.
        """

    async def spans(
        self, since: int, until: int, adapter: str | None = None, instances: Sequence[int] = ()
    ) -> list[AdapterSecond]:
        """Return metrics that begin in a time, oldest first.

        Args:
            since: The start of the time, UTC microseconds.
            until: The end of the time, exclusive.
            adapter: Only metrics of this adapter.
            instances: Only metrics of these engine instances; empty: of all.
        """

    async def ask_many(
        self,
        verb: str,
        targets: Sequence[Target],
        *,
        actor: str,
        args: dict[str, Any] | None = None,
        expires_in: float = 10.0,
    ) -> list[int]:
        """Send a command for each target; all of them or none. Return the commands' ids, in the order of the targets.

        Args:
            verb: One of `fuseboard_engine.commands.VERBS`.
            targets: For each command the instance that should take it, None for the first that does, and the adapter.
            actor: The operator, as shown in the audit.
            args: The verb's own arguments.
            expires_in: Seconds after which a command expires unless taken.

        Raises:
            ValueError: The verb is unknown.
            RecordingError: The store cannot be written; no command was sent.
        """

    async def statuses(self, ids: Iterable[int]) -> dict[int, CommandStatus]:
        """Return the statuses of commands by id, without unknown ids.

        A command that has expired is `expired`, and one that was lost with its engine is `failed`, even if no engine is
        left to record that.
        """


class StoredLetters(DeadLetterStore, Protocol):
    """The dead letters of a store, for an engine."""

    async def close(self, timeout: float = 5.0) -> None:
        """Finish what was started, then release all resources, in so many seconds. A second call does nothing."""

    def close_blocking(self, timeout: float = 5.0) -> None:
        """Close as `close` does, but blocking. For threads."""


class StoredRuns(Checkpoints, Protocol):
    """The workflow runs of a store, for an engine."""

    def close(self) -> None:
        """Release all resources once what was started is saved. A later call opens them again."""

    def after_fork(self) -> None:
        """Begin without runs in a forked child: the parent executes them."""


class Store(Protocol):
    """A store of engines. Creating it connects to nothing; what its methods return has connections of its own."""

    @property
    def name(self) -> str:
        """The name of the store in messages, without a password."""

    def writer(self, engine: Describable) -> EngineWriter:
        """Return a writer for an engine, which is registered as an instance of its own."""

    def dead_letters(self) -> StoredLetters:
        """Return the dead letters, for one engine or operator."""

    def checkpoints(self) -> StoredRuns:
        """Return the workflow runs, for one engine."""

    def reader(self) -> AbstractAsyncContextManager[Reader]:
        """Open the store for reading."""
