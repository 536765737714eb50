"""Dead letters of an engine: enqueued when every adapter failed, retried by schedule or by hand, one run at a time."""

from __future__ import annotations

import asyncio
import contextlib
import queue
from typing import Any

import pytest

from fuseboard_engine import CallerError, Engine, Task
from fuseboard_engine.commands import Command
from fuseboard_engine.dead_letters.letter import (
    LetterBusy,
    LetterRefused,
    LetterSelection,
    QueueFull,
    StoreUnavailable,
    UnknownLetter,
)
from fuseboard_engine.dead_letters.memory_store import MemoryDeadLetters
from fuseboard_engine.dead_letters.policy import DeadLetterPolicy
from fuseboard_engine.events import (
    CommandDone,
    DeadLetterChanged,
    DeadLettered,
    DeadLetterRefused,
    RouteFinished,
)
from support.dead_letter_world import BY_HAND, DOWN, ONCE, emitted_by, letter_of, world
from support.engine_world import HOUR, HttpError, Script, World, now, virtual
from support.waiting import PATIENCE


@virtual
async def test_a_task_that_every_adapter_failed_is_kept_and_the_route_has_its_letters_id() -> None:
    engine, queue = world(**BY_HAND)
    engine.script("a", HttpError(500, "first"))
    engine.script("b", DOWN)
    task = Task(type="ai", payload={"question": "why"}, id="t1", context={"request": "r1"})
    result = await engine.execute_with_fallback(task)
    assert not result.success
    kept = await letter_of(queue, result.dead_letter)
    assert (kept.task, kept.task_type, kept.payload, kept.context) == (
        "t1",
        "ai",
        '{"question":"why"}',
        {"request": "r1"},
    )
    assert (kept.category, kept.rule, kept.adapter, kept.attempts) == ("network", "connection", "b", 2)
    assert (kept.error_type, kept.error, kept.status) == ("ConnectionError", "refused", "pending")
    (route,) = emitted_by(engine, RouteFinished)
    (event,) = emitted_by(engine, DeadLettered)
    assert route.dead_letter == event.letter == kept.id


@virtual
async def test_successes_degraded_answers_and_caller_errors_make_no_letter() -> None:
    engine, queue = world(**BY_HAND)
    engine.script("good", "fine")
    engine.script("wrong", CallerError("no such customer"))
    engine.script("slow", HOUR)
    engine.script("down", DOWN)
    engine.set_degraded("ai", {"answer": "later"})
    results = [
        await engine.execute_with_fallback({}, ["good"]),
        await engine.execute_with_fallback({}, ["wrong"]),
        await engine.execute_with_fallback({}, ["slow"], deadline=1.0),
        await engine.execute_with_fallback({"task_type": "ai"}, ["down"]),
    ]
    assert [result.dead_letter for result in results] == [None] * 4
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(1):
            await engine.execute_with_fallback({}, ["slow"])
    assert (await queue.statistics()).size == 0


@pytest.mark.parametrize(
    ("strategy", "kept"), [("automatic", [1, 2]), ("selective", [1, None]), ("manual", [None, None])]
)
def test_DQ10_the_strategy_says_which_routes_make_dead_letters(strategy: str, kept: list[int | None]) -> None:
    @virtual
    async def play() -> None:
        engine, _ = world(strategy=strategy, **BY_HAND)
        engine.script("a", DOWN, HttpError(401))
        assert [(await engine.execute_with_fallback({})).dead_letter for _ in range(2)] == kept

    play()


@virtual
async def test_DQ10_manual_keeps_only_what_the_application_enqueues_and_disabled_keeps_nothing() -> None:
    _, queue = world(strategy="manual", **BY_HAND)
    id = await queue.enqueue({"x": 1}, error=HttpError(429), adapter="gpt")
    kept = await letter_of(queue, id)
    assert (kept.category, kept.rule, kept.adapter) == ("resource", "rate_limited", "gpt")
    _, queue = world(strategy="disabled")
    with pytest.raises(LetterRefused, match="`disabled`"):
        await queue.enqueue({"x": 1})


