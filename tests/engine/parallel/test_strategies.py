"""The answers that a fan-out waits for, what it cancels, and which failures it counts."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from fuseboard_engine import BreakerPolicy, CallerError, RetryPolicy, Task
from fuseboard_engine.events import AttemptFailed, RouteFinished
from support.engine_world import NEVER_TRIPS, World, now, virtual
from support.fan_outs import fan

DOWN = ConnectionError("down")


# ---------------------------------------------------------------- all


@virtual
async def test_the_strategy_all_waits_for_every_adapter_and_keeps_the_given_order() -> None:
    engine, _ = fan({"a": (3.0, 1), "b": (1.0, 2), "c": (2.0, 3)})
    result = await engine.execute_parallel("task", ["a", "b", "c"])
    assert now() == 3
    assert result.success and result.complete
    assert result.result == {"a": 1, "b": 2, "c": 3}
    assert list(result.result) == ["a", "b", "c"]
    assert result.answered == ("b", "c", "a")
    assert result.adapter == "b"
    assert [r.duration for r in result.results.values()] == [3.0, 1.0, 2.0]


@virtual
async def test_one_failure_cancels_no_branch_and_is_reported_at_once() -> None:
    engine, timed = fan({"a": (2.0,), "b": (1.0, DOWN)})
    result = await engine.execute_parallel("task")
    assert result.success and not result.complete
    assert result.failed == {"b": "down"}
    assert result.results["b"].exception is DOWN
    assert timed["a"].cancelled == []
    (failed,) = [event for event in engine.emitted if isinstance(event, AttemptFailed)]
    assert failed.attempt.adapter == "b"


@virtual
async def test_by_default_each_adapter_is_called_once_unless_a_retry_policy_is_given() -> None:
    engine, timed = fan({"a": (1.0, DOWN)}, retry=RetryPolicy(max_attempts=5))
    await engine.execute_parallel("task")
    assert len(timed["a"].calls) == 1
    result = await engine.execute_parallel("task", retry=RetryPolicy(max_attempts=3, base_delay=1))
    assert timed["a"].calls == [0, 1, 3, 6]
    assert result.total_attempts == 3
    assert [attempt.number for attempt in result.results["a"].attempts] == [1, 2, 3]


@virtual
async def test_a_fan_out_without_an_answer_fails_like_an_exhausted_chain() -> None:
    engine, _ = fan({"a": (1.0, DOWN), "b": (1.0, DOWN)})
    engine.set_degraded("", {"answer": "later"})
    result = await engine.execute_parallel("task")
    assert not result.success and result.degraded
    assert result.unwrap() == {"answer": "later", "degraded": True}


@virtual
async def test_a_timeout_that_a_late_adapter_did_not_have_in_full_is_not_a_verdict() -> None:
    engine, timed = fan({"a": (9.0,)})
    result = await engine.execute_parallel("task", timeout=2, retry=RetryPolicy(max_attempts=3, attempt_timeout=1.5))
    assert now() == 2
    assert [a.outcome for a in result.attempts] == ["failure", "ignored"]
    assert "timeout (2 s)" in (result.results["a"].error or "")
    assert engine.breaker("a").snapshot().failures == 1
    assert timed["a"].cancelled == [1.5, 2]


@virtual
async def test_an_earlier_deadline_of_the_task_counts_against_no_adapter() -> None:
    engine, _ = fan({"a": (9.0,)})
    result = await engine.execute_parallel(Task(deadline=1), timeout=5)
    assert now() == 1
    assert result.results["a"].outcome == "ignored"
    assert "deadline" in (result.error or "")
    assert engine.breaker("a").snapshot().failures == 0


# ---------------------------------------------------------------- first_success


@virtual
async def test_first_success_returns_with_the_first_answer_after_the_losers_have_ended() -> None:
    engine, timed = fan({"a": (3.0,), "b": (1.0, "b"), "c": (0.5, DOWN)})
    result = await engine.execute_parallel("task", strategy="first_success")
    assert now() == 1
    assert (result.adapter, result.result) == ("b", "b")
    assert timed["a"].cancelled == [1] and timed["a"].ended == 1
    assert result.results["a"].outcome == "cancelled"
    assert result.results["a"].error == "cancelled: b answered first"
    snapshot = engine.breaker("a").snapshot()
    assert (snapshot.calls, snapshot.failures) == (0, 0)
    assert engine.get_adapter_statistics()["a"]["in_flight"] == 0


@virtual
async def test_a_cancelled_probe_returns_its_permit_so_that_the_breaker_can_probe_again() -> None:
    policy = BreakerPolicy(failure_threshold=1, recovery_timeout=1, jitter=0)
    engine, _ = fan({"a": (3.0,), "b": (0.5,)}, breaker=policy)
    engine.breaker("a").admit().failure()
    await asyncio.sleep(1)
    await engine.execute_parallel("task", strategy="first_success")
    assert engine.breaker("a").state == "half_open"
    engine.breaker("a").admit().release()


@pytest.mark.parametrize("answer", ["an answer all the same", ValueError("what was cancelled became this")])
@virtual
async def test_a_cancelled_loser_gets_no_verdict_however_it_ends(answer: Any) -> None:
    engine, _ = fan({"b": (1.0, "b")})

    async def stubborn(task: Any) -> Any:
        try:
            await asyncio.sleep(9)
        except asyncio.CancelledError:
            await asyncio.sleep(1)
            if isinstance(answer, Exception):
                raise answer from None
            return answer

    engine.add_adapter("a", stubborn)
    result = await engine.execute_parallel("task", ["a", "b"], strategy="first_success")
    assert now() == 2  # awaited
    assert result.answered == ("b",)
    assert result.results["a"].outcome == "cancelled"
    assert engine.breaker("a").snapshot().calls == 0


@virtual
async def test_adapters_not_called_before_the_first_answer_are_reported_as_left() -> None:
    engine, _ = fan({"b": (1.0,)})

    async def at_once(task: Any) -> str:
        return "a"

    engine.add_adapter("a", at_once)
    result = await engine.execute_parallel("task", ["a", "b"], strategy="first_success")
    assert result.left == ("b",)
    assert list(result.results) == ["a"]


# ---------------------------------------------------------------- best_effort


@virtual
async def test_best_effort_returns_the_answers_so_far_and_counts_the_rest_against_no_adapter() -> None:
    engine, timed = fan({"a": (1.0, "a"), "b": (9.0,), "c": (0.5, DOWN)})
    result = await engine.execute_parallel("task", strategy="best_effort", timeout=2)
    assert now() == 2
    assert result.success and result.result == {"a": "a"}
    assert result.results["b"].outcome == "cancelled"
    assert result.results["b"].error == "cancelled: not done within the timeout (2 s)"
    assert timed["b"].cancelled == [2]
    assert engine.breaker("b").snapshot().calls == 0
    assert [event.attempt.adapter for event in engine.emitted if isinstance(event, AttemptFailed)] == ["c"]


@virtual
async def test_an_adapter_that_outlasts_its_own_attempt_timeout_has_failed_under_any_strategy() -> None:
    for strategy in ("all", "first_success", "best_effort", "hedged"):
        engine, _ = fan({"a": (9.0,)}, retry=RetryPolicy(attempt_timeout=1))
        result = await engine.execute_parallel("task", strategy=strategy, timeout=2)
        assert result.results["a"].outcome == "failure"
        assert engine.get_adapter_statistics()["a"]["timeouts"] == 1


@virtual
async def test_best_effort_returns_as_soon_as_all_are_done() -> None:
    engine, _ = fan({"a": (1.0,)})
    await engine.execute_parallel("task", strategy="best_effort", timeout=60)
    assert now() == 1


# ---------------------------------------------------------------- hedged


@virtual
async def test_a_hedge_starts_only_after_the_hedge_delay() -> None:
    engine, timed = fan({"a": (1.0, "a"), "b": (1.0, "b")})
    quick = await engine.execute_parallel("task", strategy="hedged", hedge_delay=2)
    assert (quick.adapter, timed["b"].calls, quick.left) == ("a", [], ("b",))
    timed["a"].seconds = 9
    slow = await engine.execute_parallel("task", strategy="hedged", hedge_delay=2)
    assert (slow.adapter, slow.result, timed["b"].calls) == ("b", "b", [3])
    assert now() == 1 + 2 + 1
    assert slow.results["a"].outcome == "cancelled"
    assert "b was called as well: a had not answered" in slow.why


@virtual
async def test_the_next_hedge_starts_at_once_after_a_failure() -> None:
    engine, timed = fan({"a": (1.0, DOWN), "b": (1.0, "b"), "c": (1.0, "c")})
    result = await engine.execute_parallel("task", strategy="hedged", hedge_delay=30)
    assert (result.adapter, timed["b"].calls, result.left) == ("b", [1], ("c",))
    assert "b was asked when a had failed" in result.why


@virtual
async def test_no_other_adapter_is_called_when_the_task_is_invalid() -> None:
    engine, timed = fan({"a": (1.0, CallerError("wrong")), "b": (1.0,)})
    result = await engine.execute_parallel("task", strategy="hedged", hedge_delay=30)
    assert timed["b"].calls == []
    assert not result.success and result.error == "wrong"


@virtual
async def test_a_hedge_spends_the_retry_budget_of_its_adapter() -> None:
    policy = RetryPolicy(budget_minimum=2, budget_ratio=0)
    engine, timed = fan({"a": (0.5, "a"), "b": (9.0,)}, retry=policy)
    for _ in range(3):
        result = await engine.execute_parallel("task", strategy="hedged", hedge_delay=0.125)
        assert result.adapter == "a"
    assert timed["b"].calls == [0.125, 0.625]
    assert "b was not called as well: its retry budget is spent" in result.why


@virtual
async def test_a_rejected_hedge_is_replaced_by_the_next_adapter_at_once() -> None:
    engine, timed = fan({"a": (9.0,), "b": (1.0,), "c": (1.0, "c")})
    engine.breaker("b").force_open()
    result = await engine.execute_parallel("task", strategy="hedged", hedge_delay=2)
    assert (result.adapter, timed["c"].calls) == ("c", [2])
    assert "b" in result.skipped


@virtual
async def test_without_a_fixed_delay_a_hedge_waits_for_the_recent_95th_percentile() -> None:
    engine, timed = fan({"a": (1.0, "a"), "b": (1.0, "b")})
    for seconds in [*range(1, 20), 25.0]:
        timed["a"].seconds = float(seconds)
        assert (await engine.execute_parallel("task", strategy="hedged", timeout=60)).adapter == "a"
    assert timed["b"].calls == []  # nothing was known yet
    began = now()
    timed["a"].seconds = 100
    assert (await engine.execute_parallel("task", strategy="hedged", timeout=60)).adapter == "b"
    assert timed["b"].calls == [began + 19]


@virtual
async def test_the_timeout_ends_all_hedges_together() -> None:
    engine, timed = fan({"a": (99.0,), "b": (99.0,), "c": (99.0,)})
    result = await engine.execute_parallel("task", strategy="hedged", hedge_delay=3, timeout=5)
    assert now() == 5
    assert {name: r.outcome for name, r in result.results.items()} == {"a": "failure", "b": "ignored"}
    assert result.left == ("c",)
    assert timed["c"].calls == []


# ---------------------------------------------------------------- whatever the strategy


@pytest.mark.parametrize("strategy", ["all", "first_success", "best_effort", "hedged"])
@virtual
async def test_a_cancelled_caller_cancels_all_branches_and_the_end_is_reported(strategy: Any) -> None:
    engine, timed = fan({"a": (99.0,), "b": (99.0,)})
    running = asyncio.create_task(engine.execute_parallel("task", strategy=strategy, hedge_delay=1, timeout=1000))
    await asyncio.sleep(5)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert [a.ended for a in timed.values()] == [1, 1]
    (told,) = [event for event in engine.emitted if isinstance(event, RouteFinished)]
    assert (told.success, told.error, told.strategy) == (False, "the caller gave up", strategy)
    assert [a.outcome for a in told.attempts] == ["cancelled", "cancelled"]
    assert engine.breaker("a").snapshot().calls == 0


@virtual
async def test_a_caller_cancelled_twice_still_waits_for_its_calls() -> None:
    engine = World(breaker=NEVER_TRIPS)
    ended: list[float] = []

    async def slow_to_go(task: Any) -> None:
        try:
            await asyncio.sleep(99)
        finally:
            await asyncio.sleep(3)
            ended.append(now())

    engine.add_adapter("a", slow_to_go)
    running = asyncio.create_task(engine.execute_parallel("task", timeout=1000))
    for _ in range(3):
        await asyncio.sleep(0.5)
        running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert ended == [3.5]


@virtual
async def test_an_adapter_that_cancels_itself_cancels_no_other() -> None:
    engine, _ = fan({"a": (1.0, asyncio.CancelledError()), "b": (2.0, "b")})
    result = await engine.execute_parallel("task")
    assert result.result == {"b": "b"}
    assert result.results["a"].error == "a cancelled its own work"


@virtual
async def test_the_event_has_the_strategy_the_answering_adapter_and_every_attempt() -> None:
    engine, _ = fan({"a": (2.0,), "b": (1.0,), "c": (1.5, DOWN)})
    result = await engine.execute_parallel({"id": "t-1", "task_type": "ai"}, ["a", "b", "c"])
    (told,) = [event for event in engine.emitted if isinstance(event, RouteFinished)]
    assert (told.task, told.task_type, told.strategy, told.answered) == ("t-1", "ai", "all", ("b", "a"))
    assert told.attempts == result.attempts
    assert [(a.adapter, a.outcome) for a in told.attempts] == [("b", "success"), ("c", "failure"), ("a", "success")]


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"strategy": "fastest"}, "unknown strategy 'fastest'; choose one of all"),
        ({"timeout": 0}, "timeout must be"),
        ({"timeout": float("nan")}, "timeout must be"),
        ({"hedge_delay": -1}, "hedge_delay must be"),
        ({"hedge_delay": "p99"}, "hedge_delay must be"),
    ],
)
@virtual
async def test_impossible_settings_are_refused(wrong: dict[str, Any], says: str) -> None:
    engine, timed = fan({"a": (1.0,)})
    with pytest.raises(ValueError, match=says):
        await engine.execute_parallel("task", **wrong)
    assert timed["a"].calls == []


@virtual
async def test_an_adapter_named_twice_is_called_once_and_an_empty_fan_out_fails() -> None:
    engine, timed = fan({"a": (1.0,)})
    await engine.execute_parallel("task", ["a", "a"])
    assert len(timed["a"].calls) == 1
    result = await engine.execute_parallel("task", [])
    assert not result.success and result.error == "there is no adapter to give the task to"
