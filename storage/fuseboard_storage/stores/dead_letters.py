"""Stores dead letters in the recording, where they survive the engine and any process may manage them.

The engine uses one store through `record(engine, path)`; the console and the command line open their own. Each has its
own thread and connection, and answers only after its transaction is committed.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import sqlite3
import threading
from collections.abc import AsyncIterator, Collection, Sequence
from functools import partial
from pathlib import Path
from typing import Final, NamedTuple

from fuseboard_engine.dead_letters.letter import (
    DONE,
    Capacity,
    Change,
    DeadLetter,
    DeadLetterError,
    DeadLetterStatistics,
    Kept,
    LetterChain,
    LetterSelection,
    NewLetter,
    RetryOutcome,
    StatusChange,
    StoreUnavailable,
    statistics,
)
from fuseboard_engine.error_text.safe_logging import get_logger
from fuseboard_engine.events import CommandDone, DeadLetterChanged, Event
from fuseboard_engine.runtime.forks import call_after_fork
from fuseboard_engine.virtual_time import stop_time_until
from fuseboard_storage.sqlite import schema
from fuseboard_storage.sqlite.damaged_rows import text, whole_number
from fuseboard_storage.stores.dead_letter_worker import NO_INSTANCE, DeadLetterWorker
from fuseboard_storage.tables import dead_letters as letters
from fuseboard_storage.tables import events

log = get_logger("fuseboard.recorder")

CLOSE_TIMEOUT: Final = 5.0
"""Seconds that closing takes at most."""

_of_parents: list[DeadLetterWorker] = []  # prevents a child from closing its parent's connections

AddOutcome = letters.AddResult | StoreUnavailable


class PendingAdd(NamedTuple):
    """A new letter that waits to be stored, and the future of its outcome."""

    letter: NewLetter
    room: Capacity
    answer: asyncio.Future[Kept]


Answer = tuple[asyncio.Future[Kept], AddOutcome]


class SqliteDeadLetters:
    """A `DeadLetterStore` in a recording.

    Args:
        path: The recording. A new file is readable by its owner only.
        audited: Whether changes by an operator are recorded as events in the same transaction. An engine emits these
            events itself, so its own store is not audited.
        reading: Never change or create the file.
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
        self._make_worker = partial(DeadLetterWorker, Path(path).absolute(), reading=reading, busy_timeout=busy_timeout)
        self._worker = self._make_worker()
        self._audited = audited
        self._lock = threading.Lock()
        self._waiting: list[PendingAdd] = []
        self._writing = False
        """Whether new letters are being written. The writer then also writes those that wait."""
        self._inline_loop: asyncio.AbstractEventLoop | None = None
        """The loop that has stored a letter inline in its current iteration. Its next letters are stored as a batch."""
        call_after_fork(self)

    def after_fork(self) -> None:
        """Work with a thread and a connection of its own in a forked child. The parent stores what waits."""
        _of_parents.append(self._worker)
        closed, self._worker = self._worker.closed, self._make_worker()
        self._lock, self._waiting, self._writing, self._inline_loop = threading.Lock(), [], False, None
        if closed:
            self._worker.close(0.0)

    @classmethod
    @contextlib.asynccontextmanager
    async def open(cls, path: str | os.PathLike[str], *, reading: bool = True) -> AsyncIterator[SqliteDeadLetters]:
        """Open the dead letters of an existing recording, for reading or, with `reading=False`, for changes.

        Raises:
            RecordingError: The file is missing, is not a recording, or has a newer version. A later query raises it
                if a file that is open for reading is damaged.
        """
        schema.refuse_missing(path)
        store = cls(path, audited=True, reading=reading)
        try:
            yield store
        finally:
            await store.close()

    # ------------------------------------------------------------------ the DeadLetterStore protocol

    def add(self, letter: NewLetter, room: Capacity) -> asyncio.Future[Kept]:
        """Store a new letter; see `DeadLetterStore`.

        A single letter is stored inline if that need not wait for the file. Letters that arrive while the file is being
        written are stored together as a batch.
        """
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[Kept] = loop.create_future()
        with self._lock:
            inline = not self._writing and self._inline_loop is not loop
            start = not self._writing and not inline
            self._writing = True
            if not inline:
                self._waiting.append(PendingAdd(letter, room, answer))
        if inline:
            self._add_inline(PendingAdd(letter, room, answer), loop)
        elif start:
            self._start_batches()
        stop_time_until(answer)
        return answer

    def _add_inline(self, pending: PendingAdd, loop: asyncio.AbstractEventLoop) -> None:
        """Store a letter in the loop's own thread if that need not wait; else leave it to the worker thread."""
        added = None
        try:
            added = self._worker.write_inline(lambda c: letters.add_if_quick(c, pending.letter, pending.room))
            if added is not None:
                self._inline_loop = loop
                loop.call_soon(self._answer_inline, pending.answer, added)
        finally:
            with self._lock:
                if added is None:
                    self._waiting.insert(0, pending)
                self._writing = more = bool(self._waiting)
            if more:
                self._start_batches()

    def _answer_inline(self, answer: asyncio.Future[Kept], added: AddOutcome) -> None:
        self._inline_loop = None
        _answer([(answer, added)])

    def _start_batches(self) -> None:
        """Let the worker thread store all letters that wait."""
        try:
            self._worker.submit(self._add_batches)
        except StoreUnavailable as error:
            with self._lock:
                refused, self._waiting, self._writing = self._waiting, [], False
            self._answer_all(refused, [_copy_of(error) for _ in refused])

    def _add_batches(self) -> None:
        """Store and answer the letters that wait, until none does. Runs in the worker thread.

        `_writing` is reset before the last batch is answered, so that a letter added on an answer may be stored inline.
        """
        batch = self._next_batch()
        while batch:
            added = self._add_batch(batch)
            next_batch = self._next_batch()
            self._answer_all(batch, added)
            batch = next_batch

    def _next_batch(self) -> list[PendingAdd]:
        with self._lock:
            batch, self._waiting = self._waiting, []
            self._writing = bool(batch)
        return batch

    def _add_batch(self, batch: list[PendingAdd]) -> Sequence[AddOutcome]:
        try:
            return self._worker.write_in_thread(lambda c: letters.add(c, [(one.letter, one.room) for one in batch]))
        except StoreUnavailable as error:
            return [_copy_of(error) for _ in batch]
        except BaseException as error:
            if len(batch) == 1:
                return [_copy_of(error)]
            # One letter cannot be stored. The others can.
            return [outcome for one in batch for outcome in self._add_batch([one])]

    def _answer_all(self, batch: Sequence[PendingAdd], added: Sequence[AddOutcome]) -> None:
        by_loop: dict[asyncio.AbstractEventLoop, list[Answer]] = {}
        for pending, outcome in zip(batch, added, strict=True):
            by_loop.setdefault(pending.answer.get_loop(), []).append((pending.answer, outcome))
        for loop, answers in by_loop.items():
            with contextlib.suppress(RuntimeError):  # that loop is closed, so nothing waits there
                loop.call_soon_threadsafe(_answer, answers)

    async def has_table(self) -> bool:
        """Return whether the recording has a table of dead letters. One of an older version has none."""
        return await self._worker.read(lambda c: True, False)

    async def get(self, id: int, now: int) -> DeadLetter | None:
        """Return a letter, or None if there is none with this id."""
        found = await self.find(LetterSelection(ids=(id,)), now, 1)
        return found[0] if found else None

    async def find(
        self, selection: LetterSelection, now: int, limit: int = 100, below: int | None = None
    ) -> list[DeadLetter]:
        """Return the newest selected letters, newest first; see `DeadLetterStore`."""
        return await self._worker.read(lambda c: letters.find(c, selection, now, limit, below), [])

    async def statistics(self, now: int, capacity: int = 0) -> DeadLetterStatistics:
        """Return the statistics of the whole queue."""
        return await self._worker.read(lambda c: _statistics(c, now, capacity), statistics({}, {}, {}, capacity))

    async def chains_due(self, engine: str, now: int) -> list[LetterChain]:
        """Return the chains of the letters that are due."""
        return await self._worker.read(lambda c: letters.chains_due(c, engine, now), [])

    async def claim_due(
        self, engine: str, claim: str, now: int, until: int, excluding: Collection[LetterChain] = ()
    ) -> DeadLetter | None:
        """Claim the letter that has been due longest; see `DeadLetterStore`."""
        return await self._worker.write(lambda c: letters.claim_due(c, engine, claim, now, until, excluding), now)

    async def claim(self, id: int, engine: str, claim: str, now: int, until: int) -> DeadLetter | None:
        """Claim a letter by its id; see `DeadLetterStore`."""
        return await self._worker.write(lambda c: letters.claim(c, id, engine, claim, now, until), now)

    async def renew(self, id: int, claim: str, until: int) -> bool:
        """Extend a lease. Return False if the claim was lost."""
        return await self._worker.write(lambda c: letters.renew(c, id, claim, until), None)

    async def settle(self, id: int, claim: str, settled: RetryOutcome, now: int) -> bool:
        """Store the outcome of a retry. Return False if the claim was lost."""
        return await self._worker.write(lambda c: letters.settle(c, id, claim, settled, now), None)

    async def change(
        self, change: Change, selection: LetterSelection, now: int, actor: str
    ) -> tuple[StatusChange, ...]:
        """Archive, unarchive or discard; see `DeadLetterStore`."""

        def work(connection: sqlite3.Connection) -> tuple[StatusChange, ...]:
            moved = letters.change(connection, change, selection, now, actor)
            self._audit(connection, moved, change, now, actor)
            return moved

        return await self._worker.write(work, now)

    async def purge(self, selection: LetterSelection, now: int, actor: str) -> tuple[StatusChange, ...]:
        """Delete the selected letters except those being retried."""

        def work(connection: sqlite3.Connection) -> tuple[StatusChange, ...]:
            gone = letters.purge(connection, selection, now)
            self._audit(connection, gone, "purge", now, actor)
            return gone

        return await self._worker.write(work, now)

    async def next_due(self, engine: str, now: int, excluding: Collection[LetterChain] = ()) -> int | None:
        """Return when the next letter is due or the next lease expires; see `DeadLetterStore`."""
        return await self._worker.read(lambda c: letters.next_due(c, engine, excluding), None)

    def check_file(self) -> None:
        """Switch to the file that is at the path now, if it is another one. Returns at once."""
        self._worker.check_file()

    async def close(self, timeout: float = CLOSE_TIMEOUT) -> None:
        """Finish what was started, then close the connection. A second call does nothing.

        After `timeout` seconds, letters that could not be stored yet are refused, and a thread stores the rest.
        """
        await asyncio.shield(asyncio.get_running_loop().run_in_executor(None, self.close_blocking, timeout))

    def close_blocking(self, timeout: float = CLOSE_TIMEOUT) -> None:
        """Close as `close` does, but blocking. For threads."""
        if not self._worker.close(timeout):
            refused = self._next_batch()
            name = self._worker.path
            log.error("%s could not be closed in %.1f s; %d dead letters wait for it.", name, timeout, len(refused))
            error = StoreUnavailable(f"{name.name} could not be written before it was closed")
            self._answer_all(refused, [_copy_of(error) for _ in refused])

    # ------------------------------------------------------------------ the audit

    def _audit(
        self, connection: sqlite3.Connection, moved: tuple[StatusChange, ...], verb: str, now: int, actor: str
    ) -> None:
        if not self._audited:
            return
        done = DONE[verb]
        total = sum(len(group.ids) for group in moved)
        recorded: list[Event] = [
            DeadLetterChanged(
                at=now,
                letters=group.ids,
                before=group.before,
                status=group.after or "purged",
                actor=actor,
                detail=f"{done} by hand",
            )
            for group in moved
        ]
        if total:
            detail = f"{total:,} dead letter{'' if total == 1 else 's'} {done}"
            recorded.append(CommandDone(at=now, command=0, verb=f"dlq_{verb}", actor=actor, ok=True, detail=detail))
        events.insert(connection, NO_INSTANCE, recorded)


def _answer(answers: list[Answer]) -> None:
    for answer, added in answers:
        if answer.done():  # the caller was cancelled
            continue
        if isinstance(added, DeadLetterError):
            answer.set_exception(added)
        else:
            answer.set_result(added)


def _copy_of(error: BaseException) -> StoreUnavailable:
    """Return a new error with the same cause, because each waiting caller needs its own."""
    if not isinstance(error, StoreUnavailable):
        copy = StoreUnavailable(f"the letter could not be stored: {error!r}")
        copy.__cause__ = error
        return copy
    copy = StoreUnavailable(str(error))
    copy.__cause__ = error.__cause__
    return copy


def _statistics(connection: sqlite3.Connection, now: int, capacity: int) -> DeadLetterStatistics:
    by_status = connection.execute(
        f"SELECT {letters.STATUS} AS as_of, count(*) FROM dead_letters GROUP BY as_of", {"now": now}
    )
    by_category = connection.execute("SELECT category, count(*) FROM dead_letters GROUP BY category")
    totals = connection.execute("SELECT name, total FROM dead_letter_totals")
    statuses, categories, sums = (
        {text(name): whole_number(count) for name, count in rows} for rows in (by_status, by_category, totals)
    )
    return statistics(statuses, categories, sums, capacity)
