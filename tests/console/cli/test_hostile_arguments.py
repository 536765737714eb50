"""What a complaint quotes from the command line stays on its line and controls no terminal."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from fuseboard_console.cli import exit_codes
from fuseboard_storage.sqlite import schema
from support.command_line import fuseboard

HOSTILE = "line\nbreak\x1b[31m\u202ex"
COMMANDS = [
    ["status", HOSTILE],
    ["events", HOSTILE, "--follow"],
    ["watch", "--plain", HOSTILE],
    ["watch", HOSTILE],
    ["replay", HOSTILE],
    ["dlq", HOSTILE, "list"],
    ["reset", "FILE", HOSTILE],
    ["events", "FILE", "--adapter", HOSTILE],
    ["events", "FILE", "--kind", HOSTILE],
    ["failures", "FILE", "--adapter", HOSTILE],
    ["audit", "FILE", "--adapter", HOSTILE],
    ["tune", HOSTILE, "--suggest"],
    ["report", HOSTILE, "-o", "-"],
    ["report", "FILE", "-o", f"/nope/{HOSTILE}.pdf"],
    ["workflows", "FILE", "--resume", HOSTILE],
    ["status", "FILE", HOSTILE],
    ["status", "FILE", f"--{HOSTILE}"],
    ["db", "check", HOSTILE],
    ["db", "salvage", "FILE", f"/nope/{HOSTILE}"],
    ["config", "check", HOSTILE],
    ["config", "schema", f"/nope/{HOSTILE}"],
    ["scenario", "check", HOSTILE],
    ["scenario", "from-recording", HOSTILE],
    ["scenario", "from-recording", "FILE", "--engine", HOSTILE],
    ["scenario", "run", HOSTILE],
    ["scenario", "run", "primary-outage", "--record", f"/nope/{HOSTILE}"],
    ["scenario", "play", "primary-outage", "--record", f"/nope/{HOSTILE}"],
    ["scenario", "run", "primary-outage", "--replay", HOSTILE],
    ["scenario", "new", f"/nope/{HOSTILE}"],
    ["scenario", "new", "--name", HOSTILE],
    ["demo", HOSTILE],
    [HOSTILE],
]


@pytest.mark.parametrize("words", COMMANDS, ids=lambda words: " ".join(words).replace(HOSTILE, "HOSTILE"))
def test_a_complaint_about_a_hostile_argument_stays_on_its_line(tmp_path: Path, words: list[str]) -> None:
    file = tmp_path / "a.db"
    schema.connect(file).close()
    shown = fuseboard(*[str(file) if word == "FILE" else word for word in words], stdin=subprocess.DEVNULL)
    assert shown.returncode == exit_codes.BAD_INPUT
    assert all(line.isprintable() for line in shown.stderr.split("\n"))
    assert not any(line.startswith("break") for line in shown.stderr.split("\n"))


@pytest.mark.parametrize("words", [["status"], ["watch", "--plain"], ["dlq", "list"], ["serve"]], ids=" ".join)
def test_an_empty_name_of_a_file_is_reported_in_a_sentence(words: list[str]) -> None:
    shown = fuseboard(words[0], "", *words[1:])
    assert shown.returncode == exit_codes.BAD_INPUT
    assert shown.stderr == "The name of the file is empty. Name a recording, such as checkout.db.\n"
