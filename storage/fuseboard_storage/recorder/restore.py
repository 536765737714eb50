"""Restores an engine's state from the recording of its last run.

A restarted engine thus does not call adapters that are known to be down. Whatever is wrong with the file, the engine
still starts, without the old state, and the reason is logged.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import sqlite3
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

from fuseboard_engine.error_text.safe_logging import get_logger
from fuseboard_storage.board.board import Board
from fuseboard_storage.board.rows import AdapterRow
from fuseboard_storage.errors import RecordingError
from fuseboard_storage.recorder import origins
from fuseboard_storage.sqlite import schema
from fuseboard_storage.sqlite.write_lock import LockingConnection, transaction
from fuseboard_storage.tables import events, instances, keyframes, storable
from fuseboard_storage.tables.instances import InstanceRef

log = get_logger("fuseboard.recorder")

_SLICE: Final = 2_000  # events folded at a time
_BUSY: Final = 2.0  # seconds to wait for another writer


class Restorable(Protocol):
    """An engine that can be restored. `fuseboard_engine.Engine` implements it."""

    name: str

    @property
    def registry(self) -> Any:
        """Its adapters, as an iterable of objects with `name`, `breaker` and `restore`."""

    def wall(self) -> int:
        """Return the current time in UTC microseconds."""


@dataclass(frozen=True, slots=True)
class Restored:
    """The result of a restore.

    `adapters` names the adapters found in the recording. `breakers` maps those whose breaker is not closed now to its
    state. `why_fresh` is the reason why nothing was restored, empty if something was.
    """

    adapters: tuple[str, ...] = ()
    breakers: dict[str, str] = field(default_factory=dict)
    why_fresh: str = ""


async def restore(engine: Restorable, path: str | os.PathLike[str]) -> Restored:
    """Restore breakers and statistics from the last run of an engine with this name in a recording.

    Call it after the adapters are added and before the engine is recorded again; `record(engine, path, restore=True)`
    does so. Of several processes with one name, each takes the newest instance that ended or died and that no other
    process took, and never one that runs. An open breaker stays open for the rest of its wait by the wall clock, but
    never longer than the wait it had. A breaker that was half-open probes at once. A state set by an operator stays
    set.

    Args:
        engine: The engine. Its adapters are matched by name; other adapters of the recording are ignored.
        path: The recording.

    Returns:
        What was restored. Nothing is raised: if the file is missing, damaged or foreign, nothing is restored, and the
        reason is in `why_fresh` and, unless the file is missing or empty, in the log.
    """
    return await asyncio.get_running_loop().run_in_executor(None, restore_now, engine, path)


def restore_within(seconds: float, engine: Any, path: str | os.PathLike[str]) -> Restored:
    """Restore as `restore` does, but blocking, and only if the file can be read within some seconds."""
    found: list[Restored] = []
    lock, late = threading.Lock(), threading.Event()

    def may_apply() -> bool:
        return not late.is_set()

    def work() -> None:
        found.append(restore_now(engine, path, lock, may_apply))

    thread = threading.Thread(target=work, name="fuseboard-restore", daemon=True)
    thread.start()
    thread.join(seconds)
    with lock:  # held while the state is being applied
        late.set()
    if found:
        return found[0]
    why = f"{os.fspath(path)} could not be read within {seconds:.1f} s"
    if thread.is_alive():
        log.warning("The state could not be restored: %s. The engine starts fresh.", why)
    return Restored(why_fresh=why)


def restore_now(
    engine: Any,
    path: str | os.PathLike[str],
    lock: contextlib.AbstractContextManager[object] | None = None,
    may_apply: Callable[[], bool] = lambda: True,
) -> Restored:
    """Restore as `restore` does, but blocking. For threads.

    Args:
        engine: As for `restore`.
        path: As for `restore`.
        lock: Held while the state is applied.
        may_apply: Whether the state may still be applied.
    """
    try:
        kind = schema.inspect(path)
        if kind != "recording":
            return Restored(why_fresh=f"{os.fspath(path)} is {kind}")
        with contextlib.closing(schema.connect(path, busy_timeout=_BUSY)) as connection:
            origin, taken = _take(engine, connection, may_apply)
            if origin is not None:
                why = f"{engine.name} has been recorded to {os.fspath(path)} and still has its state"
                return Restored(why_fresh=why)
            if taken is None and not may_apply():
                return Restored(why_fresh="it took too long to open the recording")
            board = _board(connection)
        if taken is None:
            return Restored(why_fresh=_why_none(board, engine.name, path))
        with lock or contextlib.nullcontext():
            if not may_apply():
                return Restored(why_fresh="it took too long to read the state")
            origins.set_origin(engine, taken)
            return _apply(engine, board.rows_of(taken.id))
    except (RecordingError, sqlite3.Error, OSError) as error:
        why = str(error)
    except Exception as error:  # a damaged file may contain anything
        why = f"{type(error).__name__}: {error}"
    log.warning("The state could not be restored from %s: %s The engine starts fresh.", os.fspath(path), why)
    return Restored(why_fresh=why)


def _board(connection: sqlite3.Connection) -> Board:
    """Return the current Board."""
    table = events.table_of(connection.execute("PRAGMA user_version").fetchone()[0])
    board = keyframes.newest_board(connection, table.name)
    sql = f"{table.select} WHERE seq > ? ORDER BY seq LIMIT {_SLICE}"
    while part := connection.execute(sql, (board.seq,)).fetchall():
        for row in part:
            board.apply(events.entry_of(None, row))
    return board


def _take(
    engine: Restorable, connection: LockingConnection, may_take: Callable[[], bool]
) -> tuple[InstanceRef | None, InstanceRef | None]:
    """Return the instance whose state the engine has already, or the one it takes now, or None if there is neither."""
    host = storable.stored_name(socket.gethostname())
    with transaction(connection):
        origin = origins.origin_of(engine)
        if origin is not None and instances.exists(connection, origin):
            return origin, None
        for dead, event in instances.record_dead(connection, host, engine.wall()):
            events.insert(connection, dead, [event])
        if not may_take():  # the conversion of a large recording took long: another engine may take the state
            return None, None
        return None, instances.take(connection, storable.stored_name(engine.name), host)


def _why_none(board: Board, name: str, path: str | os.PathLike[str]) -> str:
    if any(row.name == storable.stored_name(name) for row in board.instances.values()):
        return f"each engine called {name} in {os.fspath(path)} is running, or another process took its state"
    return f"no engine called {name} was recorded in {os.fspath(path)}"


def _apply(engine: Restorable, last: Iterable[AdapterRow]) -> Restored:
    rows = {row.name: row for row in last}
    found, breakers = [], {}
    for adapter in engine.registry:
        row = rows.get(storable.stored_name(adapter.name))
        if row is None:
            continue
        try:
            _restore_breaker(adapter.breaker, row, engine.wall())
            adapter.restore(row.figures())
        except (ValueError, TypeError, OverflowError) as error:
            log.warning("Adapter %s starts fresh: %s", adapter.name, error)
            continue
        found.append(adapter.name)
        if adapter.breaker.state != "closed":
            breakers[adapter.name] = adapter.breaker.state
    return Restored(tuple(found), breakers)


def _restore_breaker(breaker: Any, row: AdapterRow, now: int) -> None:
    wait = 0.0
    if row.state == "open" and row.until is not None:
        # The wall clock may have been set back in the meantime, so limit this to the wait the breaker had.
        wait = min(max(0.0, (row.until - now) / 1e6), row.wait or 0.0)
    unused = row.state == "closed" and not row.failures and not row.openings
    if unused and not row.last_error:
        return
    breaker.restore(
        row.state,
        wait=wait,
        openings=row.openings,
        failures=row.failures,
        last_error=row.last_error,
    )
