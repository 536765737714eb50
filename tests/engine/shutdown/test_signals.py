"""Shutdown on signals, with real processes and real signals."""

from __future__ import annotations

import signal
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.paths import PROGRAMS
from support.waiting import PATIENCE

PROGRAM = PROGRAMS / "shutdown_engine.py"


def heed_ctrl_c() -> None:
    """Reset SIGINT in the child: the parent may ignore it, and children inherit that."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


class Application:
    """The running program, whose output is read line by line."""

    def __init__(self, how: str, folder: Path) -> None:
        self.instructions = folder / "recovery.txt"
        self.process = subprocess.Popen(
            [sys.executable, str(PROGRAM), how, str(self.instructions)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            preexec_fn=heed_ctrl_c,
        )

    def expect(self, line: str) -> None:
        assert self.process.stdout is not None
        for found in self.process.stdout:
            if found.strip() == line:
                return
        raise AssertionError(f"it never said {line!r}")

    def end(self) -> tuple[int, str, str]:
        out, err = self.process.communicate(timeout=PATIENCE)
        return self.process.returncode, out, err


@pytest.fixture
def started(tmp_path: Path) -> Iterator[list[Application]]:
    running: list[Application] = []
    yield running
    for application in running:
        if application.process.poll() is None:
            application.process.kill()
        application.process.communicate()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_lets_the_call_in_flight_finish_saves_and_ends_with_0(
    number: signal.Signals, started: list[Application], tmp_path: Path
) -> None:
    started.append(application := Application("once", tmp_path))
    application.expect("called")
    application.process.send_signal(number)
    code, out, err = application.end()
    assert (code, out) == (0, "result: done\nsaved\n"), err
    text = application.instructions.read_text()
    assert f"Why: {number.name} received" in text
    assert "Every call in flight has ended; none was cancelled." in text
    assert "Saved: all orders" in text
    assert stat.S_IMODE(application.instructions.stat().st_mode) == 0o600


def test_after_a_signal_new_work_is_refused(started: list[Application], tmp_path: Path) -> None:
    started.append(application := Application("again", tmp_path))
    application.expect("result: done")
    application.process.terminate()
    code, out, err = application.end()
    assert code == 0, err
    if "refused" in out:  # the block may end before it asks again
        assert "refused: shutting down: no new work is taken" in out


def test_a_second_ctrl_c_ends_at_once(started: list[Application], tmp_path: Path) -> None:
    started.append(application := Application("hang", tmp_path))
    application.expect("called")
    application.process.send_signal(signal.SIGINT)
    while application.process.poll() is None:
        # The first may not have been handled yet: two pending signals are merged into one.
        application.process.send_signal(signal.SIGINT)
    code, out, _ = application.end()
    assert code == 130
    assert "saved" not in out
    assert not application.instructions.exists()


def test_a_second_ctrl_c_ends_even_a_program_that_blocks_its_loop(started: list[Application], tmp_path: Path) -> None:
    started.append(application := Application("block", tmp_path))
    application.expect("called")
    while application.process.poll() is None:
        application.process.send_signal(signal.SIGINT)
    assert application.process.returncode == 130


def test_an_uncaught_exception_is_shown_saved_and_ends_with_0(started: list[Application], tmp_path: Path) -> None:
    started.append(application := Application("raise", tmp_path))
    code, out, err = application.end()
    assert (code, out) == (0, "saved\n")
    assert "RuntimeError: nobody caught this" in err, "the traceback is logged"
    assert "Why: uncaught RuntimeError: nobody caught this" in application.instructions.read_text()
