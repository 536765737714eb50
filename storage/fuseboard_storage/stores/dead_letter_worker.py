"""The thread and the connection of one dead letter store."""

from __future__ import annotations

import contextlib
import sqlite3
import threading
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Final, TypeVar

from fuseboard_engine.dead_letters.letter import StatusChange, StoreUnavailable
from fuseboard_engine.error_text.safe_logging import get_logger
from fuseboard_engine.events import DeadLetterChanged
from fuseboard_storage.errors import RecordingError
from fuseboard_storage.sqlite import schema
from fuseboard_storage.sqlite.connection import ReadingMode, reading_mode, still_immutable, translate_sqlite_errors
from fuseboard_storage.sqlite.file_identity import RecordingReplaced
from fuseboard_storage.sqlite.fork_gate import ForkGate
from fuseboard_storage.sqlite.inline_commit import InlineCommitter
from fuseboard_storage.sqlite.integrity import is_damage, refuse_oddities
from fuseboard_storage.sqlite.worker_thread import ThreadEnded, WorkerThread
from fuseboard_storage.sqlite.write_lock import LockingConnection, transaction
from fuseboard_storage.stores.current_file import run_in_current_file
from fuseboard_storage.tables import dead_letters as letters
from fuseboard_storage.tables import events

log = get_logger("fuseboard.recorder")

T = TypeVar("T")
NO_INSTANCE: Final = 0
"""The instance id of events about dead letters that no engine caused."""


def _expiry(group: StatusChange, now: int) -> DeadLetterChanged:
    """Return the event of letters whose lease expired at `now` (UTC microseconds)."""
    return DeadLetterChanged(
        at=now,
        letters=group.ids,
        before=group.before,
        status=group.after,
        detail=letters.LEASE_EXPIRED if group.after == "pending" else letters.POISONED,
    )


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
        self._mode = ReadingMode("mode=ro")
        self._busy_timeout = busy_timeout
        self._connection: LockingConnection | None = None
        self._thread = WorkerThread("fuseboard-dead-letters")
        self._inline = InlineCommitter()
        self._gate = ForkGate(self._disconnect)
        self.hurry = threading.Event()
        """Set when the store closes: waiting for another writer has to end soon."""

    @property
    def closed(self) -> bool:
        """Whether it was closed."""
        return self._thread.closed

    def close(self, timeout: float) -> bool:
        """Finish the submitted jobs, then close the connection. A second call does nothing.

        Returns:
            Whether that was done within `timeout` seconds. Otherwise the thread continues until it is done.
        """
        self.hurry.set()
        if self._thread.started:
            with contextlib.suppress(ThreadEnded):  # a second call
                self._thread.submit(self._disconnect)
        return self._thread.shut_down(timeout)

    def submit(self, job: Callable[[], None]) -> None:
        """Queue a job for the thread. It must not raise or block.

        Raises:
            StoreUnavailable: The store was closed.
        """
        try:
            self._thread.submit(job)
        except ThreadEnded as error:
            raise StoreUnavailable(f"the dead letter store of {self.path.name} is closed") from error

    def write_inline(self, work: Callable[[sqlite3.Connection], T]) -> T | None:
        """Run `work` in a transaction in the caller's thread, if it need not wait. Return None if nothing was done."""
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
                released = () if now is None else letters.release_expired(connection, now)
                if released and now is not None:
                    events.insert(connection, NO_INSTANCE, [_expiry(group, now) for group in released])
                done = work(connection)
            for group in released:
                if group.after == "exhausted":
                    ids = ", ".join(map(str, group.ids))
                    log.warning("Dead letter %s in %s is set aside: %s.", ids, self.path.name, letters.POISONED)
            self._inline.note(began, self.path)
            return done

        return self._translating_errors(job)

    def check_file(self) -> None:
        """Switch to the file that is at the path now, if it is another one. Returns at once."""

        def job() -> None:
            if self._connection is not None:
                with contextlib.suppress(StoreUnavailable):
                    self._translating_errors(self._connect)

        with contextlib.suppress(StoreUnavailable):
            self.submit(job)

    async def read(self, work: Callable[[sqlite3.Connection], T], default: T) -> T:
        """Run a query. Return `default` if the file has no table of dead letters yet."""

        def job() -> T:
            connection = self._connect()
            if not connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'dead_letters'").fetchone():
                return default
            return work(connection)

        return await self._run(partial(self._translating_errors, job))

    async def _run(self, work: Callable[[], T]) -> T:
        try:
            return await self._thread.run(work)
        except ThreadEnded as error:
            raise StoreUnavailable(f"the dead letter store of {self.path.name} is closed") from error

    def _translating_errors(self, job: Callable[[], T]) -> T:
        try:
            return self._in_the_file(job)
        except (sqlite3.Error, OSError, UnicodeDecodeError, RecordingError) as error:
            self._recover(error)
            if self._reading and is_damage(error):  # trying again does not help
                with translate_sqlite_errors(self.path):
                    raise
            raise StoreUnavailable(f"{self.path.name} cannot be used for dead letters: {error}") from error
        except BaseException:
            self._disconnect()
            raise

    def _in_the_file(self, job: Callable[[], T]) -> T:
        """Run a job in the file that is at the path; see `run_in_current_file`."""
        return run_in_current_file(
            job,
            self.path,
            self._gate,
            max(self._busy_timeout, schema.REUNITE_SECONDS + 0.5),
            connection=lambda: None if self._reading else self._connection,
            leave=self._leave,
            disconnect=self._disconnect,
            may_wait=lambda: not self.hurry.is_set(),
        )

    def _leave(self, error: RecordingReplaced) -> None:
        self._inline.leave(error.why)
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.leave(error.why)

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
        if self._connection is not None:
            if not self._reading:
                self._connection.check()
            elif self._mode.of is not None and not still_immutable(self.path, self._mode):
                self._disconnect()
                return self._connect()
            return self._connection
        self._disconnect()
        if self._reading:
            self._mode = reading_mode(self.path)
            connection = LockingConnection(
                f"{self.path.as_uri()}?{self._mode.uri}",
                str(self.path),
                uri=True,
                timeout=self._busy_timeout,
                isolation_level=None,
                check_same_thread=False,
            )
            try:
                refuse_oddities(connection)
            except sqlite3.Error:
                connection.close()
                raise
        else:
            seconds = min(0.05, self._busy_timeout) if self.hurry.is_set() else self._busy_timeout
            connection = schema.connect(self.path, busy_timeout=seconds)
            connection.hurry = self.hurry
        connection.create_function("fold", 1, _casefold, deterministic=True)
        self._connection = connection
        return connection

    def _disconnect(self) -> None:
        self._inline.close()
        connection, self._connection = self._connection, None
        if connection is not None:
            with contextlib.suppress(sqlite3.Error):
                connection.close()


def _casefold(text: str) -> str:
    return text.casefold()
