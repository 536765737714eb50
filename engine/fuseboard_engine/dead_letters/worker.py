"""Retries of dead letters: the asyncio shell around the decisions of `schedule`."""

from __future__ import annotations

import asyncio
import math
import uuid
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any, Final, TypeVar

from fuseboard_engine.dead_letters import schedule
from fuseboard_engine.dead_letters.json_payload import task_of
from fuseboard_engine.dead_letters.letter import (
    DeadLetter,
    DeadLetterError,
    LetterChain,
    NewLetter,
    RetryOutcome,
    RetryResult,
    Status,
    StoreUnavailable,
)
from fuseboard_engine.dead_letters.store import DeadLetterStore
from fuseboard_engine.error_text.safe_logging import get_logger
from fuseboard_engine.errors import describe, text_of
from fuseboard_engine.events import DeadLetterChanged, DeadLettersCounted, Event
from fuseboard_engine.routing.route import RouteResult
from fuseboard_engine.runtime.cancellation import cancel_requests

if TYPE_CHECKING:
    from fuseboard_engine.dead_letters.queue import DeadLetters

T = TypeVar("T")
LOST: Final = "its lease expired; another worker holds it"
PAUSES: Final = (0.1, 0.4, 1.0)
"""Seconds between attempts to store an outcome; without it the task would be done twice."""
ABANDON_SECONDS: Final = 1.0
"""Seconds that stopping waits for retries whose work on the store was abandoned. They end at once."""
MIN_WAIT: Final = 0.001  # seconds between checks of an unavailable chain

log = get_logger("fuseboard.dead_letters")