@virtual
async def test_a_payload_that_is_not_json_is_refused_with_the_reason_on_the_route() -> None:
    engine, queue = world()
    engine.script("a", DOWN)
    result = await engine.execute_with_fallback({"when": {1, 2}})
    assert result.dead_letter is None
    assert "payload.when is of type set" in result.why
    assert isinstance(result.exception, ConnectionError)
    assert "of type set" in emitted_by(engine, DeadLetterRefused)[0].reason
    with pytest.raises(LetterRefused, match="of type object"):
        await queue.enqueue(object())
    assert (await queue.statistics()).totals["enqueued"] == 0


@virtual
async def test_DQ02_a_full_queue_refuses_a_letter() -> None:
    engine, queue = world(capacity=1, when_full="reject", **BY_HAND)
    engine.script("a", DOWN)
    assert (await engine.execute_with_fallback({})).dead_letter == 1
    result = await engine.execute_with_fallback({})
    assert result.dead_letter is None
    assert "queue is full" in result.why
    with pytest.raises(QueueFull):
        await queue.enqueue({})


# ------------------------------------------------------------------ automatic retry


@virtual
async def test_DQ06_a_successfully_retried_letter_leaves_the_active_list() -> None:
    engine, queue = world()
    script = engine.script("a", DOWN, "fine")
    result = await engine.execute_with_fallback({"n": 1})
    await asyncio.sleep(1)
    figures = await queue.statistics()
    assert (figures.by_status["pending"], figures.by_status["succeeded"]) == (0, 1)
    assert (figures.totals["retry_success"], figures.totals["retry_failed"], figures.totals["manual"]) == (1, 0, 0)
    assert (await letter_of(queue, result.dead_letter)).detail == "a did it"
    assert script.tasks == [{"n": 1}, {"n": 1}]


@virtual
async def test_DQ06_a_letter_that_fails_again_is_kept_and_counted() -> None:
    engine, queue = world(schedules={"network": "linear"})
    engine.script("a", DOWN)
    result = await engine.execute_with_fallback({})
    await asyncio.sleep(1)
    assert (await letter_of(queue, result.dead_letter)).retries == 1
    assert (await queue.statistics()).totals["retry_failed"] == 1
    await queue.stop()


@virtual
async def test_DQ05_the_delay_grows_until_the_letter_is_exhausted_for_good() -> None:
    engine, queue = world(max_retries=4)
    script = engine.script("a", DOWN)
    result = await engine.execute_with_fallback({})
    await asyncio.sleep(24 * HOUR)
    assert [round(at / 60, 3) for at in script.calls] == [0, 0, 1, 3, 7]
    kept = await letter_of(queue, result.dead_letter)
    assert (kept.status, kept.retries) == ("exhausted", 4)
    assert (await queue.statistics()).size == 1, "a retry that fails makes no second letter"


@virtual
async def test_a_permanent_failure_is_never_retried_automatically() -> None:
    engine, queue = world()
    script = engine.script("a", HttpError(403))
    result = await engine.execute_with_fallback({})
    await asyncio.sleep(24 * HOUR)
    assert len(script.calls) == 1
    assert (await letter_of(queue, result.dead_letter)).due_at is None


@virtual
async def test_a_degraded_answer_is_not_a_successful_retry() -> None:
    engine, queue = world(**BY_HAND)
    engine.script("a", DOWN)
    result = await engine.execute_with_fallback({"task_type": "ai"})
    engine.set_degraded("ai", {"answer": "later"})
    assert result.dead_letter is not None
    retried = await queue.retry(result.dead_letter)
    assert (retried.outcome, (await letter_of(queue, result.dead_letter)).retries) == ("failed", 1)


