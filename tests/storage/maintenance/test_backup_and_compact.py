"""Copies of a recording are of one moment and sound; compaction loses nothing, whatever ends it."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path

import pytest

from fuseboard_storage.errors import RecordingError
from fuseboard_storage.maintenance import compact as compaction
from fuseboard_storage.maintenance.backup import backup
from fuseboard_storage.maintenance.compact import compact
from fuseboard_storage.sqlite import schema
from fuseboard_storage.tables import events as rows
from support.fake_engine import NOON, answered, opened


def record(path: Path, count: int = 20_000, *, incremental: bool = True) -> None:
    """Write a recording; half of its events are deleted again."""
    if not incremental:
        with closing(sqlite3.connect(path)) as file:
            file.execute("PRAGMA journal_mode = WAL")  # the file has a page now, so its vacuum mode stays
            schema.migrate(file)
    with closing(schema.connect(path)) as file:
        file.execute("BEGIN")
        rows.insert(file, 1, [answered(f"task-{number}", at=NOON + number) for number in range(count)])
        file.execute(f"DELETE FROM event_log WHERE seq <= {count // 2}")
        file.execute("COMMIT")
        file.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def contents(path: Path) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(path)) as file:
        assert file.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        return file.execute("SELECT * FROM event_log ORDER BY seq").fetchall()


def pragma(path: Path, name: str) -> int:
    with closing(sqlite3.connect(path)) as file:
        return int(file.execute(f"PRAGMA {name}").fetchone()[0])


def live_instance(path: Path) -> None:
    with closing(sqlite3.connect(path)) as file, file:
        file.execute(
            "INSERT INTO instances(name, host, pid, started_at, heartbeat_at) VALUES ('shop', 'else', 7, ?, ?)",
            (NOON, NOON),
        )


def test_a_backup_of_a_file_that_is_written_is_of_one_moment(tmp_path: Path) -> None:
    path, copy = tmp_path / "a.db", tmp_path / "b.db"
    record(path)
    stop = threading.Event()

    def write() -> None:
        with closing(schema.connect(path)) as file:
            while not stop.is_set():
                file.execute("BEGIN")
                rows.insert(file, 1, [opened(), opened()])  # pairs: a copy of one moment has an even number
                file.execute("COMMIT")

    writer = threading.Thread(target=write)
    writer.start()
    seen: list[tuple[int, int]] = []
    try:
        size = backup(path, copy, lambda done, total: seen.append((done, total)))
    finally:
        stop.set()
        writer.join()
    assert size == copy.stat().st_size
    assert seen[-1][0] == seen[-1][1]
    assert len(contents(copy)) % 2 == 0
    assert contents(copy) == contents(path)[: len(contents(copy))]
    assert sorted(tmp_path.glob("*b.db*")) == [copy]


@pytest.mark.parametrize("error", [KeyboardInterrupt, OSError])
def test_a_backup_that_does_not_end_leaves_nothing(tmp_path: Path, error: type[BaseException]) -> None:
    path = tmp_path / "a.db"
    record(path)

    def fail(done: int, total: int) -> None:
        raise error

    with pytest.raises(error):
        backup(path, tmp_path / "b.db", fail)
    assert {file.name for file in tmp_path.iterdir()} <= {"a.db", "a.db-wal", "a.db-shm"}


def test_a_backup_never_overwrites_and_never_copies_damage(tmp_path: Path) -> None:
    path, target = tmp_path / "a.db", tmp_path / "b.db"
    record(path)
    target.write_text("precious")
    with pytest.raises(RecordingError, match="exists already"):
        backup(path, target)
    target.unlink()
    target.symlink_to(tmp_path / "nowhere")
    with pytest.raises(RecordingError, match="exists already"):
        backup(path, target)
    data = bytearray(path.read_bytes())
    data[-3 * 4096 : -2 * 4096] = b"\xa5" * 4096
    path.write_bytes(data)
    with pytest.raises(RecordingError, match="damaged"):
        backup(path, tmp_path / "c.db")
    assert not (tmp_path / "c.db").exists()


@pytest.mark.parametrize("incremental", [True, False])
def test_compaction_keeps_all_and_makes_older_files_shrink_later(tmp_path: Path, incremental: bool) -> None:
    path = tmp_path / "a.db"
    record(path, incremental=incremental)
    assert pragma(path, "auto_vacuum") == (2 if incremental else 0)
    before = contents(path)
    done = compact(path)
    assert done.how == "rewritten"
    assert done.after < done.before * 0.7
    assert done.after == path.stat().st_size
    assert contents(path) == before
    assert pragma(path, "auto_vacuum") == 2
    with closing(schema.connect(path)) as file:
        rows.insert(file, 1, [answered()])
    assert len(contents(path)) == len(before) + 1


def test_while_an_engine_writes_only_free_pages_are_removed(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    record(path)
    live_instance(path)
    before, seen = contents(path), []
    done = compact(path, lambda part, total: seen.append((part, total)), now=NOON)
    assert done.how == "released"
    assert seen[-1][0] == seen[-1][1] > 0
    assert pragma(path, "freelist_count") == 0
    assert contents(path) == before

    older = tmp_path / "older.db"
    record(older, incremental=False)
    live_instance(older)
    with pytest.raises(RecordingError, match=r"is written by shop \(pid 7\)"):
        compact(older, now=NOON)


@pytest.fixture
def interrupted(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Have a Ctrl-C arrive while SQLite rewrites the file."""

    def interrupt(connection: sqlite3.Connection, path: Path) -> None:
        connection.set_progress_handler(lambda: 1, 5_000)
        rewrite(connection, path)

    rewrite = compaction.rewrite
    monkeypatch.setattr(compaction, "rewrite", interrupt)
    yield


@pytest.mark.usefixtures("interrupted")
def test_ctrl_c_leaves_the_recording_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    record(path)
    before, size = contents(path), path.stat().st_size
    with pytest.raises(KeyboardInterrupt):
        compact(path)
    assert contents(path) == before
    assert path.stat().st_size == size


def test_a_full_disk_leaves_the_recording_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.db"
    record(path)
    before = contents(path)

    monkeypatch.setattr(compaction, "free_bytes", lambda folder: 1_000)
    with pytest.raises(RecordingError, match="1,000 are free"):
        compact(path)
    assert contents(path) == before


def test_a_damaged_recording_is_not_compacted(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    record(path)
    data = bytearray(path.read_bytes())
    data[4 * 4096 : 5 * 4096] = b"\xa5" * 4096
    path.write_bytes(data)
    with pytest.raises(RecordingError, match="damaged"):
        compact(path)
    with suppress(OSError):
        Path(f"{path}-wal").unlink()
    assert path.read_bytes() == data
