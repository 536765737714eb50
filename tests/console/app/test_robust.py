"""The console in a real terminal: whatever happens to terminal, file or engine, it does not crash, flicker or hang."""

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
from support.process_tree import children_of, wait_until_gone
from support.screen import screen_strips
from support.terminal import Terminal
from support.waiting import PATIENCE

CONSOLE = (sys.executable, "-m", "fuseboard_console")


@contextmanager
def engine(program: str, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """Run an application that records, in a process of its own; its recording has started."""
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
    """Watch a file in a terminal; the first screen is painted."""
    with Terminal(*CONSOLE, "watch", str(file), *more, **how) as terminal:  # type: ignore[arg-type]
        terminal.wait_for(word)
        yield terminal


@pytest.fixture(scope="module")
def ended(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A recording whose engine has ended."""
    file = tmp_path_factory.mktemp("ended") / "checkout.db"
    with engine("checkout_engine.py", str(file)):
        pass
    return file


# -------------------------------------------------------------------- the terminal


@pytest.mark.parametrize("controlling", [True, False], ids=["with SIGHUP", "without SIGHUP"])
def test_a_console_whose_connection_is_cut_ends(ended: Path, controlling: bool) -> None:
    with watched(ended, controlling=controlling) as terminal:
        terminal.cut()
        assert terminal.process.wait(timeout=PATIENCE) == 0


@pytest.mark.parametrize("controlling", [True, False], ids=["with SIGHUP", "without SIGHUP"])
def test_a_demo_whose_connection_is_cut_ends_with_its_engine_and_leaves_nothing(
    tmp_path: Path, controlling: bool
) -> None:
    with Terminal(*CONSOLE, "demo", controlling=controlling, TMPDIR=str(tmp_path)) as terminal:
        terminal.wait_for("● live")
        (child,) = children_of(terminal.process.pid)
        terminal.cut()
        assert terminal.process.wait(timeout=PATIENCE) == 0
    assert wait_until_gone(child)
    assert list(tmp_path.iterdir()) == []


def test_a_console_whose_terminal_takes_no_output_ends_when_the_terminal_is_closed(tmp_path: Path) -> None:
    file = tmp_path / "checkout.db"
    with (
        engine("checkout_engine.py", str(file)),
        watched(file, columns=300, rows=100, controlling=True) as terminal,
    ):
        for number in range(30):  # whole screens: more than a terminal buffers, and more than may wait to be written
            terminal.resize(300 - number % 2, 100)
            time.sleep(0.05)  # one resize a frame: those that come at once are one
        terminal.cut()
        assert terminal.process.wait(timeout=PATIENCE) in (0, 129)


@contextmanager
def shell() -> Iterator[Terminal]:
    """Run a shell with job control in a terminal."""
    bash = shutil.which("bash")
    if bash is None:
        pytest.skip("there is no bash")
    with Terminal(bash, "--norc", "--noprofile", "-i", controlling=True, PS1="shell> ") as terminal:
        terminal.wait_for("shell>")
        yield terminal


def job_of(shell: Terminal) -> int:
    """Return the id of the process that the shell runs."""
    (job,) = children_of(shell.process.pid)
    return job


def watch_from_shell(terminal: Terminal, file: Path) -> None:
    """Start the console from the shell's prompt; return once it is painted."""
    terminal.press(f"{sys.executable} -m fuseboard_console watch {file}\n")
    terminal.wait_for("Fallback chains")


@pytest.mark.parametrize("how", ["key", signal.SIGTSTP], ids=["ctrl-z", "SIGTSTP"])
def test_suspended_it_gives_the_terminal_back_and_resumes_completely(ended: Path, how: str | signal.Signals) -> None:
    with shell() as terminal:
        watch_from_shell(terminal, ended)
        if isinstance(how, signal.Signals):
            os.kill(job_of(terminal), how)
        else:
            terminal.press("\x1a")
        terminal.wait_for("Stopped")
        assert not terminal.modes & {1049, 1000, 1002, 1003, 1006}
        terminal.press("echo one-$((40+2))\n")
        terminal.wait_for("one-42")
        terminal.screen.reset()  # forget what was there before
        terminal.press("fg\n")
        terminal.wait_for(
            lambda screen: all(word in screen for word in ("fuseboard", "prefect", "Recent failures", "q quit"))
        )
        assert terminal.modes >= {1049, 1000}
        terminal.press_until("q", "shell>")
        assert not terminal.modes & {1049, 1000, 1002, 1003, 1006}
        terminal.press("echo two-$((40+2))\n")
        terminal.wait_for("echo two-$((40+2))")  # the shell's modes are back: it echoes what is typed
        terminal.wait_for("two-42")


def test_stopped_by_sigstop_it_resumes_completely_and_restores_the_terminal(ended: Path) -> None:
    with shell() as terminal:
        watch_from_shell(terminal, ended)
        os.kill(job_of(terminal), signal.SIGSTOP)
        terminal.wait_for("Stopped")
        terminal.screen.reset()
        terminal.press("fg\n")
        terminal.wait_for(lambda screen: all(word in screen for word in ("fuseboard", "prefect", "q quit")))
        terminal.press_until("q", "shell>")
        terminal.press("\necho two-$((40+2))\n")
        terminal.wait_for("echo two-$((40+2))")
        terminal.wait_for("two-42")


def test_the_suspend_key_is_refused_without_a_shell(ended: Path) -> None:
    with watched(ended) as terminal:
        terminal.press("\x1a")
        terminal.wait_for("The console cannot be suspended")
        terminal.press("q")
        assert terminal.ended() == 0


@pytest.mark.parametrize("size", [(0, 0), (1, 1), (0, 40), (120, 0), (3, 2)], ids=str)
def test_resized_to_nothing_and_back_it_paints_the_whole_screen(ended: Path, size: tuple[int, int]) -> None:
    with watched(ended, controlling=True) as terminal:
        terminal.resize(*size)
        terminal.settle()
        terminal.press("j")
        terminal.settle()
        terminal.resize(100, 30)
        terminal.screen.reset()
        terminal.wait_for(lambda screen: all(word in screen for word in ("fuseboard", "prefect", "Fallback", "q quit")))
        terminal.press("q")
        assert terminal.ended() == 0


def test_exported_columns_and_lines_do_not_fix_its_size(ended: Path) -> None:
    with watched(ended, controlling=True, COLUMNS="80", LINES="24") as terminal:
        assert " fuseboard " in terminal.wait_for("q quit")
        terminal.resize(60, 20)
        terminal.screen.reset()
        terminal.wait_for(lambda screen: "prefect" in screen and "q quit" in screen.split("\n")[19])
        terminal.press("q")
        assert terminal.ended() == 0


# -------------------------------------------------------------------- the engine and the file


def test_a_killed_engine_is_shown_as_gone_and_as_live_after_a_restart(tmp_path: Path) -> None:
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
def test_a_file_that_disappears_is_reported_and_its_successor_is_followed(tmp_path: Path, how: str) -> None:
    file = tmp_path / "checkout.db"
    with engine("checkout_engine.py", str(file)):
        pass
    with watched(file) as terminal:
        for part in sorted(tmp_path.iterdir()):
            if how == "moved":
                part.rename(tmp_path / part.name.replace("checkout", "yesterday"))
            else:
                part.unlink()
        terminal.wait_for("checkout.db is missing. The console continues when it is back.")
        assert "agno" in terminal.text
        with engine("flood_engine.py", str(file), "1", "0"):
            terminal.wait_for(lambda screen: "adapter-000" in screen and "● live" in screen and "is gone" not in screen)
            terminal.wait_for(lambda screen: "agno" not in screen)
            terminal.press("q")
            assert terminal.ended() == 0


def test_a_file_that_is_moved_away_while_its_engine_runs_continues_in_a_new_one(tmp_path: Path) -> None:
    file = tmp_path / "checkout.db"
    with engine("checkout_engine.py", str(file)), watched(file) as terminal:
        terminal.wait_for("● live")
        for part in sorted(tmp_path.iterdir()):
            part.rename(tmp_path / part.name.replace("checkout", "yesterday"))
        terminal.wait_for(
            lambda screen: (
                file.exists() and "is gone" not in screen and "● live" in screen and "Fallback chains" in screen
            )
        )
        terminal.press("q")
        assert terminal.ended() == 0


def test_another_file_moved_to_its_path_is_shown(tmp_path: Path) -> None:
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


def test_a_flood_of_events_is_followed_and_keys_are_answered(tmp_path: Path) -> None:
    file = tmp_path / "flood.db"
    with (
        engine("flood_engine.py", str(file), "16667", "4") as process,  # a million events a minute, if it can
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
        terminal.press("2")
        terminal.wait_for("e-last")
        assert int(process.stdout.readline()) > 10_000
        terminal.press("q")
        assert terminal.ended() == 0


def rows_of(frame: bytes) -> set[int]:
    """Return the lines of the screen that a frame writes to, from 1; moving the cursor writes nothing."""
    written = re.findall(rb"\x1b\[(\d+);\d+H(?=.)", frame, re.DOTALL)
    return {int(row) for row in written}


def next_frames(terminal: Terminal, count: int) -> list[bytes]:
    """Read until so many more frames, or a few more than that, have been written; return them."""
    before = len(terminal.frames)
    end = time.monotonic() + PATIENCE
    while len(terminal.frames) < before + count:
        assert time.monotonic() < end
        terminal.read(0.1)
    return terminal.frames[before:]


def frames_once(terminal: Terminal, count: int, good: Callable[[list[bytes]], bool]) -> list[bytes]:
    """Return the first so many frames in a row that are good. A busy machine fills the screen late."""
    end = time.monotonic() + PATIENCE
    while not good(frames := next_frames(terminal, count)):
        assert time.monotonic() < end, [rows_of(frame) for frame in frames]
    return frames


def test_while_nothing_happens_only_the_header_is_written(tmp_path: Path) -> None:
    file = tmp_path / "calm.db"
    calm = Engine(name="calm")
    calm.add_adapter("agno", lambda task: None)
    with record(calm, file), watched(file, framed=True) as terminal:
        terminal.wait_for("● live")
        frames = frames_once(terminal, 3, lambda frames: set.union(*map(rows_of, frames)) == {1})
        assert max(map(len, frames)) < 1_000


def still(terminal: Terminal) -> set[int]:
    """Return the lines that stay as they are while tasks come in: borders, titles and the footer."""
    lines = list(enumerate(terminal.text.splitlines(), 1))
    found = {number for number, line in lines if line.startswith("╭─ Br") or " q quit" in line}
    found |= {min(found) + 1, max(found)}
    assert len(found) == 3
    return found


def test_nothing_clears_the_screen_while_it_follows(tmp_path: Path) -> None:
    file = tmp_path / "checkout.db"
    with engine("checkout_engine.py", str(file)), watched(file, framed=True) as terminal:
        terminal.wait_for(lambda screen: "Fallback chains" in screen and " q quit" in screen)
        # A new task moves all lines of a pane. Borders, titles and the footer stay; writing them would be flicker.
        frames = frames_once(terminal, 12, lambda frames: not any(rows_of(frame) & still(terminal) for frame in frames))
        for frame in frames:
            assert b"\x1b[2J" not in frame
            assert b"\x1b[?1049" not in frame
        assert b"\x1b[2J" not in terminal.raw[terminal.raw.index(frames[0]) :]


def cells(terminal: Terminal) -> list[list[object]]:
    """Return every cell as the terminal shows it, without the header, whose clock goes on."""
    buffer, screen = terminal.screen.buffer, terminal.screen
    return [[buffer[y][x] for x in range(screen.columns)] for y in range(1, screen.lines)]


@pytest.fixture
def calm(tmp_path: Path) -> Iterator[Path]:
    """A recording that looks the same as time passes: all that happened was ten minutes ago."""
    file = tmp_path / "calm.db"
    engine = Engine(name="calm")
    for number in range(40):
        engine.add_adapter(f"adapter-{number:02}", lambda task: None)
    with record(engine, file) as recorder:
        for number in range(20):
            at = wall_clock() - 600_000_000 + number
            common = {"adapter": f"adapter-{number:02}", "number": 1, "duration": 0.1}
            answer = Attempt(**common, outcome="success")
            failure = Attempt(**common, outcome="failure", error_type="ConnectError", error=f"refused {number}")
            engine.emit(AttemptFailed(at=at, task=f"t{number}", task_type="t", attempt=failure, threshold=5))
            engine.emit(
                RouteFinished(at=at, task=f"t{number}", task_type="t", success=True, attempts=(failure, answer))
            )
        recorder.flush(PATIENCE)
        yield file


@pytest.mark.parametrize("page", "12")
def test_painting_what_changed_gives_the_same_screen_as_painting_all_of_it(calm: Path, page: str) -> None:
    preferences = calm.with_name("console.toml")
    preferences.write_text("glow = false\n")
    with watched(calm, word="adapter-00", controlling=True, FUSEBOARD_CONSOLE=str(preferences)) as terminal:
        terminal.press(page)
        terminal.settle()
        for keys in (["j", "j", "k"], ["x", "j"], ["s"], ["t", "j"], ["\t", "j"], ["G", "k"], ["c", "j"]):
            for key in keys:
                terminal.press(key)
                terminal.settle()
            changed = cells(terminal)
            terminal.resize(100, 40)
            terminal.settle()
            terminal.resize(120, 40)
            terminal.wait_for(lambda screen, changed=changed: changed == cells(terminal))


# -------------------------------------------------------------------- hostile texts


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A recording in which every text that can come from outside is hostile."""
    file = tmp_path_factory.mktemp("hostile") / "hostile.db"
    asyncio.run(be_hostile(file))
    return file


PAGES = "12345689"  # without the scenarios, whose texts come with the console


def assert_in_shape(screen: list[Strip], width: int) -> None:
    """Fail unless every line is as wide as the screen and holds nothing that a terminal would obey."""
    for strip in screen:
        assert sum(map(cell_len, strip.text)) == width, strip.text
        assert strip.text.isprintable() or set(strip.text) <= {" ", "\u3000"}, strip.text


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("size", [(20, 6), (120, 40)], ids=str)
async def test_hostile_texts_do_not_break_the_layout_of_any_page_or_detail(
    hostile: Path, size: tuple[int, int]
) -> None:
    async with watching(hostile, size=size) as console:
        for page in PAGES:
            await console.press(page)
            for key in ("enter", "escape", "end", "enter", "escape"):
                await console.press(key)
                assert_in_shape(screen_strips(console.app), size[0])


def test_hostile_text_does_not_control_the_terminal(hostile: Path) -> None:
    with watched(hostile, word="Overview") as terminal:
        for page in PAGES:
            for key in (page, "\r", "\x1b"):
                terminal.press(key)
                terminal.settle(0.2)  # longer than Textual waits for more of an escape sequence
        terminal.press("q")
        assert terminal.ended() == 0
        written = terminal.raw.decode()
        colours_places_modes, pointer = r"\x1b\[[?>=<]?[0-9;]*\$?[A-Za-z]", r"\x1b\]22;\w+\x07"
        for known in (colours_places_modes, pointer):
            written = re.sub(known, "", written)
        assert {c for c in written if not c.isprintable()} <= {"\n", "\r", "\u3000"}
        assert not any(obeyed in terminal.raw for obeyed in (b"\x1b[31m", b"\x1b[2J", b"\x1b]0;", b"\xc2\x9b"))
