"""Whatever happens to terminal, file or engine: no crash, no flicker, no stuck screen, and nothing is left behind."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from rich.cells import cell_len
from textual.strip import Strip

from fuseboard_engine import Engine
from fuseboard_engine.events import Attempt, AttemptFailed, RouteFinished
from fuseboard_engine.runtime.clock import wall_clock
from fuseboard_storage import record
from support.console_watching import watching
from support.hostile_recording import be_hostile
from support.paths import PROGRAMS
from support.process_tree import children_of, gone
from support.terminal import Terminal

CONSOLE = (sys.executable, "-m", "fuseboard_console")


@contextmanager
def engine(program: str, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """An application that records, in a process of its own; it has begun."""
    command = [sys.executable, str(PROGRAMS / program), *arguments]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "recording\n"
            yield process
        finally:
            if process.poll() is None:
                assert process.stdin is not None
                process.stdin.close()


@contextmanager
def watched(file: Path, *more: str, word: str = "agno", **how: object) -> Iterator[Terminal]:
    """The console on a file, painted."""
    with Terminal(*CONSOLE, "watch", str(file), *more, **how) as terminal:  # type: ignore[arg-type]
        terminal.wait_for(word)
        yield terminal


@pytest.fixture(scope="module")
def ended(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What an engine has left."""
    file = tmp_path_factory.mktemp("ended") / "checkout.db"
    with engine("checkout_engine.py", str(file)):
        pass
    return file


# -------------------------------------------------------------------- the terminal


@pytest.mark.parametrize("controlling", [True, False], ids=["told", "not told"])
def test_a_console_whose_connection_is_cut_ends(ended: Path, controlling: bool) -> None:
    with watched(ended, controlling=controlling) as terminal:
        terminal.cut()
        assert terminal.process.wait(timeout=20) == 0


@pytest.mark.parametrize("controlling", [True, False], ids=["told", "not told"])
def test_a_demo_whose_connection_is_cut_ends_with_its_engine_and_leaves_nothing(
    tmp_path: Path, controlling: bool
) -> None:
    with Terminal(*CONSOLE, "demo", controlling=controlling, TMPDIR=str(tmp_path)) as terminal:
        terminal.wait_for("● live")
        (child,) = children_of(terminal.process.pid)
        terminal.cut()
        assert terminal.process.wait(timeout=20) == 0
    assert gone(child)
    assert list(tmp_path.iterdir()) == []


def test_a_terminal_that_takes_nothing_any_more_and_is_cut_then_holds_nobody(tmp_path: Path) -> None:
    file = tmp_path / "checkout.db"
    with (
        engine("checkout_engine.py", str(file)),
        watched(file, columns=300, rows=100, controlling=True) as terminal,
    ):
        for turn in range(30):  # whole screens: more than a terminal buffers, and more than may wait to be written
            terminal.resize(300 - turn % 2, 100)
            time.sleep(0.05)
        terminal.cut()
        assert terminal.process.wait(timeout=30) in (0, 129)


@contextmanager
def shell() -> Iterator[Terminal]:
    """A shell with job control."""
    bash = shutil.which("bash")
    if bash is None:
        pytest.skip("there is no bash")
    with Terminal(bash, "--norc", "--noprofile", "-i", controlling=True, PS1="shell> ") as terminal:
        terminal.wait_for("shell>")
        yield terminal


def job_of(shell: Terminal) -> int:
    """The process that the shell runs."""
    (job,) = children_of(shell.process.pid)
    return job


def console_in(terminal: Terminal, file: Path) -> None:
    terminal.press(f"{sys.executable} -m fuseboard_console watch {file}\n")
    terminal.wait_for("Fallback chains")


