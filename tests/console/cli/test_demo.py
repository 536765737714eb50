"""`fuseboard demo` and `fuseboard scenario`: processes in a terminal and in a pipe."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from support.process_tree import children_of, wait_until_gone
from support.terminal import Terminal
from support.waiting import PATIENCE

FUSEBOARD = (sys.executable, "-m", "fuseboard_console")
BROKEN = """\
scenario: broken
title: It expects too much
duration: 5
adapters: {gpt: {}}
traffic: [{per_second: 2}]
timeline: [{at: 0, adapter: gpt, fault: refused}]
expect: {success_rate: 1, end: {gpt: closed}}
"""


def fuseboard(*words: str, folder: Path | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*FUSEBOARD, *words], capture_output=True, text=True, timeout=PATIENCE, cwd=folder, check=False
    )


def test_in_a_pipe_the_demo_prints_plain_lines_and_a_summary() -> None:
    result = fuseboard("demo")
    assert result.returncode == 0
    assert result.stderr == ""
    assert "\x1b" not in result.stdout
    assert "prefect opens: 5 failures in a row" in result.stdout
    assert "prefect failed → agno ok" in result.stdout
    assert "prefect is closed: 3 good probes" in result.stdout
    assert "scenario: reset prefect: done: prefect went from open to closed" in result.stdout
    assert "728 tasks in 60 s" in result.stdout.splitlines()[-3]


def test_the_demo_prints_the_same_every_time() -> None:
    assert fuseboard("demo").stdout == fuseboard("demo").stdout


def test_a_closed_pipe_ends_the_demo_quietly() -> None:
    result = subprocess.run(
        f"{sys.executable} -m fuseboard_console demo | head -n 1",
        shell=True,
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.stderr == ""


def test_in_a_terminal_the_demo_shows_an_outage_live_and_a_key_resets_it(tmp_path: Path) -> None:
    with Terminal(*FUSEBOARD, "demo", TMPDIR=str(tmp_path)) as terminal:
        terminal.wait_for("All three adapters are healthy")
        (engine,) = children_of(terminal.process.pid)
        terminal.wait_for("prefect, 1st of")
        seen = ("agno, 2nd of", " OPEN", "ConnectionRefused")
        terminal.wait_for(lambda screen: all(text in screen for text in seen))
        terminal.press("R")
        terminal.wait_for("Cancel")
        terminal.press("\t\r")
        terminal.wait_for(lambda screen: "Cancel" not in screen)
        terminal.wait_for(lambda screen: "prefect reset" in screen or "no breaker was open" in screen)
        terminal.press("q")
        terminal.wait_for("Leave the scenario")
        terminal.press("y")
        assert terminal.ended() == 0
    assert wait_until_gone(engine)
    assert list(tmp_path.iterdir()) == []


def test_the_demos_engine_ends_when_its_console_is_killed(tmp_path: Path) -> None:
    with Terminal(*FUSEBOARD, "demo", TMPDIR=str(tmp_path)) as terminal:
        terminal.wait_for("All three adapters are healthy")
        (engine,) = children_of(terminal.process.pid)
        terminal.process.kill()
        terminal.process.wait()
    assert wait_until_gone(engine)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_quits_the_demo_and_restores_the_terminal(tmp_path: Path, number: signal.Signals) -> None:
    with Terminal(*FUSEBOARD, "demo", TMPDIR=str(tmp_path)) as terminal:
        terminal.wait_for("All three adapters are healthy")
        (engine,) = children_of(terminal.process.pid)
        assert terminal.modes >= {1049, 1000}
        terminal.process.send_signal(number)
        assert terminal.ended() == 0
        assert not terminal.modes & {1049, 1000, 1002, 1003, 1006}
    assert wait_until_gone(engine)
    assert list(tmp_path.iterdir()) == []


def test_a_terminal_that_is_closed_ends_the_demo_and_leaves_nothing_behind(tmp_path: Path) -> None:
    with Terminal(*FUSEBOARD, "demo", TMPDIR=str(tmp_path)) as terminal:
        terminal.wait_for("All three adapters are healthy")
        (engine,) = children_of(terminal.process.pid)
        terminal.hang_up()
        assert terminal.process.wait(timeout=PATIENCE) == 0
    assert wait_until_gone(engine)
    assert list(tmp_path.iterdir()) == []


def test_a_demo_whose_engine_fails_shows_the_reason(tmp_path: Path) -> None:
    (tmp_path / "broken.yaml").write_text("scenario: broken\ntitle: [unclosed\n")
    with Terminal(*FUSEBOARD, "demo", str(tmp_path / "broken.yaml"), TMPDIR=str(tmp_path)) as terminal:
        terminal.wait_for("engine ended early")
        terminal.press("q")
        terminal.ended()
        assert "The demo's engine ended early:" in terminal.text


def test_a_demo_whose_engine_was_killed_names_the_signal(tmp_path: Path) -> None:
    with Terminal(*FUSEBOARD, "demo", TMPDIR=str(tmp_path)) as terminal:
        terminal.wait_for("All three adapters are healthy")
        (engine,) = children_of(terminal.process.pid)
        os.kill(engine, signal.SIGKILL)
        terminal.wait_for("was killed by signal 9")
        terminal.press("q")
        terminal.ended()


def test_without_a_terminal_the_demo_refuses_to_record_and_names_the_command_that_does(tmp_path: Path) -> None:
    result = fuseboard("demo", "--record", "kept.db", folder=tmp_path)
    assert result.returncode == 2
    assert "fuseboard scenario play primary-outage --record" in result.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_missing_folder_is_reported_in_a_sentence(tmp_path: Path) -> None:
    with Terminal(*FUSEBOARD, "demo", "--record", str(tmp_path / "nowhere" / "x.db")) as terminal:
        assert terminal.ended() == 2
        assert "cannot be written" in terminal.text.replace("\n", " ")
        assert "Traceback" not in terminal.text


def test_a_file_that_is_not_a_recording_is_refused_before_the_demo_starts(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("shopping list\n" * 20)
    with Terminal(*FUSEBOARD, "demo", "--record", str(tmp_path / "notes.txt")) as terminal:
        assert terminal.ended() == 2
        assert "notes.txt is not a recording" in terminal.text
    assert (tmp_path / "notes.txt").read_text() == "shopping list\n" * 20


@pytest.mark.parametrize("command", [("demo",), ("watch", "checkout.db")])
def test_in_a_dumb_terminal_the_commands_suggest_plain_output(command: tuple[str, ...]) -> None:
    with Terminal(*FUSEBOARD, *command, TERM="dumb") as terminal:
        assert terminal.ended() == 2
        assert "--plain" in terminal.text
        assert not terminal.modes & {1049, 1000}


def test_the_demos_recording_can_be_kept(tmp_path: Path) -> None:
    with Terminal(*FUSEBOARD, "demo", "--record", str(tmp_path / "kept.db")) as terminal:
        terminal.wait_for("All three adapters are healthy")
        terminal.press("q")
        terminal.wait_for("Leave the scenario")
        terminal.press("y")
        assert terminal.ended() == 0
    status = fuseboard("status", str(tmp_path / "kept.db"))
    assert "prefect" in status.stdout
    with Terminal(*FUSEBOARD, "replay", str(tmp_path / "kept.db")) as terminal:
        terminal.wait_for("SCENARIO")
        terminal.wait_for("The primary goes down")
        terminal.press("q")
        assert terminal.ended() == 0
    assert (tmp_path / "kept.db").stat().st_mode & 0o777 == 0o600


def test_scenarios_can_be_listed_shown_and_checked(tmp_path: Path) -> None:
    assert "\nprimary-outage " in fuseboard("scenario", "list").stdout
    (tmp_path / "mine.yaml").write_text(fuseboard("scenario", "show", "primary-outage").stdout)
    result = fuseboard("scenario", "check", "mine.yaml", "primary-outage", folder=tmp_path)
    assert result.returncode == 0
    assert result.stdout.count("passed") == 2


def test_a_scenario_that_misses_its_expectations_fails_and_lists_them(tmp_path: Path) -> None:
    (tmp_path / "broken.yaml").write_text(BROKEN)
    result = fuseboard("scenario", "check", "broken.yaml", folder=tmp_path)
    assert result.returncode == 1
    assert "broken: failed" in result.stdout
    assert "success_rate: 0.0%" in result.stderr
    assert "end.gpt: open, expected closed" in result.stderr


def test_the_mistakes_of_all_scenarios_are_listed_before_any_is_played(tmp_path: Path) -> None:
    (tmp_path / "one.yaml").write_text(BROKEN.replace("scenario: broken", "scenario: Broken One"))
    (tmp_path / "two.yaml").write_text(BROKEN + "nonsense: 1\n")
    result = fuseboard("scenario", "check", "one.yaml", "primary-outage", "two.yaml", "nope", folder=tmp_path)
    assert (result.returncode, result.stdout) == (2, "")
    lines = result.stderr.splitlines()
    assert lines[0].endswith("scenario: write lower case letters, digits and dashes")
    assert "nonsense: there is no such field" in lines[1]
    assert "no scenario 'nope'" in lines[2]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("scenario", "check", "primary-outege"), "did you mean primary-outage"),
        (("scenario", "play", "nowhere.yaml"), "no such file"),
        (("demo", "nowhere.yaml"), "no such file"),
    ],
)
def test_a_missing_scenario_is_reported_in_a_sentence(words: tuple[str, ...], said: str) -> None:
    result = fuseboard(*words)
    assert result.returncode == 2
    assert said.lower() in result.stderr.lower()
    assert "Traceback" not in result.stderr


def test_a_recorded_scenario_stops_cleanly_on_sigterm(tmp_path: Path) -> None:
    command = [*FUSEBOARD, "scenario", "play", "primary-outage", "--record", "played.db", "--again"]
    with subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert "All three adapters are healthy" in process.stdout.readline()
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=PATIENCE) == 0
    assert "ended" in fuseboard("status", "played.db", folder=tmp_path).stdout
