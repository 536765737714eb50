"""The recorder's writer thread, which alone writes an engine's events to its store.

Each cycle writes the buffered events, executes pending commands, records a heartbeat, and lets the store do a part of
its maintenance. If the store cannot be written, events stay in the buffer and the next cycle retries.
"""

from __future__ import annotations

import contextlib
import time
import traceback
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, Final

import msgspec

from fuseboard_engine.error_text.safe_logging import get_logger
from fuseboard_engine.events import CommandDone, EngineStopped, Event, EventsDropped
from fuseboard_storage.backend.errors import InDoubt, NotWritten, StoreBehind, StoreReplaced
from fuseboard_storage.backend.protocols import EngineWriter
from fuseboard_storage.backend.recordable import Recordable
from fuseboard_storage.backend.values import EventBatch, Heartbeat
from fuseboard_storage.board.metrics import Spans, count, merge_spans
from fuseboard_storage.board.route_counts import RouteCounter, notable
from fuseboard_storage.errors import RecordingError
from fuseboard_storage.recorder.event_buffer import Barrier, Batch, EventBuffer, Item, events_of, settle
from fuseboard_storage.recorder.sampler import Sampler

log = get_logger("fuseboard.recorder")

BATCH: Final = 4_096  # the maximum number of events in one transaction
FEWEST: Final = 256  # the same, at least, if they take longer than `TRANSACTION`
HOLD_BATCH: Final = 1_000  # the same while keyframes are far behind, so that all processes have a share of the room
CALM: Final = 500  # with fewer events waiting than this, maintenance delays nothing

# Seconds
PAUSE: Final = 0.002  # between two commits, so that a busy engine does not wake the writer for each event
TRANSACTION: Final = 0.05  # for which a transaction is open, about, so that other processes do not wait for long
HOLD: Final = 0.02  # between two attempts to write while keyframes are far behind
POLL: Final = 0.05  # between two checks for pending commands
HEARTBEAT: Final = 1.0
RETRY: Final = 0.25  # after a failure to write
REPEAT: Final = 60.0  # between two log lines about the same error of the store

LOGGED_ERRORS: Final = 100  # different unexpected errors that are logged


