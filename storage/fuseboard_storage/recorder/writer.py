"""The recorder's writer thread, which alone writes events to the file.

Each cycle commits the buffered events, executes pending commands, records a heartbeat, and maintains keyframes and
retention: at once when few events wait, else for a share of the time. If the file cannot be written, events stay in the
buffer and the next cycle retries.
"""

from __future__ import annotations

import contextlib
import sqlite3
import time
import traceback
from collections.abc import Callable
from concurrent.futures import Future
from functools import partial
from pathlib import Path
from typing import Any, Final

from fuseboard_engine.error_text.safe_logging import get_logger
from fuseboard_engine.events import CommandDone, EngineStopped, Event, EventsDropped
from fuseboard_storage.board.metrics import Spans, count, merge_spans
from fuseboard_storage.board.route_counts import RouteCounter, notable
from fuseboard_storage.errors import RecordingError
from fuseboard_storage.recorder.event_buffer import Barrier, Batch, EventBuffer, Item, events_of, settle
from fuseboard_storage.recorder.gauge_sampler import GaugeSampler
from fuseboard_storage.recorder.keyframe_pace import UNLIMITED, KeyframePace
from fuseboard_storage.recorder.protocols import Recordable
from fuseboard_storage.recorder.retention import InstancePruner, Retention, apply_retention
from fuseboard_storage.recorder.session import WriterSession
from fuseboard_storage.sqlite.file_identity import RecordingReplaced
from fuseboard_storage.sqlite.integrity import is_damage
from fuseboard_storage.sqlite.write_lock import transaction
from fuseboard_storage.tables import commands, events, instances, keyframes, marks, metrics
from fuseboard_storage.tables.keyframes import SLICE, KeyframeMaker

log = get_logger("fuseboard.recorder")

BATCH: Final = 5_000  # the maximum number of events in one transaction
FEWEST: Final = 250  # the same, at least, if they take longer than `TRANSACTION`
HOLD_BATCH: Final = 1_000  # the same while keyframes are far behind, so that all processes have a share of the room
CALM: Final = 500  # with fewer events waiting than this, maintenance delays nothing
RETENTION_SHARE: Final = 4  # while more wait, retention pauses for this many times as long as its last slice took

# Seconds
PAUSE: Final = 0.002  # between two commits, so that a busy engine does not wake the writer for each event
TRANSACTION: Final = 0.05  # for which a transaction is open, about, so that other processes do not wait for long
HOLD: Final = 0.02  # between two attempts to write while keyframes are far behind
POLL: Final = 0.05  # between two checks for pending commands
HEARTBEAT: Final = 1.0
DEAD_CHECK: Final = 10.0  # between two checks for dead engines
RETENTION: Final = 60.0  # between two applications of the retention policy
RETRY: Final = 0.25  # after a failure to write
CATCH_UP: Final = 0.5  # at most for keyframes at the end
REPEAT: Final = 60.0  # between two log lines about the same error of the file

LOGGED_ERRORS: Final = 100  # different unexpected errors that are logged
TRANSIENT: Final = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_FULL)  # errors that a connection survives


