"""Every adapter of a chain refuses: fail at once, wait for the first to return, or ask one as a last resort."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fuseboard_engine import BreakerPolicy, CircuitBreaker, CircuitOpen, RetryPolicy
from fuseboard_engine.adapters.registry import DownMark
from fuseboard_engine.breaker.ejection_limit import EjectionLimits
from fuseboard_engine.events import StateChanged
from fuseboard_engine.routing.policy import RoutingPolicy
from support.engine_world import Script, World, now, virtual

DOWN = ConnectionError("down")
ONCE = RetryPolicy(max_attempts=1)
ONE_PROBE = BreakerPolicy(failure_threshold=1, recovery_timeout=10, jitter=0, success_threshold=1)


def world(all_out: str, breaker: BreakerPolicy = ONE_PROBE, **options: Any) -> World:
    return World(breaker=breaker, retry=ONCE, routing=RoutingPolicy.model_validate({"all_out": all_out, **options}))


async def both_out(engine: World, a: tuple[Any, ...], b: tuple[Any, ...]) -> tuple[Script, Script]:
    """Two adapters whose breakers open: the first for 10 s, the second for 4 s."""
    first, second = engine.script("a", DOWN, *a), engine.script("b", DOWN, *b)
    await engine.execute_with_fallback("opens both")
    engine.breaker("b").reset()
    await asyncio.sleep(0)
    engine.breaker("b").open_for(4)
    return first, second


@virtual
async def test_by_default_it_fails_at_once_with_the_earliest_way_back() -> None:
    engine = world("fail")
    first, second = await both_out(engine, ("a",), ("b",))
    route = await engine.execute_with_fallback("task")
    assert now() == 0
    assert not route.success
    assert isinstance(route.exception, CircuitOpen)
    assert route.retry_after == pytest.approx(4)
    assert engine.router.all_out is None
    assert len(first.calls) + len(second.calls) == 2


@virtual
async def test_waiting_continues_with_the_first_that_returns_and_reports_it() -> None:
    engine = world("wait")
    await both_out(engine, ("a",), ("b",))
    route = await engine.execute_with_fallback("task")
    assert (route.adapter, now()) == ("b", pytest.approx(4))
    assert route.why.endswith("every adapter was out, waited 4 s: b is back")
    assert [(a.adapter, a.outcome) for a in route.attempts] == [("a", "rejected"), ("b", "success")]


@virtual
async def test_waiting_ends_before_the_deadline_if_no_adapter_can_return_in_time() -> None:
    engine = world("wait")
    await both_out(engine, ("a",), ("b",))
    route = await engine.execute_with_fallback("task", deadline=3)
    assert (route.success, now()) == (False, 0)
    assert route.why.endswith("waited 0 ms: b recovers only in 4 s")
    assert route.retry_after == pytest.approx(4)


@virtual
async def test_waiting_is_bounded_by_max_wait() -> None:
    engine = world("wait", max_wait=2)
    await both_out(engine, ("a",), ("b",))
    assert not (await engine.execute_with_fallback("task")).success
    assert now() == 0


@virtual
async def test_a_route_does_not_wait_for_an_adapter_that_only_an_operator_can_restore() -> None:
    engine = world("wait")
    engine.script("a", "a")
    engine.breaker("a").force_open()
    route = await engine.execute_with_fallback("task")
    assert (route.success, now()) == (False, 0)
    assert "no adapter recovers by itself" in route.why


@virtual
async def test_a_manual_reset_lets_waiting_tasks_continue_at_once() -> None:
    engine = world("wait")
    await both_out(engine, ("a",), ("b",))
    waiting = asyncio.create_task(engine.execute_with_fallback("task"))
    await asyncio.sleep(1)
    engine.breaker("a").reset()
    route = await waiting
    assert (route.adapter, now()) == ("a", pytest.approx(1))


@virtual
async def test_of_a_hundred_waiting_tasks_only_the_probe_calls_until_the_breaker_is_closed() -> None:
    engine = world("wait", breaker=ONE_PROBE.model_copy(update={"success_threshold": 3}))
    most = in_flight = 0

    async def slow(task: Any) -> str:
        nonlocal most, in_flight
        in_flight += 1
        if engine.breaker("a").state == "half_open":
            most = max(most, in_flight)
        await asyncio.sleep(1)
        in_flight -= 1
        return "done"

    engine.add_adapter("a", slow)
    engine.breaker("a").open_for(4)
    routes = await asyncio.gather(*(engine.execute_with_fallback(n) for n in range(100)))
    assert all(route.success for route in routes)
    assert most == 1
    assert now() == pytest.approx(4 + 3 + 1)  # three probes one after the other, then all others side by side


@virtual
async def test_waiting_tasks_check_rarely_whatever_their_number() -> None:
    engine = world("wait")
    engine.script("a", 1.0)
    engine.breaker("a").open_for(4)
    await asyncio.gather(*(engine.execute_with_fallback(n) for n in range(200)))
    asked = engine.get_adapter_statistics()["a"]["rejections"]
    assert asked <= 200 + 10  # each was refused once when it came, and only the head of the queue asked again


@virtual
async def test_waiting_tasks_keep_waiting_after_a_failed_probe() -> None:
    engine = world("wait")
    script = engine.script("a", DOWN, DOWN, "done")
    await engine.execute_with_fallback("opens it")
    first, second = await asyncio.gather(engine.execute_with_fallback(1), engine.execute_with_fallback(2))
    assert (first.success, second.success) == (False, True)
    assert script.calls == [0, pytest.approx(10), pytest.approx(25)]


@virtual
async def test_a_task_that_stops_waiting_frees_its_place_for_the_next() -> None:
    engine = world("wait")
    engine.script("a", 1.0)
    engine.breaker("a").open_for(4)
    first = asyncio.create_task(engine.execute_with_fallback(1))
    second = asyncio.create_task(engine.execute_with_fallback(2))
    await asyncio.sleep(1)
    first.cancel()
    assert (await second).success
    assert now() == pytest.approx(5)


@virtual
async def test_the_number_of_waiting_tasks_is_limited() -> None:
    engine = world("wait", max_waiting=2)
    engine.script("a", "done")
    engine.breaker("a").open_for(4)
    routes = await asyncio.gather(*(engine.execute_with_fallback(n) for n in range(3)))
    assert [route.success for route in routes] == [True, True, False]
    assert "2 tasks wait already" in routes[2].why


@virtual
async def test_a_chain_that_was_called_and_failed_does_not_wait() -> None:
    engine = world("wait")
    engine.script("a", DOWN)
    assert not (await engine.execute_with_fallback("task")).success
    assert now() == 0


@virtual
async def test_a_last_resort_is_one_attempt_on_the_adapter_that_would_return_first() -> None:
    engine = world("last_resort")
    engine.script("a", DOWN, "from a")
    engine.script("b", DOWN, "from b", breaker=ONE_PROBE.model_copy(update={"recovery_timeout": 4.0}))
    await engine.execute_with_fallback("opens both")
    route = await engine.execute_with_fallback("task")
    assert (route.adapter, now()) == ("b", 0)
    assert route.why.endswith("b would have returned first: a last resort")
    assert engine.breaker("b").state == "closed"  # it was a probe like any other


@virtual
async def test_a_last_resort_that_fails_settles_like_a_probe_and_does_not_flood() -> None:
    engine = world("last_resort")
    script = engine.script("a", DOWN, 0.5, DOWN)
    await engine.execute_with_fallback("opens it")
    script.outcomes = (DOWN, DOWN)
    routes = await asyncio.gather(*(engine.execute_with_fallback(n) for n in range(50)))
    assert len(script.calls) == 2
    assert engine.breaker("a").state == "open"
    assert sum(route.total_attempts for route in routes) == 1
    assert routes[1].retry_after is not None
    await asyncio.sleep(1)
    await engine.execute_with_fallback("a second later")
    assert len(script.calls) == 3


@virtual
async def test_a_last_resort_has_one_call_in_flight_per_adapter() -> None:
    engine = world("last_resort", last_resort_every=0)
    script = engine.script("a", DOWN, 5.0)
    await engine.execute_with_fallback("opens it")
    running = [asyncio.create_task(engine.execute_with_fallback(n)) for n in range(20)]
    await asyncio.sleep(1)
    assert len(script.calls) == 2
    await asyncio.gather(*running)


@virtual
async def test_a_last_resort_may_be_an_adapter_that_is_known_to_be_down() -> None:
    engine = world("last_resort")

    def health() -> None:
        raise AssertionError("never run")

    script = engine.script("a", "it works all the same", health=health)
    engine.registry["a"].down = DownMark("refused", until=now() + 30)
    route = await engine.execute_with_fallback("task")
    assert (route.result, len(script.calls)) == ("it works all the same", 1)
    assert route.attempts[0].why == "known down: refused"
    assert not (await engine.execute_with_fallback("at once again")).success


@virtual
async def test_waiting_tasks_continue_when_a_health_check_passes() -> None:
    answers = iter([False, True])

    async def health() -> bool:
        return next(answers)

    engine = world("wait")
    engine.script("a", "done", health=health)
    await engine.check_health()
    waiting = asyncio.create_task(engine.execute_with_fallback("task"))
    await asyncio.sleep(2)
    await engine.check_health()
    assert (await waiting).success
    assert now() == 2


@virtual
async def test_no_last_resort_is_made_against_an_operator_or_a_retry_after() -> None:
    engine = world("last_resort")
    script = engine.script("a", "a")
    for hold in (engine.breaker("a").force_open, engine.breaker("a").open_for):
        hold()
        route = await engine.execute_with_fallback("task")
        assert not route.success
        assert "no last resort is due" in route.why
    assert script.calls == []


# ---------------------------------------------------------------- the cap


def trips(engine: World) -> list[str]:
    return [e.adapter for e in engine.emitted if isinstance(e, StateChanged) and e.after == "open"]


@virtual
async def test_a_trip_beyond_the_ejection_limit_is_suppressed_and_reported_once() -> None:
    engine = world("fail", max_out_share=0.5)
    for name in "abcd":
        engine.script(name, DOWN)
    for n in range(3):
        await engine.execute_with_fallback(n)
    assert trips(engine) == ["a", "b"]
    assert engine.breaker("c").state == engine.breaker("d").state == "closed"
    held = [e for e in engine.emitted if type(e).__name__ == "TripSuppressed"]
    assert [e.adapter for e in held] == ["c", "d"]
    assert held[0].detail.endswith("it stays closed: 2 of 4 adapters are out and at most 50% may be")


@virtual
async def test_a_suppressed_trip_happens_at_the_next_failure_after_another_recovery() -> None:
    engine = world("fail", max_out_share=0.5)
    engine.script("a", DOWN)
    engine.script("b", DOWN)
    await engine.execute_with_fallback("a opens, b is held")
    engine.breaker("a").reset()
    await engine.execute_with_fallback("b fails again", preference_order=["b"])
    assert trips(engine) == ["a", "b"]


@virtual
async def test_an_opening_by_hand_counts_but_is_never_refused() -> None:
    engine = world("fail", max_out_share=0.5)
    engine.script("a", DOWN)
    engine.script("b", DOWN)
    engine.breaker("a").force_open()
    await engine.execute_with_fallback("task")
    assert engine.breaker("b").state == "closed"
    engine.breaker("b").open_for(5)
    assert engine.breaker("b").state == "open"


@virtual
async def test_a_cap_may_be_set_for_the_adapters_of_a_tag() -> None:
    engine = world("fail", max_out_by_tag={"gpu": 0.5})
    engine.script("a", DOWN, tags=["gpu"])
    engine.script("b", DOWN, tags=["gpu"])
    engine.script("c", DOWN)
    await engine.execute_with_fallback("task")
    assert trips(engine) == ["a", "c"]


@virtual
async def test_a_removed_adapter_does_not_count_towards_the_ejection_limit() -> None:
    engine = world("fail", max_out_share=0.5)
    for name in "abc":
        engine.script(name, DOWN)
    await engine.execute_with_fallback("a opens")
    assert trips(engine) == ["a"]
    engine.remove_adapter("a")
    await engine.execute_with_fallback("b opens, of two")
    assert trips(engine) == ["a", "b"]


@virtual
async def test_a_policy_can_be_replaced_while_adapters_are_ejected() -> None:
    engine = world("fail")
    engine.script("a", DOWN)
    engine.script("b", DOWN)
    await engine.execute_with_fallback("opens both")
    engine.routing.update_policy(RoutingPolicy(max_out_share=0.5, all_out="wait"))
    engine.breaker("a").reset()
    await engine.execute_with_fallback("a is held", preference_order=["a"])
    assert engine.breaker("a").state == "closed"
    engine.routing.update_policy(RoutingPolicy())
    assert engine.router.all_out is None
    await engine.execute_with_fallback("a opens", preference_order=["a"])
    assert engine.breaker("a").state == "open"


@pytest.mark.parametrize("attempt", range(5))
def test_breakers_that_trip_in_many_threads_at_once_never_exceed_the_cap(attempt: int) -> None:
    limits = EjectionLimits({"": 0.3})
    breakers = [CircuitBreaker(f"b{n}", ONE_PROBE) for n in range(20)]
    for breaker in breakers:
        breaker.ejection_limits = limits
        limits.add(breaker.name, (), "closed")
    start = threading.Barrier(len(breakers))

    def trip(breaker: CircuitBreaker) -> None:
        start.wait()
        breaker.admit().failure()

    threads = [threading.Thread(target=trip, args=(breaker,)) for breaker in breakers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(breaker.state == "open" for breaker in breakers) == 6


@given(
    st.dictionaries(st.sampled_from(["", "x", "y"]), st.floats(0.01, 1.0), min_size=1),
    st.lists(st.sets(st.sampled_from("xy")), min_size=1, max_size=8),
    st.lists(st.tuples(st.sampled_from(["trips", "returns", "by hand"]), st.integers(0, 7)), max_size=40),
)
def test_no_trip_exceeds_the_share_of_a_group(
    shares: dict[str, float], tags: list[set[str]], steps: list[tuple[str, int]]
) -> None:
    limits = EjectionLimits(shares)
    for n, words in enumerate(tags):
        limits.add(str(n), words, "closed")
    out: set[int] = set()
    for step, number in steps:
        n = number % len(tags)
        if step == "returns":
            limits.update(str(n), "closed")
            out.discard(n)
        elif step == "by hand":
            limits.update(str(n), "forced_open")
            out.add(n)
        elif n not in out and limits.try_eject(str(n)) is None:
            out.add(n)
            for group, share in shares.items():
                members = [m for m, words in enumerate(tags) if not group or group in words]
                if n in members:
                    assert len(out.intersection(members)) / len(members) <= share