class Writer:
    """Writes a buffer's events to one store. `run` is the thread's body; all else may be called from any thread.

    Args:
        engine: The engine, which executes the commands.
        store: The engine's writer to the store.
        name: The name of the store in messages.
        buffer: Where the events wait.
        notable_only: Whether ordinary routes are counted instead of being written one by one.
    """

    def __init__(
        self, engine: Recordable, store: EngineWriter, name: str, buffer: EventBuffer, *, notable_only: bool = False
    ) -> None:
        self.opened: Future[None] = Future()
        """Done once the store is open or its opening will be retried. Fails if it can never be opened."""
        self.opening_timed_out = False
        """Whether the waiter for `opened` has stopped waiting."""
        self.written = 0
        """Events committed since the recording began."""
        self._engine = engine
        self._store = store
        self._name = name
        self._buffer = buffer
        self._counter: RouteCounter | None = RouteCounter() if notable_only else None  # of routes that are not recorded
        self._room_left = 0  # for events that wait
        self._batch = BATCH  # events in the next batch at most
        self._holds = False  # whether events wait because the store has to catch up
        self._number = 0  # of the last batch, unless the store needs none
        self._doubtful: tuple[Batch, EventBatch, int] | None = None
        self._give_up_at: float | None = None
        self._failing_since: float | None = None
        self._next_try = 0.0
        self._logged_drops = 0
        self._logged_errors: set[str] = set()
        self._logged_failures: dict[str, float] = {}
        self._failure_logged = False
        self._ended = False
        self._sampler = Sampler(engine, time.monotonic())
        self._due = dict.fromkeys(("commands", "heartbeat"), 0.0)

    @property
    def instance(self) -> int | None:
        """The engine's instance id; None until the store could be opened."""
        return self._store.instance

    # ------------------------------------------------------------------ the thread

    def run(self) -> None:
        """Write until `stop` was called and everything is written, or the timeout of `stop` has passed.

        Never raises. Settles `opened` and every barrier, whatever happens.
        """
        try:
            if self._open():
                while not self._finished():
                    self._survive(self._cycle)
                self._survive(self._finish)
        finally:
            self._ended = True
            settle(self.opened)
            self.fail_barriers()

    def fail_barriers(self) -> None:
        """Fail the barriers of a thread that has ended, because they can no longer be reached. Otherwise do nothing."""
        if self._ended:
            self._fail(self._buffer.take(2**31))

    def _open(self) -> bool:
        """Open the store, now or later. Return False if it can never be opened."""
        try:
            with self._store.gate:
                self._try(self._store.open)
        except RecordingError as error:
            if self.opened.cancelled() or self.opening_timed_out:
                log.error("%s is not recorded: %s", self._engine.name, error)
            settle(self.opened, error)
            return False
        except BaseException as error:
            self._note_unexpected(error)
        settle(self.opened)
        return True

    def _survive(self, work: Callable[[], None]) -> None:
        """Run a part of the thread. Whatever it raises is logged once, and the thread continues."""
        try:
            work()
        except BaseException as error:
            self._note_unexpected(error)
            self._buffer.wait_to_batch(RETRY)

    def _note_unexpected(self, error: BaseException, what: str = "met an unexpected error; it continues") -> None:
        """Log an error that is not one of the store, with its trace, unless the same one was logged before."""
        trace = traceback.extract_tb(error.__traceback__)
        known = f"{type(error).__name__} {trace[-1].filename}:{trace[-1].lineno}" if trace else type(error).__name__
        if known not in self._logged_errors and len(self._logged_errors) < LOGGED_ERRORS:
            self._logged_errors.add(known)
            log.error("The recorder of %s %s.", self._name, what, exc_info=error)

    def stop(self, timeout: float) -> None:
        """End the thread once everything is written, at the latest in `timeout` seconds."""
        self._store.hurry(timeout)
        self._give_up_at = time.monotonic() + timeout
        self._buffer.wake()

    def _finished(self) -> bool:
        if self._give_up_at is None:
            return False
        if not len(self._buffer) and self._failing_since is None:
            return True
        return time.monotonic() >= self._give_up_at

    def _cycle(self) -> None:
        now = time.monotonic()
        if self._failing_since is not None and now < self._next_try:
            until = self._next_try if self._give_up_at is None else min(self._next_try, self._give_up_at)
            self._buffer.wait_to_batch(min(RETRY, max(0.0, until - now)))
            return
        self._log_drops()
        with self._store.gate:
            done = self._work(now)
            busy = not done and self._failing_since is not None and self._give_up_at is None
            more = (done or busy) and self._maintain(now)  # another process that writes does not hinder maintenance
            waiting = len(self._buffer)
        if not done:
            return
        if self._holds:
            self._buffer.wait_to_batch(0.0 if more else HOLD)
        elif waiting or more:
            # The pause leaves the application's own threads half of the time, and other processes their turn to write.
            self._buffer.wait_to_batch(0.0 if waiting >= BATCH and self._store.alone else PAUSE)
        else:
            self._buffer.wait(max(0.0, self._due["commands"] - time.monotonic()))

    def _work(self, now: float) -> bool:
        """Write and execute commands. Return False if the cycle is over: the store failed, or the thread ends."""
        if not self._try(self._store.open):
            return False
        if self._failing_since is None and self._give_up_at is None:
            for event in self._sampler.sample(now, self._store.instance):
                self._buffer.add(event)
        if not self._write(now) or not self._try(self._run_commands, now):
            return False
        return self._give_up_at is None

    def _try(self, work: Callable[..., None], *args: Any) -> bool:
        """Run `work` on the store. On an error of the store, record it for a retry and return False.

        Raises:
            StoreBehind: The store has to catch up.
        """
        try:
            work(*args)
        except RecordingError as error:
            if not self.opened.done():
                raise
            self._note_failure(error)
            return False
        except StoreBehind:
            raise
        except StoreReplaced:
            return False
        except NotWritten as error:
            self._note_failure(error)
            if error.at_once:
                self._next_try = 0.0
            return False
        if self._failing_since is not None and work != self._store.open:
            self._note_recovery()
        return True

    # ------------------------------------------------------------------ the end, and errors

    def _finish(self) -> None:
        """Record the end, close the store, and fail the barriers that are left."""
        with self._store.gate:
            self._end()

    def _end(self) -> None:
        left = self._buffer.take(2**31)
        if self._failing_since is None:
            self._try(self._store.open)  # a fork has closed it
        if self._doubtful is not None and not self._try(self._resolve_doubt, self._doubtful):
            doubtful = self._doubtful[0]
            merge_spans(left.spans, doubtful.spans)
            left = Batch([*doubtful.items, *left.items], left.dropped + doubtful.dropped, left.spans)
        try:
            self._record_end(left)
            self._store.close()
        finally:
            self._fail(left)

    def _record_end(self, left: Batch) -> None:
        """Record the engine's end, and how many events are lost because the store could not be written in time."""
        lost = events_of(left.items)
        ends = [event for event in lost if type(event) is EngineStopped]
        total = left.dropped + len(lost) - len(ends)
        if lost:
            log.error("%s could not be written; its last %d events are lost.", self._name, len(lost))
        wall = self._engine.wall()
        spans: Spans = {}
        merge_spans(spans, left.spans)
        for event in lost:
            count(spans, event)
        recorded: list[Event] = [*ends]
        if total:
            recorded.insert(0, EventsDropped(at=wall, count=total, reason="the store could not be written in time"))
        if self._counter:
            recorded.insert(0, self._counter.take())
        beat = Heartbeat(wall, self._buffer.dropped + len(lost) - len(ends))
        with contextlib.suppress(NotWritten):
            self._store.append(EventBatch(recorded, spans, beat, self._next_number(), ends=True))

    def _fail(self, left: Batch) -> None:
        todo = "Free space on the disk, or check which process locks the file, or whether the store can be reached."
        for item in left.items:
            if isinstance(item, Barrier):
                item.settle(RecordingError(f"{self._name} could not be written.", todo))

    def _note_failure(self, error: Exception) -> None:
        now = time.monotonic()
        self._next_try = now + RETRY
        if self._failing_since is None:
            self._failing_since = now
            self._failure_logged = now >= self._logged_failures.get(str(error), 0.0)
            if self._failure_logged:
                self._logged_failures = {str(error): now + REPEAT}
                log.warning(
                    "%s cannot be written: %s. Calls continue; up to %d events wait in memory, and writing is retried.",
                    self._name,
                    error,
                    self._buffer.size,
                )

    def _note_recovery(self) -> None:
        seconds = time.monotonic() - (self._failing_since or 0.0)
        self._failing_since = None
        if self._failure_logged:
            log.warning("%s can be written again, after %.1f s.", self._name, seconds)

    def _log_drops(self) -> None:
        dropped = self._buffer.dropped
        if dropped >= max(self._logged_drops + 1, self._logged_drops * 2):
            log.warning("The buffer for %s is full: %d events have been dropped so far.", self._name, dropped)
            self._logged_drops = dropped

    # ------------------------------------------------------------------ the steps of a cycle

    def _write(self, now: float) -> bool:
        if self._doubtful is not None and not self._try(self._resolve_doubt, self._doubtful):
            return False
        if self._holds and not self._try(self._look_for_room):
            return False
        batch = self._buffer.take(min(HOLD_BATCH, self._room_left) if self._holds else self._batch)
        heartbeat = now >= self._due["heartbeat"]
        if not batch.items and not batch.dropped and not heartbeat:
            return True
        try:
            done = self._try(self._append, batch, heartbeat)
        except StoreBehind:
            self._holds = True
            self._buffer.put_back(batch)
            return True
        except Exception as error:
            # Not an error of the store: some event cannot be stored. The others can.
            self._note_unexpected(error, "cannot store an event; it is counted as dropped")
            self._append_one_by_one(batch)
            return True
        if done:
            if heartbeat:
                self._due["heartbeat"] = now + HEARTBEAT
            self._settle(batch)
        elif self._doubtful is None:
            self._buffer.put_back(batch)
        return done

    def _settle(self, batch: Batch) -> None:
        """Resolve the barriers of a batch that was kept."""
        self._holds = self._holds and self._room_left < BATCH
        for item in batch.items:
            if isinstance(item, Barrier):
                item.settle()

    def _look_for_room(self) -> None:
        self._room_left = self._store.room()

    def _append(self, batch: Batch, heartbeat: bool) -> None:
        """Write a batch to the store."""
        counter = self._counter
        written = events_of(batch.items)
        if batch.dropped:
            reason = "the recorder's buffer was full"
            written.insert(0, EventsDropped(at=self._engine.wall(), count=batch.dropped, reason=reason))
        kept, spans = written, batch.spans
        if counter is not None:
            kept, counter = notable(written, counter, end=heartbeat)
            spans = _counts_besides(kept, written, batch.spans)
        beat = Heartbeat(self._engine.wall(), self._buffer.dropped) if heartbeat else None
        whole = EventBatch(kept, spans, beat, self._next_number())
        try:
            self._store.append(whole)
        except InDoubt:
            self._doubtful = batch, whole, len(written)
            self._counter = counter
            raise
        self._counter = counter
        self.written += len(written)
        if len(batch.items) == self._batch:
            most = min(BATCH, max(FEWEST, int(len(batch.items) * TRANSACTION / max(self._store.held, 1e-6))))
            self._batch = 1 << most.bit_length() - 1  # so that few statements insert them; see `events.insert`

    def _next_number(self) -> int:
        if not self._store.certain:
            self._number += 1
        return self._number

    def _resolve_doubt(self, doubtful: tuple[Batch, EventBatch, int]) -> None:
        """Write the batch again of which it is unknown whether it was kept."""
        batch, whole, written = doubtful
        try:
            self._store.append(whole)
            self.written += written
        except StoreBehind as error:
            raise NotWritten(str(error)) from error
        except NotWritten:
            raise
        except Exception as error:
            self._note_unexpected(error, "cannot store an event; its batch is counted as dropped")
            self._buffer.count_lost(batch.dropped, written)
        self._doubtful = None
        self._settle(batch)

    def _append_one_by_one(self, batch: Batch) -> None:
        lost = 0
        left: list[Item] = []
        for event in events_of(batch.items):
            if left or self._doubtful is not None:  # the order stays
                left.append(event)
                continue
            try:
                if not self._try(self._append, Batch([event], 0, {}), False) and self._doubtful is None:
                    left.append(event)
            except StoreBehind:
                self._holds = True
                left.append(event)
            except Exception:
                lost += 1
        left += [item for item in batch.items if isinstance(item, Barrier)]
        self._buffer.put_back(Batch(left, 0, batch.spans))
        self._buffer.count_lost(batch.dropped, lost)

    def _run_commands(self, now: float) -> None:
        if now < self._due["commands"]:
            return
        self._due["commands"] = now + POLL
        # Operators write commands by their own clock, also to an engine whose time runs at a pace of its own.
        now = self._engine.wall()
        asked_by: Callable[[], int] | None = getattr(self._engine, "operators_clock", None)
        asked = now if asked_by is None or asked_by is self._engine.wall else asked_by()
        for command in self._store.take_commands(asked):
            if asked != now:
                command = msgspec.structs.replace(command, requested_at=command.requested_at + now - asked)
            try:
                self._engine.execute_command(command)
            except BaseException as error:
                log.exception("The engine failed to execute command %d (%s).", command.id, command.verb)
                self._buffer.add(
                    CommandDone(
                        at=self._engine.wall(),
                        command=command.id,
                        verb=command.verb,
                        actor=command.actor,
                        ok=False,
                        adapter=command.adapter,
                        detail=f"The engine failed to execute it: {type(error).__name__}: {error}",
                        requested_at=command.requested_at,
                    )
                )

    def _maintain(self, now: float) -> bool:
        """Let the store do a part of its maintenance. Return whether there is more to do."""
        calm = len(self._buffer) < CALM
        try:
            return self._store.maintain(time.monotonic() - now, calm=calm, writable=self._failing_since is None)
        except Exception as error:
            self._note_unexpected(error, "cannot maintain the store at the moment; events are recorded nevertheless")
            return False


def _counts_besides(kept: list[Event], written: list[Event], spans: Spans) -> Spans:
    """Return the metrics of the events that are not kept one by one, added to others."""
    counts: Spans = {}
    merge_spans(counts, spans)
    ids = set(map(id, kept))
    for event in written:
        if id(event) not in ids:
            count(counts, event)
    return counts