@virtual
async def test_a_retry_uses_the_chain_of_the_call_or_the_current_one_of_its_type() -> None:
    engine, queue = world(**BY_HAND)
    a, b = engine.script("a", DOWN), engine.script("b", DOWN)
    chosen = await engine.execute_with_fallback({}, ["b"])
    default = await engine.execute_with_fallback({"task_type": "ai"}, deadline=None)
    engine.set_preference(["a"], "ai")
    calls = len(a.calls), len(b.calls)
    assert chosen.dead_letter and default.dead_letter
    await queue.retry(chosen.dead_letter)
    assert (len(a.calls), len(b.calls)) == (calls[0], calls[1] + 1)
    await queue.retry(default.dead_letter)
    assert (len(a.calls), len(b.calls)) == (calls[0] + 1, calls[1] + 1)


@virtual
async def test_a_task_routed_by_an_adapter_during_a_retry_makes_its_own_letter() -> None:
    engine, queue = world(**BY_HAND)
    engine.script("inner", DOWN)

    async def outer(task: Any) -> Any:
        inner = await engine.execute_with_fallback({"part": 1}, ["inner"])
        return {"success": False, "error": f"part {inner.dead_letter}"}

    engine.add_adapter("outer", outer)
    result = await engine.execute_with_fallback({}, ["outer"])
    assert result.dead_letter is not None
    await queue.retry(result.dead_letter)
    assert sorted(event.letter for event in emitted_by(engine, DeadLettered)) == [1, 2, 3]
    assert (await queue.statistics()).by_status["pending"] == 3


# ------------------------------------------------------------------ by hand


@virtual
async def test_DQ07_a_manual_retry_returns_its_outcome() -> None:
    engine, queue = world(**BY_HAND)
    engine.script("a", DOWN, DOWN, DOWN, "fine")
    good = (await engine.execute_with_fallback({})).dead_letter
    bad = (await engine.execute_with_fallback({})).dead_letter
    assert good and bad
    failed = await queue.retry(bad, actor="ann")
    assert (failed.success, failed.outcome) == (False, "failed")
    assert "refused" in failed.detail
    done = await queue.retry(good, actor="ann")
    assert done.success
    assert done.result.result == "fine"
    with pytest.raises(UnknownLetter, match="no dead letter 99"):
        await queue.retry(99)
    assert (await queue.statistics()).totals["manual"] == 2
    changes = [(event.before, event.status, event.actor) for event in emitted_by(engine, DeadLetterChanged)]
    assert changes == [
        ("pending", "retrying", "ann"),
        ("retrying", "pending", "ann"),
        ("pending", "retrying", "ann"),
        ("retrying", "succeeded", "ann"),
    ]


@virtual
async def test_DQ07_with_no_adapter_left_a_retry_fails_with_the_reason() -> None:
    engine, queue = world(**BY_HAND)
    engine.script("a", DOWN)
    id = (await engine.execute_with_fallback({})).dead_letter
    engine.remove_adapter("a")
    assert id is not None
    failed = await queue.retry(id)
    assert not failed.success
    assert "no adapter of the chain is registered" in failed.detail


@virtual
async def test_an_archived_or_retrying_letter_is_not_retried() -> None:
    engine, queue = world(**BY_HAND)
    engine.script("a", DOWN, 5.0)
    id = (await engine.execute_with_fallback({})).dead_letter
    assert id is not None
    await queue.archive(LetterSelection(ids=(id,)), actor="ann")
    with pytest.raises(LetterBusy, match="archived; unarchive it first"):
        await queue.retry(id)
    await queue.unarchive(LetterSelection(ids=(id,)), actor="ann")
    first = asyncio.create_task(queue.retry(id))
    await asyncio.sleep(1)
    with pytest.raises(LetterBusy, match="is retrying"):
        await queue.retry(id)
    assert (await first).success


@virtual
async def test_an_exhausted_letter_can_still_be_retried_by_hand() -> None:
    engine, queue = world(max_retries=1)
    engine.script("a", DOWN, DOWN, "fine")
    id = (await engine.execute_with_fallback({})).dead_letter
    await asyncio.sleep(1)
    assert (await letter_of(queue, id)).status == "exhausted"
    assert id is not None
    assert (await queue.retry(id)).success


