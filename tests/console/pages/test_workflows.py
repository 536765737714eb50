"""The page of workflows, driven by keys, on real recordings and with a real engine."""

from __future__ import annotations

import asyncio
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest

from fuseboard_console.text.glyphs import ASCII, UNICODE, Glyphs
from fuseboard_engine.events import Event, NodeChanged, WorkflowFinished, WorkflowStarted
from support.console_show import Show
from support.console_story import at, settle, started, stopped
from support.console_watching import Watching, replaying, watching
from support.hostile_texts import HOSTILE
from support.paths import PROGRAMS
from support.waiting import PATIENCE

ENGINE = PROGRAMS / "workflow_engine.py"


def start(folder: Path, *run: str) -> subprocess.Popen[str]:
    """Start the application, and wait until its run has ended, if it is to do one."""
    program = [sys.executable, str(ENGINE), str(folder / "app.db"), str(folder / "mended"), *run]
    engine = subprocess.Popen(program, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert engine.stdout is not None
    for line in ("recording\n", *(["ran\n"] if run else [])):
        assert engine.stdout.readline() == line
    return engine


@pytest.fixture
def live(tmp_path: Path) -> Iterator[Path]:
    """A recording with a run that failed at its second node, and whose application still runs."""
    engine = start(tmp_path, "n1")
    try:
        yield tmp_path / "app.db"
    finally:
        engine.communicate("", timeout=PATIENCE)


@pytest.fixture
def ended(tmp_path: Path) -> Path:
    """The same, but the application has ended."""
    start(tmp_path, "n1").communicate("", timeout=PATIENCE)
    return tmp_path / "app.db"


def asked(file: Path) -> list[tuple[str, str]]:
    """The commands that were put into the mailbox."""
    with sqlite3.connect(file) as connection:
        return connection.execute("SELECT verb, args FROM commands").fetchall()


def begun(run: str, when: float, *nodes: str, **fields: object) -> WorkflowStarted:
    edges = tuple(pairwise(nodes))
    values = {"workflow": "nightly", "name": "Nightly build", "nodes": nodes, "edges": edges, **fields}
    return WorkflowStarted(at=at(when), run=run, **values)  # type: ignore[arg-type]


def node(run: str, when: float, name: str, state: str, **fields: object) -> NodeChanged:
    return NodeChanged(at=at(when), run=run, workflow="nightly", node=name, state=state, **fields)  # type: ignore[arg-type]


def over(run: str, when: float, state: str, error: str = "") -> WorkflowFinished:
    return WorkflowFinished(at=at(when), run=run, workflow="nightly", state=state, error=error)  # type: ignore[arg-type]


def night() -> list[Event]:
    """Three runs: one is done, one failed, one is under way."""
    return [
        started(0),
        begun("n1", 1, "fetch", "store"),
        node("n1", 2, "fetch", "done", duration=0.3),
        node("n1", 3, "store", "done", duration=0.2),
        over("n1", 3, "done"),
        begun("n2", 10, "fetch", "store"),
        node("n2", 11, "fetch", "failed", attempts=3, error="ConnectionError: refused"),
        node("n2", 11, "store", "skipped", error="it needs fetch, which failed"),
        over("n2", 11, "failed"),
        begun("n3", 20, "fetch", "store"),
        node("n3", 20, "fetch", "running"),
    ]


# -------------------------------------------------------------------- the list


async def test_the_newest_runs_come_first_with_bar_times_and_error() -> None:
    show = Show(night(), when=25)
    async with show.app.run_test(size=(120, 30), notifications=True) as pilot:
        console = Watching(show.app, pilot)
        await console.press("5")
        await console.sees("› Workflows", "Workflows  1 running, 1 to resume", "◐ RUNNING", "✓ DONE", "✗ FAILED")
        runs = [line.replace("▌", " ").split()[1] for line in console.screen().splitlines() if "Nightly build" in line]
        assert runs == ["n3", "n2", "n1"]
        assert "0/2" in console.lines("n3")[0]
        assert all(text in console.lines("n2")[0] for text in ("0/2", "1.0 s", "14 s", "fetch: ConnectionError"))
        assert all(text in console.lines("n1")[0] for text in ("━━━━━━━━━ 2/2", "2.0 s", "22 s"))


async def test_f_shows_only_resumable_runs_and_a_filter_matches_fields() -> None:
    show = Show(night(), when=25)
    async with show.app.run_test(size=(100, 30), notifications=True) as pilot:
        console = Watching(show.app, pilot)
        await console.press("5", "f")
        await console.sees("only those that can be resumed", "› resumable", "FAILED")
        assert "DONE" not in console.screen()
        await console.press("f")
        for typed, matches in (("state:running", 1), ("error:refused", 1), ("workflow:build", 3), ("node:store n1", 1),
                               ("run:n !state:done", 2)):  # fmt: skip
            await console.press("slash", "ctrl+u")
            await console.type(typed)
            await console.sees(f"{matches} of 3")


async def test_an_empty_list_explains_itself() -> None:
    show = Show([started()])
    async with show.app.run_test(size=(80, 24), notifications=True) as pilot:
        console = Watching(show.app, pilot)
        await console.press("5")
        await console.sees("No workflow has run.")
        await console.press("r", "enter", "f")
        await console.sees("No run can be resumed.")


# -------------------------------------------------------------------- one of them


async def test_the_graph_of_a_run_follows_the_states_of_its_nodes() -> None:
    show = Show(night(), when=25)
    async with show.app.run_test(size=(100, 30), notifications=True) as pilot:
        console = Watching(show.app, pilot)
        await console.press("5", "enter")
        await console.sees("Run n3", "◐  fetch     RUNNING   5.0 s", "·  store     PENDING", "checkout@web-1:4242")
        show.feed.events += [
            node("n3", 24, "fetch", "done", duration=4.0),
            node("n3", 24, "store", "failed", error="disk full"),
        ]
        await console.sees("✓  fetch     DONE      4.0 s", "✗  store     FAILED", "disk full")
        show.feed.events.append(over("n3", 24, "failed"))
        await console.sees("✗ FAILED", "it can be resumed")


async def test_branches_are_drawn_and_errors_are_shown_in_full(live: Path) -> None:
    async with watching(live, size=(80, 30)) as console:
        await console.press("5", "enter")
        await console.sees("✓    fetch", "├─╮", "✗ │  clean     FAILED", "│ ✓  count", "├─╯", "–    store     SKIPPED")
        await console.sees("✗ clean", "failed at ", "the upstream refused")


async def test_the_keys_of_a_detail_lead_to_its_routes_and_to_its_adapters_the_failed_first(live: Path) -> None:
    async with watching(live, size=(120, 40)) as console:
        await console.press("5", "enter")
        await console.sees("Run n1", "v its routes", "1 nightly.clean", "2 nightly.fetch")
        await console.press("1")
        await console.sees("nightly.clean", "policy")
        await console.press("escape", "5", "enter")
        await console.sees("Run n1")
        await console.press("v")
        await console.sees("› Routes", 'task:"n1:"', "3 of 3")


# -------------------------------------------------------------------- resuming


async def test_an_engine_in_another_process_resumes_the_run_where_it_stopped(live: Path) -> None:
    (live.parent / "mended").touch()
    async with watching(live) as console:
        await console.press("5")
        await console.sees("✗ FAILED", "2/4")
        await console.press("r")
        await console.hears("Run n1 is done.")
        await console.sees("✓ DONE", "4/4")
        await console.press("r")
        await console.hears("Run n1 is done: there is nothing to resume.")
    assert asked(live) == [("resume", '{"run":"n1"}')]


async def test_a_resume_from_the_detail_is_seen_on_the_graph(live: Path) -> None:
    (live.parent / "mended").touch()
    (live.parent / "hold").touch()
    async with watching(live) as console:
        await console.press("5", "enter")
        await console.sees("✗ FAILED", "r resume")
        await console.press("r")
        await console.sees("◐ RUNNING", "✓ │  clean     DONE", "◐    store     RUNNING")
        await console.press("r")
        await console.hears("Run n1 is under way: there is nothing to resume.")
        (live.parent / "hold").unlink()
        await console.sees("✓    store     DONE", "✓ DONE")
        await console.hears("Run n1 is done.")


async def test_a_repeated_failure_is_reported_with_the_engines_text(live: Path) -> None:
    async with watching(live) as console:
        await console.press("5", "r")
        await console.hears("Run n1 failed: clean: the upstream refused")


async def test_no_command_is_sent_to_an_ended_engine(ended: Path) -> None:
    async with watching(ended) as console:
        await console.press("5", "r")
        await console.hears("No engine can take this command: the engine of app.db ended at ", "Run n1 stays as it is.")
    assert asked(ended) == []


async def test_a_run_of_a_killed_process_is_shown_as_killed_and_resumes_in_the_next(tmp_path: Path) -> None:
    (tmp_path / "mended").touch()
    (tmp_path / "hold").touch()
    program = [sys.executable, str(ENGINE), str(tmp_path / "app.db"), str(tmp_path / "mended"), "n1"]
    engine = subprocess.Popen(program, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    async with watching(await written(tmp_path / "app.db", engine)) as console:
        await console.press("5")
        await console.sees("◐ RUNNING", "3/4")
        engine.kill()
        engine.communicate(timeout=PATIENCE)
        await console.sees("☠ KILLED")
        await console.press("r")
        await console.hears("No engine can take this command: the process of the engine of app.db is gone")
        (tmp_path / "hold").unlink()
        again = start(tmp_path)
        try:
            await console.sees("● live")
            await console.press("r")
            await console.hears("Run n1 is done.")
            await console.sees("✓ DONE", "4/4")
        finally:
            again.communicate("", timeout=PATIENCE)


async def written(file: Path, engine: subprocess.Popen[str]) -> Path:
    """Wait until an engine has made its recording."""
    assert engine.poll() is None
    while not file.exists():
        await asyncio.sleep(0.02)
    return file


# -------------------------------------------------------------------- what only the table knows


async def test_a_run_that_the_board_has_forgotten_is_still_listed_and_can_be_resumed(live: Path) -> None:
    with sqlite3.connect(live) as connection:
        kinds = "('workflow_started', 'node_changed', 'workflow_finished')"
        templates = f"SELECT id FROM event_templates WHERE kind IN {kinds}"
        connection.execute(f"DELETE FROM event_log WHERE template IN ({templates})")
        connection.execute("DELETE FROM keyframes")
    (live.parent / "mended").touch()
    async with watching(live) as console:
        await console.press("5")
        await console.sees("n1", "✗ FAILED", "2/4", "clean: the upstream refused")
        await console.press("enter")
        await console.sees("├─╮", "✗ │  clean     FAILED", "├─╯")
        await console.press("escape", "r")
        await console.hears("Run n1 is done.")
        await console.sees("✓ DONE", "4/4")


async def test_a_replay_shows_only_past_runs_and_sends_no_command(live: Path) -> None:
    with sqlite3.connect(live) as connection:
        while not connection.execute("SELECT 1 FROM events WHERE kind = 'workflow_finished'").fetchone():
            await asyncio.sleep(0.02)
        (before,) = connection.execute("SELECT at FROM events WHERE kind = 'workflow_started'").fetchone()
    async with replaying(live) as console:
        await console.press("5")
        await console.sees("✗ FAILED", "read-only")
        await console.press("r", "enter")
        await console.sees("✗ │  clean", "esc close")
        assert "resume" not in console.lines("esc")[0]
    async with replaying(live, at=before - 1) as console:
        await console.press("5")
        await console.sees("No workflow has run.")


async def test_no_command_is_sent_while_the_past_is_shown(live: Path) -> None:
    async with watching(live) as console:
        await console.press("5")
        await console.sees("✗ FAILED")
        await console.press("left_square_bracket", "r")
        await console.hears("This is a replay")
    assert asked(live) == []


async def test_a_read_only_console_has_no_key_to_resume(live: Path) -> None:
    async with watching(live, read_only=True) as console:
        await console.press("5", "r", "enter")
        await console.sees("Run n1", "read-only")
        assert "r resume" not in console.screen()
    assert asked(live) == []


async def test_the_page_continues_without_its_file(ended: Path) -> None:
    async with watching(ended) as console:
        await console.press("5")
        await console.sees("✗ FAILED")
        ended.rename(ended.with_name("moved.db"))
        await console.sees("is missing")
        await console.press("enter", "escape", "f", "r")
        await console.hears("No engine can take this command", "Run n1 stays as it is.")


# -------------------------------------------------------------------- what comes from outside


@pytest.mark.parametrize("glyphs", [UNICODE, ASCII], ids=["unicode", "ascii"])
async def test_hostile_names_are_shown_but_not_interpreted(glyphs: Glyphs) -> None:
    events: list[Event] = [started(0)]
    for text in HOSTILE:
        events.append(begun(f"{text}1", 1, text, "b", f"{text}c", workflow=text, name=text))
        events.append(node(f"{text}1", 2, text, "failed", answered=text, error=text))
        events.append(node(f"{text}1", 2, "unheard of", "done", answered=text))
    events.append(stopped(3))
    show = Show(events, when=5)
    show.app.glyphs = glyphs
    async with show.app.run_test(size=(80, 24), notifications=True) as pilot:
        console = Watching(show.app, pilot)
        await console.press("5")
        await console.sees("INTERRUPTED")
        for _ in HOSTILE[::3]:
            for keys in (("enter",), ("G",), ("escape", "r"), ("j", "j", "j")):
                await console.press(*keys)
                assert not set("\x1b\x9b\x07\r\t\u202e\u2066\u200b") & set(console.screen())


@pytest.mark.parametrize("size", [(20, 5), (40, 10), (80, 24), (200, 50)])
async def test_every_size_is_filled(size: tuple[int, int]) -> None:
    show = Show(night(), when=25)
    async with show.app.run_test(size=size, notifications=True) as pilot:
        console = Watching(show.app, pilot)
        for keys in (("5",), ("enter",), ("G",), ("escape", "f"), ("enter",)):
            await console.press(*keys)
            await settle(pilot, 1)
            assert len(console.screen().splitlines()) == size[1]
