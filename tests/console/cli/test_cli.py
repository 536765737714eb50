"""The command line: real processes on real recordings."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from fuseboard_console.cli import exit_codes
from support.command_line import end_engine, fuseboard, start_engine, status, wait_for
from support.waiting import PATIENCE, until


@pytest.fixture
def live(tmp_path: Path) -> Iterator[Path]:
    """A recording that a running engine writes to: prefect is down, agno answers."""
    file = tmp_path / "checkout.db"
    engine = start_engine(file)
    try:
        wait_for(file, "prefect", "open")
        yield file
    finally:
        end_engine(engine)


@pytest.fixture(scope="module")
def ended(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A recording whose engine has ended."""
    file = tmp_path_factory.mktemp("ended") / "checkout.db"
    engine = start_engine(file)
    try:
        wait_for(file, "prefect", "open")
    finally:
        end_engine(engine)
    return file


def test_fuseboard_without_arguments_prints_an_overview() -> None:
    shown = fuseboard()
    assert shown.returncode == exit_codes.OK
    for text in ("fuseboard watch checkout.db", "status", "reset", "fuseboard demo"):
        assert text in shown.stdout


@pytest.mark.parametrize("command", ["watch", "status", "reset", "events", "failures", "audit", "tune", "report"])
def test_every_commands_help_has_examples_and_exit_codes(command: str) -> None:
    shown = fuseboard(command, "--help")
    assert shown.returncode == exit_codes.OK
    assert f"fuseboard {command} checkout.db" in shown.stdout
    assert "exit codes:" in shown.stdout


def test_a_misspelt_command_is_answered_with_a_suggestion() -> None:
    shown = fuseboard("stauts", "checkout.db")
    assert shown.returncode == exit_codes.BAD_INPUT
    assert "Did you mean status?" in shown.stderr


def test_status_and_reset_work_on_a_live_engine(live: Path) -> None:
    table = fuseboard("status", live)
    assert table.returncode == exit_codes.OK
    assert "checkout.db: live" in table.stdout
    assert "OPEN" in table.stdout
    assert "connection refused" in table.stdout
    assert "\x1b" not in table.stdout
    assert fuseboard("status", live, "--check").returncode == exit_codes.NOT_DONE

    done = fuseboard("reset", live, "prefect")
    assert (done.returncode, done.stdout) == (exit_codes.OK, "prefect was reset.\n")

    wait_for(live, "prefect", "open")
    done = fuseboard("reset", live, "--all")
    assert done.returncode == exit_codes.OK
    assert "reset" in done.stdout.lower()


def test_the_json_has_the_fields_of_its_schema(ended: Path) -> None:
    shown = status(ended)
    assert shown["schema"] == "fuseboard.status/1"
    assert {"file", "at", "connection", "engines", "tasks", "events_dropped", "adapters"} <= set(shown)
    adapters = shown["adapters"]
    assert isinstance(adapters, list)
    prefect = next(adapter for adapter in adapters if adapter["adapter"] == "prefect")
    assert prefect["state"] == "open"
    assert prefect["condition"] == "ended"
    assert prefect["failure_threshold"] == 3
    assert set(prefect["last_minute"]) == {
        "calls", "successes", "failures", "rejections", "success_rate", "p50", "p95", "p99",
    }  # fmt: skip


def test_a_command_that_no_engine_can_take_exits_with_1_and_the_reason(ended: Path) -> None:
    shown = fuseboard("reset", ended, "prefect", "--wait", "0.2")
    assert shown.returncode == exit_codes.NOT_DONE
    assert "No engine can take this command: the engine of checkout.db ended at" in shown.stderr


