"""`fuseboard events`, `failures` and `watch --plain`: real processes on real recordings."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from msgspec.structs import replace

from fuseboard_console.cli import exit_codes
from fuseboard_console.views.events.narrator import EventNarrator
from fuseboard_console.views.events.text import event_json, event_line
from fuseboard_engine.events import Event, HealthChecked, ProbeChanged, ScenarioStep
from fuseboard_storage.board.board import Entry
from support.command_line import end_engine, fuseboard, start_engine, wait_for
from support.console_story import added, at, attempt, failed, opened, route, started
from support.hostile_texts import HOSTILE
from support.replays import recorded
from support.waiting import PATIENCE


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


def restore_sigint() -> None:
    """Restore the default SIGINT handler in a child process, which may have inherited that SIGINT is ignored."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


@pytest.fixture
def following(tmp_path: Path) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Return a function that starts a following command; commands still running at the end are killed."""
    started: list[subprocess.Popen[str]] = []

    def start(*words: str | Path) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "fuseboard_console", *map(str, words)]
        process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, preexec_fn=restore_sigint
        )
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


def read_until(process: subprocess.Popen[str], text: str, *, complaints: bool = False) -> list[str]:
    """Return the lines, of stderr if `complaints`, up to the first with the text; fail if the process ends before."""
    output = process.stderr if complaints else process.stdout
    assert output is not None
    lines = []
    deadline = time.monotonic() + PATIENCE
    while line := output.readline():
        lines.append(line)
        if text in line:
            return lines
        assert time.monotonic() < deadline
    raise AssertionError(f"{text!r} is missing in {lines}")


def test_events_are_printed_one_a_line_oldest_first(ended: Path) -> None:
    shown = fuseboard("events", ended, "--limit", "0")
    assert shown.returncode == exit_codes.OK
    lines = shown.stdout.splitlines()
    assert "engine_started" in lines[0]
    assert "engine_stopped" in lines[-1]
    assert "prefect opens: 3 failures in a row" in shown.stdout
    assert "prefect failed → agno ok" in shown.stdout
    assert "\x1b" not in shown.stdout
    assert fuseboard("events", ended, "--limit", "2").stdout.splitlines() == lines[-2:]


def test_events_are_filtered_by_kind_and_adapter(ended: Path) -> None:
    shown = fuseboard("events", ended, "--kind", "state_changed", "--kind", "adapter_added", "--adapter", "prefect")
    assert [line.split()[2] for line in shown.stdout.splitlines()] == ["adapter_added", "state_changed"]


def test_events_start_with_the_engine_and_describe_policies(ended: Path) -> None:
    events = [json.loads(line) for line in fuseboard("events", ended, "--json", "--limit", "0").stdout.splitlines()]
    assert events[0]["kind"] == "engine_started" and events[1]["kind"] == "adapter_added"
    assert events[0]["at"] <= events[1]["at"]
    added = fuseboard("events", ended, "--kind", "adapter_added", "--adapter", "prefect").stdout
    assert "opens after 3 failures in a row; waits" in added and "{" not in added


def test_failures_have_probes_that_were_too_slow(tmp_path: Path) -> None:
    probe = ProbeChanged(at=at(2), adapter="agno", what="success", slow=True, duration=1.4, limit=0.5)
    file = recorded(tmp_path / "a.db", [started(), added("agno"), probe, failed("prefect", 3)])
    lines = fuseboard("failures", file).stdout.splitlines()
    assert lines[1].endswith("agno  probe took 1.4 s, limit 0.5 s  (its task was answered)")
    (found,) = fuseboard("failures", file, "--adapter", "agno", "--json").stdout.splitlines()
    assert json.loads(found)["attempt"]["error"] == "probe took 1.4 s, limit 0.5 s"


def test_a_tasks_id_is_printed_in_full() -> None:
    task = "nightly-2026-11-28-customer-4711:store"
    assert f"ai_task #{task}: a ok" in event_line(Entry(1, 1, route(1, attempt("a", "success"), task=task)))
    assert f"(ai_task #{task}, attempt 1" in event_line(Entry(1, 1, replace(failed("a", 1), task=task)))
    refused = route(1, attempt("a", "failure"), success=False, task=task, error="refused", letter=12)
    assert f"#{task} (retry of dead letter 12): a failed" in (EventNarrator(at(0)).narrate(refused) or "")


def test_equal_failures_are_reported_once_until_a_breaker_changes() -> None:
    def unanswered(when: float, wait: str) -> Event:
        skipped = attempt("a", "rejected"), attempt("b", "rejected")
        return route(when, *skipped, success=False, error=f"the next call is admitted in {wait}")

    story = EventNarrator(at(0))
    lines = [
        story.narrate(unanswered(1, "5 s")),
        story.narrate(unanswered(1.3, "4.7 s")),
        story.narrate(unanswered(2, "4 s")),
    ]
    assert "a skipped → b skipped: no answer (the next call is admitted in 5 s)" in (lines[0] or "")
    assert lines[1:] == [None, None]
    assert story.narrate(route(2.5, attempt("a", "failure"), success=False, error="refused")) is not None
    story.narrate(opened("a", 3))
    assert "admitted in 3 s" in (story.narrate(unanswered(3.1, "3 s")) or "")


def test_durations_and_short_delays_are_printed_in_milliseconds() -> None:
    def line(event: Event) -> str:
        return event_line(Entry(1, 1, event))

    retried = replace(failed("prefect", 1), then="retry")
    checked = HealthChecked(at=at(1), adapter="prefect", status="healthy", duration=0.0123)
    assert "checked in 12 ms" in line(checked)
    assert "next probe in 250 ms" in line(opened("prefect", 1, wait=0.25))
    assert "next probe in 10 s" in line(opened("prefect", 1))
    assert "; retry in 40 ms)" in line(replace(retried, delay=0.04))
    assert "; retry at once)" in line(retried)


def test_a_recording_without_events_is_reported_as_empty(ended: Path, tmp_path: Path) -> None:
    empty = tmp_path / "empty.db"
    empty.touch()
    assert fuseboard("events", empty).stdout == "No event was recorded.\n"
    assert fuseboard("events", ended, "--kind", "batch_finished").stdout == "No matching event was recorded.\n"
    assert fuseboard("events", empty, "--json").stdout == ""


def test_json_events_are_one_object_a_line(ended: Path) -> None:
    events = [json.loads(line) for line in fuseboard("events", ended, "--json", "--limit", "0").stdout.splitlines()]
    assert [event["seq"] for event in events] == sorted(event["seq"] for event in events)
    opening = next(event for event in events if event["kind"] == "state_changed")
    assert (opening["adapter"], opening["after"]) == ("prefect", "open")
    assert isinstance(opening["at"], int)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["events", "--kind", "state_change"], "Did you mean state_changed?"),
        (["events", "--adapter", "prefct"], "Did you mean prefect?"),
        (["events", "--limit", "-1"], "--limit"),
        (["failures", "--adapter", "prefct"], "Did you mean prefect?"),
        (["failures", "--limit", "-1"], "--limit"),
        (["events", "--limit", "99999999999999999999"], "is not a whole number; 0 means all"),
        (["failures", "--limit", "9999999999"], "is too large; the maximum is 1,000,000,000"),
        (["workflows", "--limit", "-1"], "--limit"),
        (["workflows", "--limit", "99999999999999999999"], "--limit"),
        (["workflows", "--wait", "3"], "--wait works only with --resume"),
        (["dlq", "list", "--limit", "99999999999999999999"], "--limit"),
    ],
)
def test_an_unknown_value_is_answered_with_a_suggestion(ended: Path, words: list[str], said: str) -> None:
    shown = fuseboard(words[0], ended, *words[1:])
    assert shown.returncode == exit_codes.BAD_INPUT
    assert said in shown.stderr
    assert "Traceback" not in shown.stderr


def test_failures_are_newest_first_with_the_next_step(ended: Path) -> None:
    shown = fuseboard("failures", ended, "--adapter", "prefect")
    lines = shown.stdout.splitlines()
    assert shown.returncode == exit_codes.OK
    assert lines == sorted(lines, reverse=True)
    assert "prefect  ConnectionRefusedError: connection refused  (ai_task #t1, attempt 1" in lines[-1]
    assert "failover" in lines[0]
    assert fuseboard("failures", ended, "--adapter", "prefect", "--limit", "0").stdout == shown.stdout
    newest = json.loads(fuseboard("failures", ended, "--limit", "1", "--json").stdout)
    assert newest["attempt"]["error_type"] == "ConnectionRefusedError"
    assert fuseboard("failures", ended, "--adapter", "agno").stdout == "No failure was recorded.\n"


def test_following_prints_new_events_until_ctrl_c(
    tmp_path: Path, following: Callable[..., subprocess.Popen[str]]
) -> None:
    file = tmp_path / "checkout.db"
    file.touch()
    events = following("events", file, "--follow", "--kind", "state_changed")
    watch = following("watch", "--plain", file)
    read_until(watch, "No engine has written to it yet.")
    engine = start_engine(file)
    try:
        read_until(events, "prefect opens: 3 failures in a row")
        read_until(watch, "An engine is writing.")
        assert fuseboard("reset", file, "prefect").returncode == exit_codes.OK
        read_until(events, "prefect is closed by")
    finally:
        end_engine(engine)
    printed = "".join(read_until(watch, "The engine ended at"))
    assert "prefect opens: 3 failures in a row" in printed
    assert "reset prefect: done" in printed
    for process in (events, watch):
        process.send_signal(signal.SIGINT)
        _, complaint = process.communicate(timeout=PATIENCE)
        assert process.returncode == exit_codes.INTERRUPTED
        assert complaint == ""


def test_following_continues_after_the_file_is_removed_or_replaced(
    tmp_path: Path, following: Callable[..., subprocess.Popen[str]]
) -> None:
    file = recorded(tmp_path / "a.db", [started(), added("prefect"), opened("prefect", 1)])
    watch, events = following("watch", "--plain", file), following("events", file, "--follow")
    read_until(watch, "prefect")
    read_until(events, "prefect opens")
    for own in tmp_path.glob("a.db*"):
        own.unlink()
    read_until(watch, "a.db is missing. The console continues when it is back.")
    read_until(events, "a.db is missing.", complaints=True)
    diary = tmp_path / "diary"
    diary.write_text("a diary\n" * 50)
    diary.rename(file)  # whole: an empty file would be a recording that waits for its first engine
    read_until(watch, "not a recording")
    read_until(events, "not a recording", complaints=True)  # both have to see it: each looks at its own pace
    file.unlink()
    recorded(tmp_path / "b.db", [started(), added("agno"), opened("agno", 1)]).rename(file)
    read_until(watch, "agno opens")
    read_until(events, "agno opens")


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_stays_on_its_line(text: str) -> None:
    events = [
        failed(text, 1, text, error_type=text),
        opened(text, 2),
        route(3, attempt(text, "failure"), task=text, type=text, success=False, error=text),
        ScenarioStep(at=at(4), scenario=text, text=text),
    ]
    for event in events:
        line = event_line(Entry(1, 1, event))
        assert line.isprintable()
        assert "\x1b" not in line
        assert event_json(Entry(1, 1, event)).isascii()
