"""The recorder's thread: the only one that touches the file.

Turn by turn it commits what has gathered, looks into the mailbox, notes that its engine is alive, and in between
keeps the file in order. Whatever the disk does, events wait in the buffer and the next turn tries again.
"""

from __future__ import annotations

import contextlib
import logging
import sqlite3
import time
from concurrent.futures import Future
from pathlib import Path
from typing import Any, Final

from fuseboard_engine.events import CommandDone, EventsDropped
from fuseboard_storage.board.metrics import Spans, count, merge_spans
from fuseboard_storage.errors import RecordingError
from fuseboard_storage.recorder.event_buffer import Barrier, Batch, EventBuffer, events_of
from fuseboard_storage.recorder.gauge_sampler import GaugeSampler
from fuseboard_storage.recorder.protocols import Recordable
from fuseboard_storage.recorder.retention import Retention, apply_retention
from fuseboard_storage.recorder.session import WriterSession
from fuseboard_storage.sqlite.write_lock import transaction
from fuseboard_storage.tables import commands as mailbox
from fuseboard_storage.tables import events as rows
from fuseboard_storage.tables import instances, metrics
from fuseboard_storage.tables.keyframes import SLICE

log = logging.getLogger("fuseboard.recorder")

BATCH: Final = 5_000  # events in one transaction at most
PAUSE: Final = 0.002  # seconds between two commits, so that a busy engine is not woken for each event
POLL: Final = 0.05  # seconds between two looks into the mailbox
HEARTBEAT: Final = 1.0
BURIAL: Final = 10.0
TIDY: Final = 60.0
RETRY: Final = 0.25
CALM: Final = 500  # with fewer events waiting than this, there is time to keep the file in order
CATCH_UP: Final = 0.5  # seconds that keyframes may take at the end


