"""Runs of workflows, kept in the recording: a node that ended is on disk before anything that waits for it begins."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import sqlite3
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final, TypeVar

import msgspec

from fuseboard_engine.workflow.checkpoints import RunState, SavedNode, SavedRun
from fuseboard_engine.workflow.errors import CheckpointsUnavailable, ResumeRefused, RunInUse, UnknownRun
from fuseboard_storage.errors import RecordingError
from fuseboard_storage.sqlite import schema
from fuseboard_storage.sqlite.process_identity import ProcessIdentity, is_alive, this_process
from fuseboard_storage.sqlite.write_lock import LockingConnection, transaction
from fuseboard_storage.tables.events import escape_surrogates

T = TypeVar("T")

BUSY: Final = 5.0  # seconds to wait for another writer's transaction

RUN_COLUMNS: Final = "id, workflow, name, steps, definition, input, started_at, state, changed_at, error, owner"
NODE_COLUMNS: Final = "node, state, at, result, answered, attempts, duration, error"

_steps = msgspec.json.Decoder(tuple[str, ...]).decode
_definition = msgspec.json.Decoder(dict[str, str]).decode
_json = msgspec.json.Encoder().encode

_under_way: set[tuple[str, str]] = set()
"""The runs that this process is at, each with its file."""


class FileCheckpoints:
    """Keeps runs in a recording; `Recorder` gives one to its engine. Safe against `kill -9` and loss of power.

    It has a connection and a thread of its own, so it waits for nothing but the disk.

    Args:
        path: the recording; made when missing.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path).absolute()
        self._host = socket.gethostname()
        self._connection: LockingConnection | None = None
        self._identity: tuple[int, int] | None = None
        self._pid = 0
        self._thread: ThreadPoolExecutor | None = None

    # ------------------------------------------------------------------ what the engine asks

    async def begin(self, run: SavedRun) -> None:
        """Keep a new run; see `Checkpoints`."""
        await self._do(self._begin, run)
        _under_way.add((str(self.path), run.run))

    async def take(self, run: str, at: int) -> None:
        """Make a saved run this process's; see `Checkpoints`."""
        await self._do(self._take, run, at)

    async def save(self, run: str, *nodes: SavedNode) -> None:
        """Keep how nodes ended; see `Checkpoints`."""
        await self._do(self._save, run, nodes)

    async def end(self, run: str, state: RunState, at: int, error: str = "") -> None:
        """Keep how a run ended; see `Checkpoints`."""
        try:
            await self._do(self._end, run, state, at, error)
        finally:
            _under_way.discard((str(self.path), run))

    async def load(self, run: str) -> SavedRun:
        """Return a run; see `Checkpoints`."""
        return await self._do(self._load, run)

    async def left(self, *, failed: bool = False) -> list[tuple[str, str]]:
        """Return the runs that are not at their end; see `Checkpoints`."""
        return await self._do(self._left, failed)

    def close(self) -> None:
        """Close the file and end the thread, once what is being kept is; a later call opens it again."""
        thread, self._thread = self._thread, None
        if thread is not None and self._pid == os.getpid():
            thread.submit(self._close)
            thread.shutdown(wait=False)

    # ------------------------------------------------------------------ in the thread

    async def _do(self, work: Callable[..., T], *args: Any) -> T:
        if self._thread is None or self._pid != os.getpid():
            # A forked child has neither its parent's thread nor any right to the parent's connection.
            _parents.append(self._connection)
            self._connection, self._pid = None, os.getpid()
            self._thread = ThreadPoolExecutor(1, thread_name_prefix="fuseboard-checkpoints")
        try:
            return await asyncio.get_running_loop().run_in_executor(self._thread, work, *args)
        except (sqlite3.Error, OSError, RecordingError) as error:
            raise CheckpointsUnavailable(f"{self.path} could not keep the workflow's state: {error}") from error

    def _open(self) -> LockingConnection:
        identity = schema.identity_of(self.path)
        if self._connection is not None and identity == self._identity and identity is not None:
            return self._connection
        self._close()
        connection = schema.connect(self.path, busy_timeout=BUSY)
        connection.execute("PRAGMA synchronous = FULL")
        self._identity = schema.identity_of(self.path)
        self._connection = connection
        return connection

    def _close(self) -> None:
        if self._connection is not None:
            with contextlib.suppress(sqlite3.Error):
                self._connection.close()
            self._connection = None

    def _begin(self, run: SavedRun) -> None:
        connection = self._open()
        sql = f"INSERT INTO workflow_runs({RUN_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
        values = (
            run.run,
            run.workflow,
            run.name,
            _json(run.steps).decode(),
            _json(run.definition).decode(),
            run.input,
            run.started_at,
            "running",
            run.started_at,
            "",
            this_process(self._host),
        )
        try:
            with transaction(connection):
                connection.execute(sql, values)
        except sqlite3.IntegrityError:
            raise ResumeRefused(f"there is a run {run.run!r} already; resume it, or take another id") from None

    def _take(self, run: str, at: int) -> None:
        connection, key = self._open(), (str(self.path), run)
        with transaction(connection):
            row = connection.execute("SELECT state, owner FROM workflow_runs WHERE id = ?", (run,)).fetchone()
            if row is None:
                raise UnknownRun(run)
            owner = under_way(row[0], row[1], self._host, key)
            if owner is not None:
                raise RunInUse(f"run {run!r} is under way in process {owner.pid} on {owner.host}")
            connection.execute(
                "UPDATE workflow_runs SET state = 'running', owner = ?, changed_at = ?, error = '' WHERE id = ?",
                (this_process(self._host), at, run),
            )
            _under_way.add(key)

    def _save(self, run: str, nodes: tuple[SavedNode, ...]) -> None:
        connection = self._open()
        with transaction(connection):
            self._touch(connection, run, "changed_at = ?", (nodes[-1].at,))
            connection.executemany(
                f"INSERT OR REPLACE INTO workflow_nodes(run, {NODE_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                [(run, *_row_of(node)) for node in nodes],
            )

    def _end(self, run: str, state: RunState, at: int, error: str) -> None:
        connection = self._open()
        with transaction(connection):
            values = (state, at, _escaped(error))
            self._touch(connection, run, "state = ?, changed_at = ?, error = ?, owner = ''", values)

    def _touch(self, connection: sqlite3.Connection, run: str, what: str, values: tuple[Any, ...]) -> None:
        if not connection.execute(f"UPDATE workflow_runs SET {what} WHERE id = ?", (*values, run)).rowcount:
            raise RecordingError(f"The run {run} is not in it any more.", "Was the file moved or replaced?")

    def _left(self, failed: bool) -> list[tuple[str, str]]:
        rows = self._open().execute(
            "SELECT id, workflow, state, owner FROM workflow_runs "
            "WHERE state IN ('running', 'interrupted') OR (state = 'failed' AND ?) ORDER BY started_at, id",
            (failed,),
        )
        return [
            (run, workflow)
            for run, workflow, state, owner in rows.fetchall()
            if under_way(state, owner, self._host, (str(self.path), run)) is None
        ]

    def _load(self, run: str) -> SavedRun:
        connection = self._open()
        row = connection.execute(f"SELECT {RUN_COLUMNS} FROM workflow_runs WHERE id = ?", (run,)).fetchone()
        if row is None:
            raise UnknownRun(run)
        sql = f"SELECT {NODE_COLUMNS} FROM workflow_nodes WHERE run = ?"
        nodes = connection.execute(sql, (run,)).fetchall()
        return run_of(row, nodes, self._host, (str(self.path), run))


