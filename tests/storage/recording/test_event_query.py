"""Events by kind, adapter, task and time: what is found, and that it is found through an index."""

from __future__ import annotations

import random
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from fuseboard import Recording
from fuseboard_engine.events import AttemptFailed, DeadLettered, Event, StateChanged
from fuseboard_storage.board.board import Entry
from fuseboard_storage.sqlite import schema
from fuseboard_storage.tables import events as rows
from fuseboard_storage.tables.event_templates import row_shapes
from support.fake_engine import NOON, answered, failed, opened

MINUTE = 60_000_000


def history(count: int, seed: int = 7) -> list[Event]:
    """Return events of three kinds and five adapters, one a second, a tenth of them a little out of order."""
    chance = random.Random(seed)
    found: list[Event] = []
    for number in range(count):
        at = NOON + number * 1_000_000 - (chance.randrange(200_000_000) if number % 10 == 0 else 0)
        adapter = f"adapter-{chance.randrange(5)}"
        draw = chance.random()
        if draw < 0.01:
            found.append(replace(opened(), at=at, adapter=adapter))
        elif draw < 0.2:
            failure = failed(f"task-{number}")
            error = f"error {chance.randrange(20)}"
            attempt = replace(failure.attempt, adapter=adapter, error=error)
            found.append(replace(failure, at=at, attempt=attempt))
        else:
            found.append(replace(answered(f"task-{number}", at=at), adapter=adapter))
    return found


def record(path: Path, events: list[Event], version: int | None = None) -> None:
    with closing(schema.connect(path, version=version)) as file:
        file.execute("BEGIN")
        if version is None:
            rows.insert(file, 1, events)
        else:
            for event in events:
                kind, fields = row_shapes[type(event)]
                at, adapter, task = fields(event)
                file.execute(
                    "INSERT INTO events(at, instance, kind, adapter, task, body) VALUES (?, 1, ?, ?, ?, ?)",
                    (at, kind, adapter, task, msgspec.json.encode(event).decode()),
                )
        file.execute("COMMIT")


def expected(events: list[Event], **wanted: Any) -> list[int]:
    """Return the numbers of the events that a filter selects, from all events in memory."""
    found = []
    for seq, event in enumerate(events, 1):
        kind, fields = row_shapes[type(event)]
        at, adapter, task = fields(event)
        if (
            (not wanted.get("kinds") or kind in wanted["kinds"])
            and wanted.get("adapter") in (None, adapter)
            and wanted.get("task") in (None, task)
            and wanted.get("since", at) <= at < wanted.get("until", at + 1)
            and wanted.get("after", 0) < seq < wanted.get("before", seq + 1)
        ):
            found.append(seq)
    if wanted.get("newest_first"):
        found.reverse()
    return found[: wanted.get("limit", 1_000)]


def numbers(entries: list[Entry]) -> list[int]:
    return [entry.seq for entry in entries]


FILTERS: list[dict[str, Any]] = [
    {},
    {"limit": 3},
    {"kinds": ("state_changed",)},
    {"kinds": ("attempt_failed", "state_changed"), "adapter": "adapter-2"},
    {"kinds": ("attempt_failed",), "limit": 17},
    {"adapter": "adapter-3", "limit": 700},
    {"adapter": "no such adapter"},
    {"kinds": ("clock_changed",)},
    {"task": "task-4000"},
    {"task": "task-4000", "kinds": ("state_changed",)},
    {"task": "task-4000", "since": NOON + 5_000 * 1_000_000},
    {"since": NOON + 3_000 * 1_000_000, "until": NOON + 3_010 * 1_000_000},
    {"since": NOON + 3_000 * 1_000_000, "until": NOON + 3_600 * 1_000_000, "kinds": ("attempt_failed",)},
    {"until": NOON + 100 * 1_000_000, "adapter": "adapter-1"},
    {"since": NOON + 5_900 * 1_000_000},
    {"since": NOON - 9_999 * MINUTE, "until": NOON - 9_998 * MINUTE},
    {"after": 4_000, "before": 4_100},
    {"after": 4_000, "before": 4_500, "kinds": ("attempt_failed",), "limit": 5},
]


