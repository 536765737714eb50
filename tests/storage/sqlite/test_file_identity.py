"""A recording that is moved, replaced, truncated or that loses its WAL: noticed at once, and nothing goes into it."""

from __future__ import annotations

import os
import shutil
import sqlite3
import stat
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from fuseboard_storage.errors import RecordingError
from fuseboard_storage.sqlite import file_identity, schema, write_lock
from fuseboard_storage.sqlite.file_identity import RecordingReplaced
from fuseboard_storage.sqlite.write_lock import LockingConnection, transaction
from support.paths import PROGRAMS

INSERT = "INSERT INTO instances(name, host, pid, started_at, heartbeat_at) VALUES (?, '', 1, 1, 1)"


def add(connection: LockingConnection, name: str) -> None:
    with transaction(connection):
        connection.execute(INSERT, (name,))


def names(path: Path) -> list[str]:
    with closing(sqlite3.connect(path)) as connection:
        return [name for (name,) in connection.execute("SELECT name FROM instances ORDER BY id")]


def foreign(path: Path) -> bytes:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA page_size = 1024")
        connection.execute("CREATE TABLE instances(secret)")
        connection.execute("INSERT INTO instances VALUES ('theirs')")
        connection.commit()
    return path.read_bytes()


def recording(path: Path) -> Path:
    schema.connect(path).close()
    return path


DISTURBANCES: dict[str, Callable[[Path], object]] = {
    "moved or deleted": lambda path: path.rename(f"{path}.kept"),
    "replaced": lambda path: recording(path.with_name("other.db")).replace(path),
    "its a.db-wal": lambda path: Path(f"{path}-wal").unlink(),
    "its a.db-shm": lambda path: Path(f"{path}-shm").unlink(),
    "another a.db-wal": lambda path: (
        shutil.copy(f"{path}-wal", f"{path}.x") and Path(f"{path}.x").rename(f"{path}-wal")
    ),
    "truncated": lambda path: os.truncate(path, 4096),
    "overwritten": lambda path: path.open("r+b").write(bytes(200)),
    "moved or deleted ": lambda path: path.parent.rename(f"{path.parent}.kept"),
    "cannot be looked at": lambda path: (path.parent.rename(f"{path.parent}.k"), path.parent.touch()),
    "cannot be looked at ": lambda path: (path.parent.rename(f"{path.parent}.k"), path.parent.symlink_to(path.parent)),
}


@pytest.mark.parametrize("why", DISTURBANCES)
def test_a_connection_notices_before_it_writes(why: str, tmp_path: Path) -> None:
    path = tmp_path / "data" / "a.db"
    path.parent.mkdir()
    connection = schema.connect(path)
    add(connection, "before")
    DISTURBANCES[why](path)
    with pytest.raises(RecordingReplaced, match=why.strip()):
        add(connection, "after")
    connection.leave("test")