_parents: list[sqlite3.Connection | None] = []  # keeps a parent's connection from being closed by a child


def run_of(
    row: tuple[Any, ...], nodes: list[tuple[Any, ...]], host: str, key: tuple[str, str] | None = None
) -> SavedRun:
    """Make a run of a row of `RUN_COLUMNS` and its rows of `NODE_COLUMNS`.

    Args:
        row: the run's.
        nodes: those of its nodes.
        host: this host, where a process can be looked for.
        key: its file and id, for whoever may be at it itself.
    """
    id, workflow, name, steps, definition, input, started_at, state, changed_at, error, owner = row
    saved = [SavedNode(**dict(zip(_NODE_FIELDS, values, strict=True))) for values in nodes]
    return SavedRun(
        run=id,
        workflow=workflow,
        name=name,
        steps=_steps(steps),
        definition=_definition(definition),
        input=input,
        started_at=started_at,
        state=state,
        changed_at=changed_at,
        error=error,
        nodes={node.node: node for node in saved},
        alive=under_way(state, owner, host, key) is not None,
    )


_NODE_FIELDS: Final = tuple(NODE_COLUMNS.split(", "))


def under_way(state: str, owner: str, host: str, key: tuple[str, str] | None) -> ProcessIdentity | None:
    """Return who is at a run, or None: it ended, or its process did.

    A process of another host can't be looked for; as a recording is not shared between hosts, such a file was moved
    here, and nobody is at it.
    """
    if state != "running" or not owner:
        return None
    found = ProcessIdentity.parse(owner)
    if found is None or found.host != host or not is_alive(found):
        return None
    if found.pid == os.getpid() and key is not None and key not in _under_way:
        return None
    return found


def _row_of(node: SavedNode) -> tuple[Any, ...]:
    return tuple(_escaped(value) for value in (getattr(node, name) for name in _NODE_FIELDS))


def _escaped(value: Any) -> Any:
    return escape_surrogates(value) if isinstance(value, str) else value
