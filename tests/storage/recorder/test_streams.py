"""Streams and hung threads in a recording."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from fuseboard_engine import Engine
from fuseboard_engine.events import Attempt, RouteFinished, ThreadsStuck
from fuseboard_storage import Recording, record
from fuseboard_storage.board.board import Board, Entry
from fuseboard_storage.board.histogram import percentile
from fuseboard_storage.board.metrics import AdapterSecond
from fuseboard_storage.sqlite import schema
from fuseboard_storage.tables import metrics as rows
from fuseboard_storage.tables.keyframes import dump, load

SECOND = 1_000_000


def board_of(*events: Any) -> Board:
    board = Board()
    for seq, event in enumerate(events, 1):
        board.apply(Entry(seq, 1, event))
    return board


def streamed(at: int, first_item: float | None, duration: float) -> RouteFinished:
    attempt = Attempt(adapter="a", outcome="success", number=1, duration=duration, first_item=first_item, items=3)
    return RouteFinished(at=at, task="t", task_type="", success=True, attempts=(attempt,), adapter="a")


async def test_the_time_to_the_first_item_is_recorded_beside_the_total(tmp_path: Path) -> None:
    async def words(task: Any) -> AsyncIterator[str]:
        yield "once"
        yield "upon"

    engine = Engine("tales")
    engine.add_adapter("writer", words)
    engine.add_adapter("plain", lambda task: "done")
    async with record(engine, tmp_path / "tales.db") as recorder, engine:
        for _ in range(3):
            async for _item in engine.stream_with_fallback("story", ["writer"]):
                pass
        await engine.execute_with_fallback("it", ["plain"])
        await recorder.flushed()
    async with Recording.open(tmp_path / "tales.db") as recording:
        spans = await recording.spans(0, 2**62)
        writer = [span for span in spans if span.adapter == "writer"]
        assert sum(sum(span.first_item.values()) for span in writer) == 3
        assert sum(sum(span.latency.values()) for span in writer) == 3
        assert all(not span.first_item for span in spans if span.adapter == "plain")


def test_the_board_has_both_times_and_a_keyframe_keeps_them() -> None:
    at = 1_000 * SECOND
    board = board_of(streamed(at, 0.2, 5.0), streamed(at, 0.2, 5.0), streamed(at, None, 1.0))
    for seen in (board, load(dump(board))):
        totals = seen.find("a")[0].totals(at, 60)
        assert totals.first_p50 is not None and abs(totals.first_p50 - 0.2) < 0.02
        assert totals.p95 is not None and abs(totals.p95 - 5.0) < 0.5


def test_spans_add_up() -> None:
    one, other = AdapterSecond(0, "a"), AdapterSecond(0, "a")
    one.add(streamed(0, 0.1, 1.0).attempts[0])
    other.add(streamed(0, 10.0, 20.0).attempts[0])
    one.merge(other)
    assert sum(one.first_item.values()) == 2
    slowest = percentile(one.first_item, 1.0)
    assert slowest is not None and slowest > 9


async def test_a_recording_older_than_streams_can_be_read(tmp_path: Path) -> None:
    path = tmp_path / "old.db"
    connection = schema.connect(path, version=rows.FIRST_ITEM_SINCE - 1)
    connection.execute("INSERT INTO metrics VALUES (1, 1000000, 1, 'a', 1, 1, 0, 0, 0, '{\"3\": 1}')")
    connection.close()
    async with Recording.open(path) as recording:
        (span,) = await recording.spans(0, 2**62)
        assert (span.calls, span.first_item) == (1, {})


def test_the_board_counts_the_hung_threads_of_an_adapter() -> None:
    board = board_of(ThreadsStuck(at=1, adapter="a", stuck=2, total=3, limit=32))
    assert load(dump(board)).find("a")[0].stuck == 2
    board.apply(Entry(2, 1, ThreadsStuck(at=2, adapter="a", stuck=0, total=1, limit=32)))
    assert board.find("a")[0].stuck == 0
