"""Dead letters in the recording: they survive the engine, and anyone who may write the file may look after them.

The engine uses one through `record(engine, path)`; the console and the command line open one of their own. Each works
in a thread of its own, with a connection of its own, and answers only after its transaction is committed.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import sqlite3
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import TypeVar

from fuseboard_engine.dead_letters.letter import (
    DONE,
    Change,
    DeadLetter,
    DeadLetterError,
    DeadLetterStatistics,
    LetterSelection,
    Moved,
    NewLetter,
    Room,
    Settled,
    StoreUnavailable,
    statistics,
)
from fuseboard_engine.events import CommandDone, DeadLetterChanged, Event
from fuseboard_storage import dead_letter_rows as letters
from fuseboard_storage import rows, schema
from fuseboard_storage.errors import RecordingError

T = TypeVar("T")
Added = tuple[int, tuple[Moved, ...]] | DeadLetterError
NOBODY = 0
"""The instance of what an operator does to dead letters without any engine."""


class SqliteDeadLetters:
    """A `DeadLetterStore` in a recording.

    Args:
        path: The recording; made when missing, readable by its owner only.
        audited: What is changed by hand is recorded here as events with who did it, in the transaction that changes
            it. An engine tells of that itself, so its own store is not.
        reading: Never change the file, nor make it.
        busy_timeout: Seconds to wait for another writer's transaction.
    """

    shared = True

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        audited: bool = False,
        reading: bool = False,
        busy_timeout: float = 5.0,
    ) -> None:
        self.path = Path(path).absolute()
        self._audited = audited
        self._reading = reading
        self._connection: sqlite3.Connection | None = None
        self._identity: tuple[int, int] | None = None
        self._busy_timeout = busy_timeout
        self._waiting: list[tuple[NewLetter, Room, asyncio.Future[Added]]] = []
        self._adding: asyncio.Task[None] | None = None
        self._closed = False
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="fuseboard-dead-letters")

    @classmethod
    @contextlib.asynccontextmanager
    async def open(cls, path: str | os.PathLike[str], *, reading: bool = True) -> AsyncIterator[SqliteDeadLetters]:
        """Open the dead letters of a recording that exists, to look at them, or with `reading=False` to change them.

        Raises:
            RecordingError: There is no such file, it is no recording, or of a newer version.
        """
        if schema.inspect(path) == "missing":
            raise RecordingError(
                f"{os.fspath(path)} does not exist.", "Start an engine that records to it, or check the path."
            )
        store = cls(path, audited=True, reading=reading)
        try:
            yield store
        finally:
            await store.close()

    # ------------------------------------------------------------------ the contract

    async def add(self, letter: NewLetter, room: Room) -> tuple[int, tuple[Moved, ...]]:
        """Keep a new letter; see `DeadLetterStore`. Those that come while the file is written go into it together."""
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[Added] = loop.create_future()
        self._waiting.append((letter, room, answer))
        if self._adding is None or self._adding.done():
            self._adding = loop.create_task(self._add_all())
        added = await answer
        if isinstance(added, DeadLetterError):
            raise added
        return added

    async def _add_all(self) -> None:
        while self._waiting:
            batch, self._waiting = self._waiting, []
            added: list[Added]
            try:
                added = await self._write(partial(_add_each, batch), batch[-1][0].created_at)
            except StoreUnavailable as error:
                added = [_again(error) for _ in batch]
            except BaseException as error:
                for _, _, answer in batch:
                    if not answer.done():
                        answer.set_exception(StoreUnavailable(f"the letter could not be kept: {error!r}"))
                raise
            for (_, _, answer), one in zip(batch, added, strict=True):
                if not answer.done():
                    answer.set_result(one)

    async def get(self, id: int, now: int) -> DeadLetter | None:
        """Return a letter, or None."""
        found = await self.find(LetterSelection(ids=(id,)), now, 1)
        return found[0] if found else None

    async def find(
        self, selection: LetterSelection, now: int, limit: int = 100, below: int | None = None
    ) -> list[DeadLetter]:
        """Return the newest letters that are selected, newest first; see `DeadLetterStore`."""
        return await self._read(lambda c: letters.find(c, selection, now, limit, below), [])

    async def statistics(self, now: int, capacity: int = 0) -> DeadLetterStatistics:
        """Return the figures of the whole queue."""
        return await self._read(lambda c: _statistics(c, now, capacity), statistics({}, {}, {}, capacity))

    async def claim_due(self, engine: str, claim: str, now: int, until: int) -> DeadLetter | None:
        """Take the letter that has been due longest; see `DeadLetterStore`."""
        return await self._write(lambda c: letters.claim_due(c, engine, claim, now, until), now)

    async def claim(self, id: int, engine: str, claim: str, now: int, until: int) -> DeadLetter | None:
        """Take this letter; see `DeadLetterStore`."""
        return await self._write(lambda c: letters.claim(c, id, engine, claim, now, until), now)

    async def renew(self, id: int, claim: str, until: int) -> bool:
        """Prolong a lease. False: it was lost."""
        return await self._write(lambda c: letters.renew(c, id, claim, until), None)

    async def settle(self, id: int, claim: str, settled: Settled, now: int) -> bool:
        """Write what a retry came to. False: the claim was lost."""
        return await self._write(lambda c: letters.settle(c, id, claim, settled, now), None)

    async def change(self, change: Change, selection: LetterSelection, now: int, actor: str) -> tuple[Moved, ...]:
        """Archive, unarchive or discard; see `DeadLetterStore`."""

        def work(connection: sqlite3.Connection) -> tuple[Moved, ...]:
            moved = letters.change(connection, change, selection, now, actor)
            self._audit(connection, moved, change, now, actor)
            return moved

        return await self._write(work, now)

    async def purge(self, selection: LetterSelection, now: int, actor: str) -> tuple[Moved, ...]:
        """Delete what is selected, but for letters being retried."""

        def work(connection: sqlite3.Connection) -> tuple[Moved, ...]:
            gone = letters.purge(connection, selection, now)
            self._audit(connection, gone, "purge", now, actor)
            return gone

        return await self._write(work, now)

    async def next_due(self, engine: str, now: int) -> int | None:
        """Return when the next letter is due or its lease ends."""
        return await self._read(lambda c: _next_due(c, engine), None)

    async def close(self) -> None:
        """Close the connection, once all that was begun is done; a second time does nothing."""
        await asyncio.shield(asyncio.get_running_loop().run_in_executor(None, self.shut))

    def shut(self) -> None:
        """Do what `close` does, from a thread."""
        self._closed = True
        self._thread.shutdown(wait=True)
        self._drop()

    # ------------------------------------------------------------------ the file

    async def _write(self, work: Callable[[sqlite3.Connection], T], now: int | None) -> T:
        """Do some work in a transaction; with `now`, first free what silent workers had."""

        def turn() -> T:
            connection = self._ready()
            connection.execute("BEGIN IMMEDIATE")
            freed = [] if now is None else letters.free(connection, now)
            if freed and now is not None:
                lapsed = DeadLetterChanged(
                    at=now, letters=tuple(freed), before="retrying", status="pending", detail=letters.LAPSED
                )
                rows.insert(connection, NOBODY, [lapsed])
            done = work(connection)
            connection.execute("COMMIT")
            return done

        return await self._run(turn)

    async def _read(self, work: Callable[[sqlite3.Connection], T], nothing: T) -> T:
        """Do some reading; a file that no engine with dead letters has written to yet gives `nothing`."""

        def turn() -> T:
            connection = self._ready()
            if not connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'dead_letters'").fetchone():
                return nothing
            return work(connection)

        return await self._run(turn)

    async def _run(self, turn: Callable[[], T]) -> T:
        def safely() -> T:
            try:
                return turn()
            except (sqlite3.Error, OSError, RecordingError) as error:
                self._recover(error)
                raise StoreUnavailable(f"{self.path.name} can't be used for dead letters: {error}") from error
            except BaseException:
                self._drop()
                raise

        try:
            return await asyncio.get_running_loop().run_in_executor(self._thread, safely)
        except RuntimeError as error:
            if not self._closed:
                raise
            raise StoreUnavailable(f"the dead letters of {self.path.name} were closed") from error

    def _recover(self, error: Exception) -> None:
        """Undo what was begun; open the file anew next time, unless it was only locked or full."""
        code = getattr(error, "sqlite_errorcode", None)
        connection = self._connection
        if connection is None or code not in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_FULL):
            self._drop()
        elif connection.in_transaction:
            with contextlib.suppress(sqlite3.Error):
                connection.execute("ROLLBACK")

    def _ready(self) -> sqlite3.Connection:
        """Return a connection to the file that stands at the path now."""
        if self._connection is not None and (self._reading or _identity(self.path) == self._identity):
            return self._connection
        self._drop()
        if self._reading:
            connection = sqlite3.connect(
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
        self._identity = _identity(self.path)
        return connection

    def _drop(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            with contextlib.suppress(sqlite3.Error):
                connection.close()

    # ------------------------------------------------------------------ the audit

    def _audit(self, connection: sqlite3.Connection, moved: tuple[Moved, ...], verb: str, now: int, actor: str) -> None:
        if not self._audited:
            return
        words = DONE[verb]
        total = sum(len(group.ids) for group in moved)
        events: list[Event] = [
            DeadLetterChanged(
                at=now,
                letters=group.ids,
                before=group.before,
                status=group.after or "purged",
                actor=actor,
                detail=f"{words} by hand",
            )
            for group in moved
        ]
        if total:
            told = f"{total:,} dead letter{'' if total == 1 else 's'} {words}"
            events.append(CommandDone(at=now, command=0, verb=f"dlq_{verb}", actor=actor, ok=True, detail=told))
        rows.insert(connection, NOBODY, events)


def _add_each(
    batch: list[tuple[NewLetter, Room, asyncio.Future[Added]]], connection: sqlite3.Connection
) -> list[Added]:
    return [letters.add(connection, letter, room) for letter, room, _ in batch]


def _again(error: StoreUnavailable) -> StoreUnavailable:
    """Return an error of its own for one more who waits, with the same cause."""
    copy = StoreUnavailable(str(error))
    copy.__cause__ = error.__cause__
    return copy


def _statistics(connection: sqlite3.Connection, now: int, capacity: int) -> DeadLetterStatistics:
    by_status = connection.execute(
        f"SELECT {letters.STATUS} AS as_of, count(*) FROM dead_letters GROUP BY as_of", {"now": now}
    )
    by_category = connection.execute("SELECT category, count(*) FROM dead_letters GROUP BY category")
    totals = connection.execute("SELECT name, total FROM dead_letter_totals")
    return statistics(dict(by_status.fetchall()), dict(by_category.fetchall()), dict(totals.fetchall()), capacity)


def _next_due(connection: sqlite3.Connection, engine: str) -> int | None:
    row = connection.execute(
        """SELECT min(at) FROM (
            SELECT min(due_at) AS at FROM dead_letters WHERE status = 'pending' AND engine = :engine
            UNION ALL SELECT min(lease_until) FROM dead_letters WHERE status = 'retrying' AND engine = :engine)""",
        {"engine": engine},
    ).fetchone()
    return None if row[0] is None else int(row[0])


def _fold(text: str) -> str:
    return text.casefold()


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    return found.st_dev, found.st_ino
