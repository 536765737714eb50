"""Events whose stored body is damaged or hostile cost themselves, not the query, the replay or the command."""

from __future__ import annotations

import copy
import json
import shutil
import sqlite3
from functools import cache
from pathlib import Path
from typing import Any, get_args

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fuseboard_console.cli import exit_codes
from fuseboard_console.sources.replay import Replay
from fuseboard_console.views.events.narrator import EventNarrator
from fuseboard_console.views.events.text import event_json, event_line
from fuseboard_console.views.lists.status import status_json, status_text
from fuseboard_engine.events import Event, State
from fuseboard_storage.board.board import Board
from fuseboard_storage.recording.recording import Recording
from fuseboard_storage.recording.tail import Tail
from fuseboard_storage.tables import events as rows
from support.command_line import fuseboard
from support.console_story import NOON, at, stopped
from support.recorded_history import lived
from support.replays import recorded

VALUES = (
    None, True, 0, -1, 2**62, 2**63, 10**400, 1.5, 1e308, "", "text", "\x1b]0;x\x07", "closed", [], {}, [None],
    {"a": 1},
    [[[[[]]]]],
)  # fmt: skip
DAMAGES = {
    "not JSON": "'{'",
    "empty": "''",
    "null": "'null'",
    "a list": "'[]'",
    "not text": "CAST(x'ff00fe' AS TEXT)",
    "nested a hundred thousand times": f"'{'[' * 100_000}'",
    "a number as state": "json_set(body, '$.after', 5, '$.reason', 7, '$.letters', 5)",
    "a list as state": "json_set(body, '$.after', json('[1]'), '$.reason', json('{}'), '$.letter', 'x')",
    "no state": "json_set(body, '$.after', null, '$.reason', null)",
}


@cache
def samples() -> dict[str, dict[str, Any]]:
    """The body of one event of each kind in a long history."""
    return {body["kind"]: body for body in map(json.loads, map(msgspec.json.encode, lived()))}


def set_somewhere(body: dict[str, Any], data: st.DataObject) -> None:
    here: Any = body
    while True:
        keys = [key for key in here if key != "kind"] if isinstance(here, dict) else range(len(here))
        key = data.draw(st.sampled_from(list(keys)))
        if isinstance(here[key], dict | list) and here[key] and data.draw(st.booleans()):
            here = here[key]
            continue
        here[key] = copy.deepcopy(data.draw(st.sampled_from(VALUES)))
        return


@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None, max_examples=300)
@given(st.data())
def test_an_event_with_any_value_in_its_body_has_its_lines_and_a_board(data: st.DataObject) -> None:
    body = copy.deepcopy(samples()[data.draw(st.sampled_from(sorted(samples())))])
    for _ in range(data.draw(st.integers(1, 2))):
        set_somewhere(body, data)
    entry = rows.entry_of(None, (1, 1, NOON, None, None, json.dumps(body).encode()))
    if type(entry.event) is not Event:
        assert event_line(entry).isprintable()
        json.loads(event_json(entry))
        EventNarrator(NOON).narrate(entry.event)
    board = Board()
    board.apply(entry)
    json.dumps(status_json(board, "a.db", NOON))
    assert "\x1b" not in status_text(board, "a.db", NOON, colour=False)


def test_a_body_that_is_nested_too_deeply_is_unreadable() -> None:
    deep = '{"kind":"state_changed","x":' + "[" * 5_000 + "]" * 5_000 + "}"
    assert type(rows.entry_of(None, (1, 1, NOON, None, None, deep.encode())).event) is Event


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return recorded(tmp_path_factory.mktemp("whole") / "a.db", [*lived(), stopped(140)])


@pytest.fixture(params=DAMAGES)
def damaged(request: pytest.FixtureRequest, whole: Path, tmp_path: Path) -> Path:
    """A recording in which the body of every second event is damaged."""
    path = tmp_path / "a.db"
    shutil.copy(whole, path)
    with sqlite3.connect(path) as connection:
        stopped_too = "template IN (SELECT id FROM event_templates WHERE kind = 'engine_stopped')"
        connection.execute(f"UPDATE event_log SET body = {DAMAGES[request.param]} WHERE seq % 2 = 0 OR {stopped_too}")
    connection.close()
    return path


async def test_every_query_reads_over_damaged_bodies(damaged: Path) -> None:
    async with Recording.open(damaged) as recording:
        assert await recording.newest(1_000)
        assert await recording.failures(100)
        changes = [state for _, _, state in await recording.changes()]
        changes += [state for _, state in await recording.changes_of("prefect", [1], 0, at(500))]
        assert set(changes) <= set(get_args(State))
        assert all(isinstance(reason, str) for reason in (await recording.end_reasons()).values())
        await recording.letter_changes(1, 0)
    async with Tail.open(damaged) as tail:
        await tail.read_first()
        assert tail.board.adapters


async def test_a_replay_moves_over_damaged_bodies(damaged: Path) -> None:
    async with Replay.open(damaged) as replay:
        for move in (replay.step(1), replay.to_change(1), replay.seek(at(60)), replay.to_change(-1), replay.to_start()):
            await move
            assert replay.trouble == ""


@pytest.mark.parametrize("words", [["status"], ["events", "--json"], ["failures"]], ids=" ".join)
def test_the_command_line_reads_over_damaged_bodies(damaged: Path, words: list[str]) -> None:
    shown = fuseboard(words[0], damaged, *words[1:])
    assert (shown.returncode, shown.stderr) == (exit_codes.OK, "")
    assert shown.stdout
