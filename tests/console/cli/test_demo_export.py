"""`fuseboard demo --export`: an asciicast of what the console shows."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pyte

from fuseboard_console.terminal.asciicast import Asciicast
from support.terminal import Terminal
from support.waiting import PATIENCE

FUSEBOARD = (sys.executable, "-m", "fuseboard_console")
SHORT = """\
scenario: short
title: One adapter goes down
duration: 3
adapters: {gpt: {}, claude: {}}
traffic: [{per_second: 5}]
timeline: [{at: 1, adapter: gpt, fault: refused, say: Gpt goes down}]
"""


class Clock:
    """A clock that a test sets."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def lines_of(text: str) -> list[Any]:
    return [json.loads(line) for line in text.splitlines()]


def screens(path: Path) -> list[str]:
    """Return the text of the screen after each output of an asciicast."""
    header, *events = lines_of(path.read_text(encoding="utf-8"))
    screen = pyte.Screen(header["width"], header["height"])
    stream = pyte.Stream(screen)
    shown = []
    for _, kind, data in events:
        if kind == "o":
            stream.feed(data)
            shown.append("\n".join(screen.display))
    return shown


def test_it_has_a_header_and_a_line_with_the_time_of_each_output() -> None:
    file, clock = io.StringIO(), Clock()
    cast = Asciicast(file, 80, 24, "a demo", clock=clock, wall=lambda: 1_800_000_000.5)
    clock.now = 101.25
    cast.write("\x1b[1m●")
    cast.resize(80, 24)
    clock.now = 102.0
    cast.resize(100, 30)
    header, *events = lines_of(file.getvalue())
    assert header["version"] == 2
    assert (header["width"], header["height"], header["timestamp"]) == (80, 24, 1_800_000_000)
    assert events == [[1.25, "o", "\x1b[1m●"], [2.0, "r", "100x30"]]


def test_what_is_copied_to_the_clipboard_is_left_out() -> None:
    file = io.StringIO()
    cast = Asciicast(file, 80, 24, "a demo")
    cast.write("\x1b]52;c;c2VjcmV0\x07")
    cast.write("a\x1b]52;c;c2VjcmV0\x07b")
    assert [event[2] for event in lines_of(file.getvalue())[1:]] == ["ab"]


def test_a_full_disk_ends_the_export_and_not_the_console() -> None:
    class Full(io.StringIO):
        def write(self, text: str) -> int:
            raise OSError(28, "No space left on device")

    cast = Asciicast(Full(), 80, 24, "a demo")
    cast.write("more")
    assert cast.error is not None
    assert cast.error.strerror == "No space left on device"


def test_without_a_terminal_a_scenario_plays_once_for_the_export(tmp_path: Path) -> None:
    (tmp_path / "short.yaml").write_text(SHORT)
    command = [*FUSEBOARD, "demo", "short.yaml", "--export", "short.cast"]
    done = subprocess.run(
        command, cwd=tmp_path, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=PATIENCE, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    shown = screens(tmp_path / "short.cast")
    assert any("▸ Gpt goes down" in screen and "SCENARIO" in screen for screen in shown)
    assert "▸ The scenario has ended" in shown[-1]
    again = subprocess.run(
        command, cwd=tmp_path, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=PATIENCE, check=False
    )
    assert again.returncode == 2
    assert "short.cast exists already" in again.stderr


def test_in_a_terminal_the_export_has_what_is_shown_and_the_keys_effects(tmp_path: Path) -> None:
    cast = tmp_path / "demo.cast"
    with Terminal(*FUSEBOARD, "demo", "--export", str(cast), columns=100, rows=30) as terminal:
        terminal.wait_for("All three adapters are healthy")
        terminal.press("n")
        terminal.wait_for("▸ Prefect goes down")
        terminal.press("q")
        terminal.wait_for("Leave the scenario")
        terminal.press("y")
        assert terminal.ended() == 0
    shown = screens(cast)
    assert any("▸ Prefect goes down" in screen for screen in shown)
    assert any("Leave the scenario" in screen for screen in shown)
