"""The schema of a recording: its tables, its migrations, and the recognition of foreign files.

A recording is an SQLite file in WAL mode that carries `APPLICATION_ID` and, as `user_version`, the number of the last
migration applied. Both are in the file's first hundred bytes, so a foreign file is recognised without opening it.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import stat
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final, Literal

from fuseboard_engine.error_text.safe_logging import get_logger
from fuseboard_storage.errors import RecordingError
from fuseboard_storage.sqlite import file_identity, moves
from fuseboard_storage.sqlite.file_identity import APPLICATION_ID, FileId, MissingFiles, RecordingReplaced
from fuseboard_storage.sqlite.integrity import find_damage, refuse_oddities
from fuseboard_storage.sqlite.kept_copy import keep_copy
from fuseboard_storage.sqlite.write_lock import STEPS, USE_LOCAL_DISK, LockingConnection, without_locks

log = get_logger("fuseboard.recorder")

_NOTABLE: Final = """CASE WHEN e.kind = 'route_finished' AND json_valid(e.body)
    THEN coalesce(NOT (e.body ->> 'success' AND json_array_length(e.body, '$.attempts') = 1
        AND e.body ->> 'letter' IS NULL AND NOT coalesce(e.body ->> 'degraded', 0)
        AND coalesce(e.body ->> 'duration', 0) <= 5), 1) ELSE 1 END"""

MIGRATIONS: tuple[tuple[str, ...], ...] = (
    (
        """CREATE TABLE instances(
            id INTEGER PRIMARY KEY AUTOINCREMENT,
            name TEXT NOT NULL,
            host TEXT NOT NULL,
            pid INTEGER NOT NULL,
            started_at INTEGER NOT NULL,
            heartbeat_at INTEGER NOT NULL,
            ended_at INTEGER,
            dropped INTEGER NOT NULL DEFAULT 0
        ) STRICT""",
        """CREATE TABLE events(
            seq INTEGER PRIMARY KEY AUTOINCREMENT,
            at INTEGER NOT NULL,
            instance INTEGER NOT NULL,
            kind TEXT NOT NULL,
            adapter TEXT,
            task TEXT,
            body TEXT NOT NULL
        ) STRICT""",
        # An index keeps its rows in the order of `seq` within one kind: the newest failures are read from its end.
        "CREATE INDEX events_failed ON events(kind) WHERE kind = 'attempt_failed'",
        """CREATE TABLE metrics(
            resolution INTEGER NOT NULL,
            at INTEGER NOT NULL,
            instance INTEGER NOT NULL,
            adapter TEXT NOT NULL,
            calls INTEGER NOT NULL,
            successes INTEGER NOT NULL,
            failures INTEGER NOT NULL,
            timeouts INTEGER NOT NULL,
            rejections INTEGER NOT NULL,
            latency TEXT NOT NULL,
            PRIMARY KEY (resolution, at, instance, adapter)
        ) STRICT, WITHOUT ROWID""",
        """CREATE TABLE commands(
            id INTEGER PRIMARY KEY AUTOINCREMENT,
            verb TEXT NOT NULL,
            adapter TEXT NOT NULL,
            args TEXT NOT NULL,
            actor TEXT NOT NULL,
            instance INTEGER,
            requested_at INTEGER NOT NULL,
            expires_at INTEGER NOT NULL,
            status TEXT NOT NULL DEFAULT 'pending'
                CHECK (status IN ('pending', 'taken', 'done', 'failed', 'expired')),
            taken_by INTEGER,
            taken_at INTEGER,
            done_at INTEGER,
            detail TEXT NOT NULL DEFAULT ''
        ) STRICT""",
        "CREATE INDEX commands_open ON commands(status) WHERE status IN ('pending', 'taken')",
        """CREATE TABLE keyframes(
            seq INTEGER PRIMARY KEY,
            at INTEGER NOT NULL,
            format INTEGER NOT NULL,
            board BLOB NOT NULL
        ) STRICT""",
        "CREATE INDEX keyframes_at ON keyframes(at, seq)",
    ),
    (
        """CREATE TABLE dead_letters(
            id INTEGER PRIMARY KEY AUTOINCREMENT,
            engine TEXT NOT NULL,
            status TEXT NOT NULL DEFAULT 'pending'
                CHECK (status IN ('pending', 'retrying', 'exhausted', 'succeeded', 'archived', 'discarded')),
            was TEXT,
            category TEXT NOT NULL,
            task TEXT NOT NULL,
            task_type TEXT NOT NULL,
            form TEXT NOT NULL,
            payload TEXT NOT NULL,
            context TEXT,
            route TEXT NOT NULL,
            deadline REAL,
            rule TEXT NOT NULL,
            error_type TEXT NOT NULL,
            error TEXT NOT NULL,
            adapter TEXT NOT NULL,
            attempts INTEGER NOT NULL,
            retries INTEGER NOT NULL DEFAULT 0,
            max_retries INTEGER NOT NULL,
            deferrals INTEGER NOT NULL DEFAULT 0,
            created_at INTEGER NOT NULL,
            changed_at INTEGER NOT NULL,
            due_at INTEGER,
            claim TEXT NOT NULL DEFAULT '',
            lease_until INTEGER,
            actor TEXT NOT NULL DEFAULT '',
            detail TEXT NOT NULL DEFAULT ''
        ) STRICT""",
        "CREATE INDEX dead_letters_due ON dead_letters(engine, due_at, id) WHERE status = 'pending'",
        "CREATE INDEX dead_letters_status ON dead_letters(status, id)",
        "CREATE TABLE dead_letter_totals(name TEXT PRIMARY KEY, total INTEGER NOT NULL) STRICT, WITHOUT ROWID",
    ),
    (
        """CREATE TABLE workflow_runs(
            id TEXT PRIMARY KEY,
            workflow TEXT NOT NULL,
            name TEXT NOT NULL,
            steps TEXT NOT NULL,
            definition TEXT NOT NULL,
            input TEXT NOT NULL,
            started_at INTEGER NOT NULL,
            state TEXT NOT NULL CHECK (state IN ('running', 'done', 'degraded', 'failed', 'interrupted')),
            changed_at INTEGER NOT NULL,
            error TEXT NOT NULL,
            owner TEXT NOT NULL
        ) STRICT, WITHOUT ROWID""",
        "CREATE INDEX workflow_runs_changed ON workflow_runs(changed_at)",
        """CREATE TABLE workflow_nodes(
            run TEXT NOT NULL,
            node TEXT NOT NULL,
            state TEXT NOT NULL CHECK (state IN ('done', 'degraded', 'failed', 'skipped')),
            at INTEGER NOT NULL,
            result TEXT NOT NULL,
            answered TEXT NOT NULL,
            attempts INTEGER NOT NULL,
            duration REAL NOT NULL,
            error TEXT NOT NULL,
            PRIMARY KEY (run, node)
        ) STRICT, WITHOUT ROWID""",
    ),
    ("ALTER TABLE metrics ADD COLUMN first_item TEXT NOT NULL DEFAULT '{}'",),
    # A replay jumps from one state change to the next across millions of events.
    ("CREATE INDEX events_changed ON events(kind) WHERE kind = 'state_changed'",),
    # An adapter's history is read over days, however many state changes other adapters had in that time.
    ("CREATE INDEX events_changed_of ON events(adapter) WHERE kind = 'state_changed'",),
    # How each engine ended is shown long after the Board has removed it.
    ("CREATE INDEX events_stopped ON events(instance) WHERE kind = 'engine_stopped'",),
    ("ALTER TABLE workflow_nodes ADD COLUMN chain TEXT NOT NULL DEFAULT '[]'",),
    # One name, several processes: which process an instance is, which one takes its state, and which instance did.
    # Of the instances that ended before, only the last of each name may be taken: the others were, or are too old.
    (
        "ALTER TABLE instances ADD COLUMN process TEXT NOT NULL DEFAULT ''",
        "ALTER TABLE instances ADD COLUMN pid_space TEXT NOT NULL DEFAULT ''",
        "ALTER TABLE instances ADD COLUMN taken_by TEXT NOT NULL DEFAULT ''",
        "ALTER TABLE instances ADD COLUMN continued_by INTEGER",
        """UPDATE instances SET continued_by = 0
            WHERE ended_at IS NOT NULL AND id NOT IN (SELECT max(id) FROM instances GROUP BY name)""",
    ),
    # How often in a row a process ended during a retry or a run: what ends it again and again is set aside.
    (
        "ALTER TABLE dead_letters ADD COLUMN deaths INTEGER NOT NULL DEFAULT 0",
        "ALTER TABLE workflow_runs ADD COLUMN deaths INTEGER NOT NULL DEFAULT 0",
    ),
    # What many events share is stored once, as a template. The view keeps the columns that the table had.
    (
        """CREATE TABLE event_templates(
            id INTEGER PRIMARY KEY,
            kind TEXT NOT NULL,
            adapter TEXT NOT NULL,
            notable INTEGER NOT NULL,
            digest INTEGER NOT NULL,
            body TEXT,
            used INTEGER NOT NULL
        ) STRICT""",
        "CREATE INDEX event_templates_digest ON event_templates(digest)",
        """CREATE TABLE event_log(
            seq INTEGER PRIMARY KEY AUTOINCREMENT,
            at INTEGER NOT NULL,
            instance INTEGER NOT NULL,
            template INTEGER NOT NULL,
            task TEXT,
            body TEXT NOT NULL
        ) STRICT""",
        "INSERT INTO sqlite_sequence(name, seq) SELECT 'event_log', seq FROM sqlite_sequence WHERE name = 'events'",
        f"""INSERT INTO event_templates(kind, adapter, notable, digest, used)
            SELECT e.kind, coalesce(e.adapter, ''), {_NOTABLE}, 0, max(e.seq) FROM events AS e GROUP BY 1, 2, 3""",
        "CREATE INDEX converting ON event_templates(kind, adapter, notable)",
        f"""INSERT INTO event_log SELECT e.seq, e.at, e.instance, t.id, e.task, e.body
            FROM events AS e LEFT JOIN event_templates AS t
                ON t.kind = e.kind AND t.adapter = coalesce(e.adapter, '') AND t.notable = {_NOTABLE}
            ORDER BY e.seq""",
        "DROP INDEX converting",
        "DROP TABLE events",
        "CREATE INDEX event_log_template ON event_log(template)",
        "CREATE INDEX event_log_task ON event_log(task) WHERE task IS NOT NULL",
        """CREATE VIEW events AS
            SELECT e.seq, e.at, e.instance, t.kind, nullif(t.adapter, '') AS adapter, e.task,
                CASE WHEN t.body IS NULL THEN e.body
                    ELSE json_set(t.body, '$.at', e.at, '$.task', e.task, '$.values', json(e.body)) END AS body,
                t.notable
            FROM event_log AS e JOIN event_templates AS t ON t.id = e.template""",
    ),
    # Histograms are arrays from here on. The older rows stay as they are: their form shows which buckets they have.
    (),
    # For how long the recording has been written, whatever the wall clock said.
    (
        """CREATE TABLE marks(
            written INTEGER PRIMARY KEY,
            seq INTEGER NOT NULL,
            at INTEGER NOT NULL,
            boot TEXT NOT NULL,
            since_boot INTEGER NOT NULL
        ) STRICT""",
    ),
    # A query of the view by kind reads the templates of that kind, and then only their events.
    ("CREATE INDEX event_templates_kind ON event_templates(kind, adapter, digest)",),
    # The number of the last batch of events that an instance has numbered, so that one sent again is kept once.
    ("ALTER TABLE instances ADD COLUMN batch INTEGER NOT NULL DEFAULT 0",),
)
"""The statements of each migration. Its position, counted from 1, is the version it leads to."""

VERSION = len(MIGRATIONS)

MAX_DEATHS = 3
"""The number of processes in a row that ended during a retry or a run, after which only an operator starts it again."""

REUNITE_SECONDS = 2.0
"""Seconds to wait for the other connections to a file whose WAL has vanished, before the file is moved aside."""

SETTLE_SECONDS = 0.2
"""Seconds since the last change after which a file that was overwritten is not being written any more."""

_UNFIT: Final = (sqlite3.SQLITE_CONSTRAINT, sqlite3.SQLITE_ERROR, sqlite3.SQLITE_MISMATCH)
"""Errors of a conversion that the contents of the recording cause, so that it fails whenever it is tried."""

_announced: set[str] = set()
"""The recordings, by path without links, whose conversion was announced in the log and is not done."""

FileKind = Literal["missing", "empty", "recording"]


def inspect(path: str | os.PathLike[str]) -> FileKind:
    """Return what is at `path`, judged by its first bytes. The file is not changed.

    Returns:
        `missing`, `empty` (zero bytes: a recording that waits for its first engine), or `recording`.

    Raises:
        RecordingError: The file is not a recording, has a newer version, or cannot be read.
    """
    name = os.fspath(path)
    if not name:
        raise RecordingError("The name of the file is empty.", "Name a recording, such as checkout.db.")
    try:
        if not stat.S_ISREG(Path(name).stat().st_mode):
            raise RecordingError(f"{name} is not a file.", "Name a recording, such as checkout.db.")
        return _kind_of(name, file_identity.read_head(name))
    except FileNotFoundError:
        return "missing"
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise RecordingError(f"{name} cannot be read: {reason}.", "Check the path and its permissions.") from None


def refuse_missing(path: str | os.PathLike[str]) -> None:
    """Raise `RecordingError` if there is no file at `path`, or one that `inspect` refuses."""
    if inspect(path) == "missing":
        raise RecordingError(
            f"{os.fspath(path)} does not exist.", "Start an engine that records to it, or check the path."
        )


def _kind_of(name: str, head: bytes) -> FileKind:
    if not head:
        return "empty"
    if not head.startswith(b"SQLite format 3\0") or len(head) < 100:
        raise RecordingError(f"{name} is not a recording.", "Name a file that an engine has recorded to.")
    if _is_blank(head):
        return "empty"
    if int.from_bytes(head[68:72], "big") != APPLICATION_ID:
        raise RecordingError(
            f"{name} is an SQLite file, but not a recording.", "Name a file that an engine has recorded to."
        )
    check_version(name, int.from_bytes(head[60:64], "big"))
    return "recording"


def _is_blank(head: bytes) -> bool:
    """Return whether a database is one that `migrate` had no time to fill: it has nothing but a vacuum mode."""
    schema_format, version, incremental, application = (
        int.from_bytes(head[at : at + 4], "big") for at in (44, 60, 64, 68)
    )
    return incremental == 1 and not (schema_format or version or application)


def identity_of(path: Path) -> tuple[int, int] | None:
    """Return the device and inode of the file at a path, which differ when it is replaced.

    None if there is no file, or the path cannot be read.
    """
    return file_identity.identify(path)


def check_version(name: str, version: int) -> None:
    """Raise `RecordingError` if a recording's version is newer than this program supports."""
    if version > VERSION:
        raise RecordingError(
            f"{name} is a recording of version {version}; this Fuseboard reads up to version {VERSION}.",
            "Install a newer Fuseboard, or name another file.",
        )


