"""Health checks in a running engine: their effect on routes, breakers, events and the overall status."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from fuseboard_engine import BreakerPolicy, Engine, RetryPolicy, UnknownAdapter
from fuseboard_engine.events import HealthAlert, HealthChecked, StateChanged
from fuseboard_engine.health.policy import HealthPolicy
from fuseboard_engine.health.status import HealthState
from support.engine_world import HOUR, World, now, virtual

DOWN = ConnectionError("down")
ONCE = RetryPolicy(max_attempts=1)
EVERY_10_S = HealthPolicy(interval=10, timeout=2)


class Check:
    """A health check that plays its outcomes in turn and then repeats the last one."""

    def __init__(self, *outcomes: Any) -> None:
        self.outcomes = outcomes
        self.asked: list[float] = []
        self.in_flight = 0

    async def __call__(self) -> Any:
        outcome = self.outcomes[min(len(self.asked), len(self.outcomes) - 1)]
        self.asked.append(now())
        if isinstance(outcome, float):
            self.in_flight += 1
            try:
                await asyncio.sleep(outcome)
            finally:
                self.in_flight -= 1
            return None
        if isinstance(outcome, BaseException):
            raise outcome
        return outcome


def health_story(engine: World) -> list[tuple[str, str, str]]:
    return [(e.adapter, e.before, e.status) for e in engine.emitted if isinstance(e, HealthChecked)]


@virtual
async def test_adapters_are_checked_at_their_interval_from_start_to_close() -> None:
    engine = World(dice=0.5)
    check = Check(None)
    engine.script("a", "done", health=check, health_policy=EVERY_10_S)
    await asyncio.sleep(100)
    assert check.asked == []
    async with engine:
        await asyncio.sleep(30)
        assert check.asked == [105, 115, 125]  # the first one falls somewhere within the interval
    await asyncio.sleep(HOUR)
    assert len(check.asked) == 3


@virtual
async def test_checks_follow_adapters_that_are_added_or_removed_at_run_time() -> None:
    engine = World()
    async with engine:
        check = Check(None)
        engine.script("a", "done", health=check, health_policy=EVERY_10_S)
        await asyncio.sleep(25)
        assert check.asked == [0, 10, 20]
        engine.remove_adapter("a")
        await asyncio.sleep(100)
        assert len(check.asked) == 3


@virtual
async def test_a_down_adapter_is_skipped_without_delay_and_without_a_counted_failure() -> None:
    engine = World()
    script = engine.script("a", "from a", health=Check(ConnectionError("refused")))
    engine.script("b", "from b")
    await engine.check_health()
    route = await engine.execute_with_fallback("task")
    assert (route.adapter, now(), script.calls) == ("b", 0, [])
    assert route.skipped == {"a": "known down: ConnectionError: refused"}
    seen = engine.get_adapter_statistics()["a"]
    assert (seen["failures"], seen["calls"], seen["rejections"], seen["state"]) == (0, 0, 1, "closed")
    assert engine.breaker("a").failures == 0


@virtual
async def test_an_adapter_that_is_down_without_an_explanation_is_skipped_with_a_reason() -> None:
    engine = World()
    engine.script("a", "from a", health=Check("down"))
    await engine.check_health()
    route = await engine.execute_with_fallback("task")
    assert route.skipped == {"a": "known down: its health check failed"}


@virtual
async def test_retries_end_when_a_check_finds_the_adapter_down() -> None:
    engine = World(retry=RetryPolicy(max_attempts=5, base_delay=10, max_delay=10))
    script = engine.script("a", DOWN, health=Check(False))
    engine.script("b", "from b")
    running = asyncio.create_task(engine.execute_with_fallback("task"))
    await asyncio.sleep(5)
    await engine.check_health("a")
    route = await running
    assert (route.adapter, len(script.calls), now()) == ("b", 1, 10)


@virtual
async def test_a_stream_skips_an_adapter_that_is_down() -> None:
    engine = World()
    engine.script("a", "never", health=Check(False))

    async def items(task: Any) -> AsyncIterator[int]:
        yield 1
        yield 2

    engine.add_adapter("b", items)
    await engine.check_health()
    assert [item async for item in engine.stream_with_fallback("task")] == [1, 2]


@virtual
async def test_a_passing_check_clears_the_down_mark() -> None:
    engine = World()
    engine.script("a", "from a", health=Check(False, True))
    engine.script("b", "from b")
    await engine.check_health()
    await engine.check_health()
    assert (await engine.execute_with_fallback("task")).adapter == "a"


@virtual
async def test_the_down_mark_expires_when_checks_have_stopped() -> None:
    engine = World()
    engine.script("a", "from a", health=Check(False), health_policy=EVERY_10_S)
    await engine.check_health()
    assert not (await engine.execute_with_fallback("task")).success
    await asyncio.sleep(10 + 2 + 1)
    assert (await engine.execute_with_fallback("task")).success


@virtual
async def test_a_route_whose_adapters_are_all_down_states_retry_after() -> None:
    engine = World()
    engine.script("a", "from a", health=Check(False), health_policy=EVERY_10_S)
    await engine.check_health()
    route = await engine.execute_with_fallback("task")
    assert route.error == "a is known down: it reports that it is not healthy"
    assert route.retry_after == pytest.approx(13)


@virtual
async def test_a_passing_check_ends_an_open_breakers_wait_and_the_next_call_is_a_probe() -> None:
    engine = World(breaker=BreakerPolicy(failure_threshold=1, recovery_timeout=HOUR, success_threshold=1), retry=ONCE)
    engine.script("a", DOWN, "back", health=Check(None))
    await engine.execute_with_fallback("opens it")
    assert engine.breaker("a").state == "open"
    await engine.check_health("a")
    assert engine.breaker("a").state == "half_open"
    change = [e for e in engine.emitted if isinstance(e, StateChanged)][-1]
    assert (change.reason, change.detail, change.actor) == ("probe_due", "its health check passed", "")
    assert (await engine.execute_with_fallback("probe")).result == "back"
    assert engine.breaker("a").state == "closed"
    assert now() == 0


@virtual
async def test_a_check_admits_no_more_than_one_probe() -> None:
    engine = World(breaker=BreakerPolicy(failure_threshold=1, recovery_timeout=HOUR), retry=ONCE)
    script = engine.script("a", DOWN, 5.0, health=Check(None))
    await engine.execute_with_fallback("opens it")
    await engine.check_health("a")
    running = [asyncio.create_task(engine.execute_with_fallback(n)) for n in range(10)]
    await asyncio.sleep(1)
    assert len(script.calls) == 2
    await asyncio.gather(*running)


@virtual
async def test_a_check_started_before_the_breaker_opened_does_not_end_its_wait() -> None:
    engine = World(breaker=BreakerPolicy(failure_threshold=1, recovery_timeout=HOUR), retry=ONCE)
    engine.script("a", DOWN, health=Check(1.0))
    checking = asyncio.create_task(engine.check_health("a"))
    await asyncio.sleep(0.5)
    await engine.execute_with_fallback("opens it")
    await checking
    assert engine.breaker("a").state == "open"


@virtual
async def test_a_passing_check_overrides_neither_an_operator_nor_a_retry_after() -> None:
    engine = World()
    engine.script("a", "done", health=Check(None))
    engine.breaker("a").open_for(60)
    await engine.check_health("a")
    assert engine.breaker("a").state == "open"
    engine.breaker("a").force_open()
    await engine.check_health("a")
    assert engine.breaker("a").state == "forced_open"
    engine.breaker("a").reset()
    engine.breaker("a").admit().failure("rate_limited", retry_after=30)
    await engine.check_health("a")
    assert engine.breaker("a").state == "open"


@virtual
async def test_a_failed_check_does_not_end_an_open_breakers_wait() -> None:
    engine = World(breaker=BreakerPolicy(failure_threshold=1, recovery_timeout=HOUR), retry=ONCE)
    engine.script("a", DOWN, health=Check(False, "degraded"))
    await engine.execute_with_fallback("opens it")
    await engine.check_health("a")
    assert engine.breaker("a").state == "open"
    await engine.check_health("a")  # a degraded adapter answers
    assert engine.breaker("a").state == "half_open"


@virtual
async def test_a_check_that_hangs_fails_and_is_cancelled() -> None:
    engine = World()
    check = Check(HOUR)
    engine.script("a", "done", health=check, health_policy=EVERY_10_S)
    seen = await engine.check_health("a")
    assert (seen["a"].status, now(), check.in_flight) == ("unhealthy", 2, 0)
    assert "no answer within 2 s" in seen["a"].detail


@virtual
async def test_health_is_reported_once_and_then_only_when_it_changes() -> None:
    engine = World()
    engine.script("a", "done", health=Check(None, None, "degraded", False, False, None))
    for _ in range(6):
        await engine.check_health()
    assert health_story(engine) == [
        ("a", "unknown", "healthy"),
        ("a", "healthy", "degraded"),
        ("a", "degraded", "unhealthy"),
        ("a", "unhealthy", "healthy"),
    ]


@virtual
async def test_the_event_of_a_check_has_its_time_result_and_duration() -> None:
    engine = World()
    engine.script("a", "done", health=Check(2.5, False))
    await engine.check_health()
    await engine.check_health()
    events = [e for e in engine.emitted if isinstance(e, HealthChecked)]
    assert [(e.status, e.before, e.detail, e.duration) for e in events] == [
        ("healthy", "unknown", "", 2.5),
        ("unhealthy", "healthy", "it reports that it is not healthy", 0.0),
    ]
    state = engine.health.state_of("a")
    assert (state.at, state.since) == (events[1].at, events[1].at)


@virtual
async def test_a_policy_by_name_is_preferred_to_the_adapters_own_and_none_ends_its_checks() -> None:
    engine = World()
    check = Check(False)
    engine.script("a", "done", health=check, health_policy=HealthPolicy(critical=False))
    await engine.check_health()
    assert engine.get_health_status()["overall"] == "degraded"
    engine.health.update_policy(None, {"a": HealthPolicy()})
    assert engine.get_health_status()["overall"] == "unhealthy"  # the state stays
    assert not (await engine.execute_with_fallback("task")).success
    engine.health.update_policy(None, {"a": None})
    assert engine.get_health_status()["overall"] == "unknown"
    assert (await engine.execute_with_fallback("task")).success  # nothing would clear the mark later
    assert await engine.check_health() == {}
    engine.health.update_policy(None)
    assert set(await engine.check_health()) == {"a"}
    assert len(check.asked) == 2


@virtual
async def test_the_history_ends_with_the_policy_and_starts_empty_with_another() -> None:
    engine = World(health=HealthPolicy(), retry=ONCE)
    engine.script("a", "done")
    await engine.execute_with_fallback("task")
    engine.health.update_policy(HealthPolicy(history_size=5))
    assert len(engine.get_adapter_health("a")["calls"]) == 1
    engine.health.update_policy(None)
    await engine.execute_with_fallback("task")
    assert engine.get_adapter_health("a")["calls"] == []
    engine.health.update_policy(HealthPolicy())
    await engine.execute_with_fallback("task")
    assert len(engine.get_adapter_health("a")["calls"]) == 1


@virtual
async def test_checks_of_named_adapters_do_not_check_others() -> None:
    engine = World()
    checks = {name: Check(None) for name in "abc"}
    for name, check in checks.items():
        engine.script(name, "done", health=check)
    engine.script("unchecked", "done")
    assert list(await engine.check_health("a", "c", "unchecked")) == ["a", "c"]
    assert [len(check.asked) for check in checks.values()] == [1, 0, 1]


@virtual
async def test_requested_checks_have_the_same_concurrency_limit_as_scheduled_ones() -> None:
    engine = World(health=HealthPolicy(concurrency=2))
    for n in range(6):
        engine.script(f"a{n}", "done", health=Check(1.0))
    await engine.check_health()
    assert now() == 3


@virtual
async def test_an_adapter_removed_during_its_check_gets_no_verdict() -> None:
    engine = World()
    engine.script("a", "done", health=Check(1.0))
    checking = asyncio.create_task(engine.check_health("a"))
    await asyncio.sleep(0.5)
    engine.remove_adapter("a")
    await checking
    assert health_story(engine) == []


@virtual
async def test_an_adapter_replaced_at_run_time_is_checked_by_its_own_check_only() -> None:
    engine = World()
    async with engine:
        old, new = Check(None), Check(False)
        engine.script("a", "done", health=old, health_policy=EVERY_10_S)
        await asyncio.sleep(5)
        engine.remove_adapter("a")
        engine.script("a", "done", health=new, health_policy=EVERY_10_S)
        await asyncio.sleep(15)
    assert (old.asked, new.asked) == ([0], [5, 15])
    assert health_story(engine)[-1] == ("a", "unknown", "unhealthy")


@virtual
async def test_an_alert_is_raised_once_after_consecutive_failed_checks() -> None:
    engine = World()
    engine.script("a", "done", health=Check(False, False, True, False, False, False, False, False))
    for _ in range(8):
        await engine.check_health()
    alerts = [e for e in engine.emitted if isinstance(e, HealthAlert)]
    assert [(e.adapter, e.failures, e.detail) for e in alerts] == [("a", 3, "it reports that it is not healthy")]


@virtual
async def test_the_number_of_concurrent_checks_is_limited() -> None:
    engine = World(health=HealthPolicy(interval=100, timeout=50, concurrency=3))
    checks = [Check(10.0) for _ in range(9)]
    for n, check in enumerate(checks):
        engine.script(f"a{n}", "done", health=check)
    async with engine:
        await asyncio.sleep(5)
        assert sum(check.in_flight for check in checks) == 3
        await asyncio.sleep(27)
        assert all(len(check.asked) == 1 for check in checks)


@virtual
async def test_slow_checks_of_one_adapter_never_overlap() -> None:
    engine = World()
    check = Check(8.0)
    engine.script("a", "done", health=check, health_policy=HealthPolicy(interval=1, timeout=HOUR))
    async with engine:
        await asyncio.sleep(20)
    assert check.asked == [0, 9, 18]


@virtual
async def test_stopping_cancels_running_checks_and_clears_all_down_marks() -> None:
    engine = World()
    check = Check(False, 1.5)
    engine.script("a", "done", health=check, health_policy=HealthPolicy(interval=10, timeout=5))
    async with engine:
        await asyncio.sleep(11)
        assert not (await engine.execute_with_fallback("task")).success
    assert check.in_flight == 0
    assert (await engine.execute_with_fallback("task")).success


@virtual
async def test_a_check_that_cancels_itself_fails_and_the_next_check_still_runs() -> None:
    engine = World()
    check = Check(asyncio.CancelledError(), None)
    engine.script("a", "done", health=check, health_policy=EVERY_10_S)
    async with engine:
        await asyncio.sleep(5)
        assert engine.health.state_of("a").status == "unhealthy"
        await asyncio.sleep(10)
        assert engine.health.state_of("a").status == "healthy"


@virtual
async def test_the_adapters_own_check_is_used_when_the_engine_checks_health() -> None:
    class Model:
        async def call(self, task: Any) -> str:
            return "done"

        async def health(self) -> dict[str, Any]:
            return {"status": "degraded", "detail": "warming up"}

    without, with_health = World(), World(health=HealthPolicy())
    for engine in (without, with_health):
        engine.add_adapter("a", Model())
    assert await without.check_health() == {}
    seen = await with_health.check_health()
    assert (seen["a"].status, seen["a"].detail) == ("degraded", "warming up")


def test_a_plain_function_is_checked_in_a_thread() -> None:
    engine = Engine()
    seen: list[str] = []
    engine.add_adapter("a", lambda task: task, health=lambda: seen.append(threading.current_thread().name))

    async def check() -> dict[str, HealthState]:
        async with engine:
            return await engine.check_health("a")

    assert asyncio.run(check())["a"].status == "healthy"
    assert seen and seen[0] != threading.main_thread().name


@virtual
async def test_checking_an_unknown_adapter_is_an_error() -> None:
    with pytest.raises(UnknownAdapter, match="nobody"):
        await World().check_health("nobody")


@virtual
async def test_describe_reports_the_health_of_checked_adapters_to_a_new_subscriber() -> None:
    engine = World()
    engine.script("a", "done", health=Check(False))
    engine.script("b", "done", health=Check(None))
    await engine.check_health("a")
    reported = [e for e in engine.describe() if isinstance(e, HealthChecked)]
    assert [(e.adapter, e.status) for e in reported] == [("a", "unhealthy")]


# ---------------------------------------------------------------- looking


@virtual
async def test_R16_HL01_ready_while_most_adapters_are_healthy_and_unused_ones_count_as_healthy() -> None:
    engine = World()
    for name in "abc":
        engine.script(name, "done", health=Check(False) if name != "a" else Check(True))
    await engine.execute_with_fallback("one used, two never")
    status = engine.get_health_status()
    assert (status["ready"], status["healthy_share"]) == (True, 1.0)
    await engine.check_health()
    status = engine.get_health_status()
    assert (status["ready"], status["known_down"], status["healthy_adapters"]) == (False, 2, 1)
    assert status["checks"] == {"a": "healthy", "b": "unhealthy", "c": "unhealthy"}


@virtual
async def test_HL04_the_overall_status_is_that_of_the_worst_critical_check() -> None:
    engine = World()
    assert engine.get_health_status()["overall"] == "unknown"
    answers: Iterator[Any] = iter([False, "degraded", True])
    critical = HealthPolicy(alert_after=2)
    engine.script("a", "done", health=Check(*answers), health_policy=critical)
    engine.script("b", "done", health=Check(True))
    assert engine.get_health_status()["overall"] == "unknown"
    states = []
    for _ in range(3):
        await engine.check_health()
        states.append(engine.get_health_status()["overall"])
    assert states == ["unhealthy", "degraded", "healthy"]


@virtual
async def test_an_adapter_that_is_not_critical_only_degrades_the_overall_status() -> None:
    engine = World()
    engine.script("a", "done", health=Check(False), health_policy=HealthPolicy(critical=False))
    await engine.check_health()
    assert engine.get_health_status()["overall"] == "degraded"


@virtual
async def test_HL02_adapter_health_shows_the_last_50_calls_and_20_transitions() -> None:
    engine = World(health=HealthPolicy(), retry=ONCE, breaker=BreakerPolicy(failure_threshold=None))
    engine.script("a", *[DOWN, "done"] * 35)
    for n in range(70):
        await engine.execute_with_fallback({"id": f"t{n}"})
    for _ in range(15):
        engine.breaker("a").force_open()
        engine.breaker("a").reset()
    seen = engine.get_adapter_health("a")
    assert (len(seen["calls"]), len(seen["transitions"])) == (50, 20)
    assert seen["calls"][-1]["task"] == "t69"
    assert {call["outcome"] for call in seen["calls"]} == {"success", "failure"}
    assert seen["warning"] == ""
    full = engine.get_adapter_health("a", full=True)
    assert (len(full["calls"]), len(full["transitions"])) == (70, 30)
    assert full["warning"].startswith("all that is kept: 70 calls")
    json.dumps(full)
    with pytest.raises(UnknownAdapter, match="nobody"):
        engine.get_adapter_health("nobody")


@virtual
async def test_adapter_health_of_an_engine_without_history_says_so() -> None:
    engine = World()
    engine.script("a", "done")
    seen = engine.get_adapter_health("a")
    assert seen["calls"] == []
    assert "calls are not kept" in seen["warning"]
