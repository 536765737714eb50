"""Record what an engine does, in one file, without ever making a call of it wait.

    async with record(engine, "checkout.db"):
        ...

Events go into a bounded buffer; a thread of the recorder's own commits them, whatever has gathered each time it is
free, and carries operators' commands back to the engine.
"""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import os
import threading
import weakref
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Final, Self

from fuseboard_engine.events import EngineStopped
from fuseboard_storage.errors import RecordingError
from fuseboard_storage.recorder.event_buffer import Barrier, EventBuffer
from fuseboard_storage.recorder.protocols import Recordable
from fuseboard_storage.recorder.retention import Retention
from fuseboard_storage.recorder.writer import Writer

if TYPE_CHECKING:
    from fuseboard_storage.stores.checkpoints import FileCheckpoints
    from fuseboard_storage.stores.dead_letters import SqliteDeadLetters

BUFFER_SIZE: Final = 100_000
"""Events that may wait in memory while the file cannot be written."""


class Recorder:
    """Records one engine into one file, from `start` to `close`. A context manager, async or not.

    Args:
        engine: What to record.
        path: The recording; made when missing, readable by its owner only.
        buffer_size: How many events may wait in memory when the file cannot be written. When it is full, the oldest
            ordinary events go; how many is logged and recorded.
        retention: What to keep for how long.
        close_timeout: Seconds that `close` goes on trying when the file cannot be written.
        restore: Take up breakers and statistics as the last run of this engine left them; see `restore`.
    """

    def __init__(
        self,
        engine: Recordable,
        path: str | os.PathLike[str],
        *,
        buffer_size: int = BUFFER_SIZE,
        retention: Retention | None = None,
        close_timeout: float = 5.0,
        restore: bool = False,
    ) -> None:
        self.path = Path(path).absolute()
        self._engine = engine
        self._close_timeout = close_timeout
        self._restore = restore
        self._buffer = EventBuffer(buffer_size)
        self._writer = Writer(engine, self.path, self._buffer, retention or Retention())
        self._thread: threading.Thread | None = None
        self._unsubscribe: Callable[[], None] = _nothing
        self._closed = False
        self._guard = threading.Lock()
        self._began = False
        self._letters: SqliteDeadLetters | None = None
        self._checkpoints: FileCheckpoints | None = None

    @property
    def instance(self) -> int | None:
        """The number of this engine's instance in the recording; None until the file could be opened."""
        return self._writer.instance

    @property
    def written(self) -> int:
        """Events committed so far."""
        return self._writer.written

    @property
    def waiting(self) -> int:
        """Events that wait in memory."""
        return len(self._buffer)

    @property
    def dropped(self) -> int:
        """Events let go because the file could not be written and the buffer was full."""
        return self._buffer.dropped

    # ------------------------------------------------------------------ start and end

    def start(self) -> None:
        """Open the file and begin to record.

        Raises:
            RecordingError: The path can be no recording. A file that is only locked, or a disk that is only full,
                raises nothing: the events wait.
        """
        self._take_up()
        opened = self._launch()
        try:
            opened.result()
        except RecordingError:
            self._forget()
            raise
        self._keep_letters()
        self._keep_runs()

    def close(self, reason: str = "closed") -> None:
        """Record that the engine ended, wait until all is on disk, and close the file; a second time does nothing."""
        if not self._closed:
            self._engine.halt_background()
        if thread := self._stop(reason):
            thread.join()
        if self._letters is not None:
            self._letters.shut()

    def _take_up(self) -> None:
        if self._restore and self._thread is None:
            from fuseboard_storage.recorder.restore import restore_now

            restore_now(self._engine, self.path)

    def _launch(self) -> Future[None]:
        if self._thread is not None:
            raise RuntimeError("This recorder was started before; make a new one.")
        self._unsubscribe = self._engine.subscribe(self._buffer.add)
        self._thread = threading.Thread(target=self._writer.run, name="fuseboard-recorder", daemon=True)
        self._thread.start()
        _running.add(self)
        return self._writer.opened

    def _stop(self, reason: str) -> threading.Thread | None:
        with self._guard:
            if self._closed or self._thread is None:
                return None
            self._closed = True
        self._forget()
        self._buffer.add(EngineStopped(at=self._engine.wall(), reason=reason))
        self._writer.stop(self._close_timeout)
        return self._thread

    def _keep_letters(self) -> None:
        """Keep the engine's dead letters in the recording, if it has any."""
        if self._engine.dead_letters is not None:
            from fuseboard_storage.stores.dead_letters import SqliteDeadLetters

            self._letters = SqliteDeadLetters(self.path)
            self._engine.dead_letters.attach_store(self._letters)

    def _keep_runs(self) -> None:
        """Keep the engine's runs of workflows in the recording, unless something else does."""
        if self._engine.checkpoints is None:
            from fuseboard_storage.stores.checkpoints import FileCheckpoints

            self._checkpoints = self._engine.checkpoints = FileCheckpoints(self.path)

    def _forget(self) -> None:
        if self._checkpoints is not None:
            if self._engine.checkpoints is self._checkpoints:
                self._engine.checkpoints = None
            self._checkpoints.close()
        if self._letters is not None and self._engine.dead_letters is not None:
            self._engine.dead_letters.detach_store(self._letters)
        self._closed = True
        self._unsubscribe()
        _running.discard(self)

    def _abandon(self) -> None:
        """In a forked child: the recording is the parent's, and so is the file's connection."""
        _parents.extend((self._writer, self._letters))
        self._buffer.clear()
        self._guard = threading.Lock()
        with contextlib.suppress(Exception):
            self._forget()

    # ------------------------------------------------------------------ the barrier

    async def flushed(self) -> None:
        """Wait until every event emitted before this call is committed.

        Raises:
            RecordingError: The recorder is closed, or was closed while the file could not be written.
        """
        await asyncio.wrap_future(self._barrier())

    def flush(self, timeout: float | None = None) -> None:
        """Do what `flushed` does from a thread.

        Args:
            timeout: Seconds to wait at most.

        Raises:
            TimeoutError: It took longer.
            RecordingError: As for `flushed`.
        """
        self._barrier().result(timeout)

    def _barrier(self) -> Future[None]:
        if self._closed or self._thread is None:
            raise RecordingError(f"The recorder of {self.path} is not running.", "Flush it before it is closed.")
        barrier = Barrier(Future())
        self._buffer.add(barrier)
        self._buffer.wake()
        return barrier.reached

    # ------------------------------------------------------------------ with

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, type_: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close(_reason(type_))

    async def __aenter__(self) -> Self:
        if self._restore:
            await asyncio.get_running_loop().run_in_executor(None, self._take_up)
        opened = self._launch()
        try:
            await asyncio.wrap_future(opened)
        except asyncio.CancelledError:
            self._stop("cancelled")
            raise
        except RecordingError:
            self._forget()
            raise
        self._keep_letters()
        self._keep_runs()
        self._began = self._engine.begin_background()
        return self

    async def __aexit__(
        self, type_: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._began:
            await self._engine.stop_background()
        letters = self._engine.dead_letters
        if letters is not None and self._letters is not None:
            await letters.stop()
        thread = self._stop(_reason(type_))
        if self._letters is not None:
            await self._letters.close()
        if thread is not None:
            await asyncio.shield(asyncio.get_running_loop().run_in_executor(None, thread.join))


def record(
    engine: Recordable,
    path: str | os.PathLike[str],
    *,
    buffer_size: int = BUFFER_SIZE,
    retention: Retention | None = None,
    close_timeout: float = 5.0,
    restore: bool = False,
) -> Recorder:
    """Return a recorder of `engine` to use in `async with` or `with`; see `Recorder` for the arguments.

    Returns:
        A recorder that is not started yet; the `with` starts it, and closes it in whatever way its body ends.
    """
    return Recorder(
        engine, path, buffer_size=buffer_size, retention=retention, close_timeout=close_timeout, restore=restore
    )


def _reason(type_: type[BaseException] | None) -> str:
    return "closed" if type_ is None else f"ended by {type_.__name__}"


def _nothing() -> None:
    """Do nothing: there is no subscription yet."""


_running: weakref.WeakSet[Recorder] = weakref.WeakSet()
_parents: list[object] = []  # keeps a parent's connection from being closed by a child's garbage collection


@atexit.register
def _close_all() -> None:
    """Close what a program forgot to close."""
    for recorder in list(_running):
        recorder.close("exit")


def _after_fork() -> None:
    for recorder in list(_running):
        recorder._abandon()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