def connect(
    path: str | os.PathLike[str], *, busy_timeout: float = 1.0, version: int | None = None
) -> LockingConnection:
    """Open a recording for writing; create or migrate it where needed.

    Args:
        path: The file. A new one is readable and writable by its owner only.
        busy_timeout: Seconds to wait for another writer's transaction.
        version: The version that the file gets, unless it has a higher one; None: the newest.

    Returns:
        A connection in autocommit mode. Any thread may use it, one at a time.

    Raises:
        RecordingError: The file cannot become a recording.
        sqlite3.Error, OSError: The file cannot be opened at the moment, for example because the disk is full.
    """
    name = os.fspath(path)
    for last in (False, False, False, True):
        try:
            return _connect_once(name, busy_timeout, version)
        except RecordingReplaced:  # in this very moment
            if last:
                raise
        except sqlite3.OperationalError as error:
            if without_locks(name, error):
                raise RecordingError(f"{name} is on a file system without locks.", USE_LOCAL_DISK) from None
            raise
    raise AssertionError("not reached")


def _connect_once(name: str, busy_timeout: float, version: int | None) -> LockingConnection:
    real = os.path.realpath(name)
    if name not in file_identity.missing and inspect(name) == "recording":
        return _opened(name, busy_timeout, version)
    with _creating(name, real):
        left = file_identity.missing.get(name)
        moves.remove_remains(name, real, left)
        if left is not None:
            _remove_overwritten(name, real, left)
        if inspect(name) == "missing":
            _create(name, real)
        elif inspect(name) == "empty":
            with contextlib.suppress(OSError):  # it may belong to another user
                Path(name).chmod(0o600)
        if left is not None:
            _reunite(name, real, left)
        connection = _opened(name, busy_timeout, version)
    file_identity.forget_missing(name)
    return connection


