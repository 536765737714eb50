"""Commands report a recording that can't be opened in a sentence, not with a traceback."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from fuseboard_console.cli import exit_codes
from fuseboard_storage.sqlite import schema
from support.command_line import fuseboard
from support.terminal import Terminal


@pytest.mark.parametrize(
    "words",
    [
        ["status"],
        ["events"],
        ["failures"],
        ["audit"],
        ["tune", "--suggest"],
        ["report", "-o", "-"],
        ["reset", "--all"],
        ["workflows"],
        ["watch", "--plain"],
    ],
    ids=" ".join,
)
def test_a_recording_that_cannot_be_opened_is_reported_in_a_sentence(tmp_path: Path, words: list[str]) -> None:
    path = tmp_path / "a.db"
    schema.connect(path).close()
    (tmp_path / "a.db-wal").mkdir()  # where SQLite's log goes
    shown = fuseboard(words[0], path, *words[1:])
    assert shown.returncode == exit_codes.BAD_INPUT
    assert shown.stderr.startswith("a.db cannot be read: unable to open")
    assert "Check the file" in shown.stderr
    assert "Traceback" not in shown.stderr


@pytest.mark.parametrize("command", ["watch", "replay"])
@pytest.mark.parametrize(
    ("name", "said"),
    [("nope.db", "does not exist"), ("junk.db", "is not a recording"), (".", "is not a file")],
)
def test_a_recording_that_cannot_be_shown_in_a_terminal_is_reported_in_a_sentence(
    tmp_path: Path, command: str, name: str, said: str
) -> None:
    (tmp_path / "junk.db").write_text("no recording")
    with Terminal(sys.executable, "-m", "fuseboard_console", command, str(tmp_path / name), columns=400) as terminal:
        assert terminal.ended() == exit_codes.BAD_INPUT
        assert said in terminal.text
        assert "Traceback" not in terminal.text
