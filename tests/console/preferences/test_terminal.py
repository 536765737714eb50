"""Preferences in a real terminal: a broken file, the hints of a first start, the mouse, the clipboard."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

import pytest

from fuseboard_engine import Engine, Task
from fuseboard_storage import record
from support.terminal import Terminal

FUSEBOARD = (sys.executable, "-m", "fuseboard_console")


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What an engine with one failing adapter has left."""
    file = tmp_path_factory.mktemp("recording") / "checkout.db"

    async def run() -> None:
        engine = Engine(name="checkout")

        async def call(task: Task) -> object:
            raise ConnectionError("refused")

        engine.add_adapter("prefect", call)
        async with record(engine, str(file)):
            await engine.execute_with_fallback(Task(type="t", payload={}), preference_order=["prefect"])

    asyncio.run(run())
    return file


def preferences(folder: Path, text: str) -> str:
    file = folder / "console.toml"
    file.write_text(text)
    return str(file)


def test_a_file_with_mistakes_is_refused_and_may_be_passed_over(recording: Path, tmp_path: Path) -> None:
    file = preferences(tmp_path, 'theme = "drak"\n')
    with Terminal(*FUSEBOARD, "watch", str(recording), columns=300, FUSEBOARD_CONSOLE=file) as terminal:
        assert terminal.ended() == 2
        assert "theme: unknown theme 'drak'; did you mean dark?" in terminal.text
        assert "--no-preferences" in terminal.text
    with Terminal(*FUSEBOARD, "watch", str(recording), "--no-preferences", FUSEBOARD_CONSOLE=file) as terminal:
        terminal.wait_for("prefect")
        terminal.press("q")
        assert terminal.ended() == 0


def test_the_hints_are_shown_at_the_first_start_and_never_again(recording: Path, tmp_path: Path) -> None:
    for first in (True, False):
        with Terminal(*FUSEBOARD, "watch", str(recording), XDG_STATE_HOME=str(tmp_path)) as terminal:
            terminal.wait_for("Three hints" if first else "prefect")
            terminal.press("?")
            terminal.wait_for("Help")  # whatever was to be shown has been
            assert ("Three hints" in terminal.text) is first
            terminal.press("\x1b")
            terminal.wait_for(lambda screen: "Help" not in screen)
            terminal.press("q")
            assert terminal.ended() == 0


def test_with_the_mouse_disabled_the_terminal_keeps_the_mouse(recording: Path, tmp_path: Path) -> None:
    file = preferences(tmp_path, "mouse = false\nclock = 'utc'\n")
    with Terminal(*FUSEBOARD, "watch", str(recording), FUSEBOARD_CONSOLE=file) as terminal:
        terminal.wait_for("prefect")
        assert 1049 in terminal.modes
        assert not terminal.modes & {1000, 1002, 1003, 1006}


def test_copied_text_reaches_the_terminal(recording: Path, tmp_path: Path) -> None:
    with Terminal(*FUSEBOARD, "watch", str(recording), VTE_VERSION="", TERM_PROGRAM="") as terminal:
        terminal.wait_for("prefect")
        terminal.press("y")
        terminal.wait_for("Copied 2 lines.")
        assert "prefect" in terminal.clipboard
        assert "refused" in terminal.clipboard


@pytest.mark.skipif(os.geteuid() == 0, reason="nothing is closed to this user")
def test_an_unreadable_home_is_not_an_error(recording: Path, tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with Terminal(*FUSEBOARD, "watch", str(recording), XDG_STATE_HOME=str(tmp_path)) as terminal:
        terminal.wait_for("Three hints")
