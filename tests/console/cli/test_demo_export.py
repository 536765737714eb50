"""`fuseboard demo --export`: an asciicast of what the console shows."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pyte
import pytest

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


def demo(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [*FUSEBOARD, "demo", *arguments]
    return subprocess.run(
        command, cwd=folder, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=PATIENCE, check=False
    )


def test_any_name_of_a_scenario_can_be_the_title(tmp_path: Path) -> None:
    name = b"\xff\x1b[2J.yaml"
    (tmp_path / os.fsdecode(name)).write_text(SHORT)
    done = demo(tmp_path, os.fsdecode(name), "--export", "short.cast")
    assert (done.returncode, done.stderr) == (0, "")
    header, *events = lines_of((tmp_path / "short.cast").read_text(encoding="utf-8"))
    assert header["title"].startswith("fuseboard demo ")
    assert "\x1b" not in header["title"]
    assert events


def test_any_text_can_be_exported(tmp_path: Path) -> None:
    with (tmp_path / "a.cast").open("x", 1, "utf-8", "backslashreplace") as file:
        Asciicast(file, 80, 24, "\udcff").write("\ud83d\u2028")
        written = (tmp_path / "a.cast").read_text(encoding="utf-8")  # whole lines before it is closed
        lines = [json.loads(line) for line in written.removesuffix("\n").split("\n")]
    assert (lines[0]["title"], lines[1][2]) == ("\udcff", "\ud83d\u2028")


@pytest.mark.parametrize(
    "arguments, text",
    [
        (("short.yaml", "--export", ""), "--export needs the name of a file"),
        (("short.yaml", "--export", "a.cast", "--record", "./a.cast"), "--record and --export need a file each"),
        (("short.yaml", "--export", "a.cast", "--record", "nowhere/a.db"), "nowhere/a.db cannot be written"),
        (("short.yaml", "--export", "nowhere/a.cast"), "nowhere/a.cast cannot be written"),
    ],
)
def test_an_export_that_cannot_be_leaves_no_file(arguments: tuple[str, ...], text: str, tmp_path: Path) -> None:
    (tmp_path / "short.yaml").write_text(SHORT)
    done = demo(tmp_path, *arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert text in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["short.yaml"]


def test_without_a_terminal_a_scenario_plays_once_for_the_export(tmp_path: Path) -> None:
    (tmp_path / "short.yaml").write_text(SHORT)
    done = demo(tmp_path, "short.yaml", "--export", "short.cast")
    assert (done.returncode, done.stderr) == (0, "")
    shown = screens(tmp_path / "short.cast")
    assert any("▸ The traffic begins" in screen and "SCENARIO" in screen for screen in shown)
    assert any("▸ Gpt goes down" in screen for screen in shown)
    assert "▸ The scenario has ended" in shown[-1]
    again = demo(tmp_path, "short.yaml", "--export", "short.cast")
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
