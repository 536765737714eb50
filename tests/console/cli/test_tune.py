"""`fuseboard tune`: other policies for what was recorded."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from fuseboard_console.cli import exit_codes
from fuseboard_console.cli.main import run
from fuseboard_console.sources.recorded_work import read_workloads
from fuseboard_engine import BreakerPolicy, RetryPolicy
from fuseboard_engine.events import EngineStarted
from fuseboard_engine.policy_replay.comparison import PolicyReplay
from fuseboard_engine.policy_replay.workload import Workload
from fuseboard_storage import Recording
from support.policy_replays import Service, assert_same_changes, changes, engine_events
from support.replays import recorded

PATIENT = BreakerPolicy(failure_threshold=10, recovery_timeout=5.0)
WORLD = {
    "gpt": Service(breaker=PATIENT, retry=RetryPolicy(max_attempts=1)),
    "claude": Service(down=(0.0, 0.0)),
}


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    events = engine_events(WORLD, seconds=30)
    started = EngineStarted(at=events[0].at, name="world", host="h", pid=1)
    return recorded(tmp_path_factory.mktemp("tune") / "a.db", [started, *events])


def shown(capsys: pytest.CaptureFixture[str], *arguments: object) -> str:
    assert run(["tune", *map(str, arguments)]) == exit_codes.OK
    return capsys.readouterr().out


def test_every_combination_is_a_row_beside_the_recorded_policy(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = shown(capsys, file, "--set", "gpt.failure_threshold=2,10", "--set", "gpt.recovery_timeout=1,5")
    lines = text.splitlines()
    assert lines[0].startswith("a.db: ")
    assert "gpt.failure_threshold was 10 (from event 2, adapter_added)" in lines
    head = next(place for place, line in enumerate(lines) if "ANSWERED" in line)
    assert lines[head + 1].startswith("as recorded  10  5  ")
    assert {tuple(line.split()[:2]) for line in lines[head + 2 : head + 6]} == {
        ("2", "1"), ("2", "5"), ("10", "1"), ("10", "5"),
    }  # fmt: skip
    assert "wasted calls" in lines
    assert "The outcome of a call that was never made cannot be known." in text


def test_the_json_has_every_figure_for_each_adapter(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = json.loads(shown(capsys, file, "--set", "gpt.failure_threshold=2", "--json"))
    assert found["schema"] == "fuseboard.tune/1"
    baseline, (tried,) = found["baseline"], found["tried"]
    assert tried["settings"] == {"gpt.failure_threshold": 2}
    before, after = baseline["adapters"][0], tried["adapters"][0]
    assert (before["outages"], before["estimated"]) == (1, 0)
    assert after["wasted"] < before["wasted"]
    assert after["time_to_detect"] < before["time_to_detect"]
    assert found["adapters"][0]["policy"]["failure_threshold"] == 10
    assert found["adapters"][0]["policy_from"] == "event 2, adapter_added"


def test_a_suggestion_is_a_sentence_for_each_adapter(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = shown(capsys, file, "--suggest", "--adapter", "gpt")
    assert "  gpt: failure_threshold " in text
    assert "wasted calls" in text
    assert "claude" not in text


def test_a_time_is_replayed_from_the_state_at_its_beginning(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    whole = json.loads(shown(capsys, file, "--set", "gpt.failure_threshold=10", "--json"))
    part = json.loads(
        shown(capsys, file, "--set", "gpt.failure_threshold=10", "--json", "--from", "2026-01-01T00:00:14+00:00")
    )
    assert 0 < part["attempts"] < whole["attempts"]
    assert part["adapters"][0]["policy"]["failure_threshold"] == 10
    assert part["baseline"]["adapters"][0]["rejections"] > 0


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "Name values to try with --set"),
        (["--set", "gtp.failure_threshold=3"], "did you mean gpt?"),
        (["--suggest", "--adapter", "gtp"], "did you mean gpt?"),
        (["--suggest", "--from", "yesterday"], "is not a time"),
    ],
)
def test_a_wrong_argument_is_refused_in_a_sentence(
    file: Path, arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    try:
        code = run(["tune", str(file), *arguments])
    except SystemExit as ended:
        code = ended.code  # type: ignore[assignment]
    shown = capsys.readouterr()
    assert (code, shown.out) == (exit_codes.BAD_INPUT, "")
    assert said in shown.err.splitlines()[0]


@pytest.mark.parametrize("empty", [True, False], ids=["empty file", "no attempts"])
def test_a_recording_without_attempts_is_a_sentence(
    empty: bool, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "b.db"
    if empty:
        path.touch()
    else:
        recorded(path, [EngineStarted(at=1, name="world", host="h", pid=1)])
    assert run(["tune", str(path), "--suggest"]) == exit_codes.NOT_DONE
    assert capsys.readouterr().err == "b.db has no attempt, so there is nothing to replay.\n"


def read(file: Path, since: int | None = None) -> list[Workload]:
    async def reading() -> list[Workload]:
        async with Recording.open(file) as recording:
            return await read_workloads(recording, since)

    return asyncio.run(reading())


def test_a_recording_is_replayed_with_the_changes_of_state_that_it_holds(tmp_path: Path) -> None:
    limited = Service((5.0, 12.0), "limited", retry=RetryPolicy(max_attempts=2))
    slow = BreakerPolicy(slow_call_rate=0.5, slow_call_seconds=0.4, minimum_calls=4)
    events = engine_events({"gpt": limited, "claude": Service(how="slow", breaker=slow), "agno": Service()}, seconds=30)
    loads = read(recorded(tmp_path / "a.db", events))
    (outcome,) = PolicyReplay(loads).outcomes({})
    for name in ("gpt", "claude", "agno"):
        assert_same_changes(outcome.adapters[name].states, changes(events, name))
    assert changes(events, "gpt")


@pytest.mark.parametrize("since", [8.0, 12.0, 16.0])
def test_a_replay_that_begins_within_an_outage_goes_on_from_its_state(since: float, tmp_path: Path) -> None:
    events = engine_events(WORLD, seconds=30)
    begin = round(since * 1e6) + events[0].at
    loads = read(recorded(tmp_path / "a.db", events), begin)
    (outcome,) = PolicyReplay(loads).outcomes({})
    later = [event for event in changes(events, "gpt") if event.at >= begin]
    found = [event for event in outcome.adapters["gpt"].states if event.reason != "restored"]
    assert [event.after for event in found] == [event.after for event in later]
