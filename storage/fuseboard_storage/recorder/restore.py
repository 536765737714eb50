"""Restores an engine's state from the recording of its last run.

A restarted engine thus does not call adapters that are known to be down. Whatever is wrong with the file, the engine
still starts, without the old state, and the reason is logged.
"""

from __future__ import annotations

import asyncio
import logging
import os
import sqlite3
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Protocol

from fuseboard_storage.board.board import Board
from fuseboard_storage.board.rows import AdapterRow, InstanceRow
from fuseboard_storage.errors import RecordingError
from fuseboard_storage.sqlite import schema
from fuseboard_storage.sqlite.damaged_rows import readable_text
from fuseboard_storage.tables import events, keyframes

log = logging.getLogger("fuseboard.recorder")

_SLICE: Final = 2_000  # events folded at a time


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
    does so. An open breaker stays open for the rest of its wait by the wall clock, but never longer than the wait it
    had. A breaker that was half-open probes at once. A state set by an operator stays set.

    Args:
        engine: The engine. Its adapters are matched by name; other adapters of the recording are ignored.
        path: The recording.

    Returns:
        What was restored. Nothing is raised: if the file is missing, damaged or foreign, nothing is restored, and the
        reason is in `why_fresh` and, unless the file is missing or empty, in the log.
    """
    return await asyncio.get_running_loop().run_in_executor(None, restore_now, engine, path)


def restore_now(engine: Any, path: str | os.PathLike[str]) -> Restored:
    """Restore as `restore` does, but blocking. For threads."""
    try:
        kind = schema.inspect(path)
        if kind != "recording":
            return Restored(why_fresh=f"{os.fspath(path)} is {kind}")
        board = _board(Path(path))
        last = _last_run(board, events.escape_surrogates(engine.name))
        if last is None:
            return Restored(why_fresh=f"no engine called {engine.name} was recorded in {os.fspath(path)}")
        return _apply(engine, board, last)
    except (RecordingError, sqlite3.Error, OSError) as error:
        why = str(error)
    except Exception as error:  # a damaged file may contain anything
        why = f"{type(error).__name__}: {error}"
    log.warning("The state could not be restored from %s: %s The engine starts fresh.", os.fspath(path), why)
    return Restored(why_fresh=why)


def _board(path: Path) -> Board:
    """Return the current Board."""
    uri = f"{path.absolute().as_uri()}?mode=ro"
    connection = sqlite3.connect(uri, uri=True, timeout=2.0, isolation_level=None)
    connection.text_factory = readable_text
    try:
        board = keyframes.board_of(connection.execute(keyframes.SELECT_BY_SEQ, (keyframes.NEWEST,)).fetchone())
        sql = f"{events.SELECT} WHERE seq > ? ORDER BY seq LIMIT {_SLICE}"
        while part := connection.execute(sql, (board.seq,)).fetchall():
            for row in part:
                board.apply(events.entry_of(None, row))
        return board
    finally:
        connection.close()


def _last_run(board: Board, name: str) -> InstanceRow | None:
    runs = [row for row in board.instances.values() if row.name == name]
    return max(runs, key=lambda row: row.id, default=None)


def _apply(engine: Restorable, board: Board, last: InstanceRow) -> Restored:
    rows = {row.name: row for row in board.rows() if row.key.instance == last.id}
    found, breakers = [], {}
    for adapter in engine.registry:
        row = rows.get(adapter.name)
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
