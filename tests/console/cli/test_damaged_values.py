"""Reading commands on recordings with values that no engine writes: an answer or a sentence, never an exception."""

from __future__ import annotations

import random
import re
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import pytest

from fuseboard_console.cli import main
from support.older_recordings import VERSIONS, unpack

COMMANDS = (
    "status FILE",
    "status FILE --json",
    "events FILE --limit 0",
    "events FILE --limit 0 --json",
    "events FILE --adapter gpt --task x",
    "failures FILE",
    "audit FILE --limit 0",
    "audit FILE --json",
    "tune FILE --suggest --set *.failure_threshold=2,3",
    "report FILE -o -",
    "workflows FILE",
    "workflows FILE --json",
    "workflows FILE --resume nightly-1",
    "dlq FILE list --status all",
    "dlq FILE list --status all --json",
    "dlq FILE show 2",
    "dlq FILE show 2 --json",
    "dlq FILE retry --all",
    "dlq FILE discard 2 --dry-run",
    "reset FILE gpt",
    "db info FILE",
    "db info FILE --json",
    "db check FILE",
    "db export FILE --format csv",
    "db salvage FILE NEW",
    "db forget FILE --task-id t --dry-run",
)
VALUES = ("NULL", "'text'", "x'ff00'", "1e308", "-9223372036854775808", "9223372036854775807", "'[[1]]'", "'{\"a\":1}'")
NEWEST = VERSIONS[-1]
TABLES = (
    "instances", "event_log", "event_templates", "metrics", "commands", "keyframes", "dead_letters",
    "dead_letter_totals", "workflow_runs", "workflow_nodes", "marks",
)  # fmt: skip


def _read(path: Path, data: bytes, commands: Sequence[str]) -> None:
    """Run commands on a file with this content, in this process: an exception fails the test."""
    for command in commands:
        for suffix in ("", "-wal", "-shm"):
            Path(f"{path}{suffix}").unlink(missing_ok=True)
        path.write_bytes(data)
        target = path.with_name("new.db")
        target.unlink(missing_ok=True)
        words = {"FILE": str(path), "NEW": str(target)}
        assert main.run([words.get(word, word) for word in command.split()]) in (0, 1, 2)


@pytest.mark.parametrize("version", [3, 9, NEWEST])
@pytest.mark.parametrize("seed", range(8))
@pytest.mark.usefixtures("capfd")
def test_flipped_bits_and_bytes_never_end_a_command_with_an_exception(version: int, seed: int, tmp_path: Path) -> None:
    dice = random.Random(f"{version} {seed}")
    data = bytearray(unpack(version, tmp_path).read_bytes())
    page = dice.randrange(len(data) // 4_096) * 4_096
    for _ in range(dice.choice((1, 1, 8, 64, 400))):
        at = dice.randrange(len(data)) if dice.random() < 0.5 else page + dice.randrange(4_096)
        data[at] = data[at] ^ 1 << dice.randrange(8) if dice.random() < 0.5 else dice.randrange(256)
    _read(tmp_path / "a.db", bytes(data), dice.sample(COMMANDS, 8))


def _loosen(file: sqlite3.Connection) -> None:
    """Let every column hold any value: a flipped bit may change the type of a value, which SQLite does not check."""
    file.execute("PRAGMA writable_schema = ON")
    sql = "SELECT name, sql FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"
    for name, statement in file.execute(sql).fetchall():
        loose = re.sub(r"\s*STRICT\s*,?\s*(WITHOUT ROWID)?$", lambda found: f" {found[1] or ''}", statement)
        loose = re.sub(r"\b(INTEGER|TEXT|REAL|BLOB)\b(?! PRIMARY)", "", loose.replace("NOT NULL", ""))
        file.execute("UPDATE sqlite_master SET sql = ? WHERE name = ?", (loose, name))


@pytest.mark.parametrize("table", TABLES)
@pytest.mark.usefixtures("capfd")
def test_a_value_of_any_type_and_size_never_ends_a_command_with_an_exception(table: str, tmp_path: Path) -> None:
    path = unpack(NEWEST, tmp_path)
    with closing(sqlite3.connect(path, isolation_level=None)) as file:
        _loosen(file)
    whole = path.read_bytes()
    for value in VALUES:
        path.write_bytes(whole)
        with closing(sqlite3.connect(path, isolation_level=None)) as file:
            file.execute("PRAGMA ignore_check_constraints = ON")
            columns = [row[1] for row in file.execute(f"PRAGMA table_info({table})") if not row[5]]
            assert columns
            file.execute(f"UPDATE {table} SET {', '.join(f'{column} = {value}' for column in columns)}")
            file.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        _read(path, path.read_bytes(), COMMANDS)
