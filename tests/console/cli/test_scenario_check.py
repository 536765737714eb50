"""`fuseboard scenario check` and `schema`: files and folders, reports for CI, and completion in editors."""

from __future__ import annotations

import json
import re
import shlex
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

from fuseboard_console.cli import exit_codes
from fuseboard_engine.faults.table import FAULTS
from fuseboard_engine.network_faults.table import NETWORK_FAULTS
from fuseboard_scenarios import shipped
from support.command_line import fuseboard
from support.terminal import Terminal

FUSEBOARD = (sys.executable, "-m", "fuseboard_console")
QUIET = """
scenario: quiet
title: Nothing happens
duration: 2
adapters: {a: {}}
traffic: [{per_second: 5}]
"""
FAILING = """
scenario: failing
title: The only adapter is down
duration: 5
breaker: {failure_threshold: 3, recovery_timeout: 60}
retry: {max_attempts: 1}
adapters: {a: {}}
traffic: [{per_second: 5}]
timeline: [{at: 2, adapter: a, fault: refused}]
expect: {success_rate: 0.9, end: {a: closed}, states: {a: [open, closed]}}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a scenario that passes, and below it one that fails."""
    (tmp_path / "all" / "more").mkdir(parents=True)
    (tmp_path / "all" / "quiet.yaml").write_text(QUIET)
    (tmp_path / "all" / "more" / "failing.yml").write_text(FAILING)
    (tmp_path / "all" / "notes.txt").write_text("not a scenario")
    return tmp_path / "all"


def test_the_scenarios_of_a_folder_and_of_those_in_it_are_checked(folder: Path) -> None:
    done = fuseboard("scenario", "check", folder)
    assert done.returncode == exit_codes.NOT_DONE
    first, second, last = done.stdout.splitlines()
    assert first.startswith("failing: failed, ") and second.startswith("quiet: passed, ")
    assert last == "2 scenarios, 1 failed: failing"


def test_a_failed_expectation_says_when(folder: Path) -> None:
    done = fuseboard("scenario", "check", folder / "more" / "failing.yml")
    rate, _, states, _, end, _ = done.stderr.splitlines()
    assert "expected 90.0% or more; the first without an answer at 2." in rate
    assert "states.a: was closed → open, expected open → closed within it; its last change at 2." in states
    assert "end.a: open, expected closed; its last change at 2." in end


def test_a_failed_expectation_names_the_command_that_shows_the_moment(folder: Path) -> None:
    failing = folder / "more" / "failing.yml"
    told = fuseboard("scenario", "check", failing).stderr.splitlines()[-1].strip()
    assert told.startswith(f"fuseboard scenario run {failing} --replay 2.")
    with Terminal(*FUSEBOARD, *shlex.split(told)[1:]) as terminal:
        terminal.wait_for("SCENARIO")
        terminal.wait_for("00:00:02")  # of the virtual clock
        terminal.wait_for("OPEN")
        terminal.press("q")
        assert terminal.ended() == 0


def test_a_terminal_shows_how_far_the_check_is_and_removes_it(folder: Path) -> None:
    with Terminal(*FUSEBOARD, "scenario", "check", str(folder)) as terminal:
        assert terminal.ended() == exit_codes.NOT_DONE
        assert re.search(rb"\d%  quiet", terminal.raw)
        assert "%  quiet" not in terminal.text
        assert "2 scenarios, 1 failed: failing" in terminal.text


def test_a_report_for_ci_names_each_scenario_and_what_failed(folder: Path, tmp_path: Path) -> None:
    report = tmp_path / "report.xml"
    assert fuseboard("scenario", "check", folder, "--junit", report).returncode == exit_codes.NOT_DONE
    suite = ElementTree.parse(report).getroot()
    assert (suite.tag, suite.get("tests"), suite.get("failures"), suite.get("errors")) == ("testsuite", "2", "1", "0")
    failing, quiet = suite.findall("testcase")
    assert (failing.get("name"), failing.get("classname")) == ("failing", str(folder / "more" / "failing.yml"))
    assert len(failing.findall("failure")) == 3
    assert "end.a: open, expected closed" in (failing.findall("failure")[2].get("message") or "")
    assert (quiet.get("name"), quiet.findall("failure")) == ("quiet", [])
    figures = {one.get("name"): one.get("value") for one in quiet.iter("property")}
    assert figures["seed"] == "1" and figures["tasks"] == figures["succeeded"] == figures["answered.a"]


def test_a_report_that_cannot_be_written_is_reported(folder: Path, tmp_path: Path) -> None:
    done = fuseboard("scenario", "check", folder / "quiet.yaml", "--junit", tmp_path / "none" / "report.xml")
    assert done.returncode == exit_codes.BAD_INPUT
    assert "report.xml cannot be written: no such file or directory. Choose another path." in done.stderr


def test_a_folder_without_scenarios_is_refused(tmp_path: Path) -> None:
    done = fuseboard("scenario", "check", tmp_path)
    assert done.returncode == exit_codes.BAD_INPUT
    assert "has no scenario: its files end with .yaml or .yml." in done.stderr


def test_the_mistakes_of_all_files_are_listed_before_anything_is_played(folder: Path) -> None:
    for name in ("one", "two"):
        (folder / f"{name}.yaml").write_text(QUIET.replace("duration: 2", "duration: -2"))
    done = fuseboard("scenario", "check", folder)
    assert (done.returncode, done.stdout) == (exit_codes.BAD_INPUT, "")
    assert "one.yaml:4: duration" in done.stderr and "two.yaml:4: duration" in done.stderr


def test_the_schema_has_the_fields_and_faults_of_a_scenario(tmp_path: Path) -> None:
    file = tmp_path / "scenario.json"
    assert fuseboard("scenario", "schema", file).returncode == exit_codes.OK
    schema = json.loads(file.read_text())
    assert schema == json.loads(fuseboard("scenario", "schema").stdout)
    assert schema["title"] == "Fuseboard scenario"
    assert set(schema["required"]) == {"scenario", "title", "duration"}
    assert schema["anyOf"] == [{"required": ["adapters", "traffic"]}, {"required": ["proxies"]}]
    step = schema["$defs"]["StepPart"]
    assert step["additionalProperties"] is False
    (fault,) = (option for option in step["properties"]["fault"]["anyOf"] if "enum" in option)
    assert fault["enum"] == list(dict.fromkeys((*FAULTS, *NETWORK_FAULTS)))


def test_every_scenario_that_comes_with_fuseboard_passes() -> None:
    done = fuseboard("scenario", "check", *shipped())
    assert (done.returncode, done.stderr) == (exit_codes.OK, "")
    *results, last = done.stdout.splitlines()
    assert len(results) == len(shipped())
    assert last == f"{len(shipped())} scenarios, none failed"
