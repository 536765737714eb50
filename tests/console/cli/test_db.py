"""`fuseboard db`: checks a recording and salvages a damaged one."""

from __future__ import annotations

import json
from pathlib import Path

from fuseboard_console.cli import exit_codes
from fuseboard_storage.sqlite import schema
from support.command_line import fuseboard


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
        (("salvage", tmp_path / "junk.db"), "Name the file to salvage and the new one."),
        (("check", tmp_path / "junk.db", "b.db"), "Name one file to check."),
    ):
        shown = fuseboard("db", *words)
        assert shown.returncode == exit_codes.BAD_INPUT
        assert said in shown.stderr