@pytest.mark.parametrize("why", ["moved or deleted", "replaced", "its a.db-wal", "moved or deleted "])
def test_a_connection_whose_transaction_takes_long_notices_before_it_commits(
    why: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(write_lock, "SHORT_SECONDS", 0.0)
    path = tmp_path / "data" / "a.db"
    path.parent.mkdir()
    connection = schema.connect(path)
    with pytest.raises(RecordingReplaced, match=why.strip()), transaction(connection):
        connection.execute(INSERT, ("during",))
        DISTURBANCES[why](path)
    assert connection.execute("SELECT count(*) FROM instances").fetchone() == (0,)
    connection.leave("test")


GONE: dict[str, Callable[[Path], object]] = {
    "moved or deleted": lambda path: path.unlink(),
    "replaced": lambda path: recording(path.with_name("other.db")).replace(path),
    "its a.db-wal": lambda path: Path(f"{path}-wal").unlink(),
    "moved or deleted ": lambda path: shutil.rmtree(path.parent),
    "overwritten": lambda path: path.open("r+b").write(bytes(200)),
}


@pytest.mark.parametrize("why", GONE)
def test_a_commit_to_a_file_that_is_gone_is_repeated(why: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(write_lock, "SHORT_SECONDS", float("inf"))
    path = tmp_path / "data" / "a.db"
    path.parent.mkdir()
    connection = schema.connect(path)
    with pytest.raises(RecordingReplaced, match=why.strip()), transaction(connection):
        connection.execute(INSERT, ("during",))
        GONE[why](path)
    connection.leave("test")


MOVED: dict[str, Callable[[Path], object]] = {
    "file": lambda path: path.rename(path.with_name("kept.db")),
    "folder": lambda path: path.parent.rename(path.parent.with_name("kept")),
    "files": lambda path: [Path(f"{path}{end}").rename(path.with_name(f"kept.db{end}")) for end in ("", "-wal")],
    "replaced by an empty file": lambda path: (
        path.with_name("kept.db").hardlink_to(path),
        path.with_name("new.db").touch(),
        path.with_name("new.db").replace(path),
    ),
}


@pytest.mark.parametrize("what", MOVED)
def test_a_commit_to_a_file_that_was_moved_meanwhile_is_not_repeated(
    what: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(write_lock, "SHORT_SECONDS", float("inf"))
    path = tmp_path / "data" / "a.db"
    path.parent.mkdir()
    connection = schema.connect(path)
    with transaction(connection):
        connection.execute(INSERT, ("during",))
        MOVED[what](path)
    with pytest.raises(RecordingReplaced):
        add(connection, "after")
    connection.leave("test")
    path.parent.mkdir(exist_ok=True)
    connection = schema.connect(path)
    add(connection, "after")
    connection.close()
    (kept,) = (file for folder in ("data", "kept") for file in tmp_path.glob(f"{folder}/*.db") if file != path)
    assert (names(kept), names(path)) == (["during"], ["after"])


@pytest.mark.parametrize("kind", ["recording", "empty"])
def test_the_wal_of_a_replaced_file_is_never_applied_to_the_new_file(kind: str, tmp_path: Path) -> None:
    path, other, kept = tmp_path / "a.db", tmp_path / "other.db", tmp_path / "kept.db"
    theirs = [f"theirs {number}" for number in range(300)] if kind == "recording" else []
    if kind == "empty":
        other.touch()
    else:
        with closing(schema.connect(other)) as connection:
            for name in theirs:
                add(connection, name)
    one = schema.connect(path)
    add(one, "ours")
    kept.hardlink_to(path)
    other.replace(path)
    with closing(schema.connect(path)) as two:  # before the first connection has noticed
        add(two, "new")
        with pytest.raises(RecordingReplaced):
            one.check()
        one.leave("was replaced")
        add(two, "newer")
    assert (names(kept), names(path)) == (["ours"], [*theirs, "new", "newer"])
    assert sorted(file.name for file in tmp_path.iterdir()) == ["a.db", "kept.db"]
    assert str(path) not in file_identity._pinned


def test_the_wal_of_a_moved_recording_is_saved_in_the_recording(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    one, two = schema.connect(path), schema.connect(path)
    add(one, "first")
    path.rename(tmp_path / "b.db")
    with pytest.raises(RecordingReplaced):
        one.check()
    one.leave("was moved")
    three = schema.connect(path)
    add(three, "new")
    two.leave("was moved")
    add(three, "newer")
    three.close()
    assert names(tmp_path / "b.db") == ["first"]
    assert names(path) == ["new", "newer"]
    assert sorted(file.name for file in tmp_path.iterdir()) == ["a.db", "b.db"]


def test_a_wal_that_a_killed_process_left_is_put_aside_for_a_new_recording(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    program = "import os, sys; from fuseboard_storage.sqlite import schema; c = schema.connect(sys.argv[1]); "
    program += f"c.execute({INSERT!r}, ('old',)); os.rename(sys.argv[1], sys.argv[1] + '.kept'); os._exit(9)"
    subprocess.run([sys.executable, "-c", program, str(path)], check=False)
    assert (tmp_path / "a.db-wal").stat().st_size
    schema.connect(path).close()
    assert names(path) == []
    (tmp_path / "a.db.left-1-wal").rename(tmp_path / "a.db.kept-wal")
    assert names(tmp_path / "a.db.kept") == ["old"]


@pytest.mark.parametrize("suffixes", [("-wal",), ("-shm",), ("-wal", "-shm")])
def test_a_recording_that_lost_its_wal_continues_once_no_process_has_the_old_one_open(
    suffixes: tuple[str, ...], tmp_path: Path
) -> None:
    path = tmp_path / "a.db"
    one, two = schema.connect(path), schema.connect(path)
    add(one, "first")
    for suffix in suffixes:
        Path(f"{path}{suffix}").unlink()
    one.leave("has lost its WAL")
    with pytest.raises(sqlite3.OperationalError, match="locked"):
        schema.connect(path)
    two.leave("has lost its WAL")
    three = schema.connect(path)
    add(three, "second")
    three.close()
    assert names(path) == ["first", "second"]


def test_a_recording_that_lost_its_wal_is_moved_aside_if_others_keep_it_open(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(schema, "REUNITE_SECONDS", 0.0)
    path = tmp_path / "a.db"
    one, two = schema.connect(path), schema.connect(path)
    add(one, "first")
    Path(f"{path}-wal").unlink()
    one.leave("has lost its WAL")
    three = schema.connect(path)
    add(three, "second")
    three.close()
    two.leave("was replaced")
    assert names(tmp_path / "a.db.damaged-1") == ["first"]
    assert names(path) == ["second"]


@pytest.mark.parametrize("how", ["replace", "copy"])
def test_a_foreign_database_in_the_place_of_an_open_recording_is_never_changed(how: str, tmp_path: Path) -> None:
    path, other = tmp_path / "a.db", tmp_path / "other.db"
    contents = foreign(other)
    connection = schema.connect(path)
    for number in range(100):
        add(connection, f"{number}")
    if how == "replace":
        other.replace(path)
    else:
        path.write_bytes(contents)
        os.utime(path, (1, 1))
    with pytest.raises(RecordingReplaced):
        add(connection, "after")
    connection.leave("was replaced")
    for _ in range(2):
        with pytest.raises(RecordingError, match="not a recording"):
            schema.connect(path)
    assert path.read_bytes() == contents
    with closing(sqlite3.connect(path)) as theirs:  # and no WAL of ours is applied to it
        assert theirs.execute("SELECT * FROM instances").fetchall() == [("theirs",)]
    assert path.read_bytes() == contents


def test_a_foreign_database_with_the_inode_of_a_deleted_recording_is_never_changed(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    for _ in range(20):
        schema.connect(path).close()
        schema.inspect(path)
        path.unlink()
        contents = foreign(path)
        with pytest.raises(RecordingError, match="not a recording"):
            schema.connect(path)
        assert path.read_bytes() == contents
        path.unlink()


def test_a_recording_that_another_program_is_writing_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    connection = schema.connect(path)
    os.truncate(path, 0)
    connection.leave("was truncated")
    with pytest.raises(OSError, match="being written by another program"):
        schema.connect(path)
    os.utime(path, (1, 1))
    schema.connect(path).close()
    assert (tmp_path / "a.db.damaged-1").exists()


def test_a_recording_that_was_compacted_by_hand_is_not_damaged(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    connection = schema.connect(path)
    for _ in range(300):
        add(connection, "x" * 1_000)
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.check()
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("DELETE FROM instances")
        other.execute("VACUUM")
        other.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    with pytest.raises(RecordingReplaced, match="truncated"):
        connection.check()
    connection.leave("was truncated")
    os.utime(path, (1, 1))
    schema.connect(path).close()
    assert not list(tmp_path.glob("*damaged*"))


def test_reading_the_head_never_closes_a_handle_of_a_file_that_is_open(tmp_path: Path) -> None:
    path = recording(tmp_path / "a.db")
    connection = schema.connect(path)
    add(connection, "one")
    for _ in range(3):
        assert schema.inspect(path) == "recording"
    program = "import sqlite3, sys; c = sqlite3.connect(sys.argv[1]); c.execute('SELECT * FROM instances'); c.close()"
    subprocess.run([sys.executable, "-c", program, str(path)], check=True)
    assert Path(f"{path}-wal").exists(), "the last connection of another process deletes the WAL if no lock is held"
    connection.close()
    assert file_identity._handles == {} or connection.file not in file_identity._handles


def test_a_file_made_through_a_dangling_link_or_touched_is_accessible_to_its_owner_only(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        link, target, touched = tmp_path / "link.db", tmp_path / "target.db", tmp_path / "touched.db"
        link.symlink_to(target)
        touched.touch()
        for path in (link, touched):
            connection = schema.connect(path)
            add(connection, "x")
            real = path.resolve()
            files = [real, *(Path(f"{real}{suffix}") for suffix in ("-wal", "-shm"))]
            assert [stat.S_IMODE(file.stat().st_mode) for file in files] == [0o600] * 3
            connection.close()
    finally:
        os.umask(before)


@pytest.mark.parametrize("how", ["moved", "replaced", "without_wal", "zeroed", "folder_is_a_file"])
def test_nothing_acknowledged_is_lost_while_the_recording_is_disturbed(how: str, tmp_path: Path) -> None:
    command = [sys.executable, str(PROGRAMS / "replace_recording.py"), str(tmp_path / "r"), "3", "2", how]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
