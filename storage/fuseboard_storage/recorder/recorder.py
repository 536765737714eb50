"""Records an engine to a file without delaying its calls.

    async with record(engine, "checkout.db"):
        ...

Events go into a bounded buffer. The recorder's own thread commits them in batches and passes operators' commands to the
engine.
"""

from __future__ import annotations

import asyncio
import atexit
import os
import sys
import threading
import time
import weakref
from collections.abc import Awaitable, Callable, Coroutine
from concurrent.futures import Future
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Literal, Self

from fuseboard_engine.error_text.safe_logging import get_logger
from fuseboard_engine.events import EngineStopped, Event
from fuseboard_storage.backend.protocols import Store, StoredLetters, StoredRuns
from fuseboard_storage.backend.recordable import Recordable
from fuseboard_storage.errors import RecordingError
from fuseboard_storage.recorder import origins
from fuseboard_storage.recorder.event_buffer import BUFFER_BYTES, BUFFER_SIZE, Barrier, EventBuffer
from fuseboard_storage.recorder.file_store import FileStore
from fuseboard_storage.recorder.retention import Retention
from fuseboard_storage.recorder.writer import Writer
from fuseboard_storage.sqlite.fork_gate import forked_cleanly

log = get_logger("fuseboard.recorder")

WRITING_SHARE: Final = 0.9
"""The share of the time for closing after which the thread stops writing events and records what is lost."""
SHORTEST: Final = 0.1
"""Seconds that each part of closing may take in any case."""