class Writer:
    """Writes what gathers in a buffer to one recording. `run` is its thread; all else may be called from any."""

    def __init__(self, engine: Recordable, path: Path, buffer: EventBuffer, retention: Retention) -> None:
        self.opened: Future[None] = Future()
        """Done when the file was opened, or will be tried again; an exception when it never can."""
        self.written = 0
        """Events committed since the recording began."""
        self._engine = engine
        self._path = path
        self._buffer = buffer
        self._retention = retention
        self._session = WriterSession(engine, path)
        self._keeps = False
        self._behind = 0
        self._untidy = False
        self._give_up_at: float | None = None
        self._failing_since: float | None = None
        self._next_try = 0.0
        self._logged_drops = 0
        self._gauges = GaugeSampler(engine, time.monotonic())
        self._due = dict.fromkeys(("mail", "beat", "bury", "apply_retention"), 0.0)

    @property
    def instance(self) -> int | None:
        """The number this engine is entered as; None until the file could be opened."""
        return self._session.instance

    # ------------------------------------------------------------------ the thread

    def run(self) -> None:
        """Write until `stop` was called and all is written, or its time is over."""
        try:
            self._attempt(self._session.ensure_open)
        except RecordingError as error:
            self.opened.set_exception(error)
            return
        self.opened.set_result(None)
        while not self._finished():
            try:
                self._turn()
            except Exception:
                log.exception("The recorder of %s stumbled; it goes on.", self._path)
                self._buffer.wait_to_batch(RETRY)
        self._end()

    def stop(self, timeout: float) -> None:
        """Have the thread end once all is written, or `timeout` seconds from now at the latest."""
        self._give_up_at = time.monotonic() + timeout
        self._buffer.wake()

    def _finished(self) -> bool:
        if self._give_up_at is None:
            return False
        if not len(self._buffer) and self._failing_since is None:
            return True
        return time.monotonic() >= self._give_up_at

    def _turn(self) -> None:
        now = time.monotonic()
        if self._failing_since is not None and now < self._next_try:
            self._buffer.wait_to_batch(min(RETRY, self._next_try - now))
            return
        self._tell_drops()
        if not self._attempt(self._session.ensure_open):
            return
        if self._failing_since is None and self._give_up_at is None:
            for news in self._gauges.news(now, self._session.instance):
                self._buffer.add(news)
        if not self._write(now) or not self._attempt(self._read_mail, now):
            return
        if self._give_up_at is not None:
            return
        waiting = len(self._buffer)
        more = waiting < CALM and self._keep_order(now)
        if waiting or more:
            # Work that can wait leaves the application's own threads half of the time.
            self._buffer.wait_to_batch(PAUSE if waiting < BATCH else 0.0)
        else:
            self._buffer.wait(max(0.0, self._due["mail"] - time.monotonic()))

    def _attempt(self, work: Any, *args: Any) -> bool:
        """Do some work on the file; when the file does not let us, note it and have it tried again later."""
        try:
            work(*args)
        except RecordingError as error:
            if not self.opened.done():
                raise
            self._failed(error)
            return False
        except (sqlite3.Error, OSError) as error:
            self._failed(error)
            return False
        if self._failing_since is not None and work != self._session.ensure_open:
            self._recovered()
        return True

    # ------------------------------------------------------------------ end and trouble

    def _end(self) -> None:
        """Note the end, close the file, and answer whoever still waits at a barrier."""
        left = self._buffer.take(2**31)
        lost = len(events_of(left.items))
        if lost:
            log.error("%s could not be written; its last %d events are lost.", self._path, lost)
        connection, instance = self._session.connection, self._session.instance
        if connection is not None and instance is not None:
            self._catch_up()
            with contextlib.suppress(sqlite3.Error), transaction(connection):
                instances.mark_ended(connection, instance, self._engine.wall(), self._buffer.dropped)
        self._session.close()
        for item in left.items:
            if isinstance(item, Barrier):
                todo = "Make room on the disk, or check who locks the file."
                item.reached.set_exception(RecordingError(f"{self._path} could not be written.", todo))

    def _catch_up(self) -> None:
        """Make the keyframes that are missing at the end, so that the recording opens fast ever after."""
        end = time.monotonic() + CATCH_UP
        keyframes = self._session.keyframes
        with contextlib.suppress(sqlite3.Error):
            while self._keeps and keyframes is not None and keyframes.behind() >= SLICE and time.monotonic() < end:
                keyframes.step()

    def _failed(self, error: Exception) -> None:
        now = time.monotonic()
        self._next_try = now + RETRY
        if self._failing_since is None:
            self._failing_since = now
            log.warning(
                "%s cannot be written: %s. Calls go on; up to %d events wait in memory and it is tried again.",
                self._path,
                error,
                self._buffer.size,
            )
        code = getattr(error, "sqlite_errorcode", None)
        if code not in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_FULL):
            self._session.close()

    def _recovered(self) -> None:
        seconds = time.monotonic() - (self._failing_since or 0.0)
        self._failing_since = None
        log.warning("%s is written again, after %.1f s.", self._path, seconds)

    def _tell_drops(self) -> None:
        dropped = self._buffer.dropped
        if dropped >= max(self._logged_drops + 1, self._logged_drops * 2):
            log.warning("The buffer for %s is full: %d events were let go so far.", self._path, dropped)
            self._logged_drops = dropped

    # ------------------------------------------------------------------ the turn's work

    def _write(self, now: float) -> bool:
        taken = self._buffer.take(BATCH)
        beat = now >= self._due["beat"]
        if not taken.items and not taken.dropped and not beat:
            return True
        try:
            done = self._attempt(self._commit, taken, beat, now)
        except Exception:
            # No fault of the disk: some event cannot be stored. The others can.
            log.exception("An event could not be stored in %s.", self._path)
            self._one_by_one(taken)
            return True
        if not done:
            self._buffer.put_back(taken)
            return False
        self._reach(taken)
        return True

    def _reach(self, taken: Batch) -> None:
        for item in taken.items:
            if isinstance(item, Barrier) and item.reached.set_running_or_notify_cancel():
                item.reached.set_result(None)

    def _commit(self, taken: Batch, beat: bool, now: float) -> None:
        connection, instance = self._session.connection, self._session.instance
        assert connection is not None and instance is not None
        events = events_of(taken.items)
        if taken.dropped:
            reason = "the recorder's buffer was full"
            events.insert(0, EventsDropped(at=self._engine.wall(), count=taken.dropped, reason=reason))
        spans: Spans = {}
        merge_spans(spans, taken.spans)
        with transaction(connection):
            rows.insert(connection, instance, events)
            for event in events:
                count(spans, event)
                if type(event) is CommandDone:
                    mailbox.settle(connection, instance, event)
            metrics.add(connection, instance, spans)
            if beat:
                self._beat(connection, instance, now)
        self.written += len(events)

    def _one_by_one(self, taken: Batch) -> None:
        lost = 0
        for event in events_of(taken.items):
            try:
                if not self._attempt(self._commit, Batch([event], 0, {}), False, 0.0):
                    self._buffer.put_back(Batch([event], 0, {}))
            except Exception:
                lost += 1
        self._buffer.put_back(Batch([i for i in taken.items if isinstance(i, Barrier)], 0, taken.spans))
        self._buffer.count_lost(taken.dropped, lost)

    def _beat(self, connection: sqlite3.Connection, instance: int, now: float) -> None:
        wall = self._engine.wall()
        self._due["beat"] = now + HEARTBEAT
        instances.heartbeat(connection, instance, wall, self._buffer.dropped)
        rows.insert(connection, instance, mailbox.expire(connection, wall))
        self._keeps = instances.first_alive(connection, wall) == instance
        if self._keeps and now >= self._due["bury"]:
            self._due["bury"] = now + BURIAL
            self._session.record_dead(connection, wall)

    def _read_mail(self, now: float) -> None:
        connection, instance = self._session.connection, self._session.instance
        if now < self._due["mail"] or connection is None or instance is None:
            return
        self._due["mail"] = now + POLL
        if self._session.keyframes is not None:
            self._behind = self._session.keyframes.behind()
        if not mailbox.has_pending(connection):
            return
        with transaction(connection):
            commands = mailbox.claim(connection, instance, self._engine.wall())
        for command in commands:
            try:
                self._engine.execute_command(command)
            except Exception as error:
                log.exception("The engine failed at command %d (%s).", command.id, command.verb)
                self._buffer.add(
                    CommandDone(
                        at=self._engine.wall(),
                        command=command.id,
                        verb=command.verb,
                        actor=command.actor,
                        ok=False,
                        adapter=command.adapter,
                        detail=f"The engine failed at it: {type(error).__name__}: {error}",
                        requested_at=command.requested_at,
                    )
                )

    def _keep_order(self, now: float) -> bool:
        """Do a little of what can wait; True when there is more of it."""
        keyframes, connection = self._session.keyframes, self._session.connection
        if not self._keeps or keyframes is None or connection is None:
            return False
        if self._behind >= SLICE:
            if self._attempt(keyframes.step):
                self._behind -= SLICE
        elif now >= self._due["apply_retention"] and self._attempt(self._tidy, connection):
            self._due["apply_retention"] = now + (0.0 if self._untidy else TIDY)
        return self._behind >= SLICE or self._untidy

    def _tidy(self, connection: sqlite3.Connection) -> None:
        self._untidy = apply_retention(connection, self._retention, self._engine.wall())