class Worker:
    """Retries due letters one at a time, and runs manual retries.

    Letters whose chain is unavailable wait until it may take a call; then one of them is its probe, and the
    others wait for it. The worker runs while there is something to wait for: with a private store until no letter is
    due any more, with a shared store until it is stopped.
    """

    def __init__(self, queue: DeadLetters, emit: Callable[[Event], None], wall: Callable[[], int]) -> None:
        self._queue = queue
        self._emit = emit
        self._wall = wall
        self._task: asyncio.Task[None] | None = None
        self._due = asyncio.Event()
        self._next_look: int | None = None
        """The time of the next check, in UTC microseconds, while it waits."""
        self._unavailable: dict[LetterChain, float] = {}
        """The unavailable chains that letters waited for at the last check, and for how many seconds."""
        self._counted: DeadLetterStore | None = None
        self._runs: dict[asyncio.Task[Any], asyncio.Future[None]] = {}
        self._storing: set[asyncio.Task[Any]] = set()
        """Work on the store that continues although its caller is cancelled."""

    async def stop(self, seconds: float) -> None:
        """Interrupt all retries, including manual ones, and wait at most `seconds` until their letters are released."""
        tasks = [] if self._task is None or self._task.done() else [self._task]
        ends: set[asyncio.Future[None]] = {*self._runs.values(), *tasks}
        for running in (*self._runs, *tasks):
            running.cancel()
        if not ends:
            return
        _, left = await asyncio.wait(ends, timeout=seconds)
        if left:
            log.error("The store of dead letters does not answer; retries are released when their leases expire.")
            self.abandon()
            await asyncio.wait(left, timeout=ABANDON_SECONDS)

    def abandon(self) -> None:
        """Wait no longer for work on the store. It continues in the store's thread, if it has one."""
        for storing in self._storing:
            storing.cancel()

    async def _finish(self, work: Coroutine[Any, Any, T]) -> T:
        """Wait until work on the store has ended, even if the caller is cancelled meanwhile, or until `abandon`.

        Check `cancel_requests` afterwards.

        Raises:
            StoreUnavailable: it was abandoned.
        """
        task = asyncio.get_running_loop().create_task(work)
        self._storing.add(task)
        task.add_done_callback(self._storing.discard)
        try:
            return await wait_until_done(task)
        except asyncio.CancelledError:
            if cancel_requests() or not task.cancelling():
                raise
            raise StoreUnavailable("the store did not answer before the engine was closed") from None

    def begin(self) -> None:
        """Start, if there is a running event loop; otherwise the first letter starts it."""
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            return
        self.wake()

    def wake(self, new: NewLetter | None = None) -> None:
        """Check for due letters now.

        For one new letter this is skipped if it is due after the next check, or if its chain is known to be
        unavailable.
        """
        due = 0 if new is None else new.due_at
        known = new is not None and new.chain in self._unavailable
        if self._next_look is None or (due is not None and due < self._next_look and not known):
            self._due.set()
        if self._queue.policy.strategy != "disabled" and (self._task is None or self._task.done()):
            self._due = asyncio.Event()  # an earlier event may belong to a closed loop
            loop = self._queue.loop = asyncio.get_running_loop()
            self._task = loop.create_task(self._work(), name="fuseboard-dead-letters")

    async def _work(self) -> None:
        store_failed = False
        while True:
            self._due.clear()
            queue, policy = self._queue, self._queue.policy
            store = queue.store
            due: int | None = None
            try:
                await self._import_from_memory(store)
                letter = await self._claim_due(store)
                if cancel_requests():
                    return
                if letter is not None:
                    await self.attempt(store, letter, "")
                    if cancel_requests():
                        return
                    continue
                if policy.automatic_retry:
                    due = await store.next_due(queue.engine, self._wall(), self._unavailable)
                store_failed = False
            except (Exception, asyncio.CancelledError) as error:
                if cancel_requests():
                    if isinstance(error, asyncio.CancelledError):
                        raise
                    log.warning("A dead letter could not be released: %s", text_of(error))
                    return
                if not store_failed:
                    known = isinstance(error, DeadLetterError)
                    text = str(error) if known else describe(error)
                    log.warning("Dead letters cannot be read (%s); retrying.", text, exc_info=None if known else error)
                store_failed = True
            if due is None and not (store.shared or self._unavailable or queue.memory_store.waiting() or store_failed):
                return
            wait = policy.poll if due is None else max(0.0, (due - self._wall()) / 1e6)
            if store.shared or store_failed:
                wait = min(wait, policy.poll)
            if self._unavailable:  # an operator may re-enable an adapter early
                wait = min(wait, policy.poll, max(MIN_WAIT, min(self._unavailable.values())))
            self._next_look = self._wall() + round(wait * 1e6)
            try:
                async with asyncio.timeout(wait):
                    await self._due.wait()
            except TimeoutError:
                pass
            finally:
                self._next_look = None

    async def _claim_due(self, store: DeadLetterStore) -> DeadLetter | None:
        """Claim the letter to be retried next, if one is due; release it again if the worker is being stopped."""
        policy, now = self._queue.policy, self._wall()
        if not policy.automatic_retry:
            self._unavailable = {}
            return None
        self._unavailable = await self._unavailable_chains(store, now)
        until = now + round(policy.lease * 1e6)
        claiming = store.claim_due(self._queue.engine, uuid.uuid4().hex, now, until, self._unavailable)
        letter = await self._finish(claiming)
        if letter is not None and cancel_requests():
            await self._finish(store.settle(letter.id, letter.claim, schedule.released(letter), now))
        return letter

    async def _unavailable_chains(self, store: DeadLetterStore, now: int) -> dict[LetterChain, float]:
        """Return the unavailable chains of due letters, and for how many seconds."""
        availability = self._queue.availability
        if not availability.any_unavailable():
            return {}
        due = await store.chains_due(self._queue.engine, now)
        return {chain: left for chain in due if (left := availability.seconds_until_available(chain)) is not None}

    async def _import_from_memory(self, store: DeadLetterStore) -> None:
        """Move the letters in memory into the store, and emit once how many letters it holds."""
        queue = self._queue
        if store.shared and self._counted is not store:
            counts = (await store.statistics(self._wall())).by_status
            self._counted = store
            self._emit(DeadLettersCounted(at=self._wall(), counts=counts))
        for letter in queue.memory_store.waiting():
            id, _ = await store.add(as_new_letter(letter), queue.policy.room)
            queue.memory_store.remove(letter.id)
            self._changed(letter.id, letter.status, "moved", detail=f"now dead letter {id}")
            queue.emit_dead_lettered(id, letter, detail=f"was in memory as {letter.id}")

    async def claim(self, store: DeadLetterStore, id: int) -> DeadLetter | None:
        """Claim one letter to retry it now. Return None if it cannot be claimed."""
        now, policy = self._wall(), self._queue.policy
        return await store.claim(id, self._queue.engine, uuid.uuid4().hex, now, now + round(policy.lease * 1e6))

    async def attempt(self, store: DeadLetterStore, letter: DeadLetter, actor: str) -> RetryResult:
        """Retry a claimed letter, renew its lease meanwhile, and store the outcome.

        A cancellation interrupts the retry, which then does not count; the method still returns, so check
        `cancel_requests` after it.

        Raises:
            StoreUnavailable: the outcome could not be stored; the lease expires, and the letter is pending again.
        """
        queue, loop = self._queue, asyncio.get_running_loop()
        queue.loop = loop
        self._changed(letter.id, letter.was or "pending", "retrying", actor, f"retry {letter.retries + 1}")
        run = loop.create_task(queue.run(task_of(letter), letter))
        lease = loop.create_task(self._keep_lease(store, letter, run))
        ended = self._runs[run] = loop.create_future()
        try:
            try:
                result = await run
                settled = self._evaluate(letter, result, actor)
            except asyncio.CancelledError as error:
                if lease.done():
                    return RetryResult(id=letter.id, outcome="lost", detail=LOST)
                result, settled = None, schedule.released(letter)
                if not run.cancelling() and not cancel_requests():  # by the work itself: a failure like others
                    settled = self._failed(letter, error, actor)
            except Exception as error:
                result, settled = None, self._failed(letter, error, actor)
            return await self._finish(self._settle(store, letter, settled, result))
        finally:
            # `stop` waits for this and may cancel this task at any await, so it precedes the last await.
            del self._runs[run]
            ended.set_result(None)
            lease.cancel()
            await asyncio.wait({lease})

    def _failed(self, letter: DeadLetter, error: BaseException, actor: str) -> RetryOutcome:
        kind, text = type(error).__name__, text_of(error)
        return schedule.failed(letter, self._queue.policy, self._wall(), kind, text, actor)

    def _evaluate(self, letter: DeadLetter, result: RouteResult, actor: str) -> RetryOutcome:
        policy, now = self._queue.policy, self._wall()
        if result.success and not result.degraded:
            return schedule.succeeded(letter, now, result.adapter or "", actor)
        if result.attempts and all(attempt.outcome == "rejected" for attempt in result.attempts):
            return self._defer(letter, now, result.retry_after, actor)
        last = next((attempt for attempt in reversed(result.attempts) if attempt.error_type), None)
        error = result.error or (last.error if last else "") or "only a fallback answered"
        return schedule.failed(letter, policy, now, last.error_type if last else "", error, actor)

    def _defer(self, letter: DeadLetter, now: int, wait: float | None, actor: str) -> RetryOutcome:
        """Return the outcome of a letter whose chain refused it, and pause that chain for a while."""
        queue = self._queue
        settled = schedule.deferred(letter, queue.policy, now, wait, actor, queue.rng())
        assert settled.due_at is not None
        queue.availability.pause(letter.chain, min(queue.policy.poll, (settled.due_at - now) / 1e6))
        return settled

    async def retry_by_hand(
        self, store: DeadLetterStore, letter: DeadLetter, actor: str, refused: set[LetterChain]
    ) -> RetryResult:
        """Retry a claimed letter on request, as `attempt` does.

        Of many letters one tries its chain; while the chain is unavailable, the others are deferred without a call.
        `refused` collects the chains that have refused a letter.
        """
        left = self._queue.availability.seconds_until_available(letter.chain) if letter.chain in refused else None
        if left is None:
            retried = await self.attempt(store, letter, actor)
            (refused.add if retried.outcome == "deferred" else refused.discard)(letter.chain)
            return retried
        settled = self._defer(letter, self._wall(), None if math.isinf(left) else left, actor)
        settling = self._settle(store, letter, settled, None, before=letter.was or "pending")
        return await self._finish(settling)

    async def _settle(
        self,
        store: DeadLetterStore,
        letter: DeadLetter,
        settled: RetryOutcome,
        result: RouteResult | None,
        before: Status = "retrying",
    ) -> RetryResult:
        for pause in (*PAUSES, None):
            try:
                kept = await store.settle(letter.id, letter.claim, settled, self._wall())
                break
            except StoreUnavailable:
                if pause is None:
                    raise
                await asyncio.sleep(pause)
        if not kept:
            return RetryResult(id=letter.id, outcome="lost", detail=LOST, result=result)
        self._changed(letter.id, before, settled.status, settled.actor, settled.detail, settled.due_at)
        self._due.set()
        return RetryResult(id=letter.id, outcome=settled.outcome, detail=settled.detail, result=result)

    async def _keep_lease(self, store: DeadLetterStore, letter: DeadLetter, run: asyncio.Task[RouteResult]) -> None:
        """Renew the lease while the retry runs; cancel the retry if another worker holds the letter."""
        seconds = self._queue.policy.lease
        while True:
            await asyncio.sleep(seconds / 3)
            try:
                kept = await store.renew(letter.id, letter.claim, self._wall() + round(seconds * 1e6))
            except StoreUnavailable:
                continue
            if not kept:
                run.cancel()
                return

    def _changed(
        self, id: int, before: str, status: str, actor: str = "", detail: str = "", due_at: int | None = None
    ) -> None:
        self._emit(
            DeadLetterChanged(
                at=self._wall(), letters=(id,), before=before, status=status, actor=actor, detail=detail, due_at=due_at
            )
        )


def as_new_letter(letter: DeadLetter) -> NewLetter:
    """Return a letter in its original form, for another store; an exhausted one is not retried automatically there."""
    return NewLetter(**{name: getattr(letter, name) for name in NewLetter.__struct_fields__})


async def wait_until_done(task: asyncio.Task[T]) -> T:
    """Wait until a task has ended, even if the caller is cancelled meanwhile.

    Check `cancel_requests` afterwards.
    """
    while not task.done():
        try:
            await asyncio.wait({task})
        except asyncio.CancelledError:
            continue
    return task.result()