@virtual
async def test_all_letters_or_a_selection_are_retried_oldest_first() -> None:
    engine, queue = world(**BY_HAND)
    script = engine.script("a", *[DOWN] * 4, "fine")
    for number, kind in enumerate(("ai", "report", "ai", "report")):
        await engine.execute_with_fallback({"task_type": kind, "n": number})
    outcomes = await queue.retry_many(LetterSelection(task_type="report"), actor="ann")
    assert [(one.id, one.outcome) for one in outcomes] == [(2, "succeeded"), (4, "succeeded")]
    assert len(await queue.retry_many()) == 2
    assert [task["n"] for task in script.tasks[4:]] == [1, 3, 0, 2]


@virtual
async def test_R21_automatic_and_manual_retries_together_run_a_letter_once() -> None:
    engine, queue = world()
    script = engine.script("a", DOWN, 5.0)
    id = (await engine.execute_with_fallback({})).dead_letter
    assert id is not None
    hands = [asyncio.create_task(queue.retry(id)) for _ in range(3)]
    outcomes = await asyncio.gather(*hands, return_exceptions=True)
    await asyncio.sleep(HOUR)
    assert len(script.calls) == 2
    assert sum(isinstance(outcome, LetterBusy) for outcome in outcomes) >= 2


@virtual
async def test_a_retry_longer_than_its_lease_keeps_its_letter() -> None:
    engine, queue = world(lease=10)
    script = engine.script("a", DOWN, 100.0)
    await engine.execute_with_fallback({})
    await asyncio.sleep(HOUR)
    assert len(script.calls) == 2
    assert (await queue.statistics()).by_status["succeeded"] == 1


@virtual
async def test_R20_a_retry_cut_off_by_a_stop_is_pending_again_and_not_counted() -> None:
    engine, queue = world()
    script = engine.script("a", DOWN, 50.0)
    result = await engine.execute_with_fallback({})
    await asyncio.sleep(1)
    assert (await letter_of(queue, result.dead_letter)).status == "retrying"
    await queue.stop()
    kept = await letter_of(queue, result.dead_letter)
    assert (kept.status, kept.retries, kept.due_at) == ("pending", 0, kept.created_at)
    assert script.cancelled == 1


@virtual
async def test_a_cancelled_manual_retry_leaves_its_letter_unchanged() -> None:
    engine, queue = world(**BY_HAND)
    engine.script("a", DOWN, 50.0)
    id = (await engine.execute_with_fallback({})).dead_letter
    assert id is not None
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(1):
            await queue.retry(id)
    assert (await letter_of(queue, id)).status == "pending"


@virtual
async def test_DQ08_manual_changes_are_reported_with_their_actor() -> None:
    engine, queue = world(**BY_HAND)
    engine.script("a", DOWN)
    for _ in range(3):
        await engine.execute_with_fallback({})
    assert await queue.archive(LetterSelection(ids=(1,)), actor="ann") == 1
    assert await queue.archive(LetterSelection(ids=(1,)), actor="ann") == 0
    assert await queue.discard(LetterSelection(ids=(2,)), actor="bob") == 1
    assert await queue.purge(actor="cat") == 3
    seen = [(event.actor, event.status, event.letters) for event in emitted_by(engine, DeadLetterChanged)]
    assert seen[:2] == [("ann", "archived", (1,)), ("bob", "discarded", (2,))]
    assert {(actor, status) for actor, status, _ in seen[2:]} == {("cat", "purged")}
    await queue.stop()


# ------------------------------------------------------------------ a store in trouble


class Broken(MemoryDeadLetters):
    """A store that can be made to fail."""

    shared = True
    down = True

    async def add(self, *args: Any) -> Any:
        self._check()
        return await super().add(*args)

    async def statistics(self, *args: Any) -> Any:
        self._check()
        return await super().statistics(*args)

    def _check(self) -> None:
        if self.down:
            raise StoreUnavailable("the disk is full") from OSError(28, "No space left on device")