def test_an_engine_whose_process_was_killed_is_treated_as_gone(tmp_path: Path) -> None:
    file = tmp_path / "checkout.db"
    engine = start_engine(file)
    wait_for(file, "prefect", "open")
    engine.kill()
    engine.wait()
    until(lambda: status(file)["connection"]["state"] == "silent")  # type: ignore[index]
    assert "checkout.db: killed" in fuseboard("status", file).stdout
    shown = fuseboard("reset", file, "prefect", "--wait", "60")
    assert shown.returncode == exit_codes.NOT_DONE
    assert "the process of the engine of checkout.db is gone, last sign of life" in shown.stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["dlq", "checkout.db", "lst"], "Did you mean list?"),
        (["scenario", "chek", "x"], "Did you mean check?"),
        (["config", "shw"], "Did you mean show?"),
        (["status"], "required: FILE"),
        (
            ["reset", "checkout.db", "--all", "prefect"],
            "--all resets every breaker that refuses calls, so it takes no adapter.",
        ),
    ],
)
def test_wrong_arguments_are_reported_in_a_sentence_without_the_usage(arguments: list[str], said: str) -> None:
    shown = fuseboard(*arguments)
    assert shown.returncode == exit_codes.BAD_INPUT
    assert said in shown.stderr
    assert "usage:" not in shown.stderr
    assert len(shown.stderr.splitlines()) <= 2


def test_the_help_lists_every_exit_code() -> None:
    shown = fuseboard("status", "--help").stdout
    for code in (0, 1, 2, exit_codes.CANT_WRITE, exit_codes.INTERRUPTED, exit_codes.BROKEN_PIPE):
        assert f"  {code}  " in shown


@pytest.mark.parametrize("command", [["scenario", "play"], ["scenario", "check"], ["config", "check"]])
def test_actions_that_take_files_have_examples(command: list[str]) -> None:
    assert f"  fuseboard {' '.join(command)} " in fuseboard(*command, "--help").stdout


def test_an_unknown_adapter_is_answered_with_the_known_ones(ended: Path) -> None:
    shown = fuseboard("reset", ended, "prefct")
    assert shown.returncode == exit_codes.BAD_INPUT
    assert "has no adapter prefct. Did you mean prefect?" in shown.stderr
    assert "agno, prefect" in shown.stderr
    with sqlite3.connect(ended) as connection:
        asked = connection.execute("SELECT count(*) FROM commands WHERE adapter = 'prefct'").fetchone()[0]
    assert asked == 0


@pytest.mark.parametrize(
    "arguments", [["prefect", "--all"], [], ["prefect", "--wait", "soon"], ["prefect", "--wait", "-1"]]
)
def test_contradictory_reset_arguments_are_refused(ended: Path, arguments: list[str]) -> None:
    assert fuseboard("reset", ended, *arguments).returncode == exit_codes.BAD_INPUT


@pytest.mark.parametrize(
    "command",
    [
        ["status"],
        ["reset", "prefect"],
        ["events"],
        ["events", "--follow"],
        ["failures"],
        ["audit"],
        ["tune", "--suggest"],
        ["report", "-o", "-"],
        ["watch", "--plain"],
    ],
)
@pytest.mark.parametrize("kind", ["missing", "text", "other sqlite", "newer", "folder"])
def test_a_file_that_is_not_a_recording_is_refused_and_not_changed(
    tmp_path: Path, ended: Path, kind: str, command: list[str]
) -> None:
    file = tmp_path / "file.db"
    if kind == "text":
        file.write_text("shopping list\n" * 20)
    elif kind == "other sqlite":
        with sqlite3.connect(file) as connection:
            connection.execute("CREATE TABLE other(x)")
    elif kind == "newer":
        file.write_bytes(ended.read_bytes())
        with sqlite3.connect(file) as connection:
            connection.execute("PRAGMA user_version = 99")
    elif kind == "folder":
        file.mkdir()
    before = file.read_bytes() if file.is_file() else None
    shown = fuseboard(command[0], file, *command[1:])
    assert shown.returncode == exit_codes.BAD_INPUT
    assert "file.db" in shown.stderr
    assert "Traceback" not in shown.stderr
    assert (file.read_bytes() if file.is_file() else None) == before


def test_status_of_an_empty_file_waits_for_an_engine(tmp_path: Path) -> None:
    file = tmp_path / "empty.db"
    file.touch()
    shown = fuseboard("status", file)
    assert shown.returncode == exit_codes.OK
    assert "waiting for an engine" in shown.stdout


