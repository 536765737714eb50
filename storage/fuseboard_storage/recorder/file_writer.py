"""Writes one engine to a recording: batches of events, commands, keyframes and retention."""

from __future__ import annotations

import contextlib
import sqlite3
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Final

from fuseboard_engine.commands import Command
from fuseboard_engine.events import CommandDone
from fuseboard_storage.backend.errors import NotWritten, StoreBehind, StoreReplaced
from fuseboard_storage.backend.protocols import Describable
from fuseboard_storage.backend.values import UNLIMITED, EventBatch, Heartbeat
from fuseboard_storage.board.metrics import Spans, merge_spans
from fuseboard_storage.errors import RecordingError
from fuseboard_storage.recorder.keyframe_pace import EVEN, FIRST, URGENT, KeyframePace
from fuseboard_storage.recorder.retention import InstancePruner, Retention, apply_retention
from fuseboard_storage.recorder.session import WriterSession
from fuseboard_storage.sqlite.file_identity import RecordingReplaced
from fuseboard_storage.sqlite.fork_gate import ForkGate
from fuseboard_storage.sqlite.integrity import is_damage
from fuseboard_storage.sqlite.write_lock import LockingConnection, is_busy, transaction
from fuseboard_storage.tables import commands, events, instances, keyframes, marks, metrics
from fuseboard_storage.tables.event_batches import Prepared
from fuseboard_storage.tables.keyframes import LARGE_SLICE, SLICE, KeyframeMaker

RETENTION_SHARE: Final = 4  # while many events wait, retention pauses for this many times as long as its last slice

# Seconds
DEAD_CHECK: Final = 10.0  # between two checks for dead engines
RETENTION: Final = 60.0  # between two applications of the retention policy
FIRST_PAUSE: Final = 0.25  # after maintenance has failed; twice as long each time after that
CATCH_UP: Final = 0.5  # at most for keyframes at the end

REPORTS: Final = 10  # events that the recorder adds to a batch which just fits, such as the number of drops

TRANSIENT: Final = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_FULL)  # errors that a connection survives