@contextlib.contextmanager
def _creating(name: str, real: str) -> Iterator[None]:
    with contextlib.ExitStack() as stack:
        try:
            stack.enter_context(moves.folder_lock(real))
        except (FileNotFoundError, NotADirectoryError):
            raise _no_folder(name) from None
        except PermissionError:
            pass  # the folder cannot be listed; the file may be opened nevertheless
        yield


def _remove_overwritten(name: str, real: str, left: MissingFiles) -> None:
    """Move a recording aside that was truncated or overwritten while it was open; only its WAL, if it is foreign now.

    Raises:
        OSError: Another program is writing it.
    """
    if file_identity.identify(name) != left.identity.main:
        return
    found, foreign = Path(name).stat(), False
    try:
        ruined = inspect(name) != "recording"
    except RecordingError:
        ruined, foreign = True, file_identity.read_head(name).startswith(file_identity.MAGIC)
    if not ruined and found.st_size >= left.size:
        return
    if 0 <= time.time() - found.st_mtime < SETTLE_SECONDS:
        raise OSError(f"{name} is being written by another program")
    if foreign:
        moves.put_remains_aside(real)
    elif ruined or _damage_of(name):
        _move_aside(name, real, f"it {left.why}")


def _damage_of(name: str) -> str:
    connection = _connection(name, 0.1)
    try:
        return find_damage(connection)
    finally:
        connection.close()


