"""How often and how soon the router asks the same adapter again."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from fuseboard_engine import BreakerPolicy, RetryPolicy, SoftFailure
from fuseboard_engine.retry.budget import RetryBudget
from support.engine_world import HOUR, NEVER_TRIPS, HttpError, World, now, virtual

DOWN = ConnectionError("down")


@virtual
async def test_by_default_an_adapter_has_three_attempts_after_a_tenth_and_two_tenths_of_a_second() -> None:
    engine = World()
    a = engine.script("a", DOWN)
    b = engine.script("b", "from b")
    route = await engine.execute_with_fallback("task")
    assert a.calls == pytest.approx([0.0, 0.1, 0.3])
    assert b.calls == pytest.approx([0.3])  # failing over costs no wait
    assert [attempt.wait for attempt in route.attempts] == pytest.approx([0, 0.1, 0.2, 0])
    assert [attempt.number for attempt in route.attempts] == [1, 2, 3, 1]
    assert route.total_attempts == 4


@virtual
async def test_a_flaky_adapter_that_recovers_within_its_attempts_answers_the_task() -> None:
    engine = World()
    engine.script("a", DOWN, DOWN, "at last")
    b = engine.script("b", "from b")
    route = await engine.execute_with_fallback("task")
    assert (route.adapter, route.result, route.total_attempts) == ("a", "at last", 3)
    assert b.calls == []
    assert route.error is None
    assert route.exception is None


@virtual
async def test_the_last_adapter_is_retried_like_every_other_and_nothing_is_waited_for_after_its_last_attempt() -> None:
    engine = World()
    a = engine.script("a", DOWN)
    await engine.execute_with_fallback("task")
    assert len(a.calls) == 3
    assert now() == pytest.approx(0.3)


@virtual
async def test_a_soft_failure_is_retried_like_an_error() -> None:
    engine = World()
    a = engine.script("a", {"success": False, "error": "model overloaded"}, {"success": True, "answer": 42})
    route = await engine.execute_with_fallback("task")
    assert len(a.calls) == 2
    assert route.attempts[0].error == "model overloaded"
    assert route.attempts[0].rule == "soft_failure"
    assert route.result["answer"] == 42


@virtual
async def test_an_adapter_that_only_ever_fails_softly_is_failed_over_from() -> None:
    engine = World()
    engine.script("a", {"success": False})
    engine.script("b", {"success": True})
    route = await engine.execute_with_fallback("task")
    assert route.fallback_chain == ["a", "b"]
    assert route.attempts[0].error == "it answered success: false"


@virtual
async def test_a_custom_predicate_decides_what_a_soft_failure_is() -> None:
    engine = World(retry=RetryPolicy(max_attempts=1))
    engine.script("a", {"status": "KO"}, failed=lambda result: "it said KO" if result["status"] == "KO" else None)
    route = await engine.execute_with_fallback("task")
    assert route.error == "it said KO"
    assert isinstance(route.exception, SoftFailure)


@virtual
async def test_an_adapters_own_policy_beats_the_engines_and_the_calls_beats_both() -> None:
    engine = World(retry=RetryPolicy(max_attempts=2))
    a = engine.script("a", DOWN, retry=RetryPolicy(max_attempts=4))
    b = engine.script("b", DOWN)
    await engine.execute_with_fallback("task")
    assert (len(a.calls), len(b.calls)) == (4, 2)
    await engine.execute_with_fallback("task", retry=RetryPolicy(max_attempts=1))
    assert (len(a.calls), len(b.calls)) == (5, 3)


@virtual
async def test_only_what_retry_on_lists_is_retried_and_the_rest_fails_over_at_once() -> None:
    engine = World(retry=RetryPolicy(retry_on=(ConnectionError,)))
    a = engine.script("a", ConnectionRefusedError("refused"), KeyError("odd"))
    b = engine.script("b", "from b")
    route = await engine.execute_with_fallback("task")
    assert (len(a.calls), len(b.calls)) == (2, 1)
    assert route.attempts[1].why == "the retry policy does not retry KeyError"


@virtual
async def test_give_up_on_wins_over_retry_on() -> None:
    engine = World(retry=RetryPolicy(retry_on=(OSError,), give_up_on=(ConnectionError,)))
    a = engine.script("a", ConnectionError("refused"))
    await engine.execute_with_fallback("task")
    assert len(a.calls) == 1


# ------------------------------------------------------------------ Retry-After


@virtual
@pytest.mark.parametrize(
    ("error", "wait"),
    [
        (HttpError(503, retry_after="7"), 7.0),
        (HttpError(503, retry_after="0"), 0.1),  # never sooner than the policy's own delay
        (HttpError(503, retry_after="not a wait"), 0.1),
        (HttpError(503, retry_after="-5"), 0.1),
        (HttpError(503, retry_after="nan"), 0.1),
        (HttpError(503, retry_after="inf"), 0.1),
        (HttpError(503), 0.1),
    ],
)
async def test_a_retry_after_header_prolongs_the_wait(error: Exception, wait: float) -> None:
    engine = World()
    a = engine.script("a", error, "done")
    await engine.execute_with_fallback("task")
    assert a.calls == pytest.approx([0, wait])


@virtual
async def test_a_retry_after_date_is_waited_for() -> None:
    engine = World()
    date = format_datetime(datetime.now(UTC) + timedelta(seconds=20), usegmt=True)
    a = engine.script("a", HttpError(503, retry_after=date), "done")
    await engine.execute_with_fallback("task")
    assert 17 <= a.calls[1] <= 20


@virtual
async def test_an_error_may_carry_its_retry_after_as_an_attribute() -> None:
    class Busy(Exception):
        retry_after = 2.5

    engine = World()
    a = engine.script("a", Busy("later"), "done")
    route = await engine.execute_with_fallback("task")
    assert a.calls == pytest.approx([0, 2.5])
    assert route.attempts[0].retry_after == 2.5


@virtual
async def test_a_retry_after_beyond_max_delay_is_not_waited_for_when_no_deadline_bounds_it() -> None:
    engine = World(retry=RetryPolicy(max_delay=10))
    a = engine.script("a", HttpError(503, retry_after="11"))
    b = engine.script("b", "from b")
    route = await engine.execute_with_fallback("task")
    assert (len(a.calls), b.calls) == (1, [0.0])
    assert route.attempts[0].why == "it asked for 11 s, longer than max_delay"


@virtual
async def test_with_a_deadline_a_retry_after_within_it_is_waited_for_and_a_longer_one_not() -> None:
    engine = World(retry=RetryPolicy(max_delay=10))
    a = engine.script("a", HttpError(503, retry_after="40"), "done")
    route = await engine.execute_with_fallback("task", deadline=60)
    assert route.success
    assert a.calls == pytest.approx([0, 40])
    b = engine.script("b", HttpError(503, retry_after="40"))
    route = await engine.execute_with_fallback("task", ["b"], deadline=30)
    assert len(b.calls) == 1
    assert "deadline" in route.attempts[0].why


# ------------------------------------------------------------------ the budget


@virtual
async def test_retries_beyond_the_budget_are_not_made_and_the_task_fails_over() -> None:
    engine = World(breaker=NEVER_TRIPS, retry=RetryPolicy(budget_minimum=3, budget_ratio=0))
    a = engine.script("a", DOWN)
    engine.script("b", "from b")
    routes = [await engine.execute_with_fallback("task") for _ in range(4)]
    assert len(a.calls) == 4 + 3
    assert all(route.success for route in routes)
    assert routes[-1].attempts[0].why == "the retry budget is spent"


@virtual
async def test_a_retry_that_still_waits_is_counted_already() -> None:
    engine = World(breaker=NEVER_TRIPS, retry=RetryPolicy(budget_minimum=2, budget_ratio=0, max_attempts=2))
    a = engine.script("a", DOWN)
    await asyncio.gather(*(engine.execute_with_fallback(n) for n in range(50)))
    assert len(a.calls) == 50 + 2


@virtual
async def test_a_caller_who_gives_up_during_the_wait_ends_the_retries_at_once() -> None:
    engine = World(retry=RetryPolicy(max_attempts=5, base_delay=10))
    a, b = engine.script("a", DOWN), engine.script("b", "done")
    call = asyncio.create_task(engine.execute_with_fallback("task"))
    await asyncio.sleep(5)
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    assert now() == 5
    await asyncio.sleep(HOUR)
    assert (len(a.calls), len(b.calls)) == (1, 0)


@virtual
async def test_a_policy_that_many_tasks_share_counts_for_each_of_them_alone() -> None:
    shared = RetryPolicy(max_attempts=3, base_delay=1)
    engine = World(retry=shared, breaker=NEVER_TRIPS)
    engine.script("a", DOWN, DOWN, DOWN, DOWN, "done")
    engine.script("b", DOWN)
    routes = await asyncio.gather(
        *(engine.execute_with_fallback(n, [name], retry=shared) for n, name in enumerate(["a", "b", "a"]))
    )
    assert [route.total_attempts for route in routes] == [3, 3, 3]
    assert [[attempt.number for attempt in route.attempts] for route in routes] == [[1, 2, 3]] * 3


def test_first_attempts_pay_a_share_of_a_retry_into_the_budget() -> None:
    budget = RetryBudget(RetryPolicy(budget_minimum=0, budget_ratio=0.1))
    budget.first_attempts += 9
    assert not budget.withdraw(0.0)
    budget.first_attempts += 1
    assert budget.withdraw(0.0)
    assert not budget.withdraw(0.0)


def test_the_budgets_minimum_comes_back_within_ten_seconds_and_not_more_of_it() -> None:
    budget = RetryBudget(RetryPolicy(budget_minimum=4, budget_ratio=0))
    assert [budget.withdraw(0.0) for _ in range(5)] == [True] * 4 + [False]
    assert not budget.withdraw(1.0)
    assert budget.withdraw(5.0)
    assert [budget.withdraw(1000.0) for _ in range(5)] == [True] * 4 + [False]


def test_the_balance_of_a_retry_budget_is_bounded() -> None:
    budget = RetryBudget(RetryPolicy(budget_minimum=0, budget_ratio=1))
    budget.first_attempts += 1_000_000
    assert budget.left_at(0.0) == 1000


# ------------------------------------------------------------------ the breaker is asked again before every attempt


@virtual
async def test_there_is_no_retry_delay_after_a_failure_that_opens_the_breaker() -> None:
    engine = World(breaker=BreakerPolicy(failure_threshold=2, recovery_timeout=30))
    a = engine.script("a", DOWN)
    b = engine.script("b", "from b")
    route = await engine.execute_with_fallback("task")
    assert a.calls == pytest.approx([0, 0.1])
    assert b.calls == pytest.approx([0.1])
    assert route.attempts[1].why == "its breaker opened for 30 s"


@virtual
async def test_a_breaker_opened_during_the_wait_refuses_the_retry_and_the_refusal_is_never_retried() -> None:
    engine = World(retry=RetryPolicy(base_delay=10))
    a = engine.script("a", DOWN)
    engine.script("b", "from b")
    asyncio.get_running_loop().call_later(5, engine.breaker("a").force_open)
    route = await engine.execute_with_fallback("task")
    assert len(a.calls) == 1
    assert [attempt.outcome for attempt in route.attempts] == ["failure", "rejected", "success"]
    assert "held open by hand" in route.skipped["a"]
    assert now() == 10


@virtual
async def test_a_retry_that_comes_when_the_breaker_may_probe_is_the_probe() -> None:
    engine = World(breaker=BreakerPolicy(failure_threshold=1, recovery_timeout=0.1, jitter=0, success_threshold=1))
    a = engine.script("a", DOWN, "well again")
    route = await engine.execute_with_fallback("task")
    assert route.result == "well again"
    assert len(a.calls) == 2
    assert engine.breaker("a").state == "closed"
