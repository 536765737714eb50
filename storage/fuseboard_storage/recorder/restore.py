"""State over restarts: a new engine takes up what the last one of its name left in the recording.

So a restart does not hammer what is known to be down. It never keeps an engine from starting: whatever is wrong with
the file, the engine starts fresh, and that is said.
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
from fuseboard_storage.tables import events as rows
from fuseboard_storage.tables import keyframes

log = logging.getLogger("fuseboard.recorder")

_SLICE: Final = 2_000  # events folded at a time


class Restorable(Protocol):
    """What an engine must offer to be restored; `fuseboard_engine.Engine` does."""

    name: str

    @property
    def registry(self) -> Any:
        """Its adapters: iterable, each with `name`, `breaker` and `restore`."""

    def wall(self) -> int:
        """Return UTC microseconds now."""


@dataclass(frozen=True, slots=True)
class Restored:
    """What was taken up.

    `breakers` has the state of each that is not closed now; `adapters` names all that were found; `why_fresh` says
    why nothing was taken up, and is empty when something was.
    """

    adapters: tuple[str, ...] = ()
    breakers: dict[str, str] = field(default_factory=dict)
    why_fresh: str = ""


async def restore(engine: Restorable, path: str | os.PathLike[str]) -> Restored:
    """Take up breakers and statistics as the last run of this engine's name left them in a recording.

    Call it after the adapters are added and before the engine is recorded again; `record(engine, path, restore=True)`
    does. An open breaker stays open for what is left of its wait by the wall clock, and never longer than the wait
    it had; one that was half-open probes at once; what an operator set stays set.

    Args:
        engine: Its adapters are found by name; others of the recording are passed over.
        path: The recording.

    Returns:
        What was taken up. It raises nothing: a file that is missing, damaged or foreign is a fresh start, with the
        reason in `why_fresh` and, unless it is only missing or empty, in the log.
    """
    return await asyncio.get_running_loop().run_in_executor(None, restore_now, engine, path)


def restore_now(engine: Any, path: str | os.PathLike[str]) -> Restored:
    """Do what `restore` does from a thread."""
    try:
        fitness = schema.inspect(path)
        if fitness != "recording":
            return Restored(why_fresh=f"{os.fspath(path)} is {fitness}")
        board = _board(Path(path))
        last = _last_run(board, engine.name)
        if last is None:
            return Restored(why_fresh=f"no engine called {engine.name} was recorded in {os.fspath(path)}")
        return _take_up(engine, board, last)
    except (RecordingError, sqlite3.Error, OSError) as error:
        why = str(error)
    except Exception as error:  # a damaged file can hold anything
        why = f"{type(error).__name__}: {error}"
    log.warning("%s could not be restored from: %s The engine starts fresh.", os.fspath(path), why)
    return Restored(why_fresh=why)


def _board(path: Path) -> Board:
    """Return the Board as of now."""
    uri = f"{path.absolute().as_uri()}?mode=ro"
    connection = sqlite3.connect(uri, uri=True, timeout=2.0, isolation_level=None)
    try:
        board = keyframes.board_of(connection.execute(keyframes.NEAREST, (keyframes.NEWEST,)).fetchone())
        sql = f"{rows.READ} WHERE seq > ? ORDER BY seq LIMIT {_SLICE}"
        while part := connection.execute(sql, (board.seq,)).fetchall():
            for row in part:
                board.apply(rows.entry_of(None, row))
        return board
    finally:
        connection.close()


def _last_run(board: Board, name: str) -> InstanceRow | None:
    runs = [row for row in board.instances.values() if row.name == name]
    return max(runs, key=lambda row: row.id, default=None)


def _take_up(engine: Restorable, board: Board, last: InstanceRow) -> Restored:
    left = {row.name: row for row in board.rows() if row.key.instance == last.id}
    found, breakers = [], {}
    for adapter in engine.registry:
        row = left.get(adapter.name)
        if row is None:
            continue
        try:
            _take_up_breaker(adapter.breaker, row, engine.wall())
            adapter.restore(row.figures())
        except (ValueError, TypeError, OverflowError) as error:
            log.warning("Adapter %s starts fresh: %s", adapter.name, error)
            continue
        found.append(adapter.name)
        if adapter.breaker.state != "closed":
            breakers[adapter.name] = adapter.breaker.state
    return Restored(tuple(found), breakers)


def _take_up_breaker(breaker: Any, row: AdapterRow, now: int) -> None:
    left = 0.0
    if row.state == "open" and row.until is not None:
        # The wall clock may have been set back meanwhile: the wait was never longer than this.
        left = min(max(0.0, (row.until - now) / 1e6), row.wait or 0.0)
    quiet = row.state == "closed" and not row.failures and not row.openings
    if quiet and not row.last_error:
        return
    breaker.restore(
        row.state,
        wait=left,
        openings=row.openings,
        failures=row.failures,
        last_error=row.last_error,
    )
