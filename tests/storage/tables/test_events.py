"""Events as rows: they are read back unchanged, and unstorable values as closely as possible."""

from __future__ import annotations

import contextlib
import math
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from fuseboard_engine.error_text.redaction import MAX_BYTES
from fuseboard_engine.error_text.text_limits import MAX_NAME, within_limits
from fuseboard_engine.events import AdapterAdded, Attempt, AttemptFailed, Event, RouteFinished, ScenarioStep
from fuseboard_storage.board.metrics import Spans, count
from fuseboard_storage.sqlite import schema
from fuseboard_storage.tables import event_templates
from fuseboard_storage.tables import events as rows
from fuseboard_storage.tables.event_batches import Prepared
from fuseboard_storage.tables.event_templates import Templates, prune_templates
from fuseboard_storage.tables.storable import storable
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
    file.execute('INSERT INTO event_log(at, instance, template, body) VALUES (7, 1, 9, \'{"kind":"moon_rose"}\')')
    (event,) = read(file)
    assert event == Event(at=7)
    assert rows.readable([rows.entry_of(None, (1, 1, 7, None, None, "not even JSON"))]) == []


durations = st.one_of(
    st.integers(0, 10**18).map(lambda nanoseconds: nanoseconds / 1e9),
    st.floats(max_value=-1e-9, allow_nan=False, allow_infinity=False),
    st.floats(min_value=1e9, allow_nan=False, allow_infinity=False),
)


@given(st.text(), st.text(), durations)
@example("", "", 4503541.819217837)
def test_any_text_and_number_survives_a_round_trip(adapter: str, error: str, seconds: float) -> None:
    connection = sqlite3.connect(":memory:", isolation_level=None)
    schema.migrate(connection)
    event = failed(adapter=adapter, error=error)
    timed = answered(adapter=adapter, duration=seconds)
    rows.insert(connection, 1, [event, timed, event, timed])
    assert read(connection) == [event, timed, event, timed]
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


outcomes = st.sampled_from(["success", "failure", "ignored", "cancelled", "rejected"])
whole = st.integers(-(2**63), 2**63 - 1)
optional_durations = st.none() | durations
attempts = st.builds(
    Attempt, adapter=st.text(max_size=3), outcome=outcomes, number=whole, wait=durations, duration=durations,
    rule=st.sampled_from(["", "timeout"]), error=st.text(max_size=3), why=st.text(max_size=3), failures=whole,
    retry_after=optional_durations, first_item=optional_durations, items=whole, limit=whole,
)  # fmt: skip
contexts = st.none() | st.dictionaries(st.text(max_size=3), st.text(max_size=3), max_size=2)
routes = st.builds(
    RouteFinished, at=whole, task=st.text(max_size=3), task_type=st.text(max_size=3), success=st.booleans(),
    attempts=st.lists(attempts, max_size=3).map(tuple), adapter=st.text(max_size=3), degraded=st.booleans(),
    duration=durations, left=st.lists(st.text(max_size=3), max_size=2).map(tuple), why=st.text(max_size=3),
    error=st.text(max_size=3), dead_letter=st.none() | whole, letter=st.none() | whole, context=contexts,
    strategy=st.text(max_size=3), answered=st.lists(st.text(max_size=3), max_size=2).map(tuple),
    deadline=st.none() | st.floats(0, 1e9),
)  # fmt: skip
failures = st.builds(
    AttemptFailed, at=whole, task=st.text(max_size=3), task_type=st.text(max_size=3), attempt=attempts,
    then=st.sampled_from(["retry", "failover", "stop"]), delay=durations, threshold=st.none() | whole, context=contexts,
)  # fmt: skip


@given(st.lists(routes | failures, max_size=4), st.integers(1, 4))
@example([msgspec.structs.replace(failed(), attempt=Attempt(adapter="a", outcome="success", items=-(2**63)))], 3)
def test_routes_and_failures_are_read_back_unchanged_with_a_template_and_without(
    events: list[Event], times: int
) -> None:
    connection = sqlite3.connect(":memory:", isolation_level=None)
    schema.migrate(connection)
    templates = Templates()
    for _ in range(times):
        rows.insert(connection, 1, events, templates)
    assert read(connection) == events * times
    connection.close()


short = st.integers(0, 20_000_000_000).map(lambda nanoseconds: nanoseconds / 1e9)
few = st.sampled_from(["", "a", "b"])
plain_attempts = st.builds(Attempt, adapter=few, outcome=outcomes, number=st.integers(0, 2), duration=short, rule=few)
moments = st.integers(NOON, NOON + 3_000_000)
tasks = st.text(max_size=3) | st.sampled_from(["t" * (MAX_NAME + 1), "\udcff"])
plain_routes = st.builds(
    RouteFinished, at=moments, task=tasks, task_type=few, success=st.booleans(), duration=short, adapter=few,
    attempts=st.lists(plain_attempts, min_size=1, max_size=2).map(tuple), context=st.none() | contexts,
    deadline=st.sampled_from([None, 3.0, 0.1 + 0.2]),
)  # fmt: skip
plain_failures = st.builds(AttemptFailed, at=moments, task=tasks, task_type=few, attempt=plain_attempts, delay=short)