class Writer:
    """Writes a buffer's events to one recording. `run` is the thread's body; all else may be called from any thread."""

    def __init__(
        self, engine: Recordable, path: Path, buffer: EventBuffer, retention: Retention, *, notable_only: bool = False
    ) -> None:
        self.opened: Future[None] = Future()
        """Done once the file is open or its opening will be retried. Fails if the file can never be opened."""
        self.opening_timed_out = False
        """Whether the waiter for `opened` has stopped waiting."""
        self.written = 0
        """Events committed since the recording began."""
        self._engine = engine
        self._path = path
        self._buffer = buffer
        self._retention = retention
        self._pruner = InstancePruner()
        self._session = WriterSession(engine, path)
        self._counter: RouteCounter | None = RouteCounter() if notable_only else None  # of routes that are not recorded
        self._maintains = False  # whether this engine maintains the file for all
        self._maintained = False  # whether it has done so since it became the one
        self._pace = KeyframePace()
        self._room_left = 0  # for events that wait
        self._batch = BATCH  # events in the next transaction at most
        self._alone = True  # whether no other engine writes to the file
        self._committed = 0  # items of the last batch
        self._holds = False  # whether events wait because keyframes are far behind
        self._retention_left = False
        self._retention_at = 0.0
        self._give_up_at: float | None = None
        self._failing_since: float | None = None
        self._next_try = 0.0
        self._logged_drops = 0
        self._logged_errors: set[str] = set()
        self._logged_failures: dict[str, float] = {}
        self._failure_logged = False
        self._maintenance_pause = RETRY
        self._maintenance_at = 0.0
        self._ended = False
        self._gauges = GaugeSampler(engine, time.monotonic())
        self._due = dict.fromkeys(("commands", "heartbeat", "dead_check", "retention"), 0.0)

    @property
    def instance(self) -> int | None:
        """The engine's instance id; None until the file could be opened."""
        return self._session.instance

    def on_leave(self, notify: Callable[[], None]) -> None:
        """Call `notify`, in the thread, when the file is no longer at its path and was left."""
        self._session.on_leave.append(notify)

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
        """Open the file, now or later. Return False if it can never be opened."""
        try:
            with self._session.gate:
                self._try(self._session.ensure_open)
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
        """Log an error that is not one of the file, with its trace, unless the same one was logged before."""
        trace = traceback.extract_tb(error.__traceback__)
        known = f"{type(error).__name__} {trace[-1].filename}:{trace[-1].lineno}" if trace else type(error).__name__
        if known not in self._logged_errors and len(self._logged_errors) < LOGGED_ERRORS:
            self._logged_errors.add(known)
            log.error("The recorder of %s %s.", self._path, what, exc_info=error)

    def stop(self, timeout: float) -> None:
        """End the thread once everything is written, at the latest in `timeout` seconds."""
        self._session.hurry.set()
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
        with self._session.gate:
            done = self._work(now)
            busy = not done and self._failing_since is not None and self._give_up_at is None
            more = (done or busy) and self._maintain(now)  # another process that writes does not hinder folding
            waiting = len(self._buffer)
        if not done:
            return
        if self._holds:
            self._buffer.wait_to_batch(0.0 if self._maintains else HOLD)
        elif waiting or more:
            # The pause leaves the application's own threads half of the time, and other processes their turn to write.
            self._buffer.wait_to_batch(0.0 if waiting >= BATCH and self._alone else PAUSE)
        else:
            self._buffer.wait(max(0.0, self._due["commands"] - time.monotonic()))

    def _work(self, now: float) -> bool:
        """Write and execute commands. Return False if the cycle is over: the file failed, or the thread ends."""
        if not self._try(self._session.ensure_open):
            return False
        if self._failing_since is None and self._give_up_at is None:
            for event in self._gauges.sample(now, self._session.instance):
                self._buffer.add(event)
        if not self._write(now) or not self._try(self._run_commands, now):
            return False
        return self._give_up_at is None

    def _try(self, work: Any, *args: Any) -> bool:
        """Run `work` on the file. On an error of the file, record it for a retry and return False."""
        try:
            work(*args)
        except RecordingError as error:
            if not self.opened.done():
                raise
            self._note_failure(error)
            return False
        except RecordingReplaced as error:
            self._session.leave(error)
            return False
        except (sqlite3.Error, OSError) as error:
            if is_damage(error):
                self._survive(partial(self._session.move_aside, error))
            self._note_failure(error)
            if is_damage(error):
                self._next_try = 0.0
            return False
        if self._failing_since is not None and work != self._session.ensure_open:
            self._note_recovery()
        return True

    # ------------------------------------------------------------------ the end, and errors

    def _finish(self) -> None:
        """Record the end, close the file, and fail the barriers that are left."""
        with self._session.gate:
            self._end()

    def _end(self) -> None:
        left = self._buffer.take(2**31)
        if self._session.connection is None and self._failing_since is None:
            self._try(self._session.ensure_open)  # a fork has closed it
        try:
            self._record_end(left)
            self._session.close()
        finally:
            self._fail(left)

    def _record_end(self, left: Batch) -> None:
        """Record the engine's end, and how many events are lost because the file could not be written in time."""
        lost = events_of(left.items)
        ends = [event for event in lost if type(event) is EngineStopped]
        total = left.dropped + len(lost) - len(ends)
        if lost:
            log.error("%s could not be written; its last %d events are lost.", self._path, len(lost))
        connection, instance = self._session.connection, self._session.instance
        if connection is None or instance is None:
            return
        self._catch_up()
        wall = self._engine.wall()
        spans: Spans = {}
        merge_spans(spans, left.spans)
        for event in lost:
            count(spans, event)
        recorded: list[Event] = [*ends]
        if total:
            recorded.insert(0, EventsDropped(at=wall, count=total, reason="the file could not be written in time"))
        if self._counter:
            recorded.insert(0, self._counter.take())
        connection.execute("PRAGMA busy_timeout = 20")
        with contextlib.suppress(sqlite3.Error, OSError), transaction(connection):
            events.insert(connection, instance, recorded)
            metrics.add(connection, instance, spans)
            instances.mark_ended(connection, instance, wall, self._buffer.dropped + len(lost) - len(ends))

    def _fail(self, left: Batch) -> None:
        todo = "Free space on the disk, or check which process locks the file."
        for item in left.items:
            if isinstance(item, Barrier):
                item.settle(RecordingError(f"{self._path} could not be written.", todo))

    def _catch_up(self) -> None:
        """Store the missing keyframes, so that the recording opens fast from then on."""
        end = min(time.monotonic() + CATCH_UP, self._give_up_at or 0.0)
        with contextlib.suppress(sqlite3.Error):
            keyframes = self._keyframes_to_maintain()
            while keyframes is not None and keyframes.behind() >= SLICE and time.monotonic() < end:
                keyframes.step()

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
                    self._path,
                    error,
                    self._buffer.size,
                )
        if getattr(error, "sqlite_errorcode", None) not in TRANSIENT:
            self._session.close()

    def _note_recovery(self) -> None:
        seconds = time.monotonic() - (self._failing_since or 0.0)
        self._failing_since = None
        if self._failure_logged:
            log.warning("%s can be written again, after %.1f s.", self._path, seconds)

    def _log_drops(self) -> None:
        dropped = self._buffer.dropped
        if dropped >= max(self._logged_drops + 1, self._logged_drops * 2):
            log.warning("The buffer for %s is full: %d events have been dropped so far.", self._path, dropped)
            self._logged_drops = dropped

    # ------------------------------------------------------------------ the steps of a cycle

    def _write(self, now: float) -> bool:
        if self._holds and not self._try(self._look_for_room, now):
            return False
        batch = self._buffer.take(min(HOLD_BATCH, self._room_left) if self._holds else self._batch)
        heartbeat = now >= self._due["heartbeat"]
        maker = self._session.keyframes
        made = maker is not None and maker.has_made
        if not batch.items and not batch.dropped and not heartbeat and not made:
            return True
        try:
            done = self._try(self._commit, batch, heartbeat, now)
        except Exception as error:
            # Not an error of the file: some event cannot be stored. The others can.
            self._note_unexpected(error, "cannot store an event; it is counted as dropped")
            self._commit_one_by_one(batch)
            return True
        if done:
            self._settle(batch)
        else:
            self._buffer.put_back(batch)
        return done

    def _settle(self, batch: Batch) -> None:
        """Resolve the barriers that were committed, and return the items that were not to the buffer."""
        self._holds = self._committed < len(batch.items) or (self._holds and not self._room_left)
        for item in batch.items[: self._committed]:
            if isinstance(item, Barrier):
                item.settle()
        if self._holds:
            self._buffer.put_back(Batch(batch.items[self._committed :], 0, {}))

    def _look_for_room(self, now: float) -> None:
        connection = self._session.connection
        assert connection is not None
        self._room_left = self._room(connection, now)

    def _room(self, connection: sqlite3.Connection, now: float) -> int:
        """Return how many events may be written in the transaction that is open."""
        if self._give_up_at is not None:
            return UNLIMITED  # the maintaining engine may be closing, too
        return self._pace.room(*keyframes.newest(connection), now)

    def _commit(self, batch: Batch, heartbeat: bool, now: float) -> None:
        """Commit as many items of a batch as keyframes allow, and set `_committed` to their number."""
        connection, instance = self._session.connection, self._session.instance
        assert connection is not None and instance is not None
        counter = self._counter
        spans: Spans = {}
        merge_spans(spans, batch.spans)
        maker = self._session.keyframes
        with self._session.writing() as templates:
            began = time.monotonic()
            if maker is not None:
                maker.store()
            items = batch.items[: self._room(connection, now)]
            written = events_of(items)
            if batch.dropped:
                reason = "the recorder's buffer was full"
                written.insert(0, EventsDropped(at=self._engine.wall(), count=batch.dropped, reason=reason))
            if counter is None:
                kept = written
            else:
                kept, counter = notable(written, counter, end=heartbeat)
            events.insert(connection, instance, kept, templates)
            for event in written:
                count(spans, event)
                if type(event) is CommandDone:
                    commands.settle(connection, instance, event)
            metrics.add(connection, instance, spans)
            if heartbeat:
                self._heartbeat(connection, instance, now)
        self._counter = counter
        self.written += len(written)
        if maker is not None:
            maker.stored()
        self._committed = len(items)
        if len(items) == self._batch:
            took = time.monotonic() - began
            self._batch = min(BATCH, max(FEWEST, int(len(items) * TRANSACTION / max(took, 1e-6))))

    def _commit_one_by_one(self, batch: Batch) -> None:
        lost = 0
        left: list[Item] = []
        for event in events_of(batch.items):
            if left:  # the order stays
                left.append(event)
                continue
            try:
                if not self._try(self._commit, Batch([event], 0, {}), False, time.monotonic()):
                    left.append(event)
                elif not self._committed:
                    self._holds = True
                    left.append(event)
            except Exception:
                lost += 1
        left += [item for item in batch.items if isinstance(item, Barrier)]
        self._buffer.put_back(Batch(left, 0, batch.spans))
        self._buffer.count_lost(batch.dropped, lost)

    def _heartbeat(self, connection: sqlite3.Connection, instance: int, now: float) -> None:
        wall = self._engine.wall()
        self._due["heartbeat"] = now + HEARTBEAT
        instances.heartbeat(connection, instance, wall, self._buffer.dropped)
        events.insert(connection, instance, commands.expire(connection, wall))
        self._maintains = instances.first_alive(connection, wall) == instance
        self._alone = not instances.others_alive(connection, instance, wall)
        if self._maintains and now >= self._due["dead_check"]:
            self._due["dead_check"] = now + DEAD_CHECK
            self._session.record_dead(connection, wall)

    def _run_commands(self, now: float) -> None:
        connection, instance = self._session.connection, self._session.instance
        if now < self._due["commands"] or connection is None or instance is None:
            return
        self._due["commands"] = now + POLL
        if not commands.has_pending(connection):
            return
        with transaction(connection):
            claimed = commands.claim(connection, instance, self._engine.wall())
        for command in claimed:
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
        """Do a part of the maintenance. Return whether there is more to do."""
        connection = self._session.connection
        if connection is None or now < self._maintenance_at:
            return False
        calm = len(self._buffer) < CALM
        try:
            maker = self._keyframes_to_maintain()
            if maker is None:
                return False
            behind = self._fold(maker, time.monotonic() - now, calm=calm)
            if calm and maker.has_made and self._failing_since is None:
                maker.store()
                maker.stored()
            if self._failing_since is None and self._is_retention_due(now, calm=calm and behind < SLICE):
                if behind < SLICE:
                    maker.fold()  # what is left, so that retention may count it
                self._apply_retention(connection, maker.folded)
                self._due["retention"] = now + (0.0 if self._retention_left else RETENTION)
        except Exception as error:
            if is_damage(error):
                self._session.move_aside(error)
            self._postpone_maintenance(now, error)
            return False
        self._maintenance_pause = RETRY
        return behind >= SLICE or self._retention_left

    def _fold(self, maker: KeyframeMaker, wrote: float, *, calm: bool) -> int:
        """Fold events for a share of the time that was spent on writing. Return how many are left.

        When few events wait, one slice is folded in any case, as the next cycle follows soon.
        """
        behind = maker.behind()
        began = time.monotonic()
        seconds = self._pace.seconds(behind, wrote)
        while behind >= SLICE and (calm or time.monotonic() - began < seconds):
            maker.fold()
            behind, calm = behind - SLICE, False
        return behind

    def _is_retention_due(self, now: float, *, calm: bool) -> bool:
        """Return whether retention should do a slice: whenever few events wait, else for a share of the time."""
        return now >= self._due["retention"] and (calm or time.monotonic() >= self._retention_at)

    def _postpone_maintenance(self, now: float, error: Exception) -> None:
        """Try again later, less and less often. Events are written meanwhile: they need no maintenance."""
        self._maintenance_at = now + self._maintenance_pause
        self._maintenance_pause = min(RETENTION, 2 * self._maintenance_pause)
        if not isinstance(error, sqlite3.Error) or error.sqlite_errorcode not in TRANSIENT:
            self._note_unexpected(error, "cannot maintain the file at the moment; events are recorded nevertheless")

    def _keyframes_to_maintain(self) -> KeyframeMaker | None:
        """Return the maker of keyframes if this engine maintains the file for all.

        It begins with the newest keyframe when the engine becomes the one that maintains: what it had folded before
        may have become counts since.
        """
        if not self._maintains:
            self._maintained = False
            return None
        if not self._maintained:
            self._session.renew_keyframes()
            self._maintained = True
        return self._session.keyframes

    def _apply_retention(self, connection: sqlite3.Connection, folded: int) -> None:
        began = time.monotonic()
        self._retention_left = apply_retention(
            connection, self._retention, marks.moment(self._engine.wall()), self._pruner, folded=folded
        )
        ended = time.monotonic()
        self._retention_at = ended + RETENTION_SHARE * (ended - began)
