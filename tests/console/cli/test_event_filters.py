"""`fuseboard events` and `failures` with filters of kind, adapter, task and time."""

from __future__ import annotations

import json
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest

from fuseboard_engine.runtime.clock import wall_clock
from fuseboard_storage.sqlite import schema
from fuseboard_storage.tables import events as rows
from support.command_line import fuseboard
from support.fake_engine import answered, failed, opened

HOUR = 3_600_000_000
OLD = wall_clock() - 72 * HOUR


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "a.db"
    now = wall_clock()
    events = [
        failed("old", at=OLD - HOUR),
        answered("old", at=OLD - HOUR),
        opened(at=OLD),
        failed("new", at=now - HOUR),
        answered("new", at=now - HOUR // 2),
    ]
    with closing(schema.connect(path)) as connection:
        rows.insert(connection, 1, events)
    return path


def printed(*arguments: str | Path) -> list[str]:
    """Return kind and task of each event that a command prints."""
    done = fuseboard(*arguments, "--json")
    assert done.returncode == 0, done.stderr
    found = [json.loads(line) for line in done.stdout.splitlines()]
    return [f"{event['kind']} {event.get('task', '')}".strip() for event in found]


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--task", "old"], ["attempt_failed old", "route_finished old"]),
        (["--task", "old", "--kind", "route_finished"], ["route_finished old"]),
        (["--since", "2h"], ["attempt_failed new", "route_finished new"]),
        (["--since", "2h", "--until", "45m"], ["attempt_failed new"]),
        (["--from", "2h", "--to", "45m"], ["attempt_failed new"]),
        (["--since", "2h", "--limit", "1"], ["route_finished new"]),
        (["--since", "2h", "--limit", "0"], ["attempt_failed new", "route_finished new"]),
        (
            ["--since", datetime.fromtimestamp(OLD // 1_000_000, UTC).isoformat(), "--kind", "state_changed"],
            ["state_changed"],
        ),
        (["--adapter", "prefect", "--since", "2h"], ["attempt_failed new"]),
    ],
)
def test_events_are_filtered(file: Path, arguments: list[str], expected: list[str]) -> None:
    assert printed("events", file, *arguments) == expected


def test_failures_are_filtered_by_time_and_task(file: Path) -> None:
    assert printed("failures", file) == ["attempt_failed new", "attempt_failed old"]
    assert printed("failures", file, "--since", "2h") == ["attempt_failed new"]
    assert printed("failures", file, "--task", "old") == ["attempt_failed old"]
    assert fuseboard("failures", file, "--since", "1m").stdout == "No matching failure was recorded.\n"


def test_mistakes_are_reported_in_a_sentence(file: Path) -> None:
    wrong = fuseboard("events", file, "--since", "yesterday")
    assert wrong.returncode == 2
    assert "'yesterday' is not a time" in wrong.stderr
    both = fuseboard("events", file, "--follow", "--until", "1m")
    assert both.returncode == 2
    assert both.stderr == "--follow and --until exclude each other.\n"
