"""A recording of a newer version and a foreign file are refused by everything that takes a recording, and unchanged."""

from __future__ import annotations

import asyncio
import sqlite3
import subprocess
import sys
from collections.abc import Awaitable, Callable
from contextlib import closing
from pathlib import Path

import pytest

from fuseboard_engine.dead_letters.letter import Capacity, LetterSelection, NewLetter, StoreUnavailable
from fuseboard_engine.workflow.errors import CheckpointsUnavailable
from fuseboard_storage import RecordingError
from fuseboard_storage.maintenance.backup import backup
from fuseboard_storage.maintenance.compact import compact
from fuseboard_storage.maintenance.file_info import file_info
from fuseboard_storage.maintenance.forget import forget
from fuseboard_storage.recorder.recorder import record
from fuseboard_storage.recorder.restore import restore
from fuseboard_storage.recording.recording import Recording
from fuseboard_storage.recording.salvage import check, salvage
from fuseboard_storage.sqlite import schema
from fuseboard_storage.stores.checkpoints import FileCheckpoints
from fuseboard_storage.stores.dead_letters import SqliteDeadLetters
from support.fake_engine import FakeEngine

Use = Callable[[Path], Awaitable[object]]


async def record_to(path: Path) -> None:
    async with record(FakeEngine(), path):
        pass


async def restore_from(path: Path) -> None:
    restored = await restore(FakeEngine(), path)
    raise RecordingError(restored.why_fresh or "it was restored", "")


async def open_recording(path: Path) -> None:
    async with Recording.open(path):
        pass


async def open_dead_letters(path: Path) -> None:
    async with SqliteDeadLetters.open(path) as letters:
        await letters.find(LetterSelection(), 1, 10)


async def change_dead_letters(path: Path) -> None:
    async with SqliteDeadLetters.open(path, reading=False) as letters:
        await letters.purge(LetterSelection(), 1, "ana")


async def add_a_dead_letter(path: Path) -> None:
    letters = SqliteDeadLetters(path)
    letter = NewLetter(
        engine="checkout", task="t", task_type="", form="payload", payload="{}", category="network", created_at=1,
        due_at=None, error="refused", error_type="ConnectionError", max_retries=3,
    )  # fmt: skip
    try:
        await letters.add(letter, Capacity(10, False))
    finally:
        await letters.close()


async def read_checkpoints(path: Path) -> None:
    checkpoints = FileCheckpoints(path)
    try:
        await checkpoints.unfinished_runs()
    finally:
        checkpoints.close()


def blocking(function: Callable[[Path], object]) -> Use:
    async def use(path: Path) -> None:
        await asyncio.to_thread(function, path)

    return use


USES: dict[str, Use] = {
    "record": record_to,
    "restore": restore_from,
    "Recording": open_recording,
    "dead letters": open_dead_letters,
    "changes of dead letters": change_dead_letters,
    "a new dead letter": add_a_dead_letter,
    "checkpoints": read_checkpoints,
    "check": blocking(check),
    "salvage": blocking(lambda path: salvage(path, path.with_name("new.db"))),
    "backup": blocking(lambda path: backup(path, path.with_name("new.db"))),
    "compact": blocking(compact),
    "info": blocking(file_info),
    "forget": blocking(lambda path: forget(path, task="t")),
}

COMMANDS = (
    "status FILE", "events FILE", "watch FILE --plain", "reset FILE gpt", "workflows FILE", "dlq FILE list",
    "dlq FILE show 1", "dlq FILE retry 1", "dlq FILE discard 1", "db info FILE", "db check FILE",
    "db backup FILE NEW", "db compact FILE", "db salvage FILE NEW", "db export FILE", "db forget FILE --task-id t",
)  # fmt: skip

RUN = """
import sys
from pathlib import Path
from fuseboard_console.cli.main import main

file, new, *commands = sys.argv[1:]
for command in commands:
    arguments = [{"FILE": file, "NEW": new}.get(word, word) for word in command.split()]
    sys.argv = ["fuseboard", *arguments]
    try:
        main()
        code = 0
    except SystemExit as exit:
        code = exit.code
    print(f"{command}: {code}", file=sys.stderr)
"""


def newer_recording(path: Path) -> None:
    made = path.with_name("made.db")
    schema.connect(made).close()
    with closing(sqlite3.connect(made)) as connection:
        connection.execute(f"PRAGMA user_version = {schema.VERSION + 1}")
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    path.write_bytes(made.read_bytes())
    for file in path.parent.glob("made.db*"):
        file.unlink()


def foreign_database(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE dead_letters(id, status)")
        connection.execute("CREATE TABLE events(seq, at)")
        connection.execute("PRAGMA user_version = 10")


def text(path: Path) -> None:
    path.write_text("hello\n" * 100)


MAKERS = {
    newer_recording: "Fuseboard reads up to version",
    foreign_database: "not a recording",
    text: "not a recording",
}
REFUSED = pytest.mark.parametrize("make", MAKERS, ids=lambda make: make.__name__)


@REFUSED
@pytest.mark.parametrize("use", USES)
async def test_a_file_of_something_else_is_refused_unchanged(
    make: Callable[[Path], None], use: str, tmp_path: Path
) -> None:
    path = tmp_path / "a.db"
    make(path)
    before = path.read_bytes(), path.stat().st_mtime_ns, path.stat().st_ino
    with pytest.raises((RecordingError, StoreUnavailable, CheckpointsUnavailable), match=MAKERS[make]):
        await USES[use](path)
    assert (path.read_bytes(), path.stat().st_mtime_ns, path.stat().st_ino) == before
    assert [file.name for file in tmp_path.iterdir()] == ["a.db"]


@REFUSED
def test_every_command_refuses_a_file_of_something_else(make: Callable[[Path], None], tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    make(path)
    before = path.read_bytes(), path.stat().st_mtime_ns
    done = subprocess.run(
        [sys.executable, "-c", RUN, str(path), str(tmp_path / "new.db"), *COMMANDS],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    for command in COMMANDS:
        assert f"{command}: 2" in done.stderr, done.stderr[-3000:]
    assert done.stderr.count(MAKERS[make]) >= len(COMMANDS)
    assert (path.read_bytes(), path.stat().st_mtime_ns) == before
    assert [file.name for file in tmp_path.iterdir()] == ["a.db"]
