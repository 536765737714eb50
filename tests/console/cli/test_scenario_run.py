"""`fuseboard scenario run` and `new`: a run in virtual time that can be kept, and a file to start from."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from fuseboard_console.cli import exit_codes
from fuseboard_console.cli.main import run
from fuseboard_engine.documents.loader import parse
from fuseboard_engine.scenario.model import Scenario, load
from fuseboard_storage import Recorder
from support.command_line import fuseboard

FAILING = """
scenario: failing
title: The only adapter is down
duration: 50
adapters: {a: {}}
traffic: [{per_second: 50}]
timeline: [{at: 2, adapter: a, fault: refused, say: Down it goes}]
expect: {end: {a: closed}}
"""


@pytest.fixture
def failing(tmp_path: Path) -> Path:
    """A scenario that fails."""
    (tmp_path / "failing.yaml").write_text(FAILING)
    return tmp_path / "failing.yaml"


def test_a_run_prints_what_happens_and_how_it_went(failing: Path) -> None:
    done = fuseboard("scenario", "run", failing)
    assert done.returncode == exit_codes.NOT_DONE
    assert "   2.0 s  ── Down it goes" in done.stdout
    assert "not as expected: end.a: open, expected closed; its last change at " in done.stdout
    assert fuseboard("scenario", "run", failing, "--quiet").stdout == ""


def test_a_run_is_recorded_whole_at_the_times_of_the_scenario(failing: Path, tmp_path: Path) -> None:
    kept = tmp_path / "kept.db"
    assert fuseboard("scenario", "run", failing, "--record", kept, "--quiet").returncode == exit_codes.NOT_DONE
    events = fuseboard("events", kept, "--limit", "0").stdout
    assert "00:00:02.000  scenario_step" in events
    assert "dropped" not in events
    assert events.count("route_finished") > 2_000
    again = fuseboard("scenario", "run", failing, "--record", kept)
    assert (again.returncode, again.stdout) == (exit_codes.BAD_INPUT, "")
    assert "kept.db exists already. Choose another name for the recording." in again.stderr


def test_a_replay_needs_a_terminal(failing: Path) -> None:
    done = fuseboard("scenario", "run", failing, "--replay", "2")
    assert (done.returncode, done.stdout) == (exit_codes.BAD_INPUT, "")
    assert "--replay needs a terminal" in done.stderr


@pytest.mark.parametrize("adapters", [None, "gpt", "gpt-4o, claude,mistral", "on,3,a: b,#c,'d',\"e\",{f},ü"])
def test_a_new_scenario_passes_whatever_its_adapters_are_called(tmp_path: Path, adapters: str | None) -> None:
    more = [] if adapters is None else ["--adapters", adapters]
    assert fuseboard("scenario", "new", "My Outage.yaml", *more, cwd=tmp_path).returncode == exit_codes.OK
    made = load(tmp_path / "My Outage.yaml")
    assert made.scenario == "my-outage"
    assert list(made.adapters) == [name.strip() for name in (adapters or "primary,secondary").split(",")]
    done = fuseboard("scenario", "check", "My Outage.yaml", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (exit_codes.OK, "")


def test_a_new_scenario_goes_to_standard_output_without_a_file() -> None:
    done = fuseboard("scenario", "new", "--name", "search")
    assert parse(done.stdout, Scenario, "x.yaml").scenario == "search"


def test_a_new_scenario_replaces_no_file(failing: Path) -> None:
    done = fuseboard("scenario", "new", failing)
    assert (done.returncode, failing.read_text()) == (exit_codes.BAD_INPUT, FAILING)
    assert "failing.yaml exists already. Choose another name." in done.stderr


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--name", "My Scenario"], "scenario: write lower case letters, digits and dashes"),
        (["--adapters", "a,a"], "a is given twice; keep one"),
        (["--adapters", "a,"], "an adapter needs a name"),
    ],
)
def test_a_new_scenario_is_refused_if_it_could_not_be_played(words: list[str], said: str) -> None:
    done = fuseboard("scenario", "new", *words)
    assert (done.returncode, done.stdout) == (exit_codes.BAD_INPUT, "")
    assert said in done.stderr


@pytest.mark.parametrize("says", ["", "next\n64\nnonsense\n" + "x" * 10_000], ids=["empty", "orders"])
def test_a_file_can_steer_a_scenario_that_ends_with_it(failing: Path, tmp_path: Path, says: str) -> None:
    (tmp_path / "orders").write_text(says)
    with (tmp_path / "orders").open() as orders:
        played = fuseboard("scenario", "play", failing, "--while-stdin", stdin=orders)
    assert (played.returncode, played.stderr) == (exit_codes.OK, "")


@pytest.mark.parametrize(
    "words",
    [
        ("scenario", "from-recording", "kept.db", "-o", "kept.db"),
        ("scenario", "schema", "kept.db"),
        ("config", "schema", "kept.db"),
        ("scenario", "check", "failing.yaml", "--junit", "kept.db"),
    ],
    ids=lambda words: " ".join(words[:2]),
)
def test_no_command_replaces_a_file_that_is_something_else(
    failing: Path, tmp_path: Path, words: tuple[str, ...]
) -> None:
    kept = tmp_path / "kept.db"
    fuseboard("scenario", "run", failing, "--record", kept, "--quiet")
    before = kept.read_bytes()
    done = fuseboard(*words, cwd=tmp_path)
    assert done.returncode == exit_codes.BAD_INPUT
    assert "kept.db exists already" in done.stderr and "Choose another name." in done.stderr
    assert kept.read_bytes() == before


@pytest.mark.parametrize("words", [("scenario", "schema"), ("scenario", "check", "failing.yaml", "--junit")])
def test_a_file_of_the_same_kind_is_replaced(failing: Path, words: tuple[str, ...]) -> None:
    folder = failing.parent
    fuseboard(*words, "new", cwd=folder)
    start = (folder / "new").read_text()[:20]
    (folder / "new").write_text(start)
    again = fuseboard(*words, "new", cwd=folder)
    assert "exists" not in again.stderr
    assert (folder / "new").read_text().startswith(start) and (folder / "new").stat().st_size > 100
    assert sorted(path.name for path in folder.iterdir()) == ["failing.yaml", "new"]


def test_what_is_written_to_standard_output_by_name_arrives(failing: Path) -> None:
    assert '"title"' in fuseboard("scenario", "schema", "/dev/stdout").stdout


def test_what_is_no_text_cannot_be_shown(tmp_path: Path) -> None:
    (tmp_path / "bytes.yaml").write_bytes(b"\xff\xfe")
    for name, said in (("bytes.yaml", "it is not UTF-8 text"), (".", "directory")):
        done = fuseboard("scenario", "show", name, cwd=tmp_path)
        assert (done.returncode, done.stdout) == (exit_codes.BAD_INPUT, "")
        assert "cannot be read" in done.stderr and said in done.stderr


def test_a_terminal_does_not_execute_what_a_shown_file_holds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "hostile.yaml"
    file.write_text("# \x1b[2J\nnext: line\n")
    assert run(["scenario", "show", str(file)]) == exit_codes.OK
    assert capsys.readouterr().out == file.read_text()
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    assert run(["scenario", "show", str(file)]) == exit_codes.OK
    assert capsys.readouterr().out == "# \\e[2J\nnext: line\n"


def test_a_run_whose_recording_is_not_complete_fails(
    failing: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(Recorder, "written", 7)
    assert run(["scenario", "run", str(failing), "--record", str(tmp_path / "kept.db")]) == exit_codes.NOT_DONE
    assert "events could not be written. Free disk space, or choose another path." in capsys.readouterr().err