class Recorder:
    """Records one engine to one store, from `start` to `close`. A context manager, async or not.

    Args:
        engine: The engine to record.
        path: The recording, or another `Store`. A new file is readable by its owner only.
        buffer_size: The number of events that may wait in memory while the store cannot be written. When the buffer is
            full, the oldest sheddable events are dropped; their number is logged and recorded.
        buffer_bytes: The bytes that the waiting events may take in memory, estimated by the length of their texts.
            Whichever of the two limits is reached first counts.
        retention: How long a recording keeps what. Another store has settings of its own.
        events: `all` events, or the `notable` ones: ordinary routes, which the first adapter answered at once, are
            counted once a second instead of being recorded one by one. Statistics and metrics stay exact.
        close_timeout: Seconds that closing takes at most when the file cannot be written. What is lost then is counted
            in the log, and in the file if it can be written at the end.
        open_timeout: Seconds that opening takes at most. A file that is not open by then is opened later; the events
            wait.
        restore: Restore breakers and statistics from the last run of this engine in a recording; see `restore`.

    Raises:
        ValueError: `retention` or `restore` is given for a store that is not a recording.
        RecordingError: The path is a URL.
    """

    def __init__(
        self,
        engine: Recordable,
        path: str | os.PathLike[str] | Store,
        *,
        buffer_size: int = BUFFER_SIZE,
        buffer_bytes: int = BUFFER_BYTES,
        retention: Retention | None = None,
        events: Literal["all", "notable"] = "all",
        close_timeout: float = 5.0,
        restore: bool = False,
        open_timeout: float = 5.0,
    ) -> None:
        self.store = _store_of(path, retention, restore=restore)
        """What the engine is recorded to."""
        self._engine = engine
        self._close_timeout = close_timeout
        self._open_timeout = open_timeout
        self._restore = restore
        self._forked = False
        """Whether this process is a child of the one that started it. Its own recording begins with its first event."""
        self._buffer = EventBuffer(buffer_size, buffer_bytes)
        self._notable_only = _checked_events(events) == "notable"
        self._writer = self._new_writer()
        self._thread: threading.Thread | None = None
        self._unsubscribe: Callable[[], None] = _nothing
        self._closed = False
        self._lock = threading.Lock()
        self._started_background = False
        self._dead_letters: StoredLetters | None = None
        self._checkpoints: StoredRuns | None = None

    def _new_writer(self) -> Writer:
        writer = self.store.writer(self._engine)
        return Writer(self._engine, writer, self.store.name, self._buffer, notable_only=self._notable_only)

    @property
    def path(self) -> Path:
        """The recording. Raises `TypeError` if the store is not a file."""
        if not isinstance(self.store, FileStore):
            raise TypeError(f"{self.store.name} is not a file")
        return self.store.path

    @property
    def instance(self) -> int | None:
        """The engine's instance id in the recording; None until the file could be opened."""
        return self._writer.instance

    @property
    def written(self) -> int:
        """The number of events committed so far."""
        return self._writer.written

    @property
    def waiting(self) -> int:
        """The number of events waiting in memory."""
        return len(self._buffer)

    @property
    def dropped(self) -> int:
        """The number of events dropped because the file could not be written and the buffer was full."""
        return self._buffer.dropped

    # ------------------------------------------------------------------ start and end

    def start(self) -> None:
        """Open the file and start recording.

        Raises:
            RecordingError: The file is not a recording and cannot become one. A locked file or a full disk does not
                raise: the events wait.
        """
        end = time.monotonic() + self._open_timeout
        self._restore_engine()
        opened = self._start_thread()
        try:
            opened.result(_remaining(end))
        except TimeoutError:
            self._note_late_opening()
        except RecordingError:
            self._detach()
            raise
        self._attach_dead_letters()
        self._attach_checkpoints()

    def close(self, reason: str = "closed") -> None:
        """Record the engine's end, wait until everything is on disk, and close the file. A second call does nothing."""
        if not self._closed:
            self._engine.halt_background()
        end = time.monotonic() + self._close_timeout
        thread = self._begin_stop(reason)
        if thread is not None and thread is not threading.current_thread():
            self._join(thread, end)
        if self._dead_letters is not None:
            self._dead_letters.close_blocking(_remaining(end))

    def _join(self, thread: threading.Thread, end: float) -> None:
        """Wait for the writer thread; stop waiting if it is stuck."""
        thread.join(_remaining(end) + SHORTEST)
        if thread.is_alive():
            waiting = len(self._buffer)
            log.error(
                "%s could not be closed in %.1f s. %d events are lost unless the disk answers before the process ends.",
                self.store.name,
                self._close_timeout,
                waiting,
            )

    def _restore_engine(self) -> None:
        if self._restore and self._thread is None:
            from fuseboard_storage.recorder.restore import restore_within

            restore_within(self._open_timeout, self._engine, self.path)

    def _note_late_opening(self) -> None:
        self._writer.opening_timed_out = True
        log.warning(
            "%s is not open after %.1f s. Calls continue; events wait in memory.", self.store.name, self._open_timeout
        )

    def _start_thread(self) -> Future[None]:
        if self._thread is not None:
            raise RuntimeError("This recorder was already started; create a new one.")
        self._unsubscribe = self._engine.subscribe(self._buffer.add)
        thread = threading.Thread(target=self._writer.run, name="fuseboard-recorder", daemon=True)
        try:
            thread.start()
        except RuntimeError:  # the system has no more threads
            self._unsubscribe()
            raise
        self._thread = thread
        _running.add(self)
        _close_with_child_process()
        return self._writer.opened

    def _begin_stop(self, reason: str, seconds: float | None = None) -> threading.Thread | None:
        with self._lock:
            if self._closed or (self._thread is None and not self._forked):
                return None
            self._closed = True
        self._detach()
        if self._thread is None:  # a child that did nothing has nothing to record
            return None
        self._buffer.add(EngineStopped(at=self._engine.wall(), reason=reason))
        # The thread gives up a little earlier than `close`, so that it can record what is lost.
        self._writer.stop(WRITING_SHARE * (self._close_timeout if seconds is None else seconds))
        return self._thread

    def _attach_dead_letters(self) -> None:
        """Store the engine's dead letters in the recording, if it keeps any."""
        if self._engine.dead_letters is not None:
            self._dead_letters = self.store.dead_letters()
            self._engine.dead_letters.attach_store(self._dead_letters)

    def _attach_checkpoints(self) -> None:
        """Store the engine's workflow runs in the recording, unless they are stored elsewhere."""
        if self._engine.checkpoints is None:
            self._checkpoints = self._engine.checkpoints = self.store.checkpoints()

    def _detach(self) -> None:
        if self._checkpoints is not None:
            if self._engine.checkpoints is self._checkpoints:
                self._engine.checkpoints = None
            self._checkpoints.close()
        if self._dead_letters is not None and self._engine.dead_letters is not None:
            self._engine.dead_letters.detach_store(self._dead_letters)
        self._closed = True
        self._unsubscribe()
        _running.discard(self)

    # ------------------------------------------------------------------ forks

    def _after_fork(self) -> None:
        """Prepare to record a forked child as an instance of its own. Connections and buffer belong to the parent."""
        _of_parents.extend((self._writer, self._buffer, self._thread, self._dead_letters))
        self._lock = threading.Lock()
        self._unsubscribe()
        self._forked, self._thread = True, None
        self._buffer = EventBuffer(self._buffer.size, self._buffer.most_bytes)
        self._writer = self._new_writer()
        origins.forget_origin(self._engine)
        if not forked_cleanly():
            log.error(
                "The process %d is not recorded: its parent used %s when it forked.", os.getpid(), self.store.name
            )
            self._detach()
            self._dead_letters = None
            return
        self._unsubscribe = self._engine.subscribe(self._add_in_child)
        if self._dead_letters is not None:
            self._attach_dead_letters()
        if self._checkpoints is not None:
            self._checkpoints.after_fork()

    def _add_in_child(self, event: Event) -> None:
        """Record an event of a forked child. The first one starts the recording: most children never use the engine."""
        self._buffer.add(event)
        if self._thread is None and not self._closed:
            self._begin_in_child()

    def _begin_in_child(self) -> None:
        with self._lock:
            if self._thread is None and not self._closed:
                thread = threading.Thread(target=self._writer.run, name="fuseboard-recorder", daemon=True)
                thread.start()
                self._thread = thread
                self._writer.opened.add_done_callback(self._opened_in_child)
                _close_with_child_process()

    def _opened_in_child(self, opened: Future[None]) -> None:
        if not opened.cancelled() and (error := opened.exception()) is not None:
            log.error("The process %d, a child of a recorded one, is not recorded: %s", os.getpid(), error)
            self._detach()

    # ------------------------------------------------------------------ the barrier

    async def flushed(self) -> None:
        """Wait until every event emitted before this call is committed.

        Raises:
            RecordingError: The recorder is closed, or was closed while the file could not be written.
        """
        await asyncio.wrap_future(self._barrier())

    def flush(self, timeout: float | None = None) -> None:
        """Wait as `flushed` does, but blocking. For threads.

        Args:
            timeout: The maximum number of seconds to wait; None waits without limit.

        Raises:
            TimeoutError: The timeout passed.
            RecordingError: As for `flushed`.
        """
        self._barrier().result(timeout)

    def _barrier(self) -> Future[None]:
        if self._forked and self._thread is None and not self._closed:
            self._begin_in_child()
        if self._closed or self._thread is None:
            raise RecordingError(f"The recorder of {self.store.name} is not running.", "Call flush before closing it.")
        barrier = Barrier(Future())
        self._buffer.add(barrier)
        self._buffer.wake()
        self._writer.fail_barriers()  # the thread may have ended in the meantime
        return barrier.reached

    # ------------------------------------------------------------------ context manager

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, type_: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close(_reason(type_))

    async def __aenter__(self) -> Self:
        end = time.monotonic() + self._open_timeout
        if self._restore:
            await asyncio.get_running_loop().run_in_executor(None, self._restore_engine)
        opened = asyncio.wrap_future(self._start_thread())
        try:
            await asyncio.wait({opened}, timeout=_remaining(end))
            if opened.done():
                opened.result()
            else:
                opened.add_done_callback(_retrieve)
                self._note_late_opening()
        except asyncio.CancelledError:
            self._begin_stop("cancelled")
            raise
        except RecordingError:
            self._detach()
            raise
        self._attach_dead_letters()
        self._attach_checkpoints()
        self._started_background = self._engine.begin_background()
        return self

    async def __aexit__(
        self, type_: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        end = time.monotonic() + self._close_timeout
        await _at_most(self._close_timeout / 2, self._stop_engine())
        thread = self._begin_stop(_reason(type_), _remaining(end))
        loop = asyncio.get_running_loop()
        parts: list[Awaitable[None]] = []
        if thread is not None:
            parts.append(loop.run_in_executor(None, self._join, thread, end))
        if self._dead_letters is not None:
            parts.append(self._dead_letters.close(_remaining(end)))
        await asyncio.shield(asyncio.gather(*parts))

    async def _stop_engine(self) -> None:
        """Stop what the engine does by itself and what would need the file."""
        if self._started_background:
            await self._engine.stop_background()
        letters = self._engine.dead_letters
        if letters is not None and self._dead_letters is not None:
            await letters.stop()


def record(
    engine: Recordable,
    path: str | os.PathLike[str] | Store,
    *,
    buffer_size: int = BUFFER_SIZE,
    buffer_bytes: int = BUFFER_BYTES,
    retention: Retention | None = None,
    events: Literal["all", "notable"] = "all",
    close_timeout: float = 5.0,
    restore: bool = False,
    open_timeout: float = 5.0,
) -> Recorder:
    """Return a recorder of `engine` for `async with` or `with`; see `Recorder` for the arguments.

    Returns:
        A recorder that is not started yet. The `with` statement starts it, and closes it however its body ends.
    """
    return Recorder(
        engine,
        path,
        buffer_size=buffer_size,
        buffer_bytes=buffer_bytes,
        retention=retention,
        events=events,
        close_timeout=close_timeout,
        restore=restore,
        open_timeout=open_timeout,
    )


def _store_of(path: str | os.PathLike[str] | Store, retention: Retention | None, *, restore: bool) -> Store:
    if isinstance(path, str) and "://" in path:
        scheme = path.partition("://")[0]  # the rest may hold a password
        raise RecordingError(f"{scheme}:// names no recording.", "Give the path of a file, or a Store of the backend.")
    if isinstance(path, str | os.PathLike):
        return FileStore(path, retention=retention)
    if not isinstance(path, FileStore) and restore:
        raise ValueError(f"restore needs a recording; {path.name} is another store.")
    if retention is not None:
        raise ValueError(f"retention is for the path of a recording; {path.name} has settings of its own.")
    return path


def _checked_events(events: str) -> str:
    if events not in ("all", "notable"):
        raise ValueError(f"events must be 'all' or 'notable', not {events!r}.")
    return events


def _reason(type_: type[BaseException] | None) -> str:
    return "closed" if type_ is None else f"ended by {type_.__name__}"


def _remaining(end: float) -> float:
    """Return the seconds until `end`, at least the shortest time in which a file that can be written is closed."""
    return max(SHORTEST, end - time.monotonic())


async def _at_most(seconds: float, work: Coroutine[Any, Any, None]) -> None:
    """Wait for `work`; cancel it after some seconds."""
    task = asyncio.ensure_future(work)
    await asyncio.wait({task}, timeout=seconds)
    if task.done():
        task.result()
    else:
        task.cancel()


def _retrieve(opened: asyncio.Future[None]) -> None:
    """Retrieve the outcome of an opening without a waiter, because asyncio would report it. The thread logs it."""
    if not opened.cancelled():
        opened.exception()


def _nothing() -> None:
    """Do nothing; a placeholder for a subscription that does not exist yet."""


_running: weakref.WeakSet[Recorder] = weakref.WeakSet()
_of_parents: list[object] = []  # prevents a child's garbage collection from closing the parent's connections
_child: int | None = None  # the pid of the child of `multiprocessing` whose end closes its recorders


@atexit.register
def _close_all() -> None:
    """Close the recorders that the program did not close."""
    for recorder in list(_running):
        recorder.close("exit")


def _close_with_child_process() -> None:
    """Close the recorders when a child of `multiprocessing` ends, which does not run what `atexit` has registered."""
    global _child
    for name in ("multiprocessing.util", "billiard.util"):
        library = sys.modules.get(name)
        if library is not None and _child != os.getpid():
            library.Finalize(None, _close_all, exitpriority=100)
    _child = os.getpid()


def _after_fork() -> None:
    for recorder in list(_running):
        recorder._after_fork()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