@pytest.mark.parametrize("version", [None, 10])
async def test_every_filter_selects_the_same_events_as_a_search_through_all(
    tmp_path: Path, version: int | None
) -> None:
    events = history(6_000)
    record(tmp_path / "a.db", events, version)
    async with Recording.open(tmp_path / "a.db") as recording:
        for wanted in FILTERS:
            for newest_first in (False, True):
                asked = {**wanted, "newest_first": newest_first}
                found = await recording.events(**asked)
                assert numbers(found) == expected(events, **asked), asked
                for entry in found:
                    assert entry.event == events[entry.seq - 1]


async def test_a_stream_yields_all_that_match_and_pages_join(tmp_path: Path) -> None:
    events = history(12_000)
    record(tmp_path / "a.db", events)
    async with Recording.open(tmp_path / "a.db") as recording:
        for wanted in ({}, {"kinds": ("attempt_failed", "route_finished"), "adapter": "adapter-1"}):
            for newest_first in (False, True):
                asked: dict[str, Any] = {**wanted, "newest_first": newest_first}
                streamed = [entry.seq async for entry in recording.stream_events(**asked)]
                assert streamed == expected(events, **asked, limit=10**9)
                assert numbers(await recording.events(**asked, limit=None)) == streamed
        after, paged = 0, []
        while page := await recording.events(kinds=AttemptFailed, after=after, limit=100):
            paged += numbers(page)
            after = page[-1].seq
        assert paged == expected(events, kinds=("attempt_failed",), limit=10**9)


async def test_all_kinds_of_events_of_a_task_are_found(tmp_path: Path) -> None:
    letter = DeadLettered(at=NOON, letter=1, task="t", task_type="ai", category="network")
    record(tmp_path / "a.db", [failed("t"), answered("t"), letter, answered("u")])
    async with Recording.open(tmp_path / "a.db") as recording:
        assert numbers(await recording.events(task="t")) == [1, 2, 3]


async def test_kinds_are_names_or_classes_and_times_are_numbers_or_datetimes(tmp_path: Path) -> None:
    events = history(2_000)
    record(tmp_path / "a.db", events)
    at = NOON + 500 * 1_000_000
    async with Recording.open(tmp_path / "a.db") as recording:
        by_name = await recording.events(kinds="state_changed", since=at)
        assert by_name
        assert by_name == await recording.events(kinds=StateChanged, since=datetime.fromtimestamp(at / 1e6, UTC))
        assert by_name == await recording.events(kinds=[StateChanged, "state_changed"], since=at)


async def test_the_board_at_a_datetime_is_the_board_at_these_microseconds(tmp_path: Path) -> None:
    record(tmp_path / "a.db", [answered(str(n), at=NOON + n * 1_000_000) for n in range(100)])
    async with Recording.open(tmp_path / "a.db") as recording:
        at = NOON + 49 * 1_000_000
        board = await recording.board_at(at=datetime.fromtimestamp(at / 1e6, UTC))
        assert board.seq == (await recording.board_at(at=at)).seq == 50
        assert (await recording.board_at(at=datetime(1970, 1, 1, tzinfo=UTC))).seq == 0


