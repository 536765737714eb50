"""Dead letters in the recording: they survive the engine, and anyone who may write the file may look after them.

The engine uses one through `record(engine, path)`; the console and the command line open one of their own. Each works
in a thread of its own, with a connection of its own, and answers only after its transaction is committed.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import sqlite3
import threading
from collections.abc import AsyncIterator, Collection, Sequence
from pathlib import Path
from typing import NamedTuple

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
from fuseboard_engine.events import CommandDone, DeadLetterChanged, Event
from fuseboard_storage.errors import RecordingError
from fuseboard_storage.sqlite import schema
from fuseboard_storage.stores.dead_letter_worker import NOBODY, DeadLetterWorker
from fuseboard_storage.tables import dead_letters as letters
from fuseboard_storage.tables import events as rows

Added = letters.AddResult | StoreUnavailable


class PendingAdd(NamedTuple):
    """A new letter that waits to be kept, and who waits for it."""

    letter: NewLetter
    room: Capacity
    answer: asyncio.Future[Kept]


Answer = tuple[asyncio.Future[Kept], Added]


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
        self._file = DeadLetterWorker(Path(path).absolute(), reading=reading, busy_timeout=busy_timeout)
        self._audited = audited
        self._guard = threading.Lock()
        self._waiting: list[PendingAdd] = []
        self._at_work = False
        """Whether somebody is writing new letters; whoever does takes those that wait next."""
        self._served: asyncio.AbstractEventLoop | None = None
        """Whose thread has kept a letter itself in its present round; its next ones can be kept together."""

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

    def add(self, letter: NewLetter, room: Capacity) -> asyncio.Future[Kept]:
        """Keep a new letter; see `DeadLetterStore`.

        Those that come one by one are kept at once if the file need not be waited for. Those that come while it is
        written go into it together.
        """
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[Kept] = loop.create_future()
        with self._guard:
            at_once = not self._at_work and self._served is not loop
            to_start = not self._at_work and not at_once
            self._at_work = True
            if not at_once:
                self._waiting.append(PendingAdd(letter, room, answer))
        if at_once:
            self._add_at_once(PendingAdd(letter, room, answer), loop)
        elif to_start:
            self._start()
        return answer

    def _add_at_once(self, wanted: PendingAdd, loop: asyncio.AbstractEventLoop) -> None:
        """Keep a letter in the loop's own thread, if that takes no time; else hand it to the file's."""
        added = None
        try:
            added = self._file.at_once(lambda c: letters.add(c, [(wanted.letter, wanted.room)]))
            if added is not None:
                self._served = loop
                loop.call_soon(self._serve, wanted.answer, added[0])
        finally:
            with self._guard:
                if added is None:
                    self._waiting.insert(0, wanted)
                self._at_work = more = bool(self._waiting)
            if more:
                self._start()

    def _serve(self, answer: asyncio.Future[Kept], added: Added) -> None:
        self._served = None
        _answer([(answer, added)])

    def _start(self) -> None:
        """Have the file's thread keep all that wait."""
        try:
            self._file.soon(self._add_all)
        except StoreUnavailable as error:
            with self._guard:
                refused, self._waiting, self._at_work = self._waiting, [], False
            self._tell(refused, [_again(error) for _ in refused])

    def _add_all(self) -> None:
        """In the file's thread: keep all that wait, and answer them; until none does.

        It is no longer at work once nothing waits, before it answers: what comes upon an answer may be kept at once.
        """
        batch = self._next_batch()
        while batch:
            added = self._added(batch)
            following = self._next_batch()
            self._tell(batch, added)
            batch = following

    def _next_batch(self) -> list[PendingAdd]:
        with self._guard:
            batch, self._waiting = self._waiting, []
            self._at_work = bool(batch)
        return batch

    def _added(self, batch: list[PendingAdd]) -> Sequence[Added]:
        try:
            return self._file.write_here(lambda c: letters.add(c, [(one.letter, one.room) for one in batch]))
        except BaseException as error:
            return [_again(error) for _ in batch]

    def _tell(self, batch: Sequence[PendingAdd], added: Sequence[Added]) -> None:
        told: dict[asyncio.AbstractEventLoop, list[Answer]] = {}
        for wanted, one in zip(batch, added, strict=True):
            told.setdefault(wanted.answer.get_loop(), []).append((wanted.answer, one))
        for loop, answers in told.items():
            with contextlib.suppress(RuntimeError):  # that loop has ended, and nobody waits there
                loop.call_soon_threadsafe(_answer, answers)

    async def begun(self) -> bool:
        """Say whether the recording has a place for dead letters: one of an older version has none."""
        return await self._file.read(lambda c: True, False)

    async def get(self, id: int, now: int) -> DeadLetter | None:
        """Return a letter, or None."""
        found = await self.find(LetterSelection(ids=(id,)), now, 1)
        return found[0] if found else None

    async def find(
        self, selection: LetterSelection, now: int, limit: int = 100, below: int | None = None
    ) -> list[DeadLetter]:
        """Return the newest letters that are selected, newest first; see `DeadLetterStore`."""
        return await self._file.read(lambda c: letters.find(c, selection, now, limit, below), [])

    async def statistics(self, now: int, capacity: int = 0) -> DeadLetterStatistics:
        """Return the figures of the whole queue."""
        return await self._file.read(lambda c: _statistics(c, now, capacity), statistics({}, {}, {}, capacity))

    async def chains_due(self, engine: str, now: int) -> list[LetterChain]:
        """Return the chains that letters which are due go along."""
        return await self._file.read(lambda c: letters.chains_due(c, engine, now), [])

    async def claim_due(
        self, engine: str, claim: str, now: int, until: int, excluding: Collection[LetterChain] = ()
    ) -> DeadLetter | None:
        """Take the letter that has been due longest; see `DeadLetterStore`."""
        return await self._file.write(lambda c: letters.claim_due(c, engine, claim, now, until, excluding), now)

    async def claim(self, id: int, engine: str, claim: str, now: int, until: int) -> DeadLetter | None:
        """Take this letter; see `DeadLetterStore`."""
        return await self._file.write(lambda c: letters.claim(c, id, engine, claim, now, until), now)

    async def renew(self, id: int, claim: str, until: int) -> bool:
        """Prolong a lease. False: it was lost."""
        return await self._file.write(lambda c: letters.renew(c, id, claim, until), None)

    async def settle(self, id: int, claim: str, settled: RetryOutcome, now: int) -> bool:
        """Write what a retry came to. False: the claim was lost."""
        return await self._file.write(lambda c: letters.settle(c, id, claim, settled, now), None)

    async def change(
        self, change: Change, selection: LetterSelection, now: int, actor: str
    ) -> tuple[StatusChange, ...]:
        """Archive, unarchive or discard; see `DeadLetterStore`."""

        def work(connection: sqlite3.Connection) -> tuple[StatusChange, ...]:
            moved = letters.change(connection, change, selection, now, actor)
            self._audit(connection, moved, change, now, actor)
            return moved

        return await self._file.write(work, now)

    async def purge(self, selection: LetterSelection, now: int, actor: str) -> tuple[StatusChange, ...]:
        """Delete what is selected, but for letters being retried."""

        def work(connection: sqlite3.Connection) -> tuple[StatusChange, ...]:
            gone = letters.purge(connection, selection, now)
            self._audit(connection, gone, "purge", now, actor)
            return gone

        return await self._file.write(work, now)

    async def next_due(self, engine: str, now: int, excluding: Collection[LetterChain] = ()) -> int | None:
        """Return when the next letter is due or its lease ends; see `DeadLetterStore`."""
        return await self._file.read(lambda c: letters.next_due(c, engine, excluding), None)

    async def close(self) -> None:
        """Close the connection, once all that was begun is done; a second time does nothing."""
        await asyncio.shield(asyncio.get_running_loop().run_in_executor(None, self.shut))

    def shut(self) -> None:
        """Do what `close` does, from a thread."""
        self._file.shut()

    # ------------------------------------------------------------------ the audit

    def _audit(
        self, connection: sqlite3.Connection, moved: tuple[StatusChange, ...], verb: str, now: int, actor: str
    ) -> None:
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


def _answer(answers: list[Answer]) -> None:
    for answer, added in answers:
        if answer.done():  # whoever waited has given up
            continue
        if isinstance(added, DeadLetterError):
            answer.set_exception(added)
        else:
            answer.set_result(added)


def _again(error: BaseException) -> StoreUnavailable:
    """Return an error of its own for one of those who wait, with the same cause."""
    if not isinstance(error, StoreUnavailable):
        copy = StoreUnavailable(f"the letter could not be kept: {error!r}")
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
    return statistics(dict(by_status.fetchall()), dict(by_category.fetchall()), dict(totals.fetchall()), capacity)
