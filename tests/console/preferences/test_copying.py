"""The copied text, and how it reaches the operator's clipboard."""

from __future__ import annotations

import base64
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from fuseboard_console.terminal.clipboard import MAX_BYTES, Copied, copied_text, copy, copy_method, escape_code
from fuseboard_console.text.line import Span
from fuseboard_console.views.events.copy_text import adapter_copy, failure_copy, lines_copy, route_copy
from fuseboard_storage.board.board import AdapterKey
from support.console_show import Show
from support.console_story import STORY_ENDS, at, attempt, failed, fold, opened, route, started, story, until

XTERM = {"TERM": "xterm-256color"}


# ---------------------------------------------------------------- the text


def test_an_adapter_is_copied_with_its_state_its_reason_and_its_last_error() -> None:
    text = adapter_copy(fold(story(), alive=STORY_ENDS), AdapterKey(1, "prefect"), at(STORY_ENDS))
    assert text.splitlines() == [
        "prefect: OPEN since 2025-11-21 14:02:09.100",
        "down since 2025-11-21 14:01:05.000",
        "5 failures in a row",
        "last error: ConnectError: connection refused",
    ]


def test_copied_text_is_complete_and_free_of_control_characters() -> None:
    error = "x" * 5000 + "\x1b]0;title\x07"
    board = fold([started(), failed("prefect", 1, error), opened("prefect", 2)], alive=3)
    text = failure_copy(board.failures[0])
    assert "x" * 5000 + "\\e]0;title\\x07" in text
    assert "\x1b" not in text


def test_a_route_is_copied_with_the_outcome_of_each_attempt() -> None:
    event = route(
        1,
        attempt("prefect", "failure", error_type="ConnectError", error="refused"),
        attempt("eu", "rejected", 0, why="circuit open"),
        attempt("agno", "success", 0.05),
        adapter="agno",
    )
    assert route_copy(event).splitlines() == [
        "2025-11-21 14:00:01.000 ai_task 8f20: answered by agno",
        "prefect: failure after 100 ms: ConnectError: refused",
        "eu: rejected: circuit open",
        "agno: success after 50 ms",
    ]


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"success": True, "degraded": True, "adapter": "template"}, "degraded, answered by template"),
        ({"success": False, "dead_letter": 12}, "dead letter 12"),
        ({"success": False, "error": "all out"}, "no answer: all out"),
    ],
)
def test_a_copied_route_contains_its_outcome(fields: dict[str, object], told: str) -> None:
    assert route_copy(route(1, **fields)).endswith(told)  # type: ignore[arg-type]


def test_a_retry_of_a_dead_letter_is_copied_as_one() -> None:
    assert "ai_task 8f20 (retry of dead letter 12): answered by a" in route_copy(route(1, adapter="a", letter=12))


def test_lines_are_copied_without_the_blanks_that_align_them() -> None:
    assert lines_copy([(Span("a" + " " * 9), Span("b   ")), (), (Span("  c"),), ()]) == "a  b\n\n  c"


# ---------------------------------------------------------------- the way


@pytest.mark.parametrize(
    ("environment", "way"),
    [
        (XTERM, "terminal"),
        ({"TERM": "xterm-kitty", "SSH_TTY": "/dev/pts/1"}, "terminal"),
        ({"TERM": "tmux-256color", "TMUX": "/tmp/tmux"}, "tmux"),
        ({"TERM": "screen-256color", "SSH_TTY": "/dev/pts/1"}, "doubtful"),
        (XTERM | {"VTE_VERSION": "7200"}, "doubtful"),
        ({"TERM": "screen", "STY": "1.pts"}, "file"),
        ({"TERM": "linux"}, "file"),
        (XTERM | {"TERM_PROGRAM": "Apple_Terminal"}, "file"),
    ],
)
def test_the_copy_method_depends_on_the_terminal(environment: dict[str, str], way: str) -> None:
    assert copy_method("x", environment) == way


def test_text_too_long_for_a_terminal_is_written_to_a_file() -> None:
    assert copy_method("x" * MAX_BYTES, XTERM) == "terminal"
    assert copy_method("é" * MAX_BYTES, XTERM) == "file"
    assert len(escape_code("x" * MAX_BYTES)) <= 100_000 + len("\x1b]52;c;\x07")


