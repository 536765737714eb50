"""Ctrl-C ends every command at any moment with one exit code, without a traceback, and leaves nothing half done."""

from __future__ import annotations

import os
import re
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from fuseboard_console.cli import exit_codes
from fuseboard_console.cli.interrupts import interruptible, take_interrupts
from fuseboard_storage.recording import salvage
from support.command_line import end_engine, start_engine, wait_for
from support.paths import PROGRAMS
from support.process_tree import children_of, wait_until_gone
from support.terminal import Terminal
from support.waiting import PATIENCE, until

FUSEBOARD = (sys.executable, "-m", "fuseboard_console")
CTRL_C = "\x03"


@pytest.fixture(scope="module")
def ended(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A recording whose engine has ended."""
    file = tmp_path_factory.mktemp("ended") / "checkout.db"
    engine = start_engine(file)
    wait_for(file, "prefect", "open")
    end_engine(engine)
    return file


def interrupted(calls: int, *words: str | Path) -> subprocess.CompletedProcess[str]:
    """Run a command that gets SIGINT at the `calls`-th call of a Python function."""
    program = [sys.executable, str(PROGRAMS / "interrupted_command.py"), str(calls), *map(str, words)]
    return subprocess.run(program, capture_output=True, text=True, timeout=PATIENCE, check=False)


@pytest.mark.parametrize("calls", [3, 300, 3_000, 10_000, 20_000, 30_000, 40_000])
@pytest.mark.parametrize(
    "words", [["status"], ["reset", "prefect"], ["dlq", "list"], ["events", "--follow"]], ids=" ".join
)
def test_ctrl_c_ends_a_command_with_130_and_without_a_word(ended: Path, words: list[str], calls: int) -> None:
    shown = interrupted(calls, words[0], ended, *words[1:])
    assert (shown.returncode, shown.stderr) == (exit_codes.INTERRUPTED, "")


@pytest.mark.parametrize(
    "words",
    [["scenario", "check", "primary-outage"], ["scenario", "new"], ["config", "presets"], ["--help"]],
    ids=" ".join,
)
@pytest.mark.parametrize("calls", [3, 1_000, 4_000])
def test_ctrl_c_ends_a_command_without_a_recording_alike(words: list[str], calls: int) -> None:
    shown = interrupted(calls, *words)
    assert (shown.returncode, shown.stderr) == (exit_codes.INTERRUPTED, "")


def test_a_command_that_waits_for_its_engine_says_that_it_was_sent(tmp_path: Path) -> None:
    file = tmp_path / "checkout.db"
    engine = start_engine(file)
    wait_for(file, "prefect", "open")
    os.kill(engine.pid, signal.SIGSTOP)  # it takes no command
    try:
        command = [*FUSEBOARD, "reset", str(file), "prefect", "--wait", "60"]
        waiting = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, preexec_fn=_heed_interrupts)
        with sqlite3.connect(file) as connection:
            until(lambda: connection.execute("SELECT count(*) FROM commands").fetchone()[0])
        waiting.send_signal(signal.SIGINT)
        _, complaint = waiting.communicate(timeout=PATIENCE)
    finally:
        os.kill(engine.pid, signal.SIGCONT)
        end_engine(engine)
    assert waiting.returncode == exit_codes.INTERRUPTED
    assert complaint in (
        "\nThe command was sent: an engine may still carry it out.\n",
        "",
    )  # "": just after it was sent


def _heed_interrupts() -> None:
    """Restore the default SIGINT handler in a child process, which may have inherited that SIGINT is ignored."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def test_a_scenario_that_is_interrupted_ends_its_engine_in_order(tmp_path: Path) -> None:
    file = tmp_path / "play.db"
    file.touch()
    command = [*FUSEBOARD, "scenario", "play", "primary-outage", "--record", str(file)]
    playing = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, preexec_fn=_heed_interrupts
    )
    wait_for(file, "prefect", "closed")
    playing.send_signal(signal.SIGINT)
    _, complaint = playing.communicate(timeout=PATIENCE)
    assert (playing.returncode, complaint) == (exit_codes.INTERRUPTED, "")
    with sqlite3.connect(file) as connection:
        assert connection.execute("SELECT count(*) FROM events WHERE kind = 'engine_stopped'").fetchone()[0] == 1


@pytest.mark.parametrize("by_key", [True, False], ids=["key", "signal"])
@pytest.mark.parametrize("words", [["watch", "FILE"], ["replay", "FILE"], ["demo"]], ids=lambda words: words[0])
def test_ctrl_c_leaves_the_console_with_130_and_restores_the_terminal(
    ended: Path, tmp_path: Path, words: list[str], by_key: bool
) -> None:
    words = [str(ended) if word == "FILE" else word for word in words]
    with Terminal(*FUSEBOARD, *words, TMPDIR=str(tmp_path), controlling=True) as terminal:
        terminal.wait_for(re.compile("● live|ended|replay|▶").search)  # type: ignore[arg-type]
        engines = children_of(terminal.process.pid)
        if by_key:
            terminal.press(CTRL_C)
        else:
            terminal.process.send_signal(signal.SIGINT)
        assert terminal.ended() == exit_codes.INTERRUPTED
        assert not terminal.modes & {1049, 1000, 1002, 1003, 1006}
        assert "Traceback" not in terminal.text
    assert all(wait_until_gone(engine) for engine in engines)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("calls", [20_000, 60_000, 90_000])
def test_ctrl_c_while_the_console_opens_is_the_same(ended: Path, calls: int) -> None:
    program = (sys.executable, str(PROGRAMS / "interrupted_command.py"), str(calls))
    with Terminal(*program, "watch", str(ended)) as terminal:
        assert terminal.ended() == exit_codes.INTERRUPTED
        assert not terminal.modes & {1049, 1000, 1002, 1003, 1006}
        assert "Traceback" not in terminal.text


def test_the_key_q_leaves_the_console_with_0(ended: Path) -> None:
    with Terminal(*FUSEBOARD, "watch", str(ended)) as terminal:
        terminal.wait_for("ended")
        terminal.press("q")
        assert terminal.ended() == exit_codes.OK


def test_a_salvage_that_is_interrupted_leaves_no_half_file(
    ended: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copied: list[str] = []

    def copy(source: sqlite3.Connection, new: sqlite3.Connection, table: str, numbered: bool) -> None:
        copied.append(table)
        if len(copied) == 3:
            raise KeyboardInterrupt

    monkeypatch.setattr(salvage, "_copy", copy)
    with pytest.raises(KeyboardInterrupt):
        salvage.salvage(ended, tmp_path / "new.db")
    assert list(tmp_path.iterdir()) == []


def test_an_ignored_ctrl_c_stays_ignored(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("atexit.register", lambda *_: None)
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        take_interrupts()
        with interruptible():
            assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, before)
