"""The dead letters of an engine: adding, inspecting, changing and retrying them."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from functools import partial
from typing import Any

import msgspec

from fuseboard_engine.commands import Command
from fuseboard_engine.dead_letters import intake, operator_retry
from fuseboard_engine.dead_letters.availability import Availability
from fuseboard_engine.dead_letters.bulk_retry import BulkRetries, BulkRetry, StoppedRetries, progress_of
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
    Letters,
    LetterSelection,
    NewLetter,
    RetryResult,
    StatusChange,
    StoreTimeout,
    StoreUnavailable,
    UnknownLetter,
    add_counts,
    as_selection,
    statistics,
)
from fuseboard_engine.dead_letters.memory_store import ClosedDeadLetters, MemoryDeadLetters
from fuseboard_engine.dead_letters.policy import DeadLetterPolicy
from fuseboard_engine.dead_letters.store import DeadLetterStore, pages
from fuseboard_engine.dead_letters.worker import ABANDON_SECONDS, Worker
from fuseboard_engine.error_text.limited_log import LimitedLog
from fuseboard_engine.error_text.safe_logging import get_logger
from fuseboard_engine.errors import describe, text_of
from fuseboard_engine.events import DeadLetterChanged, DeadLettered, DeadLetterRefused, Event
from fuseboard_engine.retry.attribution import Table
from fuseboard_engine.routing.route import KEPT_BACK, RETRYING, ActiveRoute, RouteResult, identify
from fuseboard_engine.runtime.arguments import as_words, checked_seconds
from fuseboard_engine.runtime.cancellation import call_in_loop, cancel_requests
from fuseboard_engine.runtime.formatting import plural

log = get_logger("fuseboard.dead_letters")

_ALL = LetterSelection()

SHORTEST_WAIT = 0.02
"""Seconds that a route waits for its dead letter at least, even if its deadline has passed."""
STOP_SECONDS = 5.0
"""Seconds that stopping takes at most, whatever the store does."""

NO_ID = "without an id"


class DeadLetters:
    """Keeps the tasks that an engine's adapters could not do, and retries them.

    Args:
        policy: what is kept, when it is retried, how much is kept. May be replaced at run time.
        engine: the engine's name; it retries only its own letters.
        table: its attribution table.
        availability: knows which chains are unavailable.
        route: routes a task to the adapters.
        emit: receives every event; must not raise.
        wall: UTC microseconds. rng: the source of jitter, like `random.random`.
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
        """Letters whose store cannot be written; their ids are negative."""
        self.loop: asyncio.AbstractEventLoop | None = None
        self.unacknowledged = 0
        """Number of letters that took longer to store than their tasks waited. They were stored later, or refused."""
        self._table = table
        self._route = route
        self._emit = emit
        self._wall = wall
        self._complaints = LimitedLog(log)
        self._adding: set[asyncio.Future[Kept]] = set()
        self._operator_retries: set[asyncio.Task[None]] = set()
        self._bulk_retries = BulkRetries()
        self._worker = Worker(self, emit, wall)

    def after_fork(self) -> None:
        """Begin without letters in memory in a forked child: the parent keeps and retries them."""
        self.loop, self.unacknowledged = None, 0
        self._adding, self._operator_retries = set(), set()
        self._bulk_retries = BulkRetries()
        self.memory_store = MemoryDeadLetters(step=-1)
        if type(self.store) is MemoryDeadLetters:
            self.store = MemoryDeadLetters()
        self._worker = Worker(self, self._emit, self._wall)

    # ---------------------------------------------------------------- adding

    async def on_chain_exhausted(self, route: ActiveRoute, seconds: float | None = None) -> None:
        """Make the task of an exhausted route a dead letter, if the policy says so; the route records its id.

        Never raises for a refusal; an event and the route's `why` report it. Returns once the letter is durable, or
        after `seconds` or the policy's `commit_timeout`; it is then stored in the background, and its event has its
        id.
        """
        if route.task is not None and KEPT_BACK.get() is route.task:
            return
        retrying = RETRYING.get()
        if retrying is not None and retrying[0] is route.task:
            route.dead_letter = retrying[1]
            return
        category = intake.category_to_keep(route, self.policy, self._table)
        if category is None:
            return
        make = partial(intake.letter_of_route, route, category, self.policy, self.engine, self._wall())
        try:
            limit = self.policy.commit_timeout
            if seconds is not None:
                limit = min(limit, max(seconds, SHORTEST_WAIT))
            route.dead_letter = await self._store(self._build(make, route.id, route.type), limit)
        except StoreTimeout:
            route.why += "; its dead letter is still being stored"
        except DeadLetterError as error:
            route.why += f"; no dead letter: {text_of(error)}"

    @property
    def being_stored(self) -> int:
        """Number of letters that are being stored."""
        return len(self._adding)

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
        """Make a task a dead letter, with any strategy except `disabled`.

        Args:
            task: as for the router: a `Task`, a mapping, or a payload; of JSON values.
            error: what went wrong; an exception is classified by the attribution table.
            category: default: by the table for an exception; `transient` for a text.
            adapter: the adapter that failed.
            attempts: the number of calls that were made.
            order: the chain for its retries; default: the chain of its type at that time.
            deadline: seconds a retry may take.

        Returns:
            Its id, once it is durable.

        Raises:
            LetterRefused: the payload is not valid JSON, the queue is full (`QueueFull`), or dead letters are disabled.
            StoreUnavailable: the store cannot be written, and the policy says `fail_closed`. Nothing is kept.
            StoreTimeout: the letter is not stored within the policy's `commit_timeout`. It is stored later, unless an
                event tells why not.
        """
        if deadline is not None:
            deadline = checked_seconds(deadline, "deadline")
        known = intake.error_fields(error, category, self.policy, self._table)
        letter = self._build(
            lambda: intake.new_letter(
                task,
                self.policy,
                self.engine,
                self._wall(),
                adapter=adapter,
                attempts=attempts,
                order=as_words(order),
                deadline=deadline,
                **known,
            ),
            *identify(task),
        )
        return await self._store(letter, self.policy.commit_timeout)

    def _build(self, make: Callable[[], NewLetter], task: str, task_type: str) -> NewLetter:
        try:
            return make()
        except LetterRefused as error:
            self._emit_refused(task, task_type, error)
            raise

    async def _store(self, letter: NewLetter, seconds: float) -> int:
        """Store a letter, even if the caller is cancelled meanwhile; return its id.

        Raises:
            StoreTimeout: it takes longer than `seconds`, and continues.
            DeadLetterError: the letter is refused, or the store cannot be written.
        """
        loop = self.loop = asyncio.get_running_loop()
        store = self.store
        if len(self._adding) >= self.policy.capacity:  # a store that does not answer must not fill the memory
            error = StoreUnavailable(f"{len(self._adding):,} dead letters wait to be stored already")
            if self.policy.fail_closed:
                self._emit_refused(letter.task, letter.task_type, error)
                raise error
            store = self.memory_store
        stored: asyncio.Future[int] = loop.create_future()
        self._add(store, letter, stored)
        timer = loop.call_later(seconds, self._give_up, letter, seconds, stored)
        try:
            return await stored
        finally:
            timer.cancel()

    def _give_up(self, letter: NewLetter, seconds: float, stored: asyncio.Future[int]) -> None:
        if stored.done():
            return
        self.unacknowledged += 1
        late = f"not stored within {seconds:.3g} s"
        self._complain(
            logging.WARNING,
            "The dead letter of task %s is %s; storing continues in the background.",
            letter.task or NO_ID,
            late,
        )
        stored.set_exception(StoreTimeout(f"the dead letter is {late}; storing continues"))

    def _add(self, store: DeadLetterStore, letter: NewLetter, stored: asyncio.Future[int]) -> None:
        adding = asyncio.ensure_future(store.add(letter, self.policy.room))
        self._adding.add(adding)
        adding.add_done_callback(partial(self._added, store, letter, stored))

    def _added(
        self, store: DeadLetterStore, letter: NewLetter, stored: asyncio.Future[int], adding: asyncio.Future[Kept]
    ) -> None:
        self._adding.discard(adding)
        error = StoreUnavailable("storing was cancelled") if adding.cancelled() else adding.exception()
        if isinstance(error, Exception) and not isinstance(error, DeadLetterError):
            unexpected, error = error, StoreUnavailable(describe(error))
            error.__cause__ = unexpected
        if isinstance(error, StoreUnavailable) and store is not self.memory_store and not self.policy.fail_closed:
            if store is not self.store:  # it was closed meanwhile, or another one took its place
                self._add(self.store, letter, stored)
                return
            text = "Dead letters cannot be written (%s); task %s waits in memory."
            self._complain(logging.WARNING, text, error, letter.task or NO_ID)
            self._add(self.memory_store, letter, stored)
            return
        if error is not None:
            if isinstance(error, DeadLetterError):
                self._emit_refused(letter.task, letter.task_type, error)
            if not stored.done():
                stored.set_exception(error)
            return
        id, evicted = adding.result()
        self._emit_changes(evicted, "evicted", "", "evicted for a new one")
        self.emit_dead_lettered(id, letter, in_memory=store is self.memory_store)
        self._worker.wake(letter)
        if not stored.done():
            stored.set_result(id)

    def emit_dead_lettered(self, id: int, letter: NewLetter, *, in_memory: bool = False, detail: str = "") -> None:
        """Emit that a letter is kept under an id."""
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

    def _emit_refused(self, task: str, task_type: str, error: DeadLetterError) -> None:
        self._complain(
            logging.ERROR, "Task %s could not become a dead letter: %s.", task or NO_ID, text_of(error).rstrip(".")
        )
        self._emit(DeadLetterRefused(at=self._wall(), task=task, task_type=task_type, reason=text_of(error)))

    def _complain(self, level: int, text: str, *arguments: object) -> None:
        self._complaints.write(asyncio.get_running_loop().time(), level, text, *arguments)

    # ---------------------------------------------------------------- inspection

    async def get(self, id: int) -> DeadLetter | None:
        """Return a letter, or None."""
        return await self.store_of(id).get(id, self._wall())

    async def find(self, selection: Letters | None = None, limit: int = 100) -> list[DeadLetter]:
        """Return the newest selected letters, newest first; those held in memory come first.

        `selection`, here and below, is a `LetterSelection`, the id of a letter, or several ids; None means all.
        """
        wanted, now = as_selection(_ALL if selection is None else selection), self._wall()
        found = await self.memory_store.find(wanted, now, limit)
        return found + await self.store.find(wanted, now, limit - len(found)) if len(found) < limit else found

    async def statistics(self) -> DeadLetterStatistics:
        """Return the statistics of the whole queue, including letters held in memory."""
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
        """Return the store that holds a letter with that id."""
        return self.memory_store if id < 0 else self.store

    # ---------------------------------------------------------------- manual operations

    async def retry(self, id: int, *, actor: str = "") -> RetryResult:
        """Retry one letter now, due or not.

        Args:
            id: its id.
            actor: who requested it, for the audit; empty: the application.

        Raises:
            UnknownLetter: there is no letter with that id.
            LetterBusy: it is being retried, or is succeeded, archived or discarded.
        """
        return await self._retry(id, actor, set())

    async def _retry(self, id: int, actor: str, refused: set[LetterChain]) -> RetryResult:
        store, before = self.store_of(id), cancel_requests()
        claimed = await self._worker.claim(store, id)
        if claimed is not None:
            retried = await self._worker.retry_by_hand(store, claimed, actor or "application", refused)
            if cancel_requests() > before:
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
        self, selection: Letters | None = None, *, actor: str = "", done: list[RetryResult] | None = None
    ) -> list[RetryResult]:
        """Retry every selected letter of this engine that is pending or exhausted, oldest first, one at a time.

        Letters that another worker claims are skipped; of letters whose chain is unavailable only the first tries it.
        `done`, if given, is filled during the run. `stop_retries` ends it after the retry in flight.
        """
        bulk = BulkRetry([] if done is None else done)
        with self._bulk_retries.running(bulk):
            await self._retry_each(bulk, selection, actor)
        return bulk.done

    async def _retry_each(self, bulk: BulkRetry, selection: Letters | None, actor: str) -> None:
        wanted = msgspec.structs.replace(as_selection(_ALL if selection is None else selection), engine=self.engine)
        if not wanted.statuses:
            wanted = msgspec.structs.replace(wanted, statuses=RETRYABLE)
        ids = [letter.id for letter in await self.memory_store.find(wanted, self._wall(), self.policy.capacity)]
        ids += [letter.id async for page in pages(self.store, wanted, self._wall()) for letter in page]
        refused: set[LetterChain] = set()
        for id in bulk.each(sorted(ids)):
            try:
                bulk.done.append(await self._retry(id, actor, refused))
            except (UnknownLetter, LetterBusy):
                continue

    async def stop_retries(self, *, actor: str = "") -> StoppedRetries:
        """Stop all retries of many letters: each ends after its retry in flight. Return their progress.

        Automatic retries and retries of one letter continue. The remaining letters do not change.

        Args:
            actor: who requested it; the result of a stopped operator's retry names them.
        """
        stopped = self._bulk_retries.stop(actor)
        for bulk in stopped:
            await bulk.ended.wait()
        return progress_of(stopped)

    async def archive(self, selection: Letters, *, actor: str = "") -> int:
        """Archive letters: remove them from the active list but keep them. Return how many."""
        return await self._change("archive", selection, actor)

    async def unarchive(self, selection: Letters, *, actor: str = "") -> int:
        """Restore archived letters to their earlier status. Return how many."""
        return await self._change("unarchive", selection, actor)

    async def discard(self, selection: Letters, *, actor: str = "") -> int:
        """Discard letters: they are not retried, and a purge deletes them. Return how many."""
        return await self._change("discard", selection, actor)

    async def purge(self, selection: Letters | None = None, *, actor: str = "") -> int:
        """Delete letters of any status, except those being retried. Return how many."""
        wanted, now = as_selection(_ALL if selection is None else selection), self._wall()
        groups = await self.memory_store.purge(wanted, now, actor) + await self.store.purge(wanted, now, actor)
        return self._emit_changes(groups, "purged", actor, "purged by hand")

    async def _change(self, change: Change, selection: Letters, actor: str) -> int:
        wanted, now = as_selection(selection), self._wall()
        groups = await self.memory_store.change(change, wanted, now, actor)
        groups += await self.store.change(change, wanted, now, actor)
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

    # ---------------------------------------------------------------- life cycle

    def attach_store(self, store: DeadLetterStore) -> None:
        """Keep letters in this store from now on; those in memory are moved there."""
        if isinstance(self.store, MemoryDeadLetters):
            self.memory_store.adopt(self.store)
        self.store = store
        self._worker.begin()

    def detach_store(self, store: DeadLetterStore) -> None:
        """Stop using that store, which is about to be closed. Until another one is attached, letters are refused."""
        if self.store is store:
            self.store = ClosedDeadLetters()

    async def stop(self) -> None:
        """Stop all retries: running ones are interrupted and do not count. A new letter starts them again.

        Takes at most `STOP_SECONDS`, whatever the store does. An interrupted retry whose letter could not be released
        by then is released when its lease expires.
        """
        clock = asyncio.get_running_loop().time
        end = clock() + STOP_SECONDS
        await self._worker.stop(STOP_SECONDS)
        for task in self._operator_retries:
            task.cancel()
        while (self._operator_retries or self._adding) and clock() < end:
            left: set[asyncio.Future[Any]] = {*self._operator_retries, *self._adding}
            await asyncio.wait(left, timeout=end - clock())
        if self._operator_retries:
            self._worker.abandon()
            await asyncio.wait(set(self._operator_retries), timeout=ABANDON_SECONDS)
        if self._adding:
            log.error("%s could not be stored within %g s", plural(len(self._adding), "dead letter"), STOP_SECONDS)

    def start_operator_retry(
        self,
        command: Command,
        report: Callable[[bool, str], object],
        home: Callable[[], asyncio.AbstractEventLoop],
    ) -> None:
        """Start an operator's `dlq_retry`, from any thread; returns at once.

        Args:
            command: its `args` are those of a `LetterSelection`, or `{"all": true}`.
            report: called once, in the engine's loop, with whether all of it succeeded and a summary.
            home: returns a loop to retry in when none of the application's is running.

        Raises:
            ValueError: it does not select letters.
        """
        selection = operator_retry.selection_of(command.args)

        async def retry() -> None:
            bulk = BulkRetry([], command.id)
            with self._bulk_retries.running(bulk):
                await operator_retry.retry_selected(bulk, self._retry_each(bulk, selection, command.actor), report)

        self._run_for_operator(command, retry, home)

    def start_operator_stop(
        self,
        command: Command,
        report: Callable[[bool, str], object],
        home: Callable[[], asyncio.AbstractEventLoop],
    ) -> None:
        """Start an operator's `dlq_stop`, from any thread; returns at once.

        Args:
            command: its argument `command` is the `dlq_retry` to stop; without it, all retries of many letters.
            report: called once, in the engine's loop, with what was stopped.
            home: as for `start_operator_retry`.

        Raises:
            ValueError: `command` is not a number.
        """
        wanted = operator_retry.stopped_command_of(command.args)

        async def stop() -> None:
            await operator_retry.report_stopped(self._bulk_retries.stop(command.actor, wanted), report)

        self._run_for_operator(command, stop, home)

    def _run_for_operator(
        self,
        command: Command,
        work: Callable[[], Coroutine[Any, Any, None]],
        home: Callable[[], asyncio.AbstractEventLoop],
    ) -> None:
        """Do the work of a command in the loop of the queue; commands begin in the order of these calls."""
        if self.loop is None or not self.loop.is_running():
            self.loop = home()

        def begin() -> None:
            task = asyncio.get_running_loop().create_task(work(), name=f"fuseboard-command-{command.id}")
            self._operator_retries.add(task)
            task.add_done_callback(self._operator_retries.discard)

        if not call_in_loop(self.loop, begin):  # it was closed just now
            self.loop = home()
            self.loop.call_soon_threadsafe(begin)

    async def run(self, task: Any, letter: DeadLetter) -> RouteResult:
        """Route a letter's task again."""
        RETRYING.set((task, letter.id))
        return await self._route(task, letter.order or None, deadline=letter.deadline)
