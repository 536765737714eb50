"""`fuseboard scenario from-recording`: an incident becomes a scenario."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from msgspec.structs import replace

from fuseboard_console.cli import exit_codes
from fuseboard_engine.events import EngineStarted, Event
from fuseboard_engine.scenario.model import load
from fuseboard_engine.scenario.player import Player
from fuseboard_engine.virtual_time import VirtualTimeLoop
from fuseboard_scenarios import shipped
from fuseboard_storage.sqlite import schema
from fuseboard_storage.tables import events as rows
from fuseboard_storage.tables import instances
from support.command_line import fuseboard


def played(name: str) -> list[Event]:
    """Return the events of a scenario, with those that describe its engine."""
    loop = VirtualTimeLoop()
    events: list[Event] = []

    async def main() -> None:
        player = Player(load(shipped()[name]), wall=loop.wall, on_event=events.append)
        events.extend(player.engine.describe())
        await player.play()

    with asyncio.Runner(loop_factory=lambda: loop) as runner:
        runner.run(main())
    return events


def recorded(file: Path, **engines: str) -> Path:
    """Record engines to a file: the name of each, and the scenario that it played."""
    connection = schema.connect(file)
    for name, scenario in engines.items():
        events = played(scenario)
        id = instances.register(connection, name, "web-1", events[0].at)
        rows.insert(connection, id, events)
    connection.commit()
    connection.close()
    return file


@pytest.fixture(scope="module")
def incident(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The recording of one engine."""
    return recorded(tmp_path_factory.mktemp("recorded") / "check out.db", checkout="all-out")


def test_what_it_writes_can_be_checked_and_passes(incident: Path, tmp_path: Path) -> None:
    file = tmp_path / "incident.yaml"
    done = fuseboard("scenario", "from-recording", incident, "-o", file)
    assert (done.returncode, done.stdout, done.stderr) == (exit_codes.OK, "", "")
    made = load(file)
    assert made.scenario == "check-out"
    assert made.title.startswith("What checkout did on 202")
    checked = fuseboard("scenario", "check", file)
    assert checked.stdout.startswith("check-out: passed, 200 tasks, 68.0% answered")


def test_without_a_file_it_prints_the_scenario(incident: Path) -> None:
    done = fuseboard("scenario", "from-recording", incident)
    assert done.stdout.startswith("scenario: check-out\n")


def test_a_part_of_the_time_gives_a_shorter_scenario(incident: Path, tmp_path: Path) -> None:
    file = tmp_path / "part.yaml"
    day = ["--from", "2026-01-01T00:00:10+00:00", "--to", "2026-01-01T00:00:20+00:00"]
    assert fuseboard("scenario", "from-recording", incident, *day, "-o", file).returncode == exit_codes.OK
    made = load(file)
    assert made.duration <= 10.5
    assert made.adapters["gpt"].breaker is not None or made.breaker.failure_threshold == 3  # from before the part


def test_of_several_engines_one_has_to_be_chosen(tmp_path: Path) -> None:
    file = recorded(tmp_path / "a.db", checkout="all-out", search="expired-key")
    done = fuseboard("scenario", "from-recording", file)
    assert done.returncode == exit_codes.BAD_INPUT
    assert "Several engines did tasks: checkout, search. Choose one with --engine NAME." in done.stderr
    chosen = fuseboard("scenario", "from-recording", file, "--engine", "search")
    assert "title: What search did" in chosen.stdout


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["--engine", "nope"], "No engine 'nope' did tasks at that time; checkout did."),
        (["--process", "1"], "No process 1 did tasks at that time."),
        (["--to", "2020-01-01"], "It has no tasks at that time, so there is nothing to repeat."),
        (["--adapter", "nope"], "It has no tasks at that time, so there is nothing to repeat."),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else None,
)
def test_a_recording_without_what_is_asked_for_gives_a_sentence(
    incident: Path, arguments: list[str], reason: str
) -> None:
    done = fuseboard("scenario", "from-recording", incident, *arguments)
    assert done.returncode == exit_codes.BAD_INPUT
    assert done.stderr.endswith(f"check out.db: {reason}\n")
    assert done.stdout == ""


def test_a_file_that_is_not_a_recording_gives_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "junk.db").write_text("no recording")
    done = fuseboard("scenario", "from-recording", tmp_path / "junk.db")
    assert done.returncode == exit_codes.BAD_INPUT
    assert "is not a recording" in done.stderr


def test_it_says_how_well_the_scenario_repeats_the_recording(incident: Path, tmp_path: Path) -> None:
    done = fuseboard("scenario", "from-recording", incident, "--compare", "-o", tmp_path / "incident.yaml")
    assert done.returncode == exit_codes.OK
    assert "Played in virtual time it has the 33 changes of state in the recorded order" in done.stderr
    assert "68.0% of tasks succeed, as against 68.0% recorded." in done.stderr


def test_a_process_that_took_the_place_of_a_killed_one_goes_on_in_the_same_scenario(tmp_path: Path) -> None:
    file = recorded(tmp_path / "killed.db", checkout="transient-blip")
    connection = schema.connect(file)
    (first,) = connection.execute("SELECT id FROM instances").fetchone()
    events = played("transient-blip")
    minute = 60_000_000
    started = EngineStarted(at=events[0].at + minute, name="checkout", host="web-1", pid=2, replaces=first)
    second = instances.register(connection, "checkout", "web-1", started.at)
    rows.insert(connection, second, [started, *(replace(event, at=event.at + minute) for event in events)])
    connection.commit()
    connection.close()
    made = tmp_path / "killed.yaml"
    assert fuseboard("scenario", "from-recording", file, "-o", made).returncode == exit_codes.OK
    scenario = load(made)
    (kill,) = [step for step in scenario.timeline if step.kill]
    assert 29 < kill.at < 32
    assert kill.at + kill.down == pytest.approx(60, abs=0.01)
    assert sum(len(stream.times) for stream in scenario.traffic) == 2 * 359
