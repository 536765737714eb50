"""`fuseboard db`: information about a recording, checks, backups, compaction, and the salvage of a damaged one."""

from __future__ import annotations

import json
import stat
from contextlib import closing
from pathlib import Path

from fuseboard_console.cli import exit_codes
from fuseboard_engine.runtime.clock import wall_clock
from fuseboard_storage.sqlite import schema
from fuseboard_storage.tables import events as rows
from support.command_line import end_engine, fuseboard, start_engine
from support.disks import small_disk
from support.fake_engine import answered, failed


def damaged(path: Path) -> Path:
    schema.connect(path).close()
    data = bytearray(path.read_bytes())
    data[2 * 4_096 : 3 * 4_096] = b"\xa5" * 4_096
    path.write_bytes(data)
    return path


def test_check_says_that_a_recording_is_sound(tmp_path: Path) -> None:
    schema.connect(tmp_path / "a.db").close()
    shown = fuseboard("db", "check", tmp_path / "a.db")
    assert (shown.returncode, shown.stdout) == (exit_codes.OK, "a.db is sound.\n")
    assert json.loads(fuseboard("db", "check", tmp_path / "a.db", "--json").stdout) == {"sound": True, "complaints": []}


def test_check_names_the_damaged_parts(tmp_path: Path) -> None:
    shown = fuseboard("db", "check", damaged(tmp_path / "a.db"))
    assert shown.returncode == exit_codes.NOT_DONE
    assert shown.stdout.startswith("a.db is damaged. SQLite has ")
    assert "fuseboard db salvage FILE NEW" in shown.stdout


def test_salvage_copies_what_can_be_read(tmp_path: Path) -> None:
    shown = fuseboard("db", "salvage", damaged(tmp_path / "a.db"), tmp_path / "new.db")
    assert shown.returncode == exit_codes.OK
    assert shown.stdout.splitlines()[-1] == "They are in new.db."
    assert fuseboard("db", "check", tmp_path / "new.db").returncode == exit_codes.OK


def test_mistakes_are_reported_in_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "junk.db").write_text("no recording")
    for words, said in (
        (("check", tmp_path / "none.db"), "does not exist"),
        (("check", tmp_path / "junk.db"), "is not a recording"),
        (("salvage", tmp_path / "junk.db"), "The following arguments are required: NEW."),
        (("check", tmp_path / "junk.db", "b.db"), "Unrecognized arguments: b.db."),
        (("info", tmp_path / "junk.db"), "is not a recording"),
        (("backup", tmp_path / "junk.db", tmp_path / "b.db"), "is not a recording"),
        (("compact", tmp_path / "none.db"), "does not exist"),
        (("shrink", tmp_path / "none.db"), "invalid choice: 'shrink'"),
    ):
        shown = fuseboard("db", *words)
        assert shown.returncode == exit_codes.BAD_INPUT
        assert said in shown.stderr
    assert not (tmp_path / "b.db").exists()


def test_info_tells_size_kinds_and_growth(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    now = wall_clock()
    events = [answered(str(number), at=now - 3_600_000_000 + number * 3_600_000) for number in range(1_000)]
    with closing(schema.connect(path)) as file:
        rows.insert(file, 1, [failed(at=now - 12 * 86_400_000_000), *events])  # type: ignore[list-item]
    shown = fuseboard("db", "info", path)
    assert shown.returncode == exit_codes.OK, shown.stderr
    lines = shown.stdout.splitlines()
    assert lines[0].startswith("a.db: ")
    assert lines[0].endswith(f"version {schema.VERSION}")
    assert lines[1].startswith("1,001 events, ")
    assert "at this rate: " in lines[3]
    assert lines[3].endswith("oldest failure 12 d")
    assert [line.split()[:2] for line in lines if line.startswith(("route_finished", "attempt_failed"))] == [
        ["route_finished", "1,000"],
        ["attempt_failed", "1"],
    ]
    found = json.loads(fuseboard("db", "info", path, "--json").stdout)
    assert found["events"] == 1_001
    assert found["bytes"]["events"] > 0
    assert {tier["name"]: tier["rows"] for tier in found["tiers"]} == {"ordinary events": 1_000, "notable events": 1}


def test_backup_and_compact_work_while_an_engine_writes(tmp_path: Path) -> None:
    path, copy = tmp_path / "a.db", tmp_path / "copy.db"
    engine = start_engine(path)
    try:
        shown = fuseboard("db", "backup", path, copy)
        assert shown.returncode == exit_codes.OK, shown.stderr
        assert shown.stdout.startswith("copy.db is a sound copy of a.db: ")
        assert json.loads(fuseboard("db", "info", path, "--json").stdout)["live"] == 1
        compacted = fuseboard("db", "compact", path)
        assert compacted.returncode == exit_codes.OK, compacted.stderr
        assert "an engine writes it" in compacted.stdout
    finally:
        end_engine(engine)
    assert stat.S_IMODE(copy.stat().st_mode) == 0o600
    assert fuseboard("db", "check", copy).returncode == exit_codes.OK
    assert fuseboard("status", copy).returncode == exit_codes.OK
    again = fuseboard("db", "backup", path, copy)
    assert (again.returncode, again.stderr.split(".db ")[1]) == (
        exit_codes.BAD_INPUT,
        "exists already. Name a new file.\n",
    )
    assert "a.db: " in fuseboard("db", "compact", path).stdout


def test_an_export_to_a_full_disk_names_the_file_that_could_not_be_written(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    with closing(schema.connect(path)) as file, file:
        rows.insert(file, 1, [failed(f"task-{number}") for number in range(3_000)])
    with small_disk(tmp_path, "64k") as disk:
        shown = fuseboard("db", "export", path, "--output", disk / "events.jsonl")
        assert shown.returncode == exit_codes.CANT_WRITE
        assert shown.stderr.endswith(
            "events.jsonl could not be written: no space left on device. Free disk space, or write elsewhere.\n"
        )
        assert list(disk.iterdir()) == []
