"""A damaged value costs itself: the rest of its row, the other rows and the file stay readable."""

from __future__ import annotations

import contextlib
import sqlite3
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fuseboard_engine.dead_letters.letter import DeadLetter, LetterSelection
from fuseboard_engine.events import Event
from fuseboard_engine.workflow.checkpoints import SavedNode
from fuseboard_storage.recorder.recorder import record
from fuseboard_storage.recording.recording import Recording
from fuseboard_storage.sqlite.damaged_rows import UNREADABLE, struct_from
from fuseboard_storage.stores.dead_letters import SqliteDeadLetters
from support.fake_engine import NOON, FakeEngine, answered

VALUES = st.one_of(st.none(), st.integers(), st.floats(), st.text(), st.binary(), st.lists(st.integers()))


async def recording_with(path: Path, *statements: tuple[str, object]) -> None:
    """Write a recording of three tasks, then change its rows."""
    engine = FakeEngine()
    async with record(engine, path) as recorder:
        engine.emit(*[answered(f"task-{number}") for number in range(3)])
        await recorder.flushed()
    damage(path, *statements)


def damage(path: Path, *statements: tuple[str, object]) -> None:
    """Change rows without the checks of the table's columns, as a flipped bit does."""
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA writable_schema = ON")
        connection.execute(
            "UPDATE sqlite_master SET sql = replace(replace(sql, 'STRICT', ''), ' NOT NULL', '') WHERE type = 'table'"
        )
        connection.commit()
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA ignore_check_constraints = ON")
        for statement, value in statements:
            connection.execute(statement, (value,))
        connection.commit()


@pytest.mark.parametrize("value", [None, 7, 1.5, b"\xff\xfe", "{", '{"kind": "unknown", "at": 1}', "[]"])
async def test_an_event_that_cannot_be_decoded_is_bare_and_the_others_are_whole(tmp_path: Path, value: object) -> None:
    path = tmp_path / "a.db"
    await recording_with(path, ("UPDATE event_log SET body = ? WHERE task = 'task-1'", value))
    async with Recording.open(path) as recording:
        found = [entry.event for entry in await recording.entries()]
        board = await recording.board()
    assert sum(type(event) is Event for event in found) <= 1
    assert [event.task for event in found if hasattr(event, "task")] == ["task-0", "task-2"]
    assert board.tasks == 2


@pytest.mark.parametrize("value", [None, "x", 1.5, b"\xff"])
async def test_events_of_a_damaged_instance_are_read_as_of_none_and_the_status_is_shown(
    tmp_path: Path, value: object
) -> None:
    path = tmp_path / "a.db"
    await recording_with(path, ("UPDATE event_log SET instance = ? WHERE seq > 1", value))
    with contextlib.closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("DELETE FROM keyframes")
    async with Recording.open(path) as recording:
        assert {type(entry.instance) for entry in await recording.events()} == {int}
        assert sorted(key.instance for key in (await recording.board()).adapters)[0] == 0


async def test_a_text_that_is_not_utf8_is_shown_escaped(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    await recording_with(path, ("UPDATE instances SET name = CAST(? AS TEXT)", b"check\xffout"))
    async with Recording.open(path) as recording:
        instances = await recording.instances()
    assert [instance.name for instance in instances] == ["check\\xffout"]


async def test_metrics_with_damaged_figures_are_read_as_zero(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    await recording_with(path, ("UPDATE metrics SET calls = ?, latency = 'x', adapter = adapter", "many"))
    async with Recording.open(path) as recording:
        (span,) = await recording.spans(NOON, NOON + 1)
    assert (span.calls, span.latency) == (0, {})
    assert span.successes == 3


@pytest.mark.parametrize("column", ["route", "context", "created_at", "status", "category", "attempts", "payload"])
async def test_a_damaged_dead_letter_is_listed_and_names_what_is_damaged(tmp_path: Path, column: str) -> None:
    path = tmp_path / "a.db"
    store = SqliteDeadLetters(path)
    for _ in range(2):
        await store.add(*_letter())
    await store.close()
    damage(path, (f"UPDATE dead_letters SET {column} = ? WHERE id = 1", b"\xff\x00{"))
    store = SqliteDeadLetters(path)
    newer, older = await store.find(LetterSelection(), NOON, 10)
    await store.close()
    assert newer.detail == ""
    assert older.id == 1
    assert older.detail.startswith(UNREADABLE)
    assert {"route": "order"}.get(column, column) in older.detail


@given(st.fixed_dictionaries(dict.fromkeys(DeadLetter.__struct_fields__, VALUES)))
def test_any_values_at_all_make_a_letter(fields: dict[str, object]) -> None:
    letter, damaged = struct_from(DeadLetter, fields)
    assert set(damaged) <= set(DeadLetter.__struct_fields__)
    assert type(letter.id) is int
    assert type(letter.payload) is str


@given(st.fixed_dictionaries(dict.fromkeys(SavedNode.__struct_fields__, VALUES)))
def test_any_values_at_all_make_a_node(fields: dict[str, object]) -> None:
    node, _ = struct_from(SavedNode, fields)
    assert type(node.node) is str
    assert type(node.at) is int


def _letter() -> tuple:
    from fuseboard_engine.dead_letters.letter import Capacity, NewLetter

    letter = NewLetter(
        engine="checkout", task="t", task_type="order", form="task", payload="{}", category="transient",
        created_at=NOON, due_at=None,
    )  # fmt: skip
    return letter, Capacity(100, evict=False)
