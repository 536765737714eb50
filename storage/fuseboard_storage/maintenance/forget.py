"""Removes every trace of a task, or of all tasks with one value in their context, from a recording."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import tempfile
import time
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import msgspec

from fuseboard_engine.events import CommandDone, DeadLetterChanged, Event
from fuseboard_engine.runtime.clock import wall_clock
from fuseboard_storage.backend.unknown_event import is_readable
from fuseboard_storage.errors import RecordingError
from fuseboard_storage.maintenance.access import live_engines, reading, refuse_damage, version_of, writing
from fuseboard_storage.maintenance.backup import backup
from fuseboard_storage.maintenance.compact import empty_wal, rewrite
from fuseboard_storage.maintenance.traces import Traces, as_json, context_of
from fuseboard_storage.sqlite import schema
from fuseboard_storage.tables import event_templates, events, keyframes, storable

VERB: Final = "forget"
"""The verb of the command that the audit shows."""

_READERS: Final = 10.0  # seconds to wait for programs that read the WAL
_ROWS: Final = 2_000  # searched at a time

_OF_TASKS: Final = "'dead_lettered', 'dead_letter_refused', 'stream_restarted'"

_TEXTS: Final = {
    "commands": ("id", ("adapter", "args", "actor", "detail")),
    "dead_letters": (
        "id",
        ("task_type", "payload", "context", "route", "rule", "error_type", "error", "actor", "detail"),
    ),
}
"""The columns of a table that may mention a task or a person, after its key."""


@dataclass(slots=True)
class Forgotten:
    """How many rows `forget` removed or changed, and what it could not do."""

    events: int = 0
    """Events of the tasks: they lost their id, context and error texts, and still count."""
    mentions: int = 0
    """Other rows in which the id or the value was replaced."""
    templates: int = 0
    dead_letters: int = 0
    workflow_runs: int = 0
    keyframes: int = 0
    """Keyframes that were written anew."""
    wal_emptied: bool = True
    """False if another program read the WAL all the time; the next checkpoint overwrites it."""
    beside: list[str] = field(default_factory=list)
    """Names of files beside the recording that may hold older copies of it, and were not changed."""

    @property
    def total(self) -> int:
        """The number of all rows."""
        counts = (self.events, self.mentions, self.templates, self.dead_letters, self.workflow_runs)
        return sum(counts) + self.keyframes


def forget(
    path: str | os.PathLike[str],
    *,
    task: str | None = None,
    context: tuple[str, str] | None = None,
    actor: str = "",
    dry_run: bool = False,
    now: int | None = None,
) -> Forgotten:
    """Remove every trace of a task, or of all tasks that have a value in their context, from a recording.

    The events of the tasks stay without id, context and error texts, so that all counts stay exact; dead letters and
    workflow runs are deleted. Where other texts mention the id or the value, it is replaced, if it has at least four
    characters or is the whole text. The file is then rewritten, so that no freed page holds anything, and the WAL is
    emptied. That it was done is recorded, not what.

    Args:
        path: The recording. One of an older version is brought to this version.
        task: The id of the task.
        context: Key and value of the context, in place of a task.
        actor: Who asks, for the audit.
        dry_run: Count only, in a temporary copy: the recording need not be writable, and its engines go on writing.
        now: UTC microseconds; None: the current time.

    Raises:
        ValueError: Neither or both of a task and a context are named, or an empty one.
        RecordingError: The recording is damaged or cannot be written; nothing was changed.
    """
    wanted = [name for name in (task, context[1] if context else None) if name is not None]
    if len(wanted) != 1 or not wanted[0]:
        raise ValueError("Name either a task or a context, not an empty one.")
    where = Path(path).absolute()
    _bring_up_to_date(path, dry_run)
    at = wall_clock() if now is None else now
    with _copied(path) if dry_run else writing(path) as connection:
        refuse_damage(connection, where)
        connection.execute("PRAGMA secure_delete = ON")
        connection.execute("BEGIN IMMEDIATE")
        try:
            found = _Forgetting(connection, Traces(task, context)).run(bool(live_engines(connection, at)))
            if dry_run or not found.total:
                connection.execute("ROLLBACK")
            else:
                _record(connection, actor, at)
                connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise
        if not dry_run:  # also if nothing was found: freed pages may hold what was deleted before
            rewrite(connection, where)
            end = time.monotonic() + _READERS
            while not empty_wal(connection):
                if time.monotonic() > end:
                    found.wal_emptied = False
                    break
                time.sleep(0.05)
        own = {where.name, f"{where.name}-wal", f"{where.name}-shm"}
        found.beside = sorted(
            file.name for file in where.parent.iterdir() if file.name.startswith(where.name) and file.name not in own
        )
        return found


@contextlib.contextmanager
def _copied(path: str | os.PathLike[str]) -> Iterator[sqlite3.Connection]:
    """Open a temporary copy of a recording for changing it."""
    with tempfile.TemporaryDirectory() as folder:  # of mode 0700
        copy = Path(folder) / Path(path).name
        backup(path, copy)
        with writing(copy) as connection:
            yield connection


def _bring_up_to_date(path: str | os.PathLike[str], dry_run: bool) -> None:
    with reading(path) as connection:
        version = version_of(connection)
    if version == schema.VERSION:
        return
    if dry_run or not version:
        name = Path(path).name
        if not version:
            raise RecordingError(f"{name} is empty.", "Name a file that an engine has recorded to.")
        raise RecordingError(
            f"{name} has version {version}; a dry run needs version {schema.VERSION}.",
            "Without --dry-run the file is brought to this version first; so does an engine that opens it.",
        )
    schema.connect(path).close()


class _Forgetting:
    """Removes the traces within one transaction."""

    def __init__(self, connection: sqlite3.Connection, traces: Traces) -> None:
        self._connection = connection
        self._traces = traces
        self._found = Forgotten()
        names = """SELECT adapter FROM event_templates UNION SELECT kind FROM event_templates
            UNION SELECT name FROM instances UNION SELECT adapter FROM metrics UNION SELECT task_type FROM dead_letters
            UNION SELECT CASE WHEN json_valid(body) THEN body ->> 'task_type' END FROM event_templates"""
        traces.keep_names(name for (name,) in connection.execute(names) if name)
        self._written = tuple(traces.written)

    def run(self, live: bool) -> Forgotten:
        """Remove all traces. `live`: an engine writes the recording, and may use the templates that are there."""
        self._find_tasks()
        self._letters()
        left = self._events()
        self._templates(left, live)
        self._runs()
        for table in _TEXTS:
            self._mentions(table)
        self._keyframes()
        return self._found

    def _mentioning(self, column: str, forms: int | None = None) -> str:
        """Return the condition that a column mentions what is looked for; not all that it selects really does."""
        count = len(self._written) if forms is None else forms
        return f"({' OR '.join([f'instr({column}, ?)'] * count) or '0'})"

    def _find_tasks(self) -> None:
        """Find the tasks that have the context."""
        texts, found = self._traces.context_forms, set()
        sql = f"{events.SELECT} WHERE {self._mentioning('e.body', len(texts))}"
        for row in self._connection.execute(sql, texts):
            event: Any = events.entry_of(None, row).event
            if self._traces.in_context(getattr(event, "context", None)) and event.task:
                found.add(event.task)
        sql = "SELECT task, context FROM dead_letters WHERE context IS NOT NULL"
        for task, context in self._connection.execute(sql):
            if self._traces.in_context(context_of(context)) and task:
                found.add(task)
        self._traces.add_tasks(found)
        self._written = tuple(self._traces.written)

    def _letters(self) -> None:
        by_status: dict[str, list[int]] = {}
        for id_, status, task, context in self._connection.execute(
            "SELECT id, status, task, context FROM dead_letters"
        ).fetchall():
            if task in self._traces.tasks or self._traces.in_context(context_of(context)):
                by_status.setdefault(status, []).append(id_)
        for status, ids in by_status.items():
            self._connection.execute(
                "DELETE FROM dead_letters WHERE id IN (SELECT value FROM json_each(?))", (str(ids),)
            )
            _append(
                self._connection,
                DeadLetterChanged(at=wall_clock(), letters=tuple(ids), before=status, status="purged", actor=VERB),
            )
            self._found.dead_letters += len(ids)

    def _events(self) -> set[int]:
        """Make the events of the tasks anonymous. Return the templates that they had."""
        templates = event_templates.Templates()
        templates.newest = events.newest(self._connection)
        left: set[int] = set()
        # Earlier versions stored the task of an event without an adapter in its body only.
        sql = f"""SELECT seq FROM event_log WHERE task IN (SELECT value FROM json_each(?))
            UNION SELECT seq FROM event_log WHERE task IS NULL AND template IN (
                SELECT id FROM event_templates WHERE adapter = '' AND kind IN ({_OF_TASKS}))
            UNION SELECT seq FROM event_log WHERE {self._mentioning("body")} ORDER BY 1"""
        numbers = [seq for (seq,) in self._connection.execute(sql, (as_json(self._traces.tasks), *self._written))]
        for start in range(0, len(numbers), _ROWS):
            part = str(numbers[start : start + _ROWS])
            rows = self._connection.execute(
                f"{events.SELECT} WHERE e.seq IN (SELECT value FROM json_each(?))", (part,)
            ).fetchall()
            used = dict(
                self._connection.execute(
                    "SELECT seq, template FROM event_log WHERE seq IN (SELECT value FROM json_each(?))", (part,)
                )
            )
            for row in rows:
                seq, _, event = events.entry_of(None, row)
                owned = is_readable(event) and self._traces.owns(event)
                if owned:
                    left.add(used[seq])
                    values = templates.row_of(self._connection, self._traces.anonymous(event))
                    self._connection.execute(
                        "UPDATE event_log SET at = ?, task = ?, template = ?, body = ? WHERE seq = ?", (*values, seq)
                    )
                    self._found.events += 1
                else:
                    self._clean_body(seq, row)
        return left

    def _clean_body(self, seq: int, row: tuple[Any, ...]) -> None:
        """Replace mentions in the body of an event of another task, or of a kind that this version does not know."""
        body, task = bytes(row[5]).decode("utf-8", "replace"), row[3]
        clean = self._traces.without_in_text(body)
        renamed = None if task is None else "" if task in self._traces.tasks else task
        if clean != body or renamed != task:
            self._connection.execute("UPDATE event_log SET body = ?, task = ? WHERE seq = ?", (clean, renamed, seq))
            self._found.mentions += 1

    def _templates(self, left: set[int], live: bool) -> None:
        """Remove the templates that only the tasks had, and replace mentions in others."""
        for id_ in left:
            if live:  # the engine may use it for an event that it is about to write
                break
            self._found.templates += self._connection.execute(
                """DELETE FROM event_templates WHERE id = ? AND body IS NOT NULL
                    AND NOT EXISTS (SELECT 1 FROM event_log WHERE template = event_templates.id)""",
                (id_,),
            ).rowcount
        sql = f"SELECT id, body FROM event_templates WHERE body IS NOT NULL AND {self._mentioning('body')}"
        for id_, body in self._connection.execute(sql, self._written).fetchall():
            clean = self._traces.without_in_text(body)
            if clean != body:
                sql = "UPDATE event_templates SET body = ?, digest = ? WHERE id = ?"
                self._connection.execute(sql, (clean, event_templates.digest_of(clean), id_))
                self._found.templates += 1

    def _runs(self) -> None:
        """Delete the workflow runs that are of the task, or that mention it in their input, results or errors."""
        runs = self._connection.execute("SELECT id, name, definition, input, error FROM workflow_runs").fetchall()
        nodes = self._connection.execute("SELECT run, result, error FROM workflow_nodes").fetchall()
        found = {row[0] for row in (*runs, *nodes) if any(self._traces.mentioned_in(text) for text in row if text)}
        found |= {row[0] for row in runs if f"run {row[0]}" in self._traces.tasks}
        for run in found:
            self._connection.execute("DELETE FROM workflow_nodes WHERE run = ?", (run,))
            self._found.workflow_runs += self._connection.execute(
                "DELETE FROM workflow_runs WHERE id = ?", (run,)
            ).rowcount

    def _mentions(self, table: str) -> None:
        key, columns = _TEXTS[table]
        rows = self._connection.execute(f"SELECT {key}, {', '.join(columns)} FROM {table}").fetchall()
        for id_, *texts in rows:
            clean = [text and self._traces.without_in_text(text) for text in texts]
            if clean != texts:
                names = ", ".join(f"{column} = ?" for column in columns)
                self._connection.execute(f"UPDATE {table} SET {names} WHERE {key} = ?", (*clean, id_))
                self._found.mentions += 1

    def _keyframes(self) -> None:
        """Write the Boards that mention the tasks anew; delete those that cannot be read, which nothing uses."""
        used = keyframes.readable("event_log")
        numbers = self._connection.execute(f"SELECT seq, ifnull({used}, 0) FROM keyframes").fetchall()
        for seq, is_used in numbers:
            data, format_ = self._connection.execute(
                "SELECT board, format FROM keyframes WHERE seq = ?", (seq,)
            ).fetchone()
            try:
                clean = self._clean_keyframe(data, format_) if is_used else None
            except keyframes.DAMAGE:
                clean = None
            if clean is None:
                self._connection.execute("DELETE FROM keyframes WHERE seq = ?", (seq,))
            elif clean != data:
                sql = "UPDATE keyframes SET board = ?, format = ? WHERE seq = ?"
                self._connection.execute(sql, (clean, keyframes.FORMAT, seq))
                self._found.keyframes += 1

    def _clean_keyframe(self, data: bytes, format_: int) -> bytes:
        """Return a keyframe without the traces; the same bytes if it has none."""
        before = msgspec.json.decode(keyframes.unfolded(data))
        if self._traces.in_texts and self._traces.without(before) == before:
            return data
        board = keyframes.load(data, format_)
        whole = keyframes.dump(board)
        self._traces.clean_board(board)
        after = keyframes.dump(board)
        if not self._traces.in_texts and after == whole:
            return data
        clean = zlib.compress(msgspec.json.encode(self._traces.without(msgspec.json.decode(zlib.decompress(after)))), 1)
        keyframes.load(clean)
        return clean


def _record(connection: sqlite3.Connection, actor: str, at: int) -> None:
    """Record that something was forgotten, as a command that is done."""
    who, detail = storable.stored_name(actor), "Every trace of a task or of a context was removed."
    cursor = connection.execute(
        """INSERT INTO commands(verb, adapter, args, actor, requested_at, expires_at, status, done_at, detail)
        VALUES (?, '', '{}', ?, ?, ?, 'done', ?, ?)""",
        (VERB, who, at, at, at, detail),
    )
    number = cursor.lastrowid or 0
    _append(
        connection,
        CommandDone(at=at, command=number, verb=VERB, actor=who, ok=True, detail=detail, requested_at=at),
    )


def _append(connection: sqlite3.Connection, event: Event) -> None:
    instance = connection.execute("SELECT max(id) FROM instances").fetchone()[0] or 0
    events.insert(connection, instance, [event])
