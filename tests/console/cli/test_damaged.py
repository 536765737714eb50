"""Every command says of a damaged file that it is damaged, in the same sentence, and ends."""

from __future__ import annotations

import sqlite3
import sys
from pathlib import Path

import pytest

from fuseboard_console.cli import exit_codes
from fuseboard_storage.sqlite import schema
from fuseboard_storage.tables import events as rows
from support.command_line import fuseboard
from support.console_watching import watching
from support.fake_engine import failed
from support.terminal import Terminal

SENTENCE = (
    "a.db is damaged: database disk image is malformed. `fuseboard db check FILE` says what is wrong, "
    "`fuseboard db salvage FILE NEW` copies what can be read."
)
PAGE = 4_096
KINDS = ("truncated", "middle", "garbage")


@pytest.fixture(params=KINDS)
def damaged(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A recording of which only a part is left, whose middle was overwritten, or of which only the header is left."""
    path = tmp_path / "a.db"
    schema.connect(path).close()
    with sqlite3.connect(path, isolation_level=None) as connection:
        rows.insert(connection, 1, [failed(f"{number}", error=f"{number} {'x' * 200}") for number in range(200)])
    connection.close()
    data = bytearray(path.read_bytes())
    if request.param == "truncated":
        del data[len(data) // 4 :]
    else:
        start, end = (100, len(data)) if request.param == "garbage" else (PAGE, len(data) // 2)
        data[start:end] = b"\xa5" * (end - start)
    path.write_bytes(data)
    return path


@pytest.mark.parametrize(
    "words",
    [
        ["status"],
        ["events"],
        ["events", "--follow"],
        ["failures"],
        ["audit"],
        ["tune", "--suggest"],
        ["report", "-o", "-"],
        ["watch", "--plain"],
        ["reset", "--all"],
        ["dlq", "list"],
        ["dlq", "purge", "--all"],
        ["serve", "--port", "0"],
    ],
    ids=" ".join,
)
def test_a_command_says_that_the_file_is_damaged(damaged: Path, words: list[str]) -> None:
    before = damaged.read_bytes()
    shown = fuseboard(words[0], damaged, *words[1:])
    assert (shown.returncode, shown.stdout, shown.stderr) == (exit_codes.BAD_INPUT, "", f"{SENTENCE}\n")
    assert damaged.read_bytes() == before


@pytest.mark.parametrize("command", ["watch", "replay"])
def test_the_console_does_not_open_on_a_damaged_file(damaged: Path, command: str) -> None:
    with Terminal(sys.executable, "-m", "fuseboard_console", command, str(damaged), columns=300) as terminal:
        assert terminal.ended() == exit_codes.BAD_INPUT
        assert SENTENCE in terminal.text


async def test_an_open_console_shows_why_a_file_cannot_be_read_in_place_of_the_instructions(
    damaged: Path, tmp_path: Path
) -> None:
    path = tmp_path / "b.db"
    path.touch()  # a recording that waits for its first engine
    async with watching(path, size=(110, 30)) as shown:
        await shown.sees("b.db is empty.")
        damaged.rename(path)
        await shown.sees("b.db cannot be shown.", "`fuseboard db salvage FILE NEW` copies what can be read.")
        await shown.sees("cannot be read", "This screen fills by itself when the file can be read.")
        assert "is empty" not in shown.screen()
        assert "waiting for an engine" not in shown.screen()
        await shown.pilot.press("4")
        await shown.sees("The recording cannot be read.")