def move_damaged_aside(path: str | os.PathLike[str], file: FileId | None, why: str) -> None:
    """Move a damaged recording aside, unless another file is at the path by now.

    Raises:
        OSError: It cannot be moved.
    """
    name = os.fspath(path)
    real = os.path.realpath(name)
    with moves.folder_lock(real):
        if file is not None and file_identity.identify(name) == file:
            _move_aside(name, real, why)


def _move_aside(name: str, real: str, why: str) -> None:
    target = moves.rename_aside(real, f"is damaged: {why}")
    log.error(
        "%s is damaged: %s. It was moved to %s, and a new recording starts. "
        "`fuseboard db salvage` copies what can be read.",
        name,
        why,
        target,
    )


def _reunite(name: str, real: str, left: MissingFiles) -> None:
    """Prepare a file whose WAL has vanished for another WAL: no other connection has the file open.

    Raises:
        sqlite3.OperationalError: Another connection has it open.
    """
    found = file_identity.files_at(name, real)
    if found is None or found.main != left.identity.main or found == left.identity:
        return
    if found.wal not in (None, left.identity.wal) and found.shm not in (None, left.identity.shm):
        return  # another process has already done it
    connection = _connection(name, 0.0)
    try:
        connection.execute("PRAGMA locking_mode = EXCLUSIVE")
        connection.execute("PRAGMA journal_mode = DELETE")
    except sqlite3.OperationalError as error:
        if getattr(error, "sqlite_errorcode", 0) != sqlite3.SQLITE_BUSY or time.monotonic() - left.at < REUNITE_SECONDS:
            raise
        target = moves.rename_aside(real, f"{left.why}, and other programs keep it open")
        log.error("Other programs keep %s open, which %s. It is now %s; a new one starts.", name, left.why, target)
        _create(name, real)
    finally:
        connection.close()


