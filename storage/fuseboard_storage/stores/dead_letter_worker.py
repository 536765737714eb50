"""The thread and the connection that one store of dead letters has to itself."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Final, TypeVar

from fuseboard_engine.dead_letters.letter import StoreUnavailable
from fuseboard_engine.events import DeadLetterChanged
from fuseboard_storage.errors import RecordingError
from fuseboard_storage.sqlite import schema
from fuseboard_storage.sqlite.inline_commit import InlineCommitter
from fuseboard_storage.sqlite.worker_thread import WorkerThread
from fuseboard_storage.sqlite.write_lock import LockingConnection, transaction
from fuseboard_storage.tables import dead_letters as letters
from fuseboard_storage.tables import events

T = TypeVar("T")
NOBODY: Final = 0
"""The instance of what happens to dead letters without any engine."""


class DeadLetterWorker:
    """Runs work on the dead letters of a recording, one piece at a time, each in a transaction of its own.

    Args:
        path: The recording; made when missing, unless it is only read.
        reading: Never change the file, nor make it.
        busy_timeout: Seconds to wait for another writer's transaction.
    """

    def __init__(self, path: Path, *, reading: bool, busy_timeout: float) -> None:
        self.path = path
        self._reading = reading
        self._busy_timeout = busy_timeout
        self._connection: LockingConnection | None = None
        self._identity: tuple[int, int] | None = None
        self._thread = WorkerThread("fuseboard-dead-letters")
        self._lane = InlineCommitter()

    def shut(self) -> None:
        """Close the connection, once all that was begun is done; a second time does nothing."""
        self._thread.shut_down()
        self._drop()

    def soon(self, job: Callable[[], None]) -> None:
        """Have the thread do a job that waits for nobody, and raises nothing.

        Raises:
            StoreUnavailable: The file was closed.
        """
        try:
            self._thread.submit(job)
        except RuntimeError as error:
            raise StoreUnavailable(f"the dead letters of {self.path.name} were closed") from error

    def at_once(self, work: Callable[[sqlite3.Connection], T]) -> T | None:
        """Do some work in a transaction in the thread of whoever calls, if it need not wait; None: nothing was done."""
        if schema.identity_of(self.path) != self._identity:
            return None
        return self._lane.commit(work)

    async def write(self, work: Callable[[sqlite3.Connection], T], now: int | None) -> T:
        """Do some work in a transaction; with `now`, first free what silent workers had."""
        return await self._run(partial(self.write_here, work, now))

    def write_here(self, work: Callable[[sqlite3.Connection], T], now: int | None = None) -> T:
        """Do what `write` does, in a job of the thread."""

        def turn() -> T:
            began = time.monotonic()
            connection = self._ready()
            with transaction(connection):
                freed = [] if now is None else letters.release_expired(connection, now)
                if freed and now is not None:
                    lapsed = DeadLetterChanged(
                        at=now, letters=tuple(freed), before="retrying", status="pending", detail=letters.LEASE_EXPIRED
                    )
                    events.insert(connection, NOBODY, [lapsed])
                done = work(connection)
            self._lane.note(began, self.path)
            return done

        return self._safely(turn)

    async def read(self, work: Callable[[sqlite3.Connection], T], nothing: T) -> T:
        """Do some reading; a file that no engine with dead letters has written to yet gives `nothing`."""

        def turn() -> T:
            connection = self._ready()
            if not connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'dead_letters'").fetchone():
                return nothing
            return work(connection)

        return await self._run(partial(self._safely, turn))

    async def _run(self, work: Callable[[], T]) -> T:
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[T] = loop.create_future()

        def job() -> None:
            if answer.done():  # whoever asked has given up
                return
            settle: Callable[[], None]
            try:
                settle = partial(answer.set_result, work())
            except BaseException as error:
                settle = partial(answer.set_exception, error)
            with contextlib.suppress(RuntimeError):  # that loop has ended, and nobody waits there
                loop.call_soon_threadsafe(_unless_done, answer, settle)

        self.soon(job)
        return await answer

    def _safely(self, turn: Callable[[], T]) -> T:
        try:
            return turn()
        except (sqlite3.Error, OSError, RecordingError) as error:
            self._recover(error)
            raise StoreUnavailable(f"{self.path.name} can't be used for dead letters: {error}") from error
        except BaseException:
            self._drop()
            raise

    def _recover(self, error: Exception) -> None:
        """Undo what was begun; open the file anew next time, unless it was only locked or full."""
        code = getattr(error, "sqlite_errorcode", None)
        connection = self._connection
        if connection is None or code not in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_FULL):
            self._drop()
        elif connection.in_transaction:
            with contextlib.suppress(sqlite3.Error):
                connection.execute("ROLLBACK")

    def _ready(self) -> LockingConnection:
        """Return a connection to the file that stands at the path now."""
        if self._connection is not None and (self._reading or schema.identity_of(self.path) == self._identity):
            return self._connection
        self._drop()
        if self._reading:
            connection = LockingConnection(
                f"{self.path.as_uri()}?mode=ro",
                uri=True,
                timeout=self._busy_timeout,
                isolation_level=None,
                check_same_thread=False,
            )
        else:
            connection = schema.connect(self.path, busy_timeout=self._busy_timeout)
        connection.create_function("fold", 1, _fold, deterministic=True)
        self._connection = connection
        self._identity = schema.identity_of(self.path)
        return connection

    def _drop(self) -> None:
        self._lane.close()
        connection, self._connection = self._connection, None
        if connection is not None:
            with contextlib.suppress(sqlite3.Error):
                connection.close()


def _unless_done(answer: asyncio.Future[T], settle: Callable[[], None]) -> None:
    if not answer.done():
        settle()


def _fold(text: str) -> str:
    return text.casefold()
