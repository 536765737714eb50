"""The thread and the connection of one dead letter store."""

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
NO_INSTANCE: Final = 0
"""The instance id of events about dead letters that no engine caused."""


class DeadLetterWorker:
    """Runs jobs on the dead letters of a recording, one at a time, each in its own transaction.

    Args:
        path: The recording, created if missing unless `reading`.
        reading: Never change or create the file.
        busy_timeout: Seconds to wait for another writer's transaction.
    """

    def __init__(self, path: Path, *, reading: bool, busy_timeout: float) -> None:
        self.path = path
        self._reading = reading
        self._busy_timeout = busy_timeout
        self._connection: LockingConnection | None = None
        self._identity: tuple[int, int] | None = None
        self._thread = WorkerThread("fuseboard-dead-letters")
        self._inline = InlineCommitter()

    def close(self) -> None:
        """Finish the submitted jobs, then close the connection. A second call does nothing."""
        self._thread.shut_down()
        self._disconnect()

    def submit(self, job: Callable[[], None]) -> None:
        """Queue a job for the thread. It must not raise or block.

        Raises:
            StoreUnavailable: The store was closed.
        """
        try:
            self._thread.submit(job)
        except RuntimeError as error:
            raise StoreUnavailable(f"the dead letter store of {self.path.name} is closed") from error

    def write_inline(self, work: Callable[[sqlite3.Connection], T]) -> T | None:
        """Run `work` in a transaction in the caller's thread, if it need not wait. Return None if nothing was done."""
        if schema.identity_of(self.path) != self._identity:
            return None
        return self._inline.commit(work)

    async def write(self, work: Callable[[sqlite3.Connection], T], now: int | None) -> T:
        """Run `work` in a transaction. With `now`, first release letters with an expired lease."""
        return await self._run(partial(self.write_in_thread, work, now))

    def write_in_thread(self, work: Callable[[sqlite3.Connection], T], now: int | None = None) -> T:
        """Write as `write` does, from a job of the thread."""

        def job() -> T:
            began = time.monotonic()
            connection = self._connect()
            with transaction(connection):
                released = [] if now is None else letters.release_expired(connection, now)
                if released and now is not None:
                    expired = DeadLetterChanged(
                        at=now,
                        letters=tuple(released),
                        before="retrying",
                        status="pending",
                        detail=letters.LEASE_EXPIRED,
                    )
                    events.insert(connection, NO_INSTANCE, [expired])
                done = work(connection)
            self._inline.note(began, self.path)
            return done

        return self._translating_errors(job)

    async def read(self, work: Callable[[sqlite3.Connection], T], default: T) -> T:
        """Run a query. Return `default` if the file has no table of dead letters yet."""

        def job() -> T:
            connection = self._connect()
            if not connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'dead_letters'").fetchone():
                return default
            return work(connection)

        return await self._run(partial(self._translating_errors, job))

    async def _run(self, work: Callable[[], T]) -> T:
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[T] = loop.create_future()

        def job() -> None:
            if answer.done():  # the caller was cancelled
                return
            settle: Callable[[], None]
            try:
                settle = partial(answer.set_result, work())
            except BaseException as error:
                settle = partial(answer.set_exception, error)
            with contextlib.suppress(RuntimeError):  # that loop is closed, so nothing waits there
                loop.call_soon_threadsafe(_unless_done, answer, settle)

        self.submit(job)
        return await answer

    def _translating_errors(self, job: Callable[[], T]) -> T:
        try:
            return job()
        except (sqlite3.Error, OSError, UnicodeDecodeError, RecordingError) as error:
            self._recover(error)
            raise StoreUnavailable(f"{self.path.name} cannot be used for dead letters: {error}") from error
        except BaseException:
            self._disconnect()
            raise

    def _recover(self, error: Exception) -> None:
        """Roll back. Close the file, so that it is opened again, unless it was only locked or the disk full."""
        code = getattr(error, "sqlite_errorcode", None)
        connection = self._connection
        if connection is None or code not in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_FULL):
            self._disconnect()
        elif connection.in_transaction:
            with contextlib.suppress(sqlite3.Error):
                connection.execute("ROLLBACK")

    def _connect(self) -> LockingConnection:
        """Return a connection to the file that is at the path now."""
        if self._connection is not None and (self._reading or schema.identity_of(self.path) == self._identity):
            return self._connection
        self._disconnect()
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
        connection.create_function("fold", 1, _casefold, deterministic=True)
        self._connection = connection
        self._identity = schema.identity_of(self.path)
        return connection

    def _disconnect(self) -> None:
        self._inline.close()
        connection, self._connection = self._connection, None
        if connection is not None:
            with contextlib.suppress(sqlite3.Error):
                connection.close()


def _unless_done(answer: asyncio.Future[T], settle: Callable[[], None]) -> None:
    if not answer.done():
        settle()


def _casefold(text: str) -> str:
    return text.casefold()
