"""Stores workflow runs in the recording. A finished node is on disk before any node that depends on it starts."""

from __future__ import annotations

import contextlib
import os
import socket
import sqlite3
import warnings
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Final, TypeVar

import msgspec

from fuseboard_engine.error_text.safe_logging import get_logger
from fuseboard_engine.workflow.checkpoints import RunState, SavedNode, SavedRun
from fuseboard_engine.workflow.errors import CheckpointsUnavailable, ResumeRefused, RunInUse, UnknownRun
from fuseboard_storage.errors import RecordingError
from fuseboard_storage.sqlite import schema
from fuseboard_storage.sqlite.damaged_rows import UNREADABLE, decoded, struct_from
from fuseboard_storage.sqlite.file_identity import RecordingReplaced
from fuseboard_storage.sqlite.fork_gate import ForkGate
from fuseboard_storage.sqlite.process_identity import ProcessIdentity, is_alive, this_process
from fuseboard_storage.sqlite.worker_thread import ThreadEnded, WorkerThread
from fuseboard_storage.sqlite.write_lock import LockingConnection, transaction
from fuseboard_storage.stores.current_file import run_in_current_file
from fuseboard_storage.tables.safe_texts import safe_text_of
from fuseboard_storage.tables.storable import escape_surrogates

T = TypeVar("T")

log = get_logger("fuseboard.recorder")

POISONED: Final = "poisoned: its process ended three times in a row while it ran; only an operator resumes it"
BUSY: Final = 5.0  # seconds to wait for another writer's transaction

RUN_COLUMNS: Final = "id, workflow, name, steps, definition, input, started_at, state, changed_at, error, owner"
NODE_COLUMNS: Final = "node, state, at, result, answered, attempts, duration, error, chain"
NODE_COLUMNS_BEFORE_CHAIN: Final = NODE_COLUMNS.replace(", chain", ", '[]'")
"""The same for a file that an older version wrote and that was not migrated since."""

_steps = msgspec.json.Decoder(tuple[str, ...]).decode
_definition = msgspec.json.Decoder(dict[str, str]).decode
_json = msgspec.json.Encoder().encode

_active_runs: set[tuple[str, str]] = set()
"""The runs active in this process, as pairs of file and run id."""