def _connection(name: str, busy_timeout: float) -> LockingConnection:
    """Connect to an existing file. SQLite would create one with a mode of its own."""
    uri = f"{Path(name).absolute().as_uri()}?mode=rw"
    return LockingConnection(uri, name, uri=True, timeout=busy_timeout, isolation_level=None, check_same_thread=False)


def _opened(name: str, busy_timeout: float, version: int | None) -> LockingConnection:
    connection = _connection(name, busy_timeout)
    try:
        connection.check_beside()
        _kind_of(name, connection.head())
        refuse_oddities(connection)
        _convert(connection, name, version)
        connection.execute("PRAGMA synchronous = NORMAL")
        connection.execute("PRAGMA journal_size_limit = 67108864")
        connection.execute("SELECT 1 FROM sqlite_master LIMIT 1").fetchone()  # opens the WAL
        connection.pin()
        if busy_timeout * 1000 > STEPS[0.0]:
            connection.execute(f"PRAGMA busy_timeout = {STEPS[0.0]}")
            connection.patience = busy_timeout - STEPS[0.0] / 1000
    except BaseException as error:
        connection.close()
        if isinstance(error, sqlite3.OperationalError) and "readonly" in str(error):
            raise RecordingError(f"{name} cannot be written.", "Check its permissions.") from None
        raise
    return connection


