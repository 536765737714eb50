"""Retries of dead letters: the asyncio shell around what `schedule` decides."""

from __future__ import annotations

import asyncio
import logging
import math
import uuid
from collections.abc import Callable
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
from fuseboard_engine.errors import text_of
from fuseboard_engine.events import DeadLetterChanged, DeadLettersCounted, Event
from fuseboard_engine.routing.route import RouteResult

if TYPE_CHECKING:
    from fuseboard_engine.dead_letters.queue import DeadLetters

T = TypeVar("T")
LOST: Final = "its lease ended; another worker has it"
PAUSES: Final = (0.1, 0.4, 1.0)
"""Seconds between tries to write an outcome: without it the task would be done twice."""
SHORTEST_WAIT: Final = 0.001  # seconds between two looks at a chain that is out

log = logging.getLogger("fuseboard.dead_letters")


class Worker:
    """Retries what is due, one letter at a time, and runs the retries that are asked for.

    Letters whose chain is out are left alone until it may take a call; then one of them is its probe, and the others
    wait behind it. The worker lives while there is something to wait for: with a store of its own until no letter is
    due any more, with one that others share until it is stopped.
    """

    def __init__(self, queue: DeadLetters, emit: Callable[[Event], None], wall: Callable[[], int]) -> None:
        self._queue = queue
        self._emit = emit
        self._wall = wall
        self._task: asyncio.Task[None] | None = None
        self._due = asyncio.Event()
        self._next_look: int | None = None
        """When it looks again, in UTC microseconds, while it waits."""
        self._out: dict[LetterChain, float] = {}
        """The chains that were out when it looked last and that letters wait for; for how many seconds."""
        self._told: DeadLetterStore | None = None
        self._runs: dict[asyncio.Task[Any], asyncio.Future[None]] = {}

    async def stop(self) -> None:
        """Cut all retries off, those that were asked for too, and wait until their letters are released."""
        task, ends = self._task, list(self._runs.values())
        for cut in (*self._runs, *([task] if task is not None else [])):
            cut.cancel()
        await asyncio.gather(*ends, *([task] if task is not None else []), return_exceptions=True)

    def begin(self) -> None:
        """Start, if there is an event loop to run in; else the first letter does."""
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            return
        self.wake()

    def wake(self, new: NewLetter | None = None) -> None:
        """Look for due letters now; for one new letter that is due later than it looks next, there is no need.

        Nor is there for one whose chain is known to be out.
        """
        due = 0 if new is None else new.due_at
        known = new is not None and new.chain in self._out
        if self._next_look is None or (due is not None and due < self._next_look and not known):
            self._due.set()
        if self._queue.policy.strategy != "disabled" and (self._task is None or self._task.done()):
            self._due = asyncio.Event()  # an earlier one may belong to a loop that has ended
            loop = self._queue.loop = asyncio.get_running_loop()
            self._task = loop.create_task(self._work(), name="fuseboard-dead-letters")

    async def _work(self) -> None:
        down = False
        while True:
            self._due.clear()
            queue, policy = self._queue, self._queue.policy
            store = queue.store
            due: int | None = None
            try:
                await self._import_from_memory(store)
                letter, now = None, self._wall()
                self._out = await self._chains_out(store, now) if policy.automatic_retry else {}
                if policy.automatic_retry:
                    until = now + round(policy.lease * 1e6)
                    claiming = store.claim_due(queue.engine, uuid.uuid4().hex, now, until, self._out)
                    letter = await wait_until_done(asyncio.get_running_loop().create_task(claiming))
                if current_task_cancelled():
                    if letter is not None:
                        await store.settle(letter.id, letter.claim, schedule.released(letter), now)
                    return
                if letter is not None:
                    await self.attempt(store, letter, "")
                    if current_task_cancelled():
                        return
                    continue
                if policy.automatic_retry:
                    due = await store.next_due(queue.engine, self._wall(), self._out)
                down = False
            except DeadLetterError as error:
                if not down:
                    log.warning("Dead letters can't be read (%s); it is tried again.", error)
                down = True
            if due is None and not (store.shared or self._out or queue.memory_store.waiting() or down):
                return
            wait = policy.poll if due is None else max(0.0, (due - self._wall()) / 1e6)
            if store.shared or down:
                wait = min(wait, policy.poll)
            if self._out:  # somebody may bring an adapter back before its time
                wait = min(wait, policy.poll, max(SHORTEST_WAIT, min(self._out.values())))
            self._next_look = self._wall() + round(wait * 1e6)
            try:
                async with asyncio.timeout(wait):
                    await self._due.wait()
            except TimeoutError:
                pass
            finally:
                self._next_look = None

    async def _chains_out(self, store: DeadLetterStore, now: int) -> dict[LetterChain, float]:
        """Return the chains that letters which are due would go along, but that are out; for how many seconds."""
        availability = self._queue.availability
        if not availability.any_unavailable():
            return {}
        due = await store.chains_due(self._queue.engine, now)
        return {chain: left for chain in due if (left := availability.seconds_until_available(chain)) is not None}

    async def _import_from_memory(self, store: DeadLetterStore) -> None:
        """Move what waits in memory into the store, and tell once how many letters it holds."""
        queue = self._queue
        if store.shared and self._told is not store:
            counts = (await store.statistics(self._wall())).by_status
            self._told = store
            self._emit(DeadLettersCounted(at=self._wall(), counts=counts))
        for letter in queue.memory_store.waiting():
            id, _ = await store.add(as_new_letter(letter), queue.policy.room)
            queue.memory_store.remove(letter.id)
            self._changed(letter.id, letter.status, "moved", detail=f"kept as dead letter {id} now")
            queue.emit_dead_lettered(id, letter, detail=f"waited in memory as {letter.id}")

    async def claim(self, store: DeadLetterStore, id: int) -> DeadLetter | None:
        """Take one letter to retry it now; None: it can't be taken."""
        now, policy = self._wall(), self._queue.policy
        return await store.claim(id, self._queue.engine, uuid.uuid4().hex, now, now + round(policy.lease * 1e6))

    async def attempt(self, store: DeadLetterStore, letter: DeadLetter, actor: str) -> RetryResult:
        """Retry a letter that was claimed, keep its lease meanwhile, and write what came of it.

        A cancellation ends the retry early, which does not count; the method still returns, so check
        `current_task_cancelled` after it.

        Raises:
            StoreUnavailable: the outcome could not be written; the lease ends, and the letter waits again.
        """
        queue, loop = self._queue, asyncio.get_running_loop()
        queue.loop = loop
        self._changed(letter.id, letter.was or "pending", "retrying", actor, f"retry {letter.retries + 1}")
        run = loop.create_task(queue.run(task_of(letter), letter))
        lease = loop.create_task(self._keep(store, letter, run))
        ended = self._runs[run] = loop.create_future()
        try:
            try:
                result = await run
                settled = self._judge(letter, result, actor)
            except asyncio.CancelledError:
                if lease.done():
                    return RetryResult(id=letter.id, outcome="lost", detail=LOST)
                result, settled = None, schedule.released(letter)
            except Exception as error:
                result = None
                settled = schedule.failed(
                    letter, queue.policy, self._wall(), type(error).__name__, text_of(error), actor
                )
            return await wait_until_done(loop.create_task(self._settle(store, letter, settled, result)))
        finally:
            # A stop waits for this, and may cancel us at any await: so it comes before the last one.
            del self._runs[run]
            ended.set_result(None)
            lease.cancel()
            await asyncio.wait({lease})

    def _judge(self, letter: DeadLetter, result: RouteResult, actor: str) -> RetryOutcome:
        policy, now = self._queue.policy, self._wall()
        if result.success and not result.degraded:
            return schedule.succeeded(letter, now, result.adapter or "", actor)
        if result.attempts and all(attempt.outcome == "rejected" for attempt in result.attempts):
            return self._defer(letter, now, result.retry_after, actor)
        last = next((attempt for attempt in reversed(result.attempts) if attempt.error_type), None)
        error = result.error or (last.error if last else "") or "only a fallback answered"
        return schedule.failed(letter, policy, now, last.error_type if last else "", error, actor)

    def _defer(self, letter: DeadLetter, now: int, wait: float | None, actor: str) -> RetryOutcome:
        """Return the state of a letter whose chain refused it, and leave that chain alone for a while."""
        queue = self._queue
        settled = schedule.deferred(letter, queue.policy, now, wait, actor, queue.rng())
        assert settled.due_at is not None
        queue.availability.pause(letter.chain, min(queue.policy.poll, (settled.due_at - now) / 1e6))
        return settled

    async def retry_by_hand(
        self, store: DeadLetterStore, letter: DeadLetter, actor: str, refused: set[LetterChain]
    ) -> RetryResult:
        """Retry a claimed letter that somebody asked for, as `attempt` does.

        Of many, one asks its chain: while that is out, the others that go along it are put off unasked. `refused` notes
        which chains have refused a letter.
        """
        left = self._queue.availability.seconds_until_available(letter.chain) if letter.chain in refused else None
        if left is None:
            retried = await self.attempt(store, letter, actor)
            (refused.add if retried.outcome == "deferred" else refused.discard)(letter.chain)
            return retried
        settled = self._defer(letter, self._wall(), None if math.isinf(left) else left, actor)
        settling = self._settle(store, letter, settled, None, before=letter.was or "pending")
        return await wait_until_done(asyncio.get_running_loop().create_task(settling))

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

    async def _keep(self, store: DeadLetterStore, letter: DeadLetter, run: asyncio.Task[RouteResult]) -> None:
        """Prolong the lease while the retry runs; end the retry if somebody else has the letter."""
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
    """Return a letter as it came in, for another store; an exhausted one is not retried by itself there."""
    return NewLetter(**{name: getattr(letter, name) for name in NewLetter.__struct_fields__})


async def wait_until_done(task: asyncio.Task[T]) -> T:
    """Wait until a task has ended, even if the caller is cancelled meanwhile.

    Check `current_task_cancelled` afterwards.
    """
    while not task.done():
        try:
            await asyncio.wait({task})
        except asyncio.CancelledError:
            continue
    return task.result()


def current_task_cancelled() -> bool:
    """Say whether the present task was cancelled."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