class FileCheckpoints:
    """A `Checkpoints` in a recording; `Recorder` gives one to its engine. Safe against `kill -9` and power loss.

    It has its own connection and thread, so it waits only for the disk.

    Args:
        path: The recording, created if missing.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path).absolute()
        self._host = socket.gethostname()
        self._connection: LockingConnection | None = None
        self._runs: dict[str, SavedRun] = {}
        """The active runs of this object as saved, to save them again in a new file if theirs is gone."""
        self._pid = 0
        self._thread: WorkerThread | None = None
        self._gate = ForkGate(self._close)

    # ------------------------------------------------------------------ the Checkpoints protocol

    async def begin(self, run: SavedRun) -> None:
        """Save a new run; see `Checkpoints`."""
        await self._run_in_thread(self._begin, run)
        _active_runs.add((str(self.path), run.run))

    async def take(self, run: str, at: int) -> None:
        """Take a saved run over into this process; see `Checkpoints`."""
        await self._run_in_thread(self._take, run, at)

    async def save(self, run: str, *nodes: SavedNode) -> None:
        """Save the outcomes of nodes; see `Checkpoints`."""
        await self._run_in_thread(self._save, run, nodes)

    async def end(self, run: str, state: RunState, at: int, error: str = "") -> None:
        """Save the end of a run; see `Checkpoints`."""
        try:
            await self._run_in_thread(self._end, run, state, at, error)
        finally:
            _active_runs.discard((str(self.path), run))
            self._runs.pop(run, None)

    async def load(self, run: str) -> SavedRun:
        """Return a saved run; see `Checkpoints`."""
        return await self._run_in_thread(self._load, run)

    async def unfinished_runs(self, *, failed: bool = False) -> list[tuple[str, str]]:
        """Return the unfinished runs that no process is executing; see `Checkpoints`."""
        return await self._run_in_thread(self._interrupted, failed)

    async def left(self, *, failed: bool = False) -> list[tuple[str, str]]:
        """Deprecated name of `unfinished_runs`."""
        warnings.warn("FileCheckpoints.left is now called unfinished_runs", DeprecationWarning, stacklevel=2)
        return await self.unfinished_runs(failed=failed)

    async def failures(self, workflow: str, limit: int) -> list[tuple[str, SavedNode]]:
        """Return the failed nodes of a workflow, newest first; see `Checkpoints`."""
        return await self._run_in_thread(self._failures, workflow, limit)

    def close(self) -> None:
        """Close the file and end the thread once pending work is saved. A later call opens them again."""
        thread, self._thread = self._thread, None
        if thread is not None and self._pid == os.getpid():
            thread.submit(self._close)
            thread.end_later()

    def after_fork(self) -> None:
        """Begin without runs in a forked child: the parent executes them."""
        _active_runs.clear()

    # ------------------------------------------------------------------ in the thread

    async def _run_in_thread(self, work: Callable[..., T], *args: Any) -> T:
        if self._thread is None or self._pid != os.getpid():
            # A forked child does not have its parent's thread and must not use the parent's connection.
            _parents.append(self._connection)
            self._connection, self._pid, self._runs, self._gate = None, os.getpid(), {}, ForkGate(self._close)
            self._thread = WorkerThread("fuseboard-checkpoints")
        try:
            return await self._thread.run(partial(self._in_the_file, work, *args))
        except (sqlite3.Error, OSError, UnicodeDecodeError, RecordingError, ThreadEnded) as error:
            raise CheckpointsUnavailable(f"{self.path} could not save the workflow's state: {error}") from error

    def _in_the_file(self, work: Callable[..., T], *args: Any) -> T:
        """Run a job in the file that is at the path; see `run_in_current_file`."""
        return run_in_current_file(
            partial(work, *args),
            self.path,
            self._gate,
            BUSY,
            connection=lambda: self._connection,
            leave=self._leave,
            disconnect=self._close,
        )

    def check_file(self) -> None:
        """Switch to the file that is at the path now, if it is another one. Returns at once."""

        def check() -> None:
            if self._connection is not None:
                with contextlib.suppress(sqlite3.Error, OSError, RecordingError):
                    self._in_the_file(self._open)

        thread = self._thread
        if thread is not None and self._pid == os.getpid():
            with contextlib.suppress(ThreadEnded):  # closed in the meantime
                thread.submit(check)

    def _open(self) -> LockingConnection:
        if self._connection is not None:
            self._connection.check()
            return self._connection
        connection = schema.connect(self.path, busy_timeout=BUSY)
        try:
            connection.execute("PRAGMA synchronous = FULL")
            self._save_again(connection)
        except BaseException:
            connection.close()
            raise
        self._connection = connection
        return connection

    def _save_again(self, connection: LockingConnection) -> None:
        """Save the active runs in a file that does not have them."""
        lost = [
            run
            for run in self._runs.values()
            if not connection.execute("SELECT 1 FROM workflow_runs WHERE id = ?", (run.run,)).fetchone()
        ]
        if lost:
            with transaction(connection):
                for run in lost:
                    self._insert(connection, run)
                    self._insert_nodes(connection, run.run, run.nodes.values())

    def _leave(self, error: RecordingReplaced) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.leave(error.why)

    def _close(self) -> None:
        if self._connection is not None:
            with contextlib.suppress(sqlite3.Error):
                self._connection.close()
            self._connection = None

    def _begin(self, run: SavedRun) -> None:
        connection = self._open()
        try:
            with transaction(connection):
                self._insert(connection, run)
        except sqlite3.IntegrityError:
            raise ResumeRefused(f"run {run.run!r} already exists; resume it, or choose another id") from None
        self._runs[run.run] = run

    def _insert(self, connection: LockingConnection, run: SavedRun) -> None:
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
        connection.execute(sql, tuple(_escaped(value) for value in values))

    def _insert_nodes(self, connection: LockingConnection, run: str, nodes: Iterable[SavedNode]) -> None:
        connection.executemany(
            f"INSERT OR REPLACE INTO workflow_nodes(run, {NODE_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            [(run, *_row_of(node)) for node in nodes],
        )

    def _take(self, run: str, at: int) -> None:
        connection, key = self._open(), (str(self.path), run)
        with transaction(connection):
            row = connection.execute("SELECT state, owner FROM workflow_runs WHERE id = ?", (run,)).fetchone()
            if row is None:
                raise UnknownRun(run)
            owner = owning_process(row[0], row[1], self._host, key)
            if owner is not None:
                raise RunInUse(f"run {run!r} is running in process {owner.pid} on {owner.host}")
            connection.execute(
                "UPDATE workflow_runs SET deaths = deaths + (state = 'running'), state = 'running', owner = ?, "
                "changed_at = ?, error = '' WHERE id = ?",
                (this_process(self._host), at, run),
            )
            _active_runs.add(key)
        self._runs[run] = self._load(run)

    def _save(self, run: str, nodes: tuple[SavedNode, ...]) -> None:
        connection = self._open()
        with transaction(connection):
            self._touch(connection, run, "changed_at = ?", (nodes[-1].at,))
            self._insert_nodes(connection, run, nodes)
        known = self._runs.get(run)
        if known is not None:
            saved = {**known.nodes, **{node.node: node for node in nodes}}
            self._runs[run] = msgspec.structs.replace(known, nodes=saved)

    def _end(self, run: str, state: RunState, at: int, error: str) -> None:
        connection = self._open()
        with transaction(connection):
            values = (state, at, _escaped(error))
            self._touch(connection, run, "state = ?, changed_at = ?, error = ?, owner = '', deaths = 0", values)

    def _touch(self, connection: sqlite3.Connection, run: str, what: str, values: tuple[Any, ...]) -> None:
        if not connection.execute(f"UPDATE workflow_runs SET {what} WHERE id = ?", (*values, run)).rowcount:
            raise RecordingError(
                f"Run {run} is no longer in the file.", "Check whether the file was moved or replaced."
            )

    def _interrupted(self, failed: bool) -> list[tuple[str, str]]:
        connection = self._open()
        rows = connection.execute(
            "SELECT id, workflow, state, owner, deaths FROM workflow_runs WHERE state IN ('running', 'interrupted') "
            "OR (state = 'failed' AND ? AND error <> ?) ORDER BY started_at, id",
            (failed, POISONED),
        )
        found = []
        for run, workflow, state, owner, deaths in rows.fetchall():
            if owning_process(state, owner, self._host, (str(self.path), run)) is not None:
                continue
            if state == "running" and deaths + 1 >= schema.MAX_DEATHS:
                self._set_aside(connection, run)
            else:
                found.append((run, workflow))
        return found

    def _set_aside(self, connection: LockingConnection, run: str) -> None:
        """Mark a run as failed after it ended its process repeatedly."""
        with transaction(connection):
            connection.execute(
                "UPDATE workflow_runs SET state = 'failed', owner = '', error = ? WHERE id = ?", (POISONED, run)
            )
        log.warning("Run %s in %s is set aside: %s.", run, self.path.name, POISONED)

    def _failures(self, workflow: str, limit: int) -> list[tuple[str, SavedNode]]:
        columns = ", ".join(f"workflow_nodes.{column}" for column in NODE_COLUMNS.split(", "))
        rows = self._open().execute(
            f"SELECT run, {columns} FROM workflow_nodes JOIN workflow_runs ON run = id "
            "WHERE workflow = ? AND workflow_nodes.state = 'failed' ORDER BY at DESC LIMIT ?",
            (workflow, limit),
        )
        return [(run, node_of(values)) for run, *values in rows.fetchall()]

    def _load(self, run: str) -> SavedRun:
        connection = self._open()
        row = connection.execute(f"SELECT {RUN_COLUMNS} FROM workflow_runs WHERE id = ?", (run,)).fetchone()
        if row is None:
            raise UnknownRun(run)
        sql = f"SELECT {NODE_COLUMNS} FROM workflow_nodes WHERE run = ?"
        nodes = connection.execute(sql, (run,)).fetchall()
        return run_of(row, nodes, self._host, (str(self.path), run))


_parents: list[sqlite3.Connection | None] = []  # prevents a child from closing its parent's connection


def run_of(
    row: tuple[Any, ...], nodes: list[tuple[Any, ...]], host: str, key: tuple[str, str] | None = None
) -> SavedRun:
    """Return the run in a row of `RUN_COLUMNS` and its rows of `NODE_COLUMNS`.

    Args:
        row: The run's row.
        nodes: The rows of its nodes.
        host: This host, on which processes can be checked.
        key: Its file and id, if this process may be executing it. With None, any run owned by this process is alive.
    """
    id, workflow, name, steps, definition, input, started_at, state, changed_at, error, owner = row
    saved = [node_of(values) for values in nodes]
    fields = {
        "run": id,
        "workflow": workflow,
        "name": name,
        "steps": decoded(_steps, steps, default=()),
        "definition": decoded(_definition, definition, default={}),
        "input": input,
        "started_at": started_at,
        "state": state,
        "changed_at": changed_at,
        "error": safe_text_of(error),
        "nodes": {node.node: node for node in saved},
        "alive": owning_process(state, owner, host, key) is not None,
    }
    run, damaged = struct_from(SavedRun, fields)
    return msgspec.structs.replace(run, error=UNREADABLE + ", ".join(damaged)) if damaged else run


_NODE_FIELDS: Final = tuple(NODE_COLUMNS.split(", "))[:-1]


def node_of(row: Sequence[Any]) -> SavedNode:
    """Return the node in a row of `NODE_COLUMNS`."""
    *values, chain = row
    fields = dict(zip(_NODE_FIELDS, values, strict=True))
    fields["error"] = safe_text_of(fields["error"])
    return struct_from(SavedNode, {**fields, "chain": decoded(_steps, chain, default=())})[0]


def owning_process(state: str, owner: str, host: str, key: tuple[str, str] | None) -> ProcessIdentity | None:
    """Return the process that is executing a run, or None if the run or its process has ended.

    A recording is not shared between hosts. A run owned by a process of another host is in a file that was moved here,
    so no process is executing it.
    """
    if state != "running" or not owner:
        return None
    found = ProcessIdentity.parse(owner)
    if found is None or found.host != host or not is_alive(found):
        return None
    if found.pid == os.getpid() and key is not None and key not in _active_runs:
        return None
    return found


def _row_of(node: SavedNode) -> tuple[Any, ...]:
    values = [_escaped(getattr(node, name)) for name in _NODE_FIELDS]
    return (*values, _escaped(_json(node.chain).decode(errors="replace")))


def _escaped(value: Any) -> Any:
    return escape_surrogates(value) if isinstance(value, str) else value