def _create(name: str, real: str) -> None:
    """Create an empty file of mode 0600, before SQLite creates one that others may read."""
    try:
        handle = os.open(real, os.O_CREAT | os.O_EXCL | os.O_RDWR | getattr(os, "O_CLOEXEC", 0), 0o600)
    except FileExistsError:
        return  # another engine has created it
    except (FileNotFoundError, NotADirectoryError):
        raise _no_folder(name) from None
    except PermissionError:
        raise RecordingError(
            f"{name} cannot be created: permission denied.", "Name a file in a folder you may write to."
        ) from None
    with contextlib.suppress(OSError):
        os.fchmod(handle, 0o600)
    os.close(handle)


def _no_folder(name: str) -> RecordingError:
    return RecordingError(
        f"{name} cannot be created: its folder does not exist.", "Create the folder first, or name another."
    )


def _convert(connection: LockingConnection, name: str, version: int | None) -> None:
    """Apply the migrations that a file lacks. An older recording is first copied to a file beside it."""
    began, copies = time.monotonic(), dict[int, Path]()

    def copy(older: int) -> None:
        if connection.real not in _announced:
            _announced.add(connection.real)
            log.warning("%s has the older version %d and is converted to version %d.", name, older, VERSION)
        copies[older] = keep_copy(connection, connection.real, older)

    migrate(connection, name, version, copy if version is None else None)
    for older, target in copies.items():
        _announced.discard(connection.real)
        seconds = time.monotonic() - began
        log.warning(
            "%s was converted from version %d to %d in %.1f s. %s is a checked copy of it as it was.",
            name, older, VERSION, seconds, target,
        )  # fmt: skip


def migrate(
    connection: sqlite3.Connection,
    name: str = "the file",
    to: int | None = None,
    before: Callable[[int], None] | None = None,
) -> None:
    """Apply the migrations that a file lacks, all in one transaction.

    Args:
        connection: A connection to the file, in autocommit mode.
        name: The file, as messages call it.
        to: The version that the file gets, unless it has a higher one; None: the newest.
        before: Called with the version of an older recording, within the transaction, before anything is changed.

    Raises:
        RecordingError: The file has a newer version.
        sqlite3.Error: The migration failed; nothing was changed.
    """
    to = VERSION if to is None else to
    version = _version(connection)
    if not version:
        connection.execute("PRAGMA auto_vacuum = INCREMENTAL")  # has an effect only on a file without tables
    if version and connection.execute("PRAGMA application_id").fetchone()[0] != APPLICATION_ID:
        raise RecordingError(f"{name} is not a recording.", "Name a file that an engine has recorded to.")
    check_version(name, version)
    if version < to:
        # The first version is written before WAL mode is on, so the file's head identifies it from the first commit.
        connection.execute("BEGIN IMMEDIATE")
        try:
            version = _version(connection)  # another engine may have migrated it
            if before is not None and 0 < version < to:
                before(version)
            for statements in MIGRATIONS[version:to]:
                for statement in statements:
                    connection.execute(statement)
            connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
            connection.execute(f"PRAGMA user_version = {max(version, to)}")
            connection.execute("COMMIT")
        except BaseException as error:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            if version and getattr(error, "sqlite_errorcode", 0) & 0xFF in _UNFIT:
                failed = sqlite3.DatabaseError(f"it cannot be converted from version {version} to {to}: {error}")
                failed.sqlite_errorcode = sqlite3.SQLITE_CORRUPT
                raise failed from error
            raise
    if connection.execute("PRAGMA journal_mode").fetchone()[0] != "wal":
        mode = connection.execute("PRAGMA journal_mode = WAL").fetchone()[0]
        if mode == "delete":  # SQLite refused without an error
            raise RecordingError(f"{name} is on a file system without shared memory.", USE_LOCAL_DISK)


def _version(connection: sqlite3.Connection) -> int:
    return int(connection.execute("PRAGMA user_version").fetchone()[0])
