"""A scenario that is stopped, or plays faster than real time, is live for every reader of its recording."""

from __future__ import annotations

import asyncio
import json
from contextlib import aclosing
from pathlib import Path

import pytest

from fuseboard_console.cli import exit_codes
from fuseboard_console.cli.plain_watch import watch_plain
from fuseboard_console.operator.command_target import find_target, instances_to_ask
from fuseboard_console.sources.follow import follow
from fuseboard_engine.events import ScenarioPaced, ScenarioStep
from fuseboard_engine.runtime.clock import wall_clock
from fuseboard_storage.board.presence import presence, time_of
from fuseboard_storage.recording.recording import Recording
from fuseboard_storage.recording.tail import ConnectionState, Tail
from support.command_line import fuseboard
from support.console_story import added, at, started
from support.replays import recorded
from support.served_api import api
from support.waiting import until_async

HEARTBEAT = 131
"""Seconds of the scenario at its engine's last heartbeat; it has recorded events since."""


def show(path: Path, pace: float) -> Path:
    """Return the recording of a scenario whose time is months behind that of the host."""
    clock = wall_clock()
    step = ScenarioStep(at=at(100), scenario="checkout", text="Go", paced_at=at(100), clock_at=clock, pace=1.0)
    paced = ScenarioPaced(at=at(HEARTBEAT + 60), scenario="checkout", pace=pace, clock_at=clock - 60_000_000)
    return recorded(path / "show.db", [started(), added("agno"), step, paced])


@pytest.fixture(params=[0.0, 8.0], ids=["stopped", "fast"])
def file(tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    return show(tmp_path, request.param)


def test_status_says_live_and_shows_its_states(file: Path) -> None:
    shown = fuseboard("status", file, "--check")
    assert (shown.returncode, shown.stdout.split(";")[0][:14]) == (exit_codes.OK, "show.db: live ")
    assert "SILENT" not in shown.stdout


def test_status_json_has_the_time_of_the_scenario(file: Path) -> None:
    status = json.loads(fuseboard("status", file, "--json").stdout)
    assert (status["connection"]["state"], status["engines"][0]["state"]) == ("live", "live")
    assert at(HEARTBEAT + 60) <= status["at"] <= at(HEARTBEAT + 62)


async def test_plain_lines_begin_with_live(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    watching = asyncio.create_task(watch_plain(str(file), wall_clock))
    printed = ""

    async def shown() -> bool:
        nonlocal printed
        printed += capsys.readouterr().out
        return "agno" in printed

    await until_async(shown)
    watching.cancel()
    await asyncio.wait({watching})
    assert printed.startswith("show.db: live ")


async def test_the_http_api_says_live(file: Path) -> None:
    async with api(file) as client:
        assert (await client.get("/health/ready")).json()["connection"] == "live"
        assert (await client.get("/health/system")).json()["engines"][0]["state"] == "live"
        assert (await client.get("/health/adapters")).json()["adapters"][0]["condition"] == "closed"


async def test_a_tail_and_a_board_brought_up_to_date_are_live(file: Path) -> None:
    async with Tail.open(file) as tail:
        await tail.advance()
        assert tail.status.state is ConnectionState.LIVE
    async with Recording.open(file) as recording:
        board = await recording.board()
        await recording.bring_up_to_date(board, wall_clock())
        assert presence(board.instances[1], time_of(board, wall_clock())) == "live"


async def test_its_engine_takes_commands_to_engines_of_its_name(file: Path) -> None:
    async with Recording.open(file) as recording:
        board = await recording.board()
        await recording.bring_up_to_date(board, wall_clock())
    assert find_target(board, {"checkout"}, wall_clock(), "show.db").instance == 1
    assert instances_to_ask(board, {"checkout"}, wall_clock()) == [1]


async def test_a_dead_engine_is_not_made_live_by_its_scenario(file: Path) -> None:
    async with aclosing(follow(str(file))) as updates:
        board = (await anext(updates)).board
    board.instances[1].gone = True
    assert presence(board.instances[1], time_of(board, wall_clock())) == "silent"


def test_the_time_of_a_fast_scenario_stands_still_while_its_recording_opens(tmp_path: Path) -> None:
    scenario, kept = tmp_path / "fast.yaml", tmp_path / "fast.db"
    scenario.write_text(
        "{scenario: fast, title: Fast, duration: 2, adapters: {a: {}}, traffic: [{per_second: 5}],"
        " timeline: [{at: 0, say: It begins}]}"
    )
    played = fuseboard("scenario", "play", scenario, "--speed", "64", "--record", kept)
    assert (played.returncode, played.stderr) == (exit_codes.OK, "")
    assert played.stdout.startswith("   0.0 s  ── It begins\n")
    events = [json.loads(line) for line in fuseboard("events", kept, "--json", "--limit", "0").stdout.splitlines()]
    started, step = (next(one["at"] for one in events if one["kind"] == k) for k in ("engine_started", "scenario_step"))
    assert started <= step
