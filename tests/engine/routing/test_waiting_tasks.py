"""While a whole chain is out: which tasks wait, which go on first, and which adapter is the last resort."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from fuseboard_engine import BreakerPolicy, RetryPolicy
from fuseboard_engine.adapters.registry import DownMark
from fuseboard_engine.events import ProbeChanged, StateChanged
from fuseboard_engine.health.policy import HealthPolicy
from fuseboard_engine.routing.all_unavailable import recoveries, recovery_of
from fuseboard_engine.routing.policy import RoutingPolicy
from support.engine_world import Script, World, now, virtual

DOWN = ConnectionError("down")
ONCE = RetryPolicy(max_attempts=1)
ONE_PROBE = BreakerPolicy(failure_threshold=1, recovery_timeout=10, jitter=0, success_threshold=1)


def world(all_out: str, **options: Any) -> World:
    routing = RoutingPolicy.model_validate({"all_out": all_out, **options})
    return World(breaker=ONE_PROBE, retry=ONCE, routing=routing)


def out(engine: World, name: str, seconds: float, *outcomes: Any, **options: Any) -> Script:
    """Add an adapter whose breaker opened by itself and stays open for so many seconds."""
    policy = ONE_PROBE.model_copy(update={"recovery_timeout": seconds})
    script = engine.script(name, *outcomes, breaker=policy, **options)
    engine.breaker(name).admit().failure("refused")
    return script


# ---------------------------------------------------------------- when an adapter recovers


@virtual
async def test_an_adapters_recovery_is_the_later_of_its_breaker_and_its_health() -> None:
    engine = world("wait")

    def of(state: str, down_for: float | None = None) -> tuple[float, bool] | None:
        name = f"a{len(engine.registry)}"
        engine.script(name, "done", breaker=ONE_PROBE)
        breaker = engine.breaker(name)
        if state in ("open", "half_open"):
            breaker.admit().failure("refused")
        if state == "half_open":
            breaker.half_open_early("test")
            breaker.admit()
        if state == "forced_open":
            breaker.force_open()
        if down_for is not None:
            engine.registry[name].down = DownMark("refused", until=now() + down_for)
        found = recovery_of(engine.registry[name], now())
        return None if found is None else (found.wait, found.may_be_earlier)

    assert of("closed") == (0, False)
    assert of("closed", 30) == (30, True)  # a good check may come before
    assert of("closed", 0) == (0, False)  # the mark has expired
    assert of("open") == (10, False)
    assert of("open", 30) == (30, True)
    assert of("open", 4) == (10, True)
    assert of("half_open", 4) == (4, True)
    assert of("half_open") == (0, True)  # the probe in flight decides
    assert of("forced_open") is None
    assert of("forced_open", 4) is None


@virtual
async def test_recoveries_are_sorted_by_time_and_leave_out_what_does_not_recover_by_itself() -> None:
    engine = world("wait")
    out(engine, "a", 10, "a")
    out(engine, "b", 4, "b")
    out(engine, "c", 7, "c")
    engine.script("d", "d")
    engine.breaker("d").force_open()
    chain = tuple(engine.registry[name] for name in "abcd")
    assert [(r.adapter.name, r.wait) for r in recoveries(chain, now())] == [("b", 4), ("c", 7), ("a", 10)]


# ---------------------------------------------------------------- waiting


@virtual
async def test_waiting_tasks_continue_in_their_order_of_arrival() -> None:
    engine = world("wait")
    script = out(engine, "a", 4, 1.0)
    routes = await asyncio.gather(*(engine.execute_with_fallback(n) for n in range(5)))
    assert script.tasks == [0, 1, 2, 3, 4]
    assert script.calls[:2] == [pytest.approx(4), pytest.approx(5)]  # the first is the probe
    assert routes[0].why.endswith("waited 4 s: a is back")  # the second of the call is no wait
    assert routes[4].why.endswith("waited 5 s: a is back")


@virtual
async def test_tasks_of_different_chains_do_not_wait_for_each_other() -> None:
    engine = world("wait")
    slow, fast = out(engine, "a", 10, "a"), out(engine, "b", 4, "b")
    orders: list[list[str]] = [["a"], ["b"], ["a"], ["b"]]
    routes = await asyncio.gather(*(engine.execute_with_fallback(n, preference_order=o) for n, o in enumerate(orders)))
    assert [route.adapter for route in routes] == ["a", "b", "a", "b"]
    assert (slow.tasks, fast.tasks) == ([0, 2], [1, 3])
    assert fast.calls == [pytest.approx(4)] * 2
    assert slow.calls == [pytest.approx(10)] * 2


@virtual
async def test_only_tasks_that_wait_now_count_towards_the_limit() -> None:
    engine = world("wait", max_waiting=1)
    script = out(engine, "a", 4, 1.0)
    first, refused = await asyncio.gather(engine.execute_with_fallback(1), engine.execute_with_fallback(2))
    assert (first.success, refused.success) == (True, False)
    assert refused.why.endswith("every adapter is out and 1 tasks wait already")
    engine.breaker("a").admit().failure("refused")
    assert (await engine.execute_with_fallback(3)).success
    assert script.tasks == [1, 3]


@pytest.mark.parametrize("all_out", ["wait", "last_resort"])
@virtual
async def test_a_route_that_called_an_adapter_does_not_wait(all_out: str) -> None:
    engine = world(all_out)
    script = engine.script("a", DOWN)
    engine.script("b", "b")
    engine.breaker("b").force_open()
    route = await engine.execute_with_fallback("task")
    assert (route.error, len(script.calls), now()) == ("down", 1, 0)
    assert route.why == "order of registration"
    assert [(a.adapter, a.outcome) for a in route.attempts] == [("a", "failure"), ("b", "rejected")]


@pytest.mark.parametrize(
    ("max_wait", "deadline", "ends"), [(6.0, None, 6), (6.0, 3.0, 3), (6.0, 9.0, 6)], ids=["policy", "call", "both"]
)
@virtual
async def test_a_task_waits_for_a_health_check_until_the_earlier_of_its_limits(
    max_wait: float, deadline: float | None, ends: float
) -> None:
    engine = world("wait", max_wait=max_wait)
    engine.script("a", "a", health=lambda: False, health_policy=HealthPolicy(interval=60, timeout=1))
    engine.registry["a"].down = DownMark("refused", until=now() + 60)
    route = await engine.execute_with_fallback("task", deadline=deadline)
    assert (route.success, now()) == (False, pytest.approx(ends))
    assert ": no adapter recovered" in route.why


@virtual
async def test_a_task_that_may_wait_exactly_as_long_as_needed_waits() -> None:
    engine = world("wait", max_wait=4)
    out(engine, "a", 4, "done")
    route = await engine.execute_with_fallback("task")
    assert (route.success, now()) == (True, pytest.approx(4))


@virtual
async def test_a_task_behind_the_head_gives_up_at_its_own_limit() -> None:
    engine = world("wait")
    script = out(engine, "a", 4, 1.0)
    head = asyncio.create_task(engine.execute_with_fallback("patient"))
    await asyncio.sleep(0)
    hasty = await engine.execute_with_fallback("hasty", deadline=2)
    assert (hasty.success, now()) == (False, pytest.approx(2))
    assert hasty.why.endswith("waited 2 s: no adapter recovered")
    assert (await head).success
    assert script.tasks == ["patient"]


@virtual
async def test_a_probe_that_fails_lets_the_next_task_continue_the_wait() -> None:
    engine = world("wait", max_wait=60)
    script = out(engine, "a", 4, DOWN, "done")
    first, second = await asyncio.gather(engine.execute_with_fallback(1), engine.execute_with_fallback(2))
    assert (first.error, first.adapter) == ("down", None)
    assert first.why.endswith("waited 4 s: tried again")
    assert (second.result, script.tasks) == ("done", [1, 2])


@virtual
async def test_a_task_that_called_one_adapter_does_not_wait_for_the_other() -> None:
    engine = world("wait")
    out(engine, "a", 4, "a")
    engine.script("b", DOWN)
    route = await engine.execute_with_fallback("task")
    assert (route.error, now()) == ("down", 0)
    assert "every adapter" not in route.why


@virtual
async def test_the_whole_chain_is_tried_again_and_only_the_last_refusals_are_reported() -> None:
    engine = world("wait", max_wait=60)
    out(engine, "a", 10, "a")
    out(engine, "b", 4, DOWN)
    route = await engine.execute_with_fallback("task")
    assert [(a.adapter, a.outcome) for a in route.attempts] == [("a", "rejected"), ("b", "failure")]
    assert (route.left, route.error) == ((), "down")


@virtual
async def test_forcing_a_chain_open_ends_the_wait_of_its_tasks() -> None:
    engine = world("wait")
    out(engine, "a", 10, "a")
    running = [asyncio.create_task(engine.execute_with_fallback(n)) for n in range(3)]
    await asyncio.sleep(2)
    engine.breaker("a").force_open()
    routes = await asyncio.gather(*running)
    assert now() == pytest.approx(2)
    assert [route.why.rpartition(": ")[2] for route in routes] == ["no adapter recovers by itself"] * 3


@virtual
async def test_an_admitted_probe_wakes_no_task_because_it_frees_no_capacity() -> None:
    engine = world("wait")
    script = out(engine, "a", 4, 3.0)
    handler = engine.router.all_out
    assert handler is not None
    running = [asyncio.create_task(engine.execute_with_fallback(n)) for n in range(2)]
    await asyncio.sleep(5)
    before = engine.get_adapter_statistics()["a"]["rejections"]
    handler.observe(ProbeChanged(at=0, adapter="a", what="admitted", in_flight=1, successes=0, needed=1))
    await asyncio.sleep(0.1)
    assert engine.get_adapter_statistics()["a"]["rejections"] == before
    await asyncio.gather(*running)
    assert script.tasks == [0, 1]


# ---------------------------------------------------------------- the last resort


@virtual
async def test_each_adapter_is_the_last_resort_once_an_interval_the_earliest_first() -> None:
    engine = world("last_resort", last_resort_every=5)
    first, second = out(engine, "a", 60, DOWN), out(engine, "b", 30, DOWN)
    third = out(engine, "c", 90, DOWN)
    engine.breaker("c").force_open()
    called: list[list[str]] = []
    for wait in (0, 0, 0, 4.9, 0.2, 0):
        await asyncio.sleep(wait)
        called.append((await engine.execute_with_fallback("task")).fallback_chain)
    # A failed last resort doubles the breaker's wait, so `a` and `b` change places.
    assert called[:4] == [["b"], ["a"], [], []]
    assert sorted(called[4] + called[5]) == ["a", "b"]
    assert (len(first.calls), len(second.calls), third.calls) == (2, 2, [])


@virtual
async def test_a_last_resort_is_due_exactly_at_the_end_of_the_interval() -> None:
    engine = world("last_resort", last_resort_every=5)
    script = out(engine, "a", 600, DOWN)
    for wait in (0, 5):
        await asyncio.sleep(wait)
        await engine.execute_with_fallback("task")
    assert script.calls == [0, 5]


@virtual
async def test_a_last_resort_is_not_retried_whatever_the_policy() -> None:
    engine = world("last_resort")
    script = out(engine, "a", 60, DOWN, retry=RetryPolicy(max_attempts=3, base_delay=0.1))
    route = await engine.execute_with_fallback("task", retry=RetryPolicy(max_attempts=5))
    assert (len(script.calls), route.total_attempts, now()) == (1, 1, 0)


@virtual
async def test_a_breaker_held_by_hand_is_passed_over_for_the_next_last_resort() -> None:
    engine = world("last_resort")
    held = engine.script("a", "a")
    engine.breaker("a").open_for(4)
    out(engine, "b", 60, "b")
    route = await engine.execute_with_fallback("task")
    assert (route.adapter, held.calls) == ("b", [])


@virtual
async def test_a_last_resort_is_the_reason_that_a_breaker_admits_early() -> None:
    engine = world("last_resort")
    out(engine, "a", 60, "a")
    await engine.execute_with_fallback("task")
    changes = [event for event in engine.emitted if isinstance(event, StateChanged)]
    assert [(e.after, e.reason) for e in changes] == [
        ("open", "failures"), ("half_open", "probe_due"), ("closed", "probes_succeeded"),
    ]  # fmt: skip
    assert changes[1].detail == "every adapter of a chain is out: a last resort"


@virtual
async def test_after_a_last_resort_a_down_mark_refuses_again() -> None:
    engine = world("last_resort")
    script = engine.script("a", "answer", health=lambda: False)
    engine.registry["a"].down = DownMark("refused", until=now() + 30)
    assert (await engine.execute_with_fallback("task")).success
    refused = await engine.execute_with_fallback("task")
    assert refused.skipped == {"a": "known down: refused"}
    assert len(script.calls) == 1


@virtual
async def test_an_adapter_that_was_replaced_may_be_the_last_resort_at_once() -> None:
    engine = world("last_resort", last_resort_every=60)
    out(engine, "a", 60, DOWN)
    await engine.execute_with_fallback("task")
    engine.remove_adapter("a")
    script = out(engine, "a", 60, "answer")
    assert (await engine.execute_with_fallback("task")).success
    assert len(script.calls) == 1
