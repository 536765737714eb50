"""Keyframes and rows with any content: the Board is read, or folded anew, and can be shown."""

from __future__ import annotations

import copy
import json
import sqlite3
import tracemalloc
import zlib
from collections.abc import Iterator
from functools import cache
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fuseboard_console.http_api.responses import metrics
from fuseboard_console.views.lists.status import status_json, status_text
from fuseboard_engine import BreakerPolicy
from fuseboard_engine.event_log.policy_text import policy_text
from fuseboard_engine.events import (
    AdapterAdded,
    BatchFinished,
    CommandDone,
    DeadLettered,
    EngineStarted,
    Event,
    GaugesSampled,
    HealthChecked,
    NodeChanged,
    PreferenceSet,
    ScenarioStep,
    StateChanged,
    WorkflowStarted,
)
from fuseboard_storage.board.board import Board, Entry
from fuseboard_storage.sqlite import schema
from fuseboard_storage.tables import events as rows
from fuseboard_storage.tables import keyframes
from support.fake_engine import NOON, answered, failed

SAMPLES: tuple[Event, ...] = (
    EngineStarted(at=NOON, name="shop", host="h", pid=1),
    AdapterAdded(at=NOON, adapter="gpt", policy={"failure_threshold": 5, "recovery_timeout": 1.0}, tags=("eu",)),
    PreferenceSet(at=NOON, order=("gpt", "mistral")),
    failed("gpt", at=NOON, error="it refused"),
    answered("t", at=NOON),
    StateChanged(at=NOON, adapter="gpt", before="closed", after="open", reason="failures", wait=5.0, until=NOON + 5),
    HealthChecked(at=NOON, adapter="gpt", status="unhealthy", detail="down"),
    GaugesSampled(at=NOON, gauges={"gpt": (1, 2)}),
    WorkflowStarted(at=NOON, run="r", workflow="w", nodes=("n",)),
    NodeChanged(at=NOON, run="r", workflow="w", node="n", state="running"),
    BatchFinished(at=NOON, batch="b", parts=2, succeeded=1),
    DeadLettered(at=NOON, letter=1, task="t", task_type="", category="network"),
    CommandDone(at=NOON, command=1, verb="reset", actor="bo", ok=True, adapter="gpt"),
    ScenarioStep(at=NOON, scenario="s", text="it begins"),
)


def fold(board: Board, entries: list[Entry]) -> Board:
    for entry in entries:
        board.apply(entry)
    return board


def test_a_keyframe_that_unfolds_to_more_than_the_limit_costs_neither_memory_nor_time() -> None:
    for content in (b"[" * 500_000_000, b'{"counters":' + b" " * 200_000_000):
        bomb = zlib.compress(content, 9)
        del content
        tracemalloc.start()
        assert keyframes.board_of((bomb, keyframes.FORMAT, 1)) is None
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < 3 * keyframes.MAX_BYTES
    assert keyframes.board_of((zlib.compress(b"{}" * 10)[:-3], keyframes.FORMAT, 1)) is None, "its end is missing"


HOSTILE_VALUES = (
    None, True, 0, -1, 2**62, 2**63, -(2**63), 10**400, 1.5, 1e308, -1e308, "", "text", "\x1b]0;x\x07", [], {}, [None],
    {"a": 1}, [[]], "closed", "open", "retry",
)  # fmt: skip


@cache
def sample_keyframe() -> dict[str, Any]:
    """The JSON of a keyframe with rows of every sort."""
    board = Board()
    for seq, event in enumerate(SAMPLES, 1):
        board.apply(Entry(seq, 1, event))
    found: dict[str, Any] = json.loads(zlib.decompress(keyframes.dump(board)))
    return found


def places(value: Any, where: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    if where:
        yield where
    parts = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for part, item in parts:
        yield from places(item, (*where, part))


@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None, max_examples=300)
@given(st.data())
def test_any_keyframe_is_read_or_replaced_by_folding_the_events(data: st.DataObject) -> None:
    content = copy.deepcopy(sample_keyframe())
    for _ in range(data.draw(st.integers(1, 3))):
        *path, last = data.draw(st.sampled_from(list(places(content))))
        here = content
        for part in path:
            here = here[part]
        action = data.draw(st.sampled_from(("replace", "remove", "add")))
        if action == "replace":
            here[last] = data.draw(st.sampled_from(HOSTILE_VALUES))
        elif action == "remove":
            del here[last]
        elif isinstance(here, dict):
            here[data.draw(st.sampled_from(("x", "apply", "rows", "__class__", "adapters")))] = 1
    row = (zlib.compress(json.dumps(content).encode()), keyframes.FORMAT, 1)
    board = keyframes.board_of(row) or Board()
    assert type(board) is Board and callable(board.apply)
    for seq, event in enumerate(SAMPLES, board.seq + 1):
        board.apply(Entry(seq, 1, event))
    keyframes.dump(board)
    json.dumps(status_json(board, "a.db", NOON))
    assert "\x1b" not in status_text(board, "a.db", NOON, colour=False)
    metrics(board)
    for row in board.rows():
        policy_text(row.policy)


@given(
    st.dictionaries(
        st.sampled_from([*BreakerPolicy.model_fields]),
        st.sampled_from(HOSTILE_VALUES) | st.floats() | st.integers(),
    )
)
def test_a_policy_of_any_values_has_a_text(policy: dict[str, Any]) -> None:
    assert isinstance(policy_text(policy), str)


@pytest.mark.parametrize("column", ["at", "instance", "body"])
def test_a_number_beyond_the_range_of_the_clock_loses_only_its_event(column: str) -> None:
    connection = sqlite3.connect(":memory:", isolation_level=None)
    schema.migrate(connection)
    rows.insert(connection, 1, [answered("a", at=NOON), answered("b", at=NOON)])
    huge = "9" * 400
    if column == "body":
        connection.execute("UPDATE event_log SET body = replace(body, ?, ?) WHERE seq = 1", (str(NOON), huge))
    else:
        connection.execute(f"UPDATE event_log SET {column} = 9223372036854775807 WHERE seq = 1")
    board = fold(Board(), [rows.entry_of(None, row) for row in connection.execute(f"{rows.SELECT} ORDER BY seq")])
    assert board.seq == 2
    json.dumps(status_json(board, "a.db", NOON))
    status_text(board, "a.db", NOON, colour=False)