class FileWriter:
    """An `EngineWriter` of a recording.

    Args:
        engine: The engine.
        path: The recording.
        retention: How long to keep what.
        on_leave: Called when the file was left because it is no longer at its path.
    """

    certain = True  # a transaction that fails is rolled back

    def __init__(
        self, engine: Describable, path: Path, retention: Retention, on_leave: Sequence[Callable[[], None]]
    ) -> None:
        self._engine = engine
        self._session = WriterSession(engine, path, on_leave)
        self._retention = retention
        self._pruner = InstancePruner()
        self._pace = KeyframePace()
        self._alone = True
        self._held = 0.0
        self._maintains = False  # whether this engine maintains the file for all
        self._maintained = False  # whether it has done so since it became the one
        self._full = False  # whether there was no room for events the last time
        self._deadline: float | None = None
        self._retention_left = False
        self._retention_at = 0.0  # when it may continue while many events wait
        self._retention_due = 0.0
        self._dead_check_due = 0.0
        self._maintenance_pause = FIRST_PAUSE
        self._maintenance_at = 0.0

    @property
    def gate(self) -> ForkGate:
        """A lock around each use. A fork closes the file; see `EngineWriter`."""
        return self._session.gate

    @property
    def instance(self) -> int | None:
        """The engine's instance id; None until the file could be opened."""
        return self._session.instance

    @property
    def alone(self) -> bool:
        """Whether no other engine writes to the file."""
        return self._alone

    @property
    def held(self) -> float:
        """The seconds for which the last batch kept the file locked."""
        return self._held

    def open(self) -> None:
        """Open the file at the path if it is not open yet or was replaced, and register the engine in a new file."""
        with self._reported():
            self._session.ensure_open()

    def close(self) -> None:
        """Close the file."""
        self._session.close()

    def hurry(self, seconds: float) -> None:
        """End in so many seconds, whatever other writers do."""
        self._deadline = time.monotonic() + seconds
        self._session.hurry.set()

    @contextlib.contextmanager
    def _reported(self) -> Iterator[None]:
        """Raise the errors of the file as those of a store, and leave a file that cannot be used any more."""
        try:
            yield
        except RecordingReplaced as error:
            self._session.leave(error)
            raise StoreReplaced(str(error)) from error
        except RecordingError:
            self._session.close()
            raise
        except (sqlite3.Error, OSError) as error:
            raise self._failure(error) from error

    def _failure(self, error: sqlite3.Error | OSError) -> NotWritten:
        if is_damage(error):
            try:
                self._session.move_aside(error)
            except OSError as problem:
                return NotWritten(f"{error}, and it cannot be moved aside: {problem}")
            return NotWritten(str(error), at_once=True)
        if getattr(error, "sqlite_errorcode", None) not in TRANSIENT:
            self._session.close()
        return NotWritten(str(error))

    def _opened(self) -> tuple[LockingConnection, int]:
        connection, instance = self._session.connection, self._session.instance
        if connection is None or instance is None:
            raise NotWritten("it is not open")
        return connection, instance

    # ------------------------------------------------------------------ writing

    def append(self, batch: EventBatch) -> None:
        """Commit a batch; see `EngineWriter`."""
        connection, instance = self._opened()
        if not self._alone:
            with self._reported():
                self._check_room(connection, len(batch.events))  # rather than when it has waited for other writers
        prepared = Prepared(batch.events, self._session.templates)  # before the file is locked for other processes
        spans: Spans = {}
        merge_spans(spans, batch.metrics)
        prepared.count(spans)
        outcomes = [event for event in batch.events if type(event) is CommandDone]
        with self._reported():
            if batch.ends:
                self._catch_up()
                connection.execute("PRAGMA busy_timeout = 20")
            with self._session.writing():
                began = time.monotonic()
                maker = self._session.keyframes
                if maker is not None:
                    maker.store()
                self._check_room(connection, len(batch.events))
                if not batch.number or instances.advance_batch(connection, instance, batch.number):
                    events.insert(connection, instance, batch.events, self._session.templates, prepared)
                    for outcome in outcomes:
                        commands.settle(connection, instance, outcome)
                    metrics.add(connection, instance, spans)
                if batch.heartbeat is not None:
                    self._beat(connection, instance, batch.heartbeat, ends=batch.ends)
            self._held = time.monotonic() - began
            if maker is not None:
                maker.stored()

    def _beat(self, connection: sqlite3.Connection, instance: int, beat: Heartbeat, *, ends: bool) -> None:
        if ends:
            instances.mark_ended(connection, instance, beat.at, beat.dropped)
            return
        instances.heartbeat(connection, instance, beat.at, beat.dropped)
        events.insert(connection, instance, commands.expire(connection, beat.at))
        self._maintains = instances.first_alive(connection, beat.at) == instance
        self._alone = not instances.others_alive(connection, instance, beat.at)
        now = time.monotonic()
        if self._maintains and now >= self._dead_check_due:
            self._dead_check_due = now + DEAD_CHECK
            self._session.record_dead(connection, beat.at)

    def room(self) -> int:
        """Return how many events may be written, so that keyframes keep up."""
        connection, _ = self._opened()
        with self._reported():
            return self._room(connection)

    def _check_room(self, connection: sqlite3.Connection, wanted: int) -> None:
        """Raise `StoreBehind` if there is no room for as many events, in the transaction that is open."""
        room = self._room(connection)
        if room < wanted - REPORTS:
            self._full = True  # a keyframe that is made is stored now: no batch may take it along
            raise StoreBehind(f"it takes {room} events until keyframes have caught up")

    def _room(self, connection: sqlite3.Connection) -> int:
        if self._session.hurry.is_set():
            return UNLIMITED  # the maintaining engine may be closing, too
        room = self._pace.room(*keyframes.newest(connection), time.monotonic())
        self._full = not room
        return room

    def take_commands(self, now: int) -> list[Command]:
        """Take the commands that wait for this instance; see `EngineWriter`."""
        connection, instance = self._opened()
        with self._reported():
            if not commands.has_pending(connection):
                return []
            with transaction(connection):
                return commands.claim(connection, instance, now)

    # ------------------------------------------------------------------ maintenance

    def maintain(self, spent: float, *, calm: bool, writable: bool) -> bool:
        """Make keyframes and apply retention, if this engine does so for all; see `EngineWriter`."""
        connection, now = self._session.connection, time.monotonic()
        if connection is None or now < self._maintenance_at:
            return False
        try:
            maker = self._keyframes_to_maintain()
            if maker is None:
                return False
            behind = self._fold(maker, spent, calm=calm)
            if (calm or self._full) and maker.has_made and writable:
                with transaction(connection):
                    maker.store()
                maker.stored()
            if writable and self._is_retention_due(now, calm=calm and behind < SLICE):
                if behind < SLICE:
                    maker.fold()  # what is left, so that retention may count it
                self._apply_retention(connection, maker.folded)
                self._retention_due = now + (0.0 if self._retention_left else RETENTION)
        except RecordingReplaced:
            return False  # the next batch leaves the file
        except Exception as error:
            if isinstance(error, sqlite3.Error) and is_busy(error):
                self._maintenance_at = now + FIRST_PAUSE  # other writers may be waiting for keyframes
                return False
            # Less and less often. Events are written meanwhile: they need no maintenance.
            self._maintenance_at = now + self._maintenance_pause
            self._maintenance_pause = min(RETENTION, 2 * self._maintenance_pause)
            if is_damage(error):
                self._session.move_aside(error)
            if not isinstance(error, sqlite3.Error) or getattr(error, "sqlite_errorcode", 0) not in TRANSIENT:
                raise
            return False
        self._maintenance_pause = FIRST_PAUSE
        return behind >= SLICE or self._retention_left

    def _fold(self, maker: KeyframeMaker, wrote: float, *, calm: bool) -> int:
        """Fold events for a share of the time that was spent on writing. Return how many are left.

        When few events wait, one slice is folded in any case, as the next cycle follows soon. Otherwise only so many
        are folded that it is not urgent any more.
        """
        behind = maker.behind()
        began = time.monotonic()
        seconds, enough = self._pace.seconds(behind, wrote), EVEN if behind >= URGENT else FIRST
        while behind >= SLICE and (calm or (behind > enough and time.monotonic() - began < seconds)):
            most = LARGE_SLICE if behind >= EVEN else SLICE
            maker.fold(most)
            behind, calm = behind - most, False
        return behind

    def _is_retention_due(self, now: float, *, calm: bool) -> bool:
        """Return whether retention should do a slice: whenever few events wait, else for a share of the time."""
        return now >= self._retention_due and (calm or time.monotonic() >= self._retention_at)

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

    def _catch_up(self) -> None:
        """Store the missing keyframes, so that the recording opens fast from then on."""
        end = min(time.monotonic() + CATCH_UP, self._deadline or 0.0)
        with contextlib.suppress(sqlite3.Error):
            maker = self._keyframes_to_maintain()
            while maker is not None and maker.behind() >= SLICE and time.monotonic() < end:
                maker.step()
