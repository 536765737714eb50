"""Events of kinds that only a newer version knows: read, stored and passed on unchanged; never mistaken for damage."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from fuseboard_engine.events import Event
from fuseboard_storage.backend.unknown_event import UnknownEvent, is_readable, unknown_event
from fuseboard_storage.board.board import Board
from fuseboard_storage.board.rows import Entry
from fuseboard_storage.recorder.recorder import record
from fuseboard_storage.recording.recording import Recording
from fuseboard_storage.sqlite import schema
from fuseboard_storage.tables import events
from support.fake_engine import NOON, FakeEngine, answered

BODY = f'{{"kind":"from_the_future","at":{NOON},"adapter":"agno","task":"t1","new":{{"x":[1,2.5,null]}}}}'
UNKNOWN = UnknownEvent(at=NOON, kind="from_the_future", adapter="agno", task="t1", body=BODY)


@pytest.fixture
def file() -> sqlite3.Connection:
    connection = sqlite3.connect(":memory:", isolation_level=None)
    schema.migrate(connection)
    return connection


def test_an_unknown_event_is_stored_as_it_came(file: sqlite3.Connection) -> None:
    events.insert(file, 1, [answered("a"), UNKNOWN, answered("b")])
    row = file.execute("SELECT kind, adapter, task, body FROM events WHERE seq = 2").fetchone()
    assert row == ("from_the_future", "agno", "t1", BODY)
    found = [entry.event for entry in events.after(file, 0, 10)]
    assert found == [answered("a"), UNKNOWN, answered("b")]
    assert [is_readable(event) for event in found] == [True, False, True]
    events.insert(file, 2, [found[1]])
    assert events.after(file, 3, 10) == [Entry(4, 2, UNKNOWN)]


@pytest.mark.parametrize(
    "body",
    [
        "{",
        "null",
        "5",
        '{"kind":"from_the_future"}',
        '{"kind":5,"at":1}',
        '{"kind":"from_the_future","at":99999999999999999999}',
        '{"kind":"engine_stopped","at":1,"reason":5}',
        "[" * 100_000,
    ],
)
def test_a_damaged_event_is_not_an_unknown_one(body: str) -> None:
    assert unknown_event(body) is None
    found = events.entry_of(None, (1, 1, NOON, None, None, body.encode())).event
    assert type(found) is Event
    assert not is_readable(found)


def test_a_body_that_is_not_text_is_damaged() -> None:
    assert unknown_event(BODY.encode().replace(b"agno", b"\xff\xfe")) is None


def test_a_board_ignores_an_unknown_event_and_counts_its_number() -> None:
    board = Board()
    board.apply(Entry(1, 1, UNKNOWN))
    assert (board.seq, board.at, board.instances) == (1, NOON, {})


async def test_readers_of_events_leave_it_out_and_those_of_entries_do_not(tmp_path: Path) -> None:
    engine = FakeEngine()
    async with record(engine, tmp_path / "a.db") as recorder:
        engine.emit(answered("a"), UNKNOWN)
        await recorder.flushed()
        async with Recording.open(tmp_path / "a.db") as recording:
            assert UNKNOWN not in [entry.event for entry in await recording.entries()]
            assert UNKNOWN not in [entry.event for entry in await recording.events(task="t1")]
            assert (await recording.slice(0, 100))[-1].event == UNKNOWN
            assert (await recording.board()).tasks == 1


def test_lone_surrogates_in_it_do_not_prevent_its_storage(file: sqlite3.Connection) -> None:
    odd = UnknownEvent(at=NOON, kind="odd", task="\udcff", body='{"kind":"odd","at":1,"x":"\udcff"}')
    events.insert(file, 1, [odd, answered("after")])
    assert file.execute("SELECT count(*) FROM event_log").fetchone() == (2,)