@pytest.mark.parametrize("told", ["key", signal.SIGTSTP], ids=["ctrl-z", "SIGTSTP"])
def test_put_aside_it_gives_the_terminal_back_and_returns_whole(ended: Path, told: str | signal.Signals) -> None:
    with shell() as terminal:
        console_in(terminal, ended)
        if isinstance(told, signal.Signals):
            os.kill(job_of(terminal), told)
        else:
            terminal.press("\x1a")
        terminal.wait_for("Stopped")
        assert not terminal.modes & {1049, 1000, 1002, 1003, 1006}
        terminal.press("echo one-$((40+2))\n")
        terminal.wait_for("one-42")
        terminal.screen.reset()  # nothing of what stood there is left
        terminal.press("fg\n")
        terminal.wait_for(
            lambda screen: all(word in screen for word in ("fuseboard", "prefect", "Recent failures", "q quit"))
        )
        assert terminal.modes >= {1049, 1000}
        terminal.press("q")
        terminal.wait_for("shell>")
        assert not terminal.modes & {1049, 1000, 1002, 1003, 1006}
        terminal.press("echo two-$((40+2))\n")
        terminal.wait_for("echo two-$((40+2))")  # the shell's modes are back: what is typed is seen
        terminal.wait_for("two-42")


def test_stopped_without_a_word_it_goes_on_whole_and_leaves_the_terminal_as_it_was(ended: Path) -> None:
    with shell() as terminal:
        console_in(terminal, ended)
        os.kill(job_of(terminal), signal.SIGSTOP)
        terminal.wait_for("Stopped")
        terminal.screen.reset()
        terminal.press("fg\n")
        terminal.wait_for(lambda screen: all(word in screen for word in ("fuseboard", "prefect", "q quit")))
        terminal.press("q")
        terminal.wait_for("shell>")
        terminal.press("echo two-$((40+2))\n")
        terminal.wait_for("echo two-$((40+2))")
        terminal.wait_for("two-42")


def test_where_no_shell_waits_the_key_says_so_and_nothing_stops(ended: Path) -> None:
    with watched(ended) as terminal:
        terminal.press("\x1a")
        terminal.wait_for("No shell waits here")
        terminal.press("q")
        assert terminal.ended() == 0


@pytest.mark.parametrize("size", [(0, 0), (1, 1), (0, 40), (120, 0), (3, 2)], ids=str)
def test_resized_to_nothing_and_back_it_is_whole_again(ended: Path, size: tuple[int, int]) -> None:
    with watched(ended, controlling=True) as terminal:
        terminal.resize(*size)
        terminal.read(0.3)
        terminal.press("j")
        terminal.read(0.3)
        terminal.resize(100, 30)
        terminal.screen.reset()
        terminal.wait_for(lambda screen: all(word in screen for word in ("fuseboard", "prefect", "Fallback", "q quit")))
        terminal.press("q")
        assert terminal.ended() == 0


def test_a_size_that_was_exported_does_not_hold_it_to_that_size(ended: Path) -> None:
    with watched(ended, controlling=True, COLUMNS="80", LINES="24") as terminal:
        assert " fuseboard " in terminal.wait_for("q quit")
        terminal.resize(60, 20)
        terminal.screen.reset()
        terminal.wait_for(lambda screen: "prefect" in screen and "q quit" in screen.split("\n")[19])
        terminal.press("q")
        assert terminal.ended() == 0


# -------------------------------------------------------------------- the engine and the file


def test_an_engine_that_is_killed_and_started_anew_is_gone_and_then_back(tmp_path: Path) -> None:
    file = tmp_path / "checkout.db"
    with engine("checkout_engine.py", str(file)) as first, watched(file) as terminal:
        terminal.wait_for("● live")
        first.kill()
        terminal.wait_for("The engine's process is gone.")
        terminal.wait_for("gone")
        with engine("checkout_engine.py", str(file)):
            terminal.wait_for("The engine is back")
            terminal.wait_for("● live")
            assert "process is gone" not in terminal.text


@pytest.mark.parametrize("how", ["moved", "deleted"])
def test_a_file_that_is_taken_away_is_missed_and_its_successor_is_followed(tmp_path: Path, how: str) -> None:
    file = tmp_path / "checkout.db"
    with engine("checkout_engine.py", str(file)):
        pass
    with watched(file) as terminal:
        for part in sorted(tmp_path.iterdir()):
            if how == "moved":
                part.rename(tmp_path / part.name.replace("checkout", "yesterday"))
            else:
                part.unlink()
        terminal.wait_for("checkout.db is gone. This goes on when it is back.")
        assert "agno" in terminal.text
        with engine("flood_engine.py", str(file), "1", "0"):
            terminal.wait_for(lambda screen: "adapter-000" in screen and "● live" in screen and "is gone" not in screen)
            terminal.wait_for(lambda screen: "agno" not in screen)
            terminal.press("q")
            assert terminal.ended() == 0