@virtual
async def test_DQ11_a_store_that_fails_closed_raises_with_its_cause_and_keeps_no_letter() -> None:
    engine, queue = world(**BY_HAND)
    queue.attach_store(broken := Broken())
    with pytest.raises(StoreUnavailable) as caught:
        await queue.enqueue({})
    assert isinstance(caught.value.__cause__, OSError)
    result = await engine.execute_with_fallback({}, ["nobody"])
    assert (result.dead_letter, "the disk is full" in result.why) == (None, True)
    broken.down = False
    figures = await queue.statistics()
    assert (figures.size, figures.totals["enqueued"]) == (0, 0)
    await queue.stop()


@virtual
async def test_DQ11_a_store_that_fails_open_keeps_letters_in_memory_and_moves_them_later() -> None:
    engine, queue = world(fail_closed=False, **BY_HAND)
    queue.attach_store(broken := Broken())
    id = await queue.enqueue({"x": 1})
    assert id < 0
    assert (await queue.statistics()).size == 1
    assert emitted_by(engine, DeadLettered)[0].in_memory
    assert (await letter_of(queue, id)).payload == '{"x":1}'
    broken.down = False
    await asyncio.sleep(60)
    (kept,) = await queue.find()
    assert (kept.id, kept.payload) == (1, '{"x":1}')
    assert (await queue.statistics()).size == 1
    await queue.stop()


@pytest.mark.parametrize(
    "fail_closed, line", [(False, "Dead letters cannot be written"), (True, "could not become a dead letter")]
)
@virtual
async def test_a_store_that_cannot_be_written_costs_one_line_a_minute_however_many_tasks_fail(
    fail_closed: bool, line: str, caplog: pytest.LogCaptureFixture
) -> None:
    _, queue = world(fail_closed=fail_closed, **BY_HAND)
    queue.attach_store(Broken())
    for _ in range(100):
        with contextlib.suppress(StoreUnavailable):
            await queue.enqueue({"x": 1})
    assert sum(line in record.getMessage() for record in caplog.records) == 1
    await asyncio.sleep(60)
    with contextlib.suppress(StoreUnavailable):
        await queue.enqueue({"x": 1})
    lines = [text for record in caplog.records if line in (text := record.getMessage())]
    assert len(lines) == 2
    assert lines[1].endswith("99 more lines like this one were left out.")
    await queue.stop()


@virtual
async def test_letters_from_before_a_recording_move_into_it() -> None:
    engine, queue = world(**BY_HAND)
    engine.script("a", DOWN)
    await engine.execute_with_fallback({})
    store = Broken()
    store.down = False
    queue.attach_store(store)
    await asyncio.sleep(1)
    assert len(store) == 1
    await queue.stop()


# ------------------------------------------------------------------ operators' commands


def ask(**args: Any) -> Command:
    return Command(id=7, verb="dlq_retry", actor="ann@host", args=args)


@virtual
async def test_a_retry_command_is_answered_when_the_retries_have_ended() -> None:
    engine, _ = world(**BY_HAND)
    engine.script("a", DOWN, DOWN, 2.0)
    for _ in range(2):
        await engine.execute_with_fallback({})
    assert engine.execute_command(ask(all=True)) is None
    await asyncio.sleep(3)
    assert emitted_by(engine, CommandDone) == []
    await asyncio.sleep(3)
    (done,) = emitted_by(engine, CommandDone)
    assert (done.command, done.ok, done.actor) == (7, True, "ann@host")
    assert (done.detail, done.what) == ("2 dead letters retried: 2 succeeded", "all")