def test_watch_without_a_terminal_points_to_status(ended: Path) -> None:
    shown = fuseboard("watch", ended, stdin=subprocess.DEVNULL)
    assert shown.returncode == exit_codes.BAD_INPUT
    assert "fuseboard status" in shown.stderr


def test_a_closed_pipe_is_not_reported_as_an_error(ended: Path) -> None:
    command = [sys.executable, "-m", "fuseboard_console", "status", str(ended), "--json"]
    reader, writer = os.pipe()
    os.close(reader)
    shown = subprocess.run(command, stdout=writer, stderr=subprocess.PIPE, text=True, timeout=PATIENCE, check=False)
    os.close(writer)
    assert shown.returncode == exit_codes.BROKEN_PIPE
    assert shown.stderr == ""


@pytest.mark.parametrize(
    "words",
    ["status", "status --json", "events", "failures", "audit", "workflows", "dlq list", "status --help", "db export"],
)
def test_output_that_cannot_be_written_is_reported_in_a_sentence(ended: Path, words: str) -> None:
    name, *others = words.split()
    arguments = [name, *others, str(ended)] if name == "db" else [name, str(ended), *others]
    command = [sys.executable, "-m", "fuseboard_console", *arguments]
    with Path("/dev/full").open("w") as full:
        shown = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, timeout=PATIENCE, check=False)
    assert shown.returncode == exit_codes.CANT_WRITE
    assert shown.stderr == (
        "The output could not be written: no space left on device. Free disk space, or write elsewhere.\n"
    )


def test_a_command_without_standard_output_still_runs(ended: Path) -> None:
    command = f"{sys.executable} -m fuseboard_console status {ended} --check >&-"
    shown = subprocess.run(command, shell=True, stderr=subprocess.PIPE, text=True, timeout=PATIENCE, check=False)
    assert (shown.returncode, shown.stderr) == (exit_codes.NOT_DONE, "")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["status", "a.db", "--jsn"], "Unrecognized arguments: --jsn. Did you mean --json?"),
        (["dlq", "a.db", "list", "--staus", "pending"], "Did you mean --status?"),
        (["status", "a.db", "--xyzzy"], "Unrecognized arguments: --xyzzy.\n"),
        (["events", "a.db", "--limit", "-3"], "'-3' is not a whole number; 0 means all."),
        (["failures", "a.db", "--limit", "-3"], "'-3' is not a whole number; 0 means all."),
        (["watch", "a.db", "--theme", "nrd"], "unknown theme 'nrd'. Did you mean nord?\n"),
        (["serve", "a.db", "--port", "65536"], "'65536' is not a port between 0 and 65535.\n"),
        (["reset", "a.db", "prefect", "--wait", "0"], "'0' is not a number of seconds above 0 and at most 3600.\n"),
        (
            ["scenario", "check", "nope"],
            "no such file. `fuseboard scenario list` lists those that come with Fuseboard.",
        ),
        (["scenario", "check", "primry-outage"], "Did you mean primary-outage?"),
    ],
)
def test_a_misspelt_option_is_answered_with_a_suggestion(words: list[str], said: str) -> None:
    shown = fuseboard(*words)
    assert shown.returncode == exit_codes.BAD_INPUT
    assert said in shown.stderr


def test_output_is_escaped_for_an_encoding_that_lacks_its_characters(ended: Path) -> None:
    shown = fuseboard("status", ended, env={**os.environ, "PYTHONIOENCODING": "ascii"})
    assert shown.returncode == exit_codes.OK
    assert "prefect" in shown.stdout


def test_status_imports_no_screen() -> None:
    code = (
        "import sys; from fuseboard_console.cli.main import load; load('status'); load('reset'); load('watch');"
        "import fuseboard_console.views.lists.status, fuseboard_storage.recording.recording;"
        "print([m for m in ('textual', 'rich', 'pydantic', 'yaml') if m in sys.modules])"
    )
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=PATIENCE, check=True)
    assert shown.stdout == "[]\n"
