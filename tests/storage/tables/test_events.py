"""Events as rows: they are read back unchanged, and unstorable values as closely as possible."""

from __future__ import annotations

import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fuseboard_engine.error_text.redaction import MAX_BYTES
from fuseboard_engine.error_text.text_limits import MAX_NAME, within_limits
from fuseboard_engine.events import AdapterAdded, Event, ScenarioStep
from fuseboard_storage.sqlite import schema
from fuseboard_storage.tables import events as rows
from support.any_events import KINDS, LONG_TEXTS, event_with, events
from support.fake_engine import NOON, answered, failed, opened


@pytest.fixture
def file(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    connection = schema.connect(tmp_path / "a.db")
    yield connection
    connection.close()


def read(file: sqlite3.Connection) -> list[Event]:
    return [rows.entry_of(None, row).event for row in file.execute(f"{rows.SELECT} ORDER BY seq")]


@pytest.mark.parametrize("count", [0, 1, 9, 10, 11, 99, 100, 101, 345])
def test_any_number_of_events_is_read_back_in_order(file: sqlite3.Connection, count: int) -> None:
    events = [answered(f"{number}", at=NOON + number) for number in range(count)]
    rows.insert(file, 3, events)
    assert read(file) == events


def test_adapter_and_task_have_their_own_columns(file: sqlite3.Connection) -> None:
    rows.insert(file, 3, [answered("a"), failed("b"), opened(), ScenarioStep(at=1, scenario="s", text="x")])
    found = file.execute("SELECT instance, kind, adapter, task FROM events ORDER BY seq").fetchall()
    assert found == [
        (3, "route_finished", "agno", "a"),
        (3, "attempt_failed", "prefect", "b"),
        (3, "state_changed", "prefect", None),
        (3, "scenario_step", None, None),
    ]


def test_lone_surrogates_and_odd_values_do_not_stop_the_recorder(file: sqlite3.Connection) -> None:
    odd = AdapterAdded(at=1, adapter="a\udcff", policy={"on": object, "big": 2**80, "nul": "\0"})
    rows.insert(file, 1, [answered(), odd, answered()])
    before, stored, after = read(file)
    assert isinstance(stored, AdapterAdded)
    assert stored.adapter == "a\\udcff"
    assert stored.policy == {"on": "<class 'object'>", "big": repr(2**80), "nul": "\0"}
    assert before == after == answered()


def test_an_event_of_an_unknown_kind_keeps_its_place_and_has_no_effect(file: sqlite3.Connection) -> None:
    file.execute("INSERT INTO events(at, instance, kind, body) VALUES (7, 1, 'moon_rose', '{\"kind\":\"moon_rose\"}')")
    (event,) = read(file)
    assert event == Event(at=7)
    assert rows.readable([rows.entry_of(None, (1, 1, 7, "not even JSON"))]) == []


@given(st.text(), st.text(), st.floats(allow_nan=False, allow_infinity=False))
def test_any_text_and_number_survives_a_round_trip(adapter: str, error: str, seconds: float) -> None:
    connection = sqlite3.connect(":memory:", isolation_level=None)
    schema.migrate(connection)
    event = failed(adapter=adapter, error=error)
    timed = answered(adapter=adapter, duration=seconds)
    rows.insert(connection, 1, [event, timed])
    assert read(connection) == [event, timed]
    connection.close()


@given(st.lists(events(LONG_TEXTS), min_size=1, max_size=3))
@settings(max_examples=60, deadline=None)
def test_no_text_of_any_event_takes_more_than_its_limit_in_the_file(given: list[Event]) -> None:
    with tempfile.TemporaryDirectory() as folder, closing(schema.connect(Path(folder) / "a.db")) as file:
        rows.insert(file, 1, given)
        stored = read(file)
        columns = file.execute("SELECT max(length(adapter)), max(length(task)) FROM events").fetchone()
    assert [type(event) for event in stored] == [type(event) for event in given]
    assert all(length is None or length <= MAX_NAME for length in columns)
    for event in stored:
        assert within_limits(event) is event or within_limits(event) == event


@pytest.mark.parametrize("kind", KINDS)
def test_a_text_of_a_megabyte_in_every_place_of_an_event_costs_eight_thousand_bytes_each(
    file: sqlite3.Connection, kind: type[Event]
) -> None:
    rows.insert(file, 1, [event_with(kind, "\0" * 1_000_000)])
    (size,) = file.execute("SELECT length(body) FROM events").fetchone()
    places = msgspec.json.encode(event_with(kind, "x")).count(b'"x"')
    assert size <= 1_000 + places * MAX_BYTES
    assert type(read(file)[0]) is kind