def test_a_file_that_is_moved_away_under_its_engine_goes_on_in_a_new_one(tmp_path: Path) -> None:
    file = tmp_path / "checkout.db"
    with engine("checkout_engine.py", str(file)), watched(file) as terminal:
        terminal.wait_for("● live")
        for part in sorted(tmp_path.iterdir()):
            part.rename(tmp_path / part.name.replace("checkout", "yesterday"))
        terminal.wait_for(lambda screen: "is gone" not in screen and "● live" in screen and "agno ✓" in screen)
        assert file.exists()
        terminal.press("q")
        assert terminal.ended() == 0


def test_another_file_put_in_its_place_is_shown_at_once(tmp_path: Path) -> None:
    file, other = tmp_path / "checkout.db", tmp_path / "other.db"
    with engine("checkout_engine.py", str(file)):
        pass
    with engine("flood_engine.py", str(other), "1", "0"):
        pass
    with watched(file) as terminal:
        other.replace(file)
        terminal.wait_for("adapter-000")
        terminal.wait_for(lambda screen: "agno" not in screen)


# -------------------------------------------------------------------- floods and frames


def test_a_million_events_a_minute_are_followed_and_keys_are_answered(tmp_path: Path) -> None:
    file = tmp_path / "flood.db"
    with (
        engine("flood_engine.py", str(file), "16667", "4") as process,
        watched(file, word="adapter-000") as terminal,
    ):
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write("\n")
        process.stdin.flush()
        for _ in range(3):
            terminal.press("?")
            terminal.wait_for("Help")
            terminal.press("\x1b")
            terminal.wait_for(lambda screen: "Help" not in screen)
        terminal.wait_for("e-last")
        assert int(process.stdout.readline()) > 10_000
        terminal.press("q")
        assert terminal.ended() == 0


def rows_of(frame: bytes) -> set[int]:
    """The lines of the screen that a frame writes to, from 1; the cursor's place at its end is none."""
    written = re.findall(rb"\x1b\[(\d+);\d+H(?=.)", frame, re.DOTALL)
    return {int(row) for row in written}


def frames_of(terminal: Terminal, enough: Callable[[list[bytes]], bool]) -> list[bytes]:
    """The frames of a while."""
    before = len(terminal.frames)
    end = time.monotonic() + 30
    while not enough(terminal.frames[before:]):
        assert time.monotonic() < end
        terminal.read(0.1)
    return terminal.frames[before:]


def test_while_nothing_happens_only_the_header_is_written(tmp_path: Path) -> None:
    file = tmp_path / "calm.db"
    calm = Engine(name="calm")
    calm.add_adapter("agno", lambda task: None)
    with record(calm, file), watched(file, framed=True) as terminal:
        terminal.wait_for("● live")
        frames_of(terminal, lambda frames: len(frames) >= 3)
        frames = frames_of(terminal, lambda frames: len(frames) >= 3)
        assert max(map(len, frames)) < 1_000
        assert set.union(*map(rows_of, frames)) == {1}


def test_nothing_clears_the_screen_while_it_follows(tmp_path: Path) -> None:
    file = tmp_path / "checkout.db"
    with engine("checkout_engine.py", str(file)), watched(file, framed=True) as terminal:
        terminal.wait_for("agno ✓")
        frames_of(terminal, lambda frames: len(frames) >= 4)  # the first ones may still fill the screen
        frames = frames_of(terminal, lambda frames: len(frames) >= 12)
        for frame in frames:
            assert b"\x1b[2J" not in frame
            assert b"\x1b[?1049" not in frame
        assert b"\x1b[2J" not in terminal.raw[terminal.raw.index(frames[0]) :]
        # A new task moves all lines of a pane; frames, titles and the foot stay, and to write them would be flicker.
        screen = terminal.text.splitlines()
        still = {number for number, line in enumerate(screen, 1) if line.startswith("╭─ Br") or " q quit" in line}
        still |= {min(still) + 1, max(still)}
        assert len(still) == 3
        assert not any(rows_of(frame) & still for frame in frames)