async def test_a_terminal_is_given_the_text_as_it_is(tmp_path: Path) -> None:
    written: list[str] = []
    assert await copy("zwei\nZeilen ✖", tmp_path, written.append, XTERM) == Copied(True)
    data = written[0].removeprefix("\x1b]52;c;").removesuffix("\x07")
    assert base64.b64decode(data).decode() == "zwei\nZeilen ✖"
    assert list(tmp_path.iterdir()) == []


async def test_without_a_clipboard_the_text_is_written_to_a_private_file(tmp_path: Path) -> None:
    copied = await copy("geheim", tmp_path / "new", lambda _: None, {"TERM": "linux"})
    assert copied == Copied(True, tmp_path / "new" / "copied.txt")
    assert copied.place is not None
    assert copied.place.read_text() == "geheim\n"
    assert copied.place.stat().st_mode & 0o777 == 0o600
    assert copied_text("geheim", copied) == f"Copied 1 line to {copied.place}."


async def test_with_an_uncertain_clipboard_the_text_goes_to_the_terminal_and_a_file(tmp_path: Path) -> None:
    written: list[str] = []
    copied = await copy("x", tmp_path, written.append, {"TERM": "screen-256color"})
    assert copied.place == tmp_path / "copied.txt"
    assert len(written) == 1


async def test_a_symbolic_link_at_the_files_path_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "copied.txt").symlink_to(tmp_path / "elsewhere")
    copied = await copy("x", tmp_path, lambda _: None, {"TERM": "linux"})
    assert not copied.done
    assert not (tmp_path / "elsewhere").exists()
    assert copied_text("x", copied).startswith(f"Nothing was copied: {tmp_path}/copied.txt: ")


@pytest.mark.skipif(shutil.which("tmux") is None, reason="there is no tmux here")
async def test_tmux_receives_copied_text(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    socket = str(tmp_path / "tmux")
    monkeypatch.delenv("TMUX", raising=False)
    subprocess.run(["tmux", "-S", socket, "-f", "/dev/null", "new-session", "-d", "sleep", "60"], check=True)
    try:
        monkeypatch.setenv("TMUX", f"{socket},1,0")
        text = "zwei\nZeilen ✖" + "x" * MAX_BYTES
        assert await copy(text, tmp_path, lambda _: None, {**os.environ}) == Copied(True)
        shown = subprocess.run(["tmux", "show-buffer"], capture_output=True, text=True, check=True, encoding="utf-8")
        assert shown.stdout == text
    finally:
        subprocess.run(["tmux", "-S", socket, "kill-server"], check=False)


async def test_without_a_tmux_that_accepts_the_text_a_file_receives_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    copied = await copy("x", tmp_path, lambda _: None, {"TMUX": "/nowhere,1,0"})
    assert copied == Copied(True, tmp_path / "copied.txt")


async def test_a_hanging_tmux_does_not_block_keys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tmux, go_on = tmp_path / "tmux", tmp_path / "go-on"
    tmux.write_text(f"#!/bin/sh\nwhile [ ! -e {go_on} ]; do sleep 0.02; done\ncat >> {tmp_path}/taken\n")
    tmux.chmod(0o700)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    monkeypatch.setenv("TMUX", "/nowhere,1,0")
    monkeypatch.setattr("fuseboard_console.terminal.clipboard.TMUX_TIMEOUT", 60.0)
    show = Show()
    async with show.app.run_test(size=(120, 40), notifications=True) as pilot:
        await until(show.sees("prefect"), pilot)
        await pilot.press("y", "2")
        await until(show.sees("› Routes", "newest first"), pilot)
        await pilot.press("y")
        go_on.touch()
        await until(show.sees("Copied 1 line."), pilot)
    (taken,) = (tmp_path / "taken").read_text().splitlines()  # what was copied last
    assert "8f23" in taken


@pytest.mark.parametrize(("text", "told"), [("a", "Copied 1 line."), ("a\nb\nc", "Copied 3 lines.")])
def test_the_notice_states_how_much_was_copied(text: str, told: str) -> None:
    assert copied_text(text, Copied(True)) == told
