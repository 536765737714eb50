"""What a followed file's change says: where the file went, and what is kept beside it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from fuseboard_storage.recorder.recorder import record
from fuseboard_storage.recording import file_change
from fuseboard_storage.recording.file_change import FileChange, find_change
from fuseboard_storage.recording.tail import Tail
from support.fake_engine import FakeEngine

linux = pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="only Linux tells where an open file is")


async def recorded(path: Path, name: str = "checkout") -> None:
    async with record(FakeEngine(name), path):
        pass


async def test_a_file_that_stays_has_no_change(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    await recorded(path)
    async with Tail.open(path) as tail:
        await tail.advance()
        assert tail.file_change is None
        await recorded(path)  # another engine process on the same file
        await tail.advance()
        assert tail.file_change is None


@pytest.mark.parametrize("fds", [True, False], ids=["of open files", "of the folder"])
async def test_a_file_that_was_moved_within_its_folder_is_found(
    tmp_path: Path, fds: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not fds:
        monkeypatch.setattr(file_change, "_open_file", lambda identity: None)
    path = tmp_path / "a.db"
    await recorded(path)
    (tmp_path / "a.db.damaged-1").write_bytes(b"")
    (tmp_path / "a.db.left-1-wal").write_bytes(b"")
    async with Tail.open(path, now=lambda: 5) as tail:
        await tail.advance()
        path.rename(tmp_path / "a.db.old")
        await tail.advance()
        assert tail.file_change == FileChange(5, "moved", "a.db.old", ("a.db.damaged-1",))
        await recorded(path, "next")
        await tail.advance()
        assert [row.name for row in tail.board.instances.values()] == ["next"]
        assert tail.file_change == FileChange(5, "moved", "a.db.old", ("a.db.damaged-1",))


@linux
async def test_a_file_that_was_moved_to_another_folder_is_found(tmp_path: Path) -> None:
    path, other = tmp_path / "a.db", tmp_path / "archive" / "b.db"
    await recorded(path)
    other.parent.mkdir()
    async with Tail.open(path, now=lambda: 5) as tail:
        await tail.advance()
        path.rename(other)
        await tail.advance()
        assert tail.file_change == FileChange(5, "moved", os.path.realpath(other))


@linux
async def test_a_deleted_file_and_one_that_was_replaced_differ(tmp_path: Path) -> None:
    path, other = tmp_path / "a.db", tmp_path / "b.db"
    await recorded(path)
    await recorded(other)
    async with Tail.open(path, now=lambda: 5) as tail:
        await tail.advance()
        other.replace(path)
        await tail.advance()
        assert tail.file_change == FileChange(5, "replaced")
        path.unlink()
        await tail.advance()
        assert tail.file_change == FileChange(5, "deleted")


async def test_a_file_that_comes_back_has_no_change(tmp_path: Path) -> None:
    path, away = tmp_path / "a.db", tmp_path / "b.db"
    await recorded(path)
    async with Tail.open(path) as tail:
        await tail.advance()
        path.rename(away)
        await tail.advance()
        assert tail.file_change is not None
        away.rename(path)
        await tail.advance()
        assert tail.file_change is None


def test_without_a_trace_of_the_file_the_change_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(file_change, "_open_file", lambda identity: None)
    assert find_change(tmp_path / "a.db", (0, 0), 7) == FileChange(7, "gone")
    assert find_change(tmp_path / "none" / "a.db", (0, 0), 7) == FileChange(7, "gone")