@virtual
async def test_a_slow_retry_command_is_answered_with_the_progress_so_far_and_continues() -> None:
    engine, queue = world(**BY_HAND)
    engine.script("a", DOWN, DOWN, 6.0)
    for _ in range(2):
        await engine.execute_with_fallback({})
    engine.execute_command(ask(all=True))
    await asyncio.sleep(10)
    (done,) = emitted_by(engine, CommandDone)
    assert done.ok
    assert done.detail == "dead letter 1 succeeded: a did it so far; the rest continues"
    await asyncio.sleep(10)
    _, ended = emitted_by(engine, CommandDone)
    assert (ended.command, ended.ok) == (7, True)
    assert ended.detail == "the retry ended: 2 dead letters retried: 2 succeeded"
    assert (await queue.statistics()).by_status["succeeded"] == 2


@virtual
async def test_a_retry_command_with_a_slow_first_retry_is_answered_that_it_continues() -> None:
    engine, queue = world(**BY_HAND)
    engine.script("a", DOWN, 30.0)
    await engine.execute_with_fallback({})
    engine.execute_command(ask(ids=[1]))
    await asyncio.sleep(10)
    (done,) = emitted_by(engine, CommandDone)
    assert (done.ok, done.detail, done.what) == (True, "the retry continues", "1")
    await asyncio.sleep(30)
    assert emitted_by(engine, CommandDone)[1].detail == "the retry ended: dead letter 1 succeeded: a did it"
    assert (await queue.statistics()).by_status["succeeded"] == 1


@virtual
async def test_a_retry_command_whose_retry_fails_states_the_reason() -> None:
    engine, _ = world(**BY_HAND)
    engine.script("a", DOWN)
    await engine.execute_with_fallback({})
    engine.execute_command(ask(ids=[1]))
    engine.execute_command(ask(ids=[5]))
    await asyncio.sleep(1)
    failed, none = sorted(emitted_by(engine, CommandDone), key=lambda done: len(done.detail), reverse=True)
    assert not failed.ok
    assert failed.detail == "dead letter 1 failed again: retry 1 of 3 failed: refused"
    assert (none.ok, none.detail) == (False, "no such dead letter waits for a retry")


@virtual
async def test_a_retry_command_without_a_selection_or_a_queue_is_refused() -> None:
    engine, _ = world(**BY_HAND)
    engine.script("a", DOWN)
    await engine.execute_with_fallback({})
    for args, words in (
        ({}, "name some, or all"),
        ({"colour": "red"}, "'colour'"),
        ({"ids": "1"}, "which dead letters"),
    ):
        done = engine.execute_command(ask(**args))
        assert done is not None
        assert not done.ok
        assert words in done.detail
    done = World().execute_command(ask(all=True))
    assert done is not None
    assert done.detail == "this engine keeps no dead letters"


def ask_to_stop(**args: Any) -> Command:
    return Command(id=9, verb="dlq_stop", actor="bob@host", args=args)


async def failed_tasks(count: int, then: Any = 3.0) -> tuple[World, Any]:
    """Return an engine with `count` dead letters whose retries take three seconds each and succeed."""
    engine, queue = world(**BY_HAND)
    engine.script("a", *[DOWN] * count, then)
    for _ in range(count):
        await engine.execute_with_fallback({})
    return engine, queue


@virtual
async def test_a_stopped_retry_ends_after_the_retry_in_flight_and_says_what_is_left() -> None:
    engine, queue = await failed_tasks(5)
    engine.execute_command(ask(all=True))
    await asyncio.sleep(4)
    assert engine.execute_command(ask_to_stop()) is None
    await asyncio.sleep(1)
    assert emitted_by(engine, CommandDone) == []  # the second retry is in flight
    await asyncio.sleep(20)
    retry, stop = sorted(emitted_by(engine, CommandDone), key=lambda done: done.command)
    assert (retry.ok, retry.detail) == (False, "2 dead letters retried: 2 succeeded; stopped by bob@host, 3 left")
    assert (stop.ok, stop.actor) == (True, "bob@host")
    assert stop.detail == "the retry was stopped: 2 dead letters retried, 3 left"
    counts = (await queue.statistics()).by_status
    assert (counts["succeeded"], counts["pending"]) == (2, 3)


