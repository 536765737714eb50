"""The rules of events, metrics and instances."""

from __future__ import annotations

import functools
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager

import msgspec
import pytest

from fuseboard_engine.events import CommandDone, EngineStarted, Event, StateChanged
from fuseboard_storage.backend.conformance.harness import (
    SECOND,
    StoreHarness,
    append,
    beat,
    everything,
    failure,
    in_loop,
    opened,
    route,
    routes,
    writing,
)
from fuseboard_storage.backend.errors import NotWritten
from fuseboard_storage.backend.protocols import EngineWriter
from fuseboard_storage.backend.unknown_event import UnknownEvent
from fuseboard_storage.backend.values import Extent, Heartbeat
from fuseboard_storage.board.board import Board
from fuseboard_storage.board.metrics import AdapterSecond
from fuseboard_storage.board.presence import SILENT_AFTER, presence


class EventConformance:
    """What a recorder and a reader rely on for events, metrics and instances."""

    # ------------------------------------------------------------------ registration

    @in_loop
    async def test_an_instance_begins_with_its_start_and_its_state(self, harness: StoreHarness) -> None:
        with writing(harness) as writer:
            async with harness.connect().reader() as reader:
                found = await everything(reader)
        first, *state = [entry.event for entry in found]
        assert isinstance(first, EngineStarted)
        assert first.name == "checkout"
        assert [getattr(event, "adapter", "") for event in state] == ["prefect", "agno"]
        assert {entry.instance for entry in found} == {writer.instance}

    @in_loop
    async def test_each_writer_is_an_instance_of_its_own(self, harness: StoreHarness) -> None:
        with writing(harness) as one, writing(harness) as two:
            async with harness.connect().reader() as reader:
                found = await reader.instances()
        assert [(row.id, row.name) for row in found] == [(one.instance, "checkout"), (two.instance, "checkout")]
        assert one.instance != two.instance

    @in_loop
    async def test_a_writer_that_is_opened_again_continues_as_its_instance(self, harness: StoreHarness) -> None:
        with writing(harness) as writer:
            instance = writer.instance
            append(writer, route(harness, "one"))
            with writer.gate:
                writer.close()
                writer.open()
                writer.open()
            append(writer, route(harness, "two"))
            async with harness.connect().reader() as reader:
                found = await everything(reader)
        assert writer.instance == instance
        assert routes(found, instance) == ["one", "two"]
        assert sum(isinstance(entry.event, EngineStarted) for entry in found) == 1

    # ------------------------------------------------------------------ order and contents

    @in_loop
    async def test_events_are_read_in_the_order_in_which_they_were_appended(self, harness: StoreHarness) -> None:
        tasks = [f"t{number}" for number in range(60)]
        with writing(harness) as writer:
            for start, end in ((0, 1), (1, 3), (3, 40), (40, 60)):
                append(writer, *(route(harness, task) for task in tasks[start:end]))
            async with harness.connect().reader() as reader:
                found = await everything(reader)
        assert routes(found) == tasks

    @in_loop
    async def test_numbers_grow_and_an_event_keeps_its_own(self, harness: StoreHarness) -> None:
        with writing(harness) as writer:
            append(writer, *(route(harness, f"t{number}") for number in range(5)))
            async with harness.connect().reader() as reader:
                before = await everything(reader)
                append(writer, route(harness, "later"))
                after = await everything(reader)
        numbers = [entry.seq for entry in after]
        assert numbers == sorted(set(numbers))
        assert numbers[0] > 0
        assert after[:-1] == before

    @in_loop
    async def test_an_event_comes_back_as_it_was(self, harness: StoreHarness) -> None:
        at = harness.now()
        events: list[Event] = [
            route(harness, "a"),
            route(harness, "b"),
            failure(harness, "c \u2028 \U0001f600 '\""),
            failure(harness, "d"),
            StateChanged(at=at, adapter="agno", before="closed", after="open", reason="failures", until=at + SECOND),
            CommandDone(at=at, command=0, verb="reset", actor="ann", ok=True, detail="x" * 3_000),
        ]
        with writing(harness) as writer:
            append(writer, *events)
            async with harness.connect().reader() as reader:
                found = await everything(reader)
        assert [entry.event for entry in found][-len(events) :] == events

    @in_loop
    async def test_an_event_of_an_unknown_kind_is_kept(self, harness: StoreHarness) -> None:
        body = '{"kind":"from_the_future","at":%d,"adapter":"agno","task":"t1","new":{"x":[1,2.5,"\\u00e4"]}}'
        at = harness.now()
        event = UnknownEvent(at=at, kind="from_the_future", adapter="agno", task="t1", body=body % at)
        with writing(harness) as writer:
            append(writer, route(harness, "before"), event, route(harness, "after"))
            async with harness.connect().reader() as reader:
                found = await everything(reader)
                assert sum(span.calls for span in await reader.spans(0, 2 * at)) == 2
        assert found[-2].event == event
        assert routes(found) == ["before", "after"]

    # ------------------------------------------------------------------ reading

    @in_loop
    async def test_a_read_is_bounded(self, harness: StoreHarness) -> None:
        with writing(harness) as writer:
            append(writer, *(route(harness, f"t{number}") for number in range(20)))
            async with harness.connect().reader() as reader:
                whole = await everything(reader)
                seqs = [entry.seq for entry in whole]
                assert await reader.slice(0, 5) == whole[:5]
                assert await reader.slice(seqs[4], 5) == whole[5:10]
                assert await reader.slice(seqs[4], 100, seqs[7]) == whole[5:8]
                assert await reader.slice(seqs[-1], 5) == []
                assert await reader.slice(0, 10_000) == whole

    @in_loop
    async def test_the_newest_number_is_that_of_the_last_event(self, harness: StoreHarness) -> None:
        with writing(harness) as writer:
            append(writer, *(route(harness, f"t{number}") for number in range(3)))
            async with harness.connect().reader() as reader:
                assert await reader.extent() == Extent(0, (await everything(reader))[-1].seq)

    @in_loop
    async def test_a_reader_of_a_pruned_number_goes_on_after_it_and_can_tell(self, harness: StoreHarness) -> None:
        with writing(harness) as writer:
            append(writer, *(route(harness, f"t{number}") for number in range(10)))
            async with harness.connect().reader() as reader:
                before = await everything(reader)
                _prune(harness, before[-4].seq)
                extent = await reader.extent()
                assert await everything(reader) == before[-3:]
                assert await reader.slice(before[0].seq, 2) == before[-3:-1]
                assert before[-4].seq <= extent.pruned < before[-3].seq
                assert extent.newest == before[-1].seq

    @in_loop
    async def test_numbers_go_on_after_all_events_were_pruned(self, harness: StoreHarness) -> None:
        with writing(harness) as writer:
            append(writer, route(harness, "old"))
            async with harness.connect().reader() as reader:
                last = (await everything(reader))[-1].seq
                _prune(harness, last)
                assert await everything(reader) == []
                assert await reader.extent() == Extent(last, last)
                append(writer, route(harness, "new"))
                found = await everything(reader, after=last)
        assert routes(found) == ["new"]
        assert found[0].seq > last

    @in_loop
    async def test_a_fold_from_a_keyframe_is_the_fold_of_all_events(self, harness: StoreHarness) -> None:
        with writing(harness) as writer:
            beat(harness, writer)
            for part in range(40):
                append(writer, *(route(harness, f"t{part}-{number}") for number in range(300)))
                while True:
                    with writer.gate:
                        if not writer.maintain(0.1, calm=True, writable=True):
                            break
            append(writer, failure(harness, "last"))
            async with harness.connect().reader() as reader:
                whole, last = Board(), (await reader.extent()).newest
                for entry in await reader.slice(0, 100_000):
                    whole.apply(entry)
                for to in (1, last // 2, last):
                    start = await reader.keyframe(to)
                    assert start.seq <= to
                board = await reader.keyframe()
                for entry in await reader.slice(board.seq, 100_000):
                    board.apply(entry)
        assert _figures(board) == _figures(whole)

    # ------------------------------------------------------------------ batches

    @in_loop
    async def test_a_reader_sees_all_of_a_batch_or_nothing(self, harness: StoreHarness) -> None:
        def write(writer: EngineWriter) -> None:
            for number in range(25):
                append(writer, *(route(harness, f"{number}") for _ in range(40)))

        with writing(harness) as writer, ThreadPoolExecutor(1) as thread:
            async with harness.connect().reader() as reader:
                done = thread.submit(write, writer)
                seen, after, last = [], 0, False
                while not last:
                    last = done.done()
                    part = await reader.slice(after, 100_000)
                    seen.append(routes(part))
                    after = part[-1].seq if part else after
                done.result()
        for tasks in seen:
            assert all(tasks.count(task) == 40 for task in tasks), "a part of a batch was read"
        assert sum(map(len, seen)) == 25 * 40

    @in_loop
    async def test_a_batch_that_is_sent_again_is_kept_once(self, harness: StoreHarness) -> None:
        with writing(harness) as writer:
            append(writer, route(harness, "one"), number=1)
            append(writer, route(harness, "one"), number=1)
            append(writer, route(harness, "two"), number=5)
            with writer.gate:
                writer.close()
                writer.open()
            append(writer, route(harness, "two"), number=5)
            append(writer, route(harness, "one"), number=1)
            append(writer, route(harness, "three"), number=6)
            async with harness.connect().reader() as reader:
                assert routes(await everything(reader)) == ["one", "two", "three"]
                assert sum(span.calls for span in await reader.spans(0, 2 * harness.now())) == 3

    @in_loop
    async def test_batches_without_a_number_are_all_kept(self, harness: StoreHarness) -> None:
        with writing(harness) as writer:
            append(writer, route(harness, "same"), number=3)
            append(writer, route(harness, "same"))
            append(writer, route(harness, "same"))
            async with harness.connect().reader() as reader:
                assert routes(await everything(reader)) == ["same"] * 3

    @in_loop
    async def test_the_batch_numbers_of_two_instances_are_apart(self, harness: StoreHarness) -> None:
        with writing(harness) as one, writing(harness) as two:
            append(one, route(harness, "one"), number=7)
            append(two, route(harness, "two"), number=3)
            async with harness.connect().reader() as reader:
                assert routes(await everything(reader)) == ["one", "two"]

    @in_loop
    async def test_two_writers_keep_everything_each_in_its_order(self, harness: StoreHarness) -> None:
        def write(name: str, writer: EngineWriter) -> None:
            for number in range(20):
                append(writer, *(route(harness, f"{name}{number}-{part}") for part in range(3)))

        with writing(harness) as one, writing(harness) as two, ThreadPoolExecutor(2) as threads:
            for done in [threads.submit(write, "a", one), threads.submit(write, "b", two)]:
                done.result()
            async with harness.connect().reader() as reader:
                found = await everything(reader)
        assert routes(found, one.instance) == [f"a{n}-{part}" for n in range(20) for part in range(3)]
        assert routes(found, two.instance) == [f"b{n}-{part}" for n in range(20) for part in range(3)]

    @in_loop
    async def test_a_reader_that_follows_two_writers_misses_nothing(self, harness: StoreHarness) -> None:
        def write(name: str, writer: EngineWriter) -> None:
            for number in range(30):
                append(writer, *(route(harness, f"{name}{number}-{part}") for part in range(5)))

        with writing(harness) as one, writing(harness) as two, ThreadPoolExecutor(2) as threads:
            async with harness.connect().reader() as reader:
                working = [threads.submit(write, "a", one), threads.submit(write, "b", two)]
                seen, over = await everything(reader), False
                while not over:
                    done = all(work.done() for work in working)
                    part = await reader.slice(seen[-1].seq, 50)
                    seen += part
                    over = done and not part
                for work in working:
                    work.result()
                assert seen == await everything(reader)
        assert len(routes(seen)) == 300

    @in_loop
    async def test_a_store_that_cannot_be_written_keeps_nothing_and_says_so(self, harness: StoreHarness) -> None:
        with writing(harness) as writer:
            append(writer, route(harness, "before"), number=1)
            with _unreachable(harness), pytest.raises(NotWritten):
                append(writer, route(harness, "lost"), number=2)
            with writer.gate:
                writer.open()
            append(writer, route(harness, "after"), number=3)
            async with harness.connect().reader() as reader:
                assert routes(await everything(reader)) == ["before", "after"]

    # ------------------------------------------------------------------ metrics

    @in_loop
    async def test_metrics_count_the_events_of_a_batch_and_what_it_adds(self, harness: StoreHarness) -> None:
        with writing(harness) as writer:
            one, two = route(harness, "one"), failure(harness, "two")
            second = one.at - one.at % SECOND
            more = AdapterSecond(second, "agno", calls=4, successes=3, latency={1: 4})
            append(writer, one, two, metrics={(second, "agno"): more})
            append(writer, route(harness, "three"))
            async with harness.connect().reader() as reader:
                spans = await reader.spans(second, second + 600 * SECOND)
                agno = await reader.spans(second, second + 600 * SECOND, "agno")
        counted = {
            name: [sum(getattr(span, field) for span in spans if span.adapter == name) for field in _COUNTS]
            for name in ("agno", "prefect")
        }
        assert counted == {"agno": [6, 5, 0, 0], "prefect": [1, 0, 1, 1]}
        assert sum(sum(span.latency.values()) for span in agno) == 6
        assert {span.adapter for span in agno} == {"agno"}

    @in_loop
    async def test_metrics_are_found_by_time_and_instance(self, harness: StoreHarness) -> None:
        with writing(harness) as one, writing(harness) as two:
            first = route(harness, "one")
            second = msgspec.structs.replace(first, at=first.at + 100 * SECOND)
            append(one, first)
            append(two, second)
            async with harness.connect().reader() as reader:
                assert one.instance is not None
                start, end = first.at - 2 * SECOND, first.at + 50 * SECOND
                assert [span.calls for span in await reader.spans(start, end)] == [1]
                assert [span.calls for span in await reader.spans(end, second.at + SECOND)] == [1]
                assert [span.calls for span in await reader.spans(start, second.at + SECOND)] == [1, 1]
                whole = await reader.spans(start, second.at + SECOND, instances=(one.instance,))
                assert [span.at for span in whole] == [first.at - first.at % SECOND]

    # ------------------------------------------------------------------ life and death

    @in_loop
    async def test_a_heartbeat_is_a_sign_of_life(self, harness: StoreHarness) -> None:
        with writing(harness) as writer:
            beat(harness, writer)
            async with harness.connect().reader() as reader:
                (before,) = await reader.instances()
                assert presence(before, harness.now()) == "live"
                harness.advance(1.0)
                beat(harness, writer)
                (after,) = await reader.instances()
        assert after.heartbeat_at - before.heartbeat_at >= 0.9 * SECOND
        assert after.ended_at is None

    @in_loop
    async def test_an_engine_that_ends_has_ended(self, harness: StoreHarness) -> None:
        with writing(harness) as writer:
            beat(harness, writer)
            append(writer, route(harness, "last"), heartbeat=Heartbeat(harness.now()), ends=True)
            async with harness.connect().reader() as reader:
                (row,) = await reader.instances()
                assert routes(await everything(reader)) == ["last"]
        assert row.ended_at is not None
        assert presence(row, harness.now()) == "ended"

    @in_loop
    async def test_an_engine_that_is_killed_while_it_writes_leaves_whole_batches(self, harness: StoreHarness) -> None:
        harness.die(_write_until_killed)
        with writing(harness) as writer:
            append(writer, route(harness, "after"))
            async with harness.connect().reader() as reader:
                dead = (await reader.instances())[0].id
                tasks = routes(await everything(reader), dead)
                spans = await reader.spans(0, 2 * harness.now(), instances=(dead,))
        assert len(tasks) >= 5 * 20
        assert tasks == [str(place // 20) for place in range(len(tasks))], "a batch is missing, or a part of one"
        assert len(tasks) % 20 == 0
        assert sum(span.calls for span in spans) == len(tasks), "metrics and events are not of the same batches"

    @in_loop
    async def test_what_a_killed_engine_has_written_stays_and_it_looks_dead(self, harness: StoreHarness) -> None:
        harness.die(functools.partial(_write_and_beat, tasks=("one", "two")))
        harness.advance(SILENT_AFTER / SECOND + 0.5)
        with writing(harness) as writer:
            beat(harness, writer)
            append(writer, route(harness, "three"))
            async with harness.connect().reader() as reader:
                dead, alive = await reader.instances()
                found = await everything(reader)
        assert routes(found) == ["one", "two", "three"]
        assert routes(found, dead.id) == ["one", "two"]
        assert (presence(dead, harness.now()) == "live", presence(alive, harness.now())) == (False, "live")


_COUNTS = ("calls", "successes", "failures", "timeouts")


def _figures(board: Board) -> object:
    adapters = {key: (row.state, row.calls, row.failed, row.rejections) for key, row in board.adapters.items()}
    return board.seq, board.tasks, board.tasks_ok, adapters, [row.task for row in board.failures]


def _prune(harness: StoreHarness, to: int) -> None:
    try:
        harness.prune(to)
    except NotImplementedError:
        pytest.skip("the store never removes events")


def _unreachable(harness: StoreHarness) -> AbstractContextManager[object]:
    try:
        return harness.unreachable()
    except NotImplementedError:
        pytest.skip("the harness cannot make the store unreachable")


def _write_and_beat(harness: StoreHarness, tasks: tuple[str, ...]) -> None:
    writer = opened(harness)
    for task in tasks:
        append(writer, route(harness, task))
    beat(harness, writer)


def _write_until_killed(harness: StoreHarness) -> None:
    """Return while a thread is writing batches of 20 events, at the earliest after five of them."""
    writer, written = opened(harness), threading.Semaphore(0)

    def write() -> None:
        for number in range(300):
            append(writer, *(route(harness, str(number)) for _ in range(20)))
            written.release()

    threading.Thread(target=write, daemon=True).start()
    for _ in range(5):
        written.acquire()
