"""The dead letters of an engine: the door new ones come through, what can be asked about them, and their retries."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Any

import msgspec

from fuseboard_engine.commands import Command
from fuseboard_engine.dead_letters import intake, operator_retry
from fuseboard_engine.dead_letters.availability import Availability
from fuseboard_engine.dead_letters.letter import (
    DONE,
    RETRYABLE,
    Category,
    Change,
    DeadLetter,
    DeadLetterError,
    DeadLetterStatistics,
    Kept,
    LetterBusy,
    LetterChain,
    LetterRefused,
    LetterSelection,
    NewLetter,
    RetryResult,
    StatusChange,
    StoreUnavailable,
    UnknownLetter,
    add_counts,
    statistics,
)
from fuseboard_engine.dead_letters.memory_store import MemoryDeadLetters
from fuseboard_engine.dead_letters.policy import DeadLetterPolicy
from fuseboard_engine.dead_letters.store import DeadLetterStore, pages
from fuseboard_engine.dead_letters.worker import Worker, current_task_cancelled
from fuseboard_engine.events import DeadLetterChanged, DeadLettered, DeadLetterRefused, Event
from fuseboard_engine.retry.attribution import Table
from fuseboard_engine.routing.route import KEPT_BACK, RETRYING, ActiveRoute, RouteResult, identify

log = logging.getLogger("fuseboard.dead_letters")


class DeadLetters:
    """Keeps what an engine's adapters could not do, and tries it again.

    Args:
        policy: what is taken, when it is retried, how many are kept. May be replaced while running.
        engine: the engine's name; it retries only its own letters.
        table: its attribution table.
        availability: says which chains are out.
        route: gives a task to the adapters.
        emit: told of every event; must not raise.
        wall: UTC microseconds. rng: where jitter comes from, like `random.random`.
    """

    def __init__(
        self,
        policy: DeadLetterPolicy,
        *,
        engine: str,
        table: Table,
        availability: Availability,
        route: Callable[..., Awaitable[RouteResult]],
        emit: Callable[[Event], None],
        wall: Callable[[], int],
        rng: Callable[[], float],
    ) -> None:
        self.policy = policy
        self.availability = availability
        self.rng = rng
        self.engine = engine
        self.store: DeadLetterStore = MemoryDeadLetters()
        self.memory_store = MemoryDeadLetters(step=-1)
        """Letters whose store can't be written; their numbers are negative."""
        self.loop: asyncio.AbstractEventLoop | None = None
        self._table = table
        self._route = route
        self._emit = emit
        self._wall = wall
        self._adding: set[asyncio.Future[Kept]] = set()
        self._asked: set[asyncio.Task[None]] = set()
        self._worker = Worker(self, emit, wall)

    # ---------------------------------------------------------------- the door

    async def on_chain_exhausted(self, route: ActiveRoute) -> None:
        """Make an exhausted route's task a dead letter, if the policy says so; the route notes its number.

        Never raises for a refusal: an event and the route's `why` say what it was. Returns once it is safe on disk.
        """
        if route.task is not None and KEPT_BACK.get() is route.task:
            return
        again = RETRYING.get()
        if again is not None and again[0] is route.task:
            route.dead_letter = again[1]
            return
        category = intake.category_to_keep(route, self.policy, self._table)
        if category is None:
            return
        make = partial(intake.letter_of_route, route, category, self.policy, self.engine, self._wall())
        try:
            route.dead_letter = await self._submit(self._made(make, route.id, route.type))
        except DeadLetterError as error:
            route.why += f"; no dead letter: {error}"

    async def enqueue(
        self,
        task: Any,
        *,
        error: BaseException | str = "",
        category: Category | None = None,
        adapter: str = "",
        attempts: int = 0,
        order: Sequence[str] = (),
        deadline: float | None = None,
    ) -> int:
        """Make a task a dead letter; whatever the strategy, unless that is `disabled`.

        Args:
            task: as the router would take it: a `Task`, a mapping, or a payload; of JSON values.
            error: what went wrong; an exception is judged by the attribution table.
            category: default: what the table says of the error; `transient` for a text.
            adapter: who failed at it.
            attempts: how many calls were made.
            order: the chain for its retries; default: that of its type at the time.
            deadline: seconds a retry may take.

        Returns:
            Its number, once it is safe on disk.

        Raises:
            LetterRefused: the payload is no JSON, the queue is full (`QueueFull`), or dead letters are disabled.
            StoreUnavailable: it can't be written, and the policy says `fail_closed`. Nothing is kept.
        """
        known = intake.error_fields(error, category, self.policy, self._table)
        letter = self._made(
            lambda: intake.new_letter(
                task,
                self.policy,
                self.engine,
                self._wall(),
                adapter=adapter,
                attempts=attempts,
                order=tuple(order),
                deadline=deadline,
                **known,
            ),
            *identify(task),
        )
        return await self._submit(letter)

    def _made(self, make: Callable[[], NewLetter], task: str, task_type: str) -> NewLetter:
        try:
            return make()
        except LetterRefused as error:
            self._refused(task, task_type, error)
            raise

    def _submit(self, letter: NewLetter) -> asyncio.Future[int]:
        """Have a letter kept, even if the one who waits for it gives up meanwhile; return its number to come."""
        self.loop = asyncio.get_running_loop()
        entered: asyncio.Future[int] = self.loop.create_future()
        self._add(self.store, letter, entered)
        return entered

    def _add(self, store: DeadLetterStore, letter: NewLetter, entered: asyncio.Future[int]) -> None:
        adding = asyncio.ensure_future(store.add(letter, self.policy.room))
        self._adding.add(adding)
        adding.add_done_callback(partial(self._added, store, letter, entered))

    def _added(
        self, store: DeadLetterStore, letter: NewLetter, entered: asyncio.Future[int], adding: asyncio.Future[Kept]
    ) -> None:
        self._adding.discard(adding)
        error = asyncio.CancelledError() if adding.cancelled() else adding.exception()
        if isinstance(error, StoreUnavailable) and store is not self.memory_store and not self.policy.fail_closed:
            log.warning("Dead letters can't be written (%s); task %s waits in memory.", error, letter.task)
            self._add(self.memory_store, letter, entered)
            return
        if error is not None:
            if isinstance(error, DeadLetterError):
                self._refused(letter.task, letter.task_type, error)
            if not entered.done():
                entered.set_exception(error)
            return
        id, evicted = adding.result()
        self._emit_changes(evicted, "evicted", "", "made room for a new one")
        self.emit_dead_lettered(id, letter, in_memory=store is self.memory_store)
        self._worker.wake(letter)
        if not entered.done():
            entered.set_result(id)

    def emit_dead_lettered(self, id: int, letter: NewLetter, *, in_memory: bool = False, detail: str = "") -> None:
        """Tell that a letter is kept under a number."""
        self._emit(
            DeadLettered(
                at=self._wall(),
                letter=id,
                task=letter.task,
                task_type=letter.task_type,
                category=letter.category,
                error_type=letter.error_type,
                error=letter.error,
                due_at=letter.due_at,
                in_memory=in_memory,
                detail=detail,
            )
        )

    def _refused(self, task: str, task_type: str, error: DeadLetterError) -> None:
        log.error("Task %s could not become a dead letter: %s", task, error)
        self._emit(DeadLetterRefused(at=self._wall(), task=task, task_type=task_type, reason=str(error)))

    # ---------------------------------------------------------------- looking

    async def get(self, id: int) -> DeadLetter | None:
        """Return a letter, or None."""
        return await self.store_of(id).get(id, self._wall())

    async def find(self, selection: LetterSelection | None = None, limit: int = 100) -> list[DeadLetter]:
        """Return the newest letters that are selected, newest first; those held in memory come first."""
        wanted, now = selection or LetterSelection(), self._wall()
        found = await self.memory_store.find(wanted, now, limit)
        return found + await self.store.find(wanted, now, limit - len(found)) if len(found) < limit else found

    async def statistics(self) -> DeadLetterStatistics:
        """Return the figures of the whole queue, with what is held in memory."""
        now, capacity = self._wall(), self.policy.capacity
        memory_store = await self.memory_store.statistics(now, capacity)
        try:
            seen = await self.store.statistics(now, capacity)
        except StoreUnavailable:
            if self.policy.fail_closed:
                raise
            return memory_store
        return statistics(
            add_counts(seen.by_status, memory_store.by_status),
            add_counts(seen.by_category, memory_store.by_category),
            add_counts(seen.totals, memory_store.totals),
            capacity,
        )

    def store_of(self, id: int) -> DeadLetterStore:
        """Return the store that has a letter of that number."""
        return self.memory_store if id < 0 else self.store

    # ---------------------------------------------------------------- by hand

    async def retry(self, id: int, *, actor: str = "") -> RetryResult:
        """Retry one letter now, due or not.

        Args:
            id: its number.
            actor: who asks, for the audit; empty: the application.

        Raises:
            UnknownLetter: there is none of that number.
            LetterBusy: it is being retried, or is done, archived or discarded.
        """
        return await self._retry(id, actor, set())

    async def _retry(self, id: int, actor: str, refused: set[LetterChain]) -> RetryResult:
        store = self.store_of(id)
        claimed = await self._worker.claim(store, id)
        if claimed is not None:
            retried = await self._worker.retry_by_hand(store, claimed, actor or "application", refused)
            if current_task_cancelled():
                raise asyncio.CancelledError
            return retried
        letter = await store.get(id, self._wall())
        if letter is None:
            raise UnknownLetter(id)
        if letter.engine != self.engine:
            raise LetterBusy(f"dead letter {id} belongs to the engine {letter.engine}; that one retries it")
        hint = "; unarchive it first" if letter.status == "archived" else ""
        raise LetterBusy(f"dead letter {id} is {letter.status}{hint}")

    async def retry_many(
        self, selection: LetterSelection | None = None, *, actor: str = "", done: list[RetryResult] | None = None
    ) -> list[RetryResult]:
        """Retry every selected letter of this engine that is pending or exhausted, the oldest first, one at a time.

        What somebody else takes is passed over; of letters whose chain is out, only the first asks it. `done`, if
        given, is filled as it goes.
        """
        wanted = msgspec.structs.replace(selection or LetterSelection(), engine=self.engine)
        if not wanted.statuses:
            wanted = msgspec.structs.replace(wanted, statuses=RETRYABLE)
        ids = [letter.id for letter in await self.memory_store.find(wanted, self._wall(), self.policy.capacity)]
        ids += [letter.id async for page in pages(self.store, wanted, self._wall()) for letter in page]
        outcomes = [] if done is None else done
        refused: set[LetterChain] = set()
        for id in sorted(ids):
            try:
                outcomes.append(await self._retry(id, actor, refused))
            except (UnknownLetter, LetterBusy):
                continue
        return outcomes

    async def archive(self, selection: LetterSelection, *, actor: str = "") -> int:
        """Take letters out of the active list, to keep them. Returns how many."""
        return await self._change("archive", selection, actor)

    async def unarchive(self, selection: LetterSelection, *, actor: str = "") -> int:
        """Put archived letters back as they were. Returns how many."""
        return await self._change("unarchive", selection, actor)

    async def discard(self, selection: LetterSelection, *, actor: str = "") -> int:
        """Give letters up: nobody retries them, until a purge deletes them. Returns how many."""
        return await self._change("discard", selection, actor)

    async def purge(self, selection: LetterSelection | None = None, *, actor: str = "") -> int:
        """Delete letters, whatever their status, but for those being retried. Returns how many."""
        wanted, now = selection or LetterSelection(), self._wall()
        groups = await self.memory_store.purge(wanted, now, actor) + await self.store.purge(wanted, now, actor)
        return self._emit_changes(groups, "purged", actor, "purged by hand")

    async def _change(self, change: Change, selection: LetterSelection, actor: str) -> int:
        now = self._wall()
        groups = await self.memory_store.change(change, selection, now, actor)
        groups += await self.store.change(change, selection, now, actor)
        self._worker.wake()
        return self._emit_changes(groups, "", actor, f"{DONE[change]} by hand")

    def _emit_changes(self, groups: Sequence[StatusChange], status: str, actor: str, detail: str) -> int:
        for group in groups:
            self._emit(
                DeadLetterChanged(
                    at=self._wall(),
                    letters=group.ids,
                    before=group.before,
                    status=group.after or status,
                    actor=actor,
                    detail=detail,
                )
            )
        return sum(len(group.ids) for group in groups)

    # ---------------------------------------------------------------- running

    def attach_store(self, store: DeadLetterStore) -> None:
        """Keep letters in this store from now on; those in memory move there."""
        if isinstance(self.store, MemoryDeadLetters):
            self.memory_store.adopt(self.store)
        self.store = store
        self._worker.begin()

    def detach_store(self, store: DeadLetterStore) -> None:
        """Use that store no more: it is about to be closed."""
        if self.store is store:
            self.store = MemoryDeadLetters()

    async def stop(self) -> None:
        """End all retries: those under way are cut off and count as none. A new letter starts them again."""
        await self._worker.stop()
        for task in self._asked:
            task.cancel()
        while self._asked or self._adding:
            await asyncio.gather(*self._asked, *self._adding, return_exceptions=True)

    def start_operator_retry(
        self,
        command: Command,
        report: Callable[[bool, str], object],
        home: Callable[[], asyncio.AbstractEventLoop],
    ) -> None:
        """Carry out an operator's `dlq_retry`, from whichever thread; returns at once.

        Args:
            command: its `args` are those of a `LetterSelection`, or `{"all": true}`.
            report: told once, in the engine's loop, whether all of it succeeded, and in words what came of it.
            home: gives a loop to retry in when none of the application's is running.

        Raises:
            ValueError: it does not say which letters.
        """
        selection = operator_retry.selection_of(command.args)
        if self.loop is None or not self.loop.is_running():
            self.loop = home()
        loop = self.loop

        def begin() -> None:
            task = asyncio.get_running_loop().create_task(
                operator_retry.carry_out(self, selection, command.actor, report), name=f"fuseboard-command-{command.id}"
            )
            self._asked.add(task)
            task.add_done_callback(self._asked.discard)

        loop.call_soon_threadsafe(begin)

    async def run(self, task: Any, letter: DeadLetter) -> RouteResult:
        """Give a letter's task to the adapters again."""
        RETRYING.set((task, letter.id))
        return await self._route(task, letter.order or None, deadline=letter.deadline)