def looks(terminal: Terminal) -> list[list[object]]:
    """Every cell as the terminal shows it, but for the header's, whose clock goes on."""
    buffer, screen = terminal.screen.buffer, terminal.screen
    return [[buffer[y][x] for x in range(screen.columns)] for y in range(1, screen.lines)]


def rest(terminal: Terminal, seconds: float = 0.06) -> None:
    """Take in what is written until nothing was for so long."""
    while True:
        before = len(terminal.raw)
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            terminal.read(0.02)
        if len(terminal.raw) == before:
            return


@pytest.fixture
def calm(tmp_path: Path) -> Iterator[Path]:
    """A recording of which time alone changes nothing: all that happened was ten minutes ago."""
    file = tmp_path / "calm.db"
    engine = Engine(name="calm")
    for number in range(40):
        engine.add_adapter(f"adapter-{number:02}", lambda task: None)
    with record(engine, file) as recorder:
        for number in range(20):
            at = wall_clock() - 600_000_000 + number
            told = {"adapter": f"adapter-{number:02}", "number": 1, "duration": 0.1}
            answer = Attempt(**told, outcome="success")
            failure = Attempt(**told, outcome="failure", error_type="ConnectError", error=f"refused {number}")
            engine.emit(AttemptFailed(at=at, task=f"t{number}", task_type="t", attempt=failure, threshold=5))
            engine.emit(
                RouteFinished(at=at, task=f"t{number}", task_type="t", success=True, attempts=(failure, answer))
            )
        recorder.flush(20)
        yield file


@pytest.mark.parametrize("page", "12")
def test_what_is_written_piece_by_piece_is_what_is_written_whole(calm: Path, page: str) -> None:
    still = calm.with_name("console.toml")
    still.write_text("glow = false\n")
    with watched(calm, word="adapter-00", controlling=True, FUSEBOARD_CONSOLE=str(still)) as terminal:
        terminal.press(page)
        rest(terminal)
        for keys in (["j", "j", "k"], ["x", "j"], ["s"], ["t", "j"], ["\t", "j"], ["G", "k"], ["c", "j"]):
            for key in keys:
                terminal.press(key)
                rest(terminal)
            pieces = looks(terminal)
            terminal.resize(100, 40)
            rest(terminal)
            terminal.resize(120, 40)
            rest(terminal)
            assert pieces == looks(terminal), keys


# -------------------------------------------------------------------- hostile texts


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A recording in which every text that can be foreign is hostile."""
    file = tmp_path_factory.mktemp("hostile") / "hostile.db"
    asyncio.run(be_hostile(file))
    return file


PAGES = "12345689"  # not the scenarios, which come with the console


def in_shape(screen: list[Strip], width: int) -> None:
    """Every line is as wide as the screen, and holds nothing that a terminal would obey."""
    for strip in screen:
        assert sum(map(cell_len, strip.text)) == width, strip.text
        assert strip.text.isprintable() or set(strip.text) <= {" ", "\u3000"}, strip.text


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("size", [(20, 6), (120, 40)], ids=str)
async def test_hostile_texts_leave_every_page_and_every_detail_in_shape(hostile: Path, size: tuple[int, int]) -> None:
    async with watching(hostile, size=size) as console:
        for page in PAGES:
            await console.press(page)
            for key in ("enter", "escape", "end", "enter", "escape"):
                await console.press(key)
                in_shape(console.app.screen._compositor.render_strips(), size[0])


def test_a_terminal_obeys_no_hostile_text(hostile: Path) -> None:
    with watched(hostile, word="fuseboard") as terminal:
        for page in PAGES:
            for key in (page, "\r", "\x1b"):
                terminal.press(key)
                rest(terminal, 0.12)  # so that an escape is one, and no part of another key
        terminal.press("q")
        assert terminal.ended() == 0
        said = terminal.raw.decode()
        colours_places_modes, pointer = r"\x1b\[[?>=<]?[0-9;]*\$?[A-Za-z]", r"\x1b\]22;\w+\x07"
        for known in (colours_places_modes, pointer):
            said = re.sub(known, "", said)
        assert {c for c in said if not c.isprintable()} <= {"\n", "\r", "\u3000"}
        assert not any(obeyed in terminal.raw for obeyed in (b"\x1b[31m", b"\x1b[2J", b"\x1b]0;", b"\xc2\x9b"))