@virtual
async def test_a_retry_that_was_answered_already_can_be_stopped() -> None:
    engine, queue = await failed_tasks(10)
    engine.execute_command(ask(all=True))
    await asyncio.sleep(10)
    engine.execute_command(ask_to_stop())
    await asyncio.sleep(40)
    first, ended, stop = sorted(emitted_by(engine, CommandDone), key=lambda done: done.command)
    assert ended.detail.startswith("the retry ended: 4 dead letters retried: 4 succeeded; stopped by bob@host")
    assert first.detail.endswith("so far; the rest continues")
    assert stop.detail == "the retry was stopped: 4 dead letters retried, 6 left"
    assert (await queue.statistics()).by_status["pending"] == 6


@virtual
async def test_a_stop_during_a_long_retry_is_answered_in_time() -> None:
    engine, queue = await failed_tasks(3, then=25.0)
    engine.execute_command(ask(all=True))
    await asyncio.sleep(1)
    engine.execute_command(ask_to_stop())
    await asyncio.sleep(9.5)
    *_, stop = emitted_by(engine, CommandDone)
    assert (stop.ok, stop.command) == (True, 9)
    assert stop.detail == "the retry stops after the one in flight: 0 dead letters retried, 2 left"
    await queue.stop()


@virtual
async def test_a_stop_right_behind_the_retry_leaves_all_letters() -> None:
    engine, queue = await failed_tasks(3)
    engine.execute_command(ask(all=True))
    engine.execute_command(ask_to_stop(command=7))
    await asyncio.sleep(30)
    assert (await queue.statistics()).by_status["pending"] == 3


@virtual
async def test_one_of_several_retries_is_stopped() -> None:
    engine, queue = await failed_tasks(6)
    engine.execute_command(ask(ids=[1, 2, 3]))
    engine.execute_command(Command(id=8, verb="dlq_retry", actor="ann@host", args={"ids": [4, 5, 6]}))
    await asyncio.sleep(1)
    engine.execute_command(ask_to_stop(command=8))
    await asyncio.sleep(30)
    left = await queue.find(LetterSelection(statuses=("pending",)))
    assert sorted(letter.id for letter in left) == [5, 6]


@virtual
async def test_a_stop_without_a_retry_or_with_nonsense_is_refused() -> None:
    engine, _ = await failed_tasks(1)
    engine.execute_command(ask_to_stop())
    await asyncio.sleep(1)
    (done,) = emitted_by(engine, CommandDone)
    assert (done.ok, done.detail) == (False, "no retry of many dead letters is in progress")
    for refused in (engine.execute_command(ask_to_stop(command="x")), World().execute_command(ask_to_stop())):
        assert refused is not None
        assert not refused.ok


@virtual
async def test_the_application_stops_a_retry_of_many_and_learns_how_far_it_came() -> None:
    _, queue = await failed_tasks(4)
    retrying = asyncio.ensure_future(queue.retry_many())
    await asyncio.sleep(4)
    assert await queue.stop_retries(actor="release") == (1, 2, 2)
    assert [result.outcome for result in await retrying] == ["succeeded"] * 2
    assert await queue.stop_retries() == (0, 0, 0)


def test_without_an_application_loop_the_engines_own_loop_runs_the_retry() -> None:
    engine = Engine(dead_letters=DeadLetterPolicy())
    done: queue.SimpleQueue[CommandDone] = queue.SimpleQueue()
    engine.subscribe(lambda event: done.put(event) if isinstance(event, CommandDone) else None)
    with engine.sync:
        assert engine.execute_command(ask(all=True)) is None
        assert "no such dead letter" in done.get(timeout=PATIENCE).detail


@virtual
async def test_an_engine_without_dead_letters_routes_normally() -> None:
    engine = World(retry=ONCE)
    engine.script("a", DOWN)
    assert isinstance(Script(1), Script)
    assert (await engine.execute_with_fallback({})).dead_letter is None
    assert now() == 0