@given(st.lists(plain_routes | plain_failures | routes | st.just(opened()), max_size=40))
def test_events_prepared_together_are_those_prepared_one_by_one(events: list[Event]) -> None:
    templates, alone, connection = Templates(), rows.Templates(), sqlite3.connect(":memory:", isolation_level=None)
    schema.migrate(connection)
    for _ in range(3):
        together = Prepared(events, templates)
        one_by_one = [row for event in events for chunk in Prepared([event], alone).chunks for row in chunk]
        rows.insert(connection, 1, events, templates, together)
        assert [row[:2] for chunk in together.chunks for row in chunk] == [row[:2] for row in one_by_one]
        counted: Spans = {}
        together.count(counted)
        expected: Spans = {}
        for event in events:
            count(expected, event)
        assert counted == expected
    stored = [storable(event) for event in events] * 3
    assert [within_limits(event) for event in stored] == read(connection)
    connection.close()


@pytest.mark.parametrize("odd", [{"duration": math.nan}, {"duration": "long"}, {"left": ["b"]}, {"attempts": 7}])
def test_an_event_with_an_odd_value_changes_none_beside_it(file: sqlite3.Connection, odd: dict[str, Any]) -> None:
    templates, events = Templates(), [answered(str(number)) for number in range(5)]
    rows.insert(file, 1, events, templates)
    mixed = [*events, msgspec.structs.replace(answered(), **odd), *events]
    with contextlib.suppress(TypeError, AttributeError):
        rows.insert(file, 1, mixed, templates)
        found = read(file)[5:]
        assert [*found[:5], *found[6:]] == events * 2


def test_what_events_share_is_stored_once(file: sqlite3.Connection) -> None:
    text = "upstream said no " * 400
    rows.insert(file, 1, [failed(str(number), error=text) for number in range(100)])
    (stored,) = file.execute("SELECT sum(length(body)) FROM event_log").fetchone()
    assert stored < 2 * len(text)
    assert [event.attempt.error for event in read(file) if isinstance(event, AttemptFailed)] == [text] * 100


def test_two_writers_share_templates(file: sqlite3.Connection) -> None:
    one, other = Templates(), rows.Templates()
    for templates in (one, other):
        rows.insert(file, 1, [answered(str(number)) for number in range(10)], templates)
    bodies = file.execute("SELECT body FROM event_templates WHERE body IS NOT NULL").fetchall()
    assert len(bodies) == 1


def test_templates_of_a_transaction_that_was_rolled_back_are_stored_again(file: sqlite3.Connection) -> None:
    templates, events = Templates(), [answered(str(number)) for number in range(10)]
    file.execute("BEGIN")
    rows.insert(file, 1, events, templates)
    file.execute("ROLLBACK")
    templates.forget()
    rows.insert(file, 1, events, templates)
    assert read(file) == events


def test_a_template_that_was_removed_as_unused_is_stored_again(
    file: sqlite3.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(event_templates, "REMARK", 10)
    templates, events = Templates(), [answered(str(number)) for number in range(10)]
    rows.insert(file, 1, events, templates)
    file.execute("DELETE FROM event_log")
    file.execute("DELETE FROM event_templates")
    rows.insert(file, 1, [ScenarioStep(at=1, scenario="s", text="x")] * 10)
    rows.insert(file, 1, events, templates)
    assert read(file)[10:] == events


def test_a_template_whose_number_another_one_has_by_now_is_stored_again(
    file: sqlite3.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(event_templates, "REMARK", 10)
    templates = Templates()
    rows.insert(file, 1, [failed() for _ in range(10)], templates)
    file.execute("DELETE FROM event_log")
    file.execute("DELETE FROM event_templates")
    rows.insert(file, 1, [answered(str(number)) for number in range(10)])
    rows.insert(file, 1, [failed()], templates)
    assert read(file)[-1] == failed()


def test_a_row_that_does_not_fit_its_template_is_a_bare_event(file: sqlite3.Connection) -> None:
    rows.insert(file, 1, [answered(at=NOON)] * 3)
    for body in ("[]", "[1]", "[1, 2, 3]", "{}", "[1, [1]]", "[1, null]", '["x", 1]', f"[1, [1, 1, null, {2**70}, 1]]"):
        file.execute("UPDATE event_log SET body = ? WHERE seq = 3", (body,))
        assert read(file) == [answered(at=NOON), answered(at=NOON), Event(at=NOON)]


def test_a_template_is_kept_while_an_event_has_it_however_long_it_was_not_marked(
    file: sqlite3.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(event_templates, "REMARK", 10)
    rare, busy = Templates(), rows.Templates()
    rows.insert(file, 1, [failed(), failed()], rare)
    rows.insert(file, 1, [answered(str(number)) for number in range(100)], busy)
    rows.insert(file, 1, [failed()], rare)
    file.execute("UPDATE event_templates SET used = 0")  # as a conversion leaves those of an older recording
    file.execute("DELETE FROM event_log WHERE seq <= 90")
    prune_templates(file)
    assert read(file)[-1] == failed()


def test_a_writer_that_was_idle_for_long_stores_a_template_again_that_was_removed(
    file: sqlite3.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(event_templates, "REMARK", 10)
    idle, busy = Templates(), rows.Templates()
    rows.insert(file, 1, [failed(), failed(), failed()], idle)
    for number in range(100):
        rows.insert(file, 1, [answered(str(number))], busy)
    file.execute("DELETE FROM event_log WHERE seq <= 90")
    prune_templates(file)
    rows.insert(file, 1, [failed()], idle)
    assert read(file)[-1] == failed()