async def test_a_kind_that_does_not_exist_and_a_time_of_another_type_are_refused(tmp_path: Path) -> None:
    record(tmp_path / "a.db", [failed("t")])
    async with Recording.open(tmp_path / "a.db") as recording:
        with pytest.raises(ValueError, match=r"no event kind 'AttemptFailed'; did you mean 'attempt_failed'\?"):
            await recording.events(kinds="AttemptFailed")
        with pytest.raises(ValueError, match=r"no event kind 'zzz'; the kinds are adapter_added, "):
            [entry async for entry in recording.stream_events(kinds=["attempt_failed", "zzz"])]
        for wrong in ("1h", 1.5e15):
            with pytest.raises(TypeError, match="A time is UTC microseconds"):
                await recording.events(since=wrong)  # type: ignore[arg-type]
            with pytest.raises(TypeError, match="A time is UTC microseconds"):
                await recording.board_at(at=wrong)  # type: ignore[arg-type]


@pytest.mark.parametrize("jump", [365 * 24 * 60 * MINUTE, -365 * 24 * 60 * MINUTE])
async def test_a_clock_that_jumps_hides_no_event(tmp_path: Path, jump: int) -> None:
    events = [answered(str(n), at=NOON + n * 1_000_000 + (jump if 4_000 <= n < 6_000 else 0)) for n in range(10_000)]
    record(tmp_path / "a.db", events)  # type: ignore[arg-type]
    async with Recording.open(tmp_path / "a.db") as recording:
        for since in (NOON, NOON + 3_900_000_000, NOON + jump, NOON + jump + 5_000_000_000, NOON + 9_000_000_000):
            for newest_first in (False, True):
                asked = {"since": since, "until": since + 300_000_000, "newest_first": newest_first}
                assert numbers(await recording.events(**asked)) == expected(events, **asked)  # type: ignore[arg-type]


async def test_an_empty_recording_has_no_events(tmp_path: Path) -> None:
    (tmp_path / "a.db").touch()
    async with Recording.open(tmp_path / "a.db") as recording:
        assert await recording.events(kinds="state_changed", since=NOON) == []
        assert [entry async for entry in recording.stream_events()] == []
        assert await recording.metrics(step=60) == []
    record(tmp_path / "b.db", [])
    async with Recording.open(tmp_path / "b.db") as recording:
        assert await recording.events(since=NOON) == []


async def test_events_between_which_many_numbers_are_missing_are_found(tmp_path: Path) -> None:
    record(tmp_path / "a.db", [answered(str(n), at=NOON + n * MINUTE) for n in range(100)])
    with closing(sqlite3.connect(tmp_path / "a.db")) as file, file:
        file.execute("UPDATE event_log SET seq = seq * 1000003")
    async with Recording.open(tmp_path / "a.db") as recording:
        found = await recording.events(since=NOON + 50 * MINUTE, until=NOON + 53 * MINUTE)
        assert [entry.event.task for entry in found] == ["50", "51", "52"]  # type: ignore[attr-defined]


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    path = tmp_path_factory.mktemp("large") / "a.db"
    record(path, history(30_000))
    yield path


@pytest.mark.parametrize("newest_first", [False, True])
@pytest.mark.parametrize("wanted", [wanted for wanted in FILTERS if wanted], ids=str)
async def test_no_query_scans_all_events(large: Path, wanted: dict[str, Any], newest_first: bool) -> None:
    statements: list[str] = []
    async with Recording.open(large) as recording:
        await recording.events(limit=1)
        await recording._connection.run(lambda c: c.set_trace_callback(statements.append))
        await recording.events(**{"limit": 5, **wanted, "newest_first": newest_first})
    with closing(sqlite3.connect(large)) as file:
        for sql in statements:
            if sql.startswith("PRAGMA") or "FROM (SELECT seq, at, template" in sql:  # a limited number of rows
                continue
            plan = [row[3] for row in file.execute(f"EXPLAIN QUERY PLAN {sql}")]
            assert not [line for line in plan if line in ("SCAN e", "SCAN s", "SCAN event_log")], (sql, plan)
            assert not [line for line in plan if "TEMP B-TREE FOR ORDER BY" in line and "event_log" in sql], (sql, plan)
            if wanted.get("task") is not None:
                assert any("event_log_task" in line for line in plan), (sql, plan)
