"""Adaptive chains in an engine: what they learn, that they never stop learning, and what that is worth under drift."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from typing import Any

import pytest

from fuseboard_engine import BreakerPolicy, Engine, RetryPolicy
from fuseboard_engine.events import PreferenceSet
from fuseboard_engine.routing.policy import RoutingPolicy
from support.engine_world import HOUR, NEVER_TRIPS, Script, World, now, virtual

DOWN = ConnectionError("down")
ONCE = RetryPolicy(max_attempts=1)
EXACT = RoutingPolicy(exploration=0, refresh_seconds=0)


class Service:
    """An adapter whose success rate and latency a test changes as it likes."""

    def __init__(self, rate: float, seconds: float, seed: int = 0) -> None:
        self.rate, self.seconds = rate, seconds
        self.calls = 0
        self._random = random.Random(seed).random

    async def __call__(self, task: Any) -> str:
        self.calls += 1
        await asyncio.sleep(self.seconds)
        if self._random() >= self.rate:
            raise DOWN
        return "done"


def world(policy: RoutingPolicy, services: dict[str, Service], seed: int = 1, **options: Any) -> Engine:
    loop: Any = asyncio.get_running_loop()
    options = {"breaker": NEVER_TRIPS, "retry": ONCE, **options}
    engine = Engine("world", clock=loop.time, wall=loop.wall, rng=random.Random(seed).random, routing=policy, **options)
    for name, service in services.items():
        engine.add_adapter(name, service)
    return engine


@virtual
async def test_the_better_adapter_comes_first_and_the_route_says_why() -> None:
    services = {"prefect": Service(0.5, 0.31), "agno": Service(1.0, 0.042)}
    engine = world(EXACT, services)
    engine.set_preference(["prefect", "agno"], adaptive=True)
    for n in range(30):
        route = await engine.execute_with_fallback(n)
    assert route.adapter == "agno"
    assert route.why.startswith("adaptive: agno 0.9")
    assert "at 42 ms before prefect 0." in route.why
    assert route.why.endswith("at 310 ms")


@virtual
async def test_only_chains_set_to_adaptive_are_adaptive() -> None:
    engine = world(EXACT, {"a": Service(0.0, 0.1), "b": Service(1.0, 0.1)})
    engine.set_preference(["a", "b"], "fixed")
    engine.set_preference(["a", "b"], "learning", adaptive=True)
    for _ in range(5):
        for task_type in ("fixed", "learning"):
            route = await engine.execute_with_fallback({"task_type": task_type})
            chain = {"fixed": ["a", "b"], "learning": route.fallback_chain}[task_type]
            assert route.fallback_chain == chain
    assert route.fallback_chain == ["b"]
    assert route.why.startswith("adaptive for learning: b ")
    route = await engine.execute_with_fallback({"task_type": "learning"}, preference_order=["a", "b"])
    assert (route.fallback_chain, route.why) == (["a", "b"], "order of this call")
    engine.set_preference(["a", "b"], "learning")
    assert (await engine.execute_with_fallback({"task_type": "learning"})).why == "preference for learning"
    assert engine.registry.order_for == engine.registry.fixed_order


@virtual
async def test_the_adaptive_policy_applies_to_every_chain_and_to_the_order_of_registration() -> None:
    engine = world(EXACT.model_copy(update={"adaptive": True}), {"a": Service(0.0, 0.1), "b": Service(1.0, 0.1)})
    for n in range(5):
        route = await engine.execute_with_fallback(n)
    assert route.fallback_chain == ["b"]


@virtual
async def test_each_task_type_has_its_own_evidence() -> None:
    engine = world(EXACT, {"a": Service(0.0, 0.1), "b": Service(1.0, 0.1)})
    engine.set_preference(["a", "b"], "x", adaptive=True)
    engine.set_preference(["a", "b"], "y", adaptive=True)
    for _ in range(5):
        await engine.execute_with_fallback({"task_type": "x"})
    assert (await engine.execute_with_fallback({"task_type": "x"})).fallback_chain == ["b"]
    assert (await engine.execute_with_fallback({"task_type": "y"})).fallback_chain == ["a", "b"]


@virtual
async def test_open_and_down_adapters_are_ranked_last_but_stay_in_the_chain() -> None:
    services = {name: Service(1.0, 0.1) for name in "abc"}
    engine = world(EXACT, services)
    engine.set_preference(["a", "b", "c"], adaptive=True)
    engine.breaker("a").open_for(60)
    route = await engine.execute_with_fallback("task")
    assert (route.adapter, route.left) == ("b", ("c", "a"))
    assert route.why.endswith("before a (out)")
    engine.breaker("a").reset()
    assert (await engine.execute_with_fallback("task")).left[-1] != "a"


@virtual
async def test_a_busy_adapter_is_ranked_lower() -> None:
    engine = world(EXACT.model_copy(update={"load": 1.0}), {"a": Service(1.0, 1.0), "b": Service(1.0, 1.2)})
    engine.set_preference(["a", "b"], adaptive=True)
    for n in range(10):
        await engine.execute_with_fallback(n, preference_order="ab"[n % 2])
    first = await asyncio.gather(*(engine.execute_with_fallback(n) for n in range(10)))
    spread = Counter(route.adapter for route in first)
    assert 4 <= spread["b"] <= 6


@virtual
async def test_a_recovered_adapter_regains_its_rank_whatever_the_length_of_its_outage() -> None:
    services = {"a": Service(1.0, 0.02), "b": Service(0.9, 0.3, seed=2)}
    engine = world(RoutingPolicy(half_life=60, exploration=0.05), services)
    engine.set_preference(["a", "b"], adaptive=True)

    async def firsts(tasks: int) -> float:
        count = 0
        for n in range(tasks):
            count += (await engine.execute_with_fallback(n)).fallback_chain[0] == "a"
            await asyncio.sleep(0.2)
        return count / tasks

    assert await firsts(500) > 0.9
    services["a"].rate = 0.0
    await firsts(500)
    assert await firsts(5000) < 0.1  # ten thousand outcomes say it is bad
    services["a"].rate = 1.0
    await firsts(1500)
    assert await firsts(500) > 0.9


@virtual
async def test_old_evidence_fades_even_without_calls() -> None:
    services = {"a": Service(0.0, 0.1), "b": Service(1.0, 0.1)}
    engine = world(EXACT, services)
    engine.set_preference(["a", "b"], adaptive=True)
    for n in range(20):
        await engine.execute_with_fallback(n)
    assert (await engine.execute_with_fallback("now")).fallback_chain == ["b"]
    await asyncio.sleep(HOUR)
    services["a"].rate = 1.0
    assert (await engine.execute_with_fallback("an hour later")).fallback_chain == ["a"]


@virtual
async def test_every_admissible_adapter_keeps_its_share_of_first_places() -> None:
    services = {name: Service(rate, 0.0) for name, rate in {"a": 1.0, "b": 0.5, "c": 0.0}.items()}
    engine = world(RoutingPolicy(exploration=0.03), services)
    engine.set_preference(["a", "b", "c"], adaptive=True)
    firsts = Counter()
    for n in range(4000):
        route = await engine.execute_with_fallback(n)
        firsts[route.fallback_chain[0]] += 1
        if route.fallback_chain[0] == "c" and n > 100:
            assert route.why.endswith("explored c")
    for name in "bc":
        assert 0.018 < firsts[name] / 4000 < 0.045


@virtual
async def test_the_same_seed_gives_the_same_choices() -> None:
    chains = []
    for _ in range(2):
        engine = world(RoutingPolicy(exploration=0.1), {n: Service(0.7, 0.1, seed=ord(n)) for n in "abc"}, seed=7)
        engine.set_preference(["a", "b", "c"], adaptive=True)
        chains.append([(await engine.execute_with_fallback(n)).fallback_chain for n in range(300)])
    assert chains[0] == chains[1]


async def drift(policy: RoutingPolicy) -> tuple[float, float, float]:
    """Two hours in which one adapter after the other is bad. Returns seconds, success rate and calls per task."""
    services = {"a": Service(0.97, 0.08, 1), "b": Service(0.97, 0.12, 2), "c": Service(0.9, 0.5, 3)}
    plan = [(0.97, 0.08, 0.97, 0.12), (0.3, 0.9, 0.97, 0.12), (0.97, 0.08, 0.2, 1.0), (0.5, 2.0, 0.95, 0.1)]
    engine = world(policy, services, breaker=BreakerPolicy(failure_threshold=5, recovery_timeout=5), retry=ONCE)
    engine.set_preference(["a", "b", "c"], adaptive=policy.adaptive)
    spent, done, tasks = 0.0, 0, 0
    for rate_a, seconds_a, rate_b, seconds_b in plan:
        services["a"].rate, services["a"].seconds = rate_a, seconds_a
        services["b"].rate, services["b"].seconds = rate_b, seconds_b
        end = now() + 1800
        while now() < end:
            began = now()
            done += (await engine.execute_with_fallback("task")).success
            spent += now() - began
            tasks += 1
            await asyncio.sleep(1.0)
    return spent / tasks, done / tasks, sum(s.calls for s in services.values()) / tasks


@virtual
async def test_under_drift_an_adaptive_order_answers_sooner_with_fewer_calls_than_a_fixed_one() -> None:
    fixed = await drift(RoutingPolicy())
    adaptive = await drift(RoutingPolicy(adaptive=True))
    assert adaptive[0] < 0.75 * fixed[0]  # 0.148 s against 0.224 s per task, though breakers guard both
    assert adaptive[1] >= fixed[1]
    assert adaptive[2] < fixed[2]


@virtual
async def test_R01_a_recovered_adapter_is_probed_even_from_the_end_of_an_adaptive_chain() -> None:
    services = {"a": Service(1.0, 0.01), "b": Service(1.0, 0.02)}
    engine = world(RoutingPolicy(exploration=0.05), services, breaker=BreakerPolicy(success_threshold=1))
    engine.set_preference(["a", "b"], adaptive=True)
    engine.breaker("a").open_for(30)
    for n in range(400):
        await engine.execute_with_fallback(n)
        await asyncio.sleep(0.2)
    assert engine.breaker("a").state == "closed"


@virtual
async def test_an_adaptive_chain_emits_events_about_what_it_learns() -> None:
    engine = World()
    engine.script("a", "done")
    engine.set_preference("a", adaptive=True)
    told = [event for event in (*engine.emitted, *engine.describe()) if isinstance(event, PreferenceSet)]
    assert [event.adaptive for event in told] == [True, True]


@virtual
async def test_an_unknown_name_is_skipped_and_a_repeated_one_counts_once() -> None:
    engine = world(EXACT, {"a": Service(1.0, 0.1), "gone": Service(1.0, 0.01)})
    engine.set_preference(["gone", "a", "a"], adaptive=True)
    engine.remove_adapter("gone")
    route = await engine.execute_with_fallback("task")
    assert (route.adapter, route.left) == ("a", ("gone",))


def equal_adapters(world: World, seconds: float) -> list[Script]:
    """Add three adapters that each take about as long, in an adaptive chain."""
    scripts = [world.script(name, seconds) for name in "abc"]
    world.set_preference(["a", "b", "c"], adaptive=True)
    return scripts


@pytest.mark.parametrize("seconds", [0.001, 0.05, 3.0])
@pytest.mark.parametrize("warm", [0, 1, 30])
@virtual
async def test_a_burst_spreads_over_equals(seconds: float, warm: int) -> None:
    world = World(dice=0.999)
    scripts = equal_adapters(world, seconds)
    for name in "abc" * warm:
        await world.execute_with_fallback("x", [name])

    await asyncio.gather(*(world.execute_with_fallback("x") for _ in range(60)))

    counts = [len(script.calls) - warm for script in scripts]
    assert sum(counts) == 60 and max(counts) <= 30, counts


@virtual
async def test_a_burst_spreads_over_adapters_that_are_nearly_equal() -> None:
    world = World(dice=0.999)
    scripts = [world.script(name, seconds) for name, seconds in (("a", 0.20), ("b", 0.22), ("c", 0.25))]
    world.set_preference(["a", "b", "c"], adaptive=True)
    for name, times in (("a", 12), ("b", 9), ("c", 8)):
        for _ in range(times):
            await world.execute_with_fallback("x", [name])
    before = [len(script.calls) for script in scripts]

    routes = await asyncio.gather(*(world.execute_with_fallback("x") for _ in range(60)))

    counts = [len(script.calls) - earlier for script, earlier in zip(scripts, before, strict=True)]
    assert max(counts) <= 30 and counts[0] >= counts[2] > 5, counts
    assert any(route.why.endswith("; b first, as a is busier") for route in routes)


@virtual
async def test_a_burst_stays_on_the_adapter_that_is_far_better() -> None:
    world = World(dice=0.999)
    good = world.script("good", 0.01)
    world.script("bad", ConnectionError("down"), breaker=NEVER_TRIPS, retry=RetryPolicy(max_attempts=1))
    world.set_preference(["bad", "good"], adaptive=True)
    for name in ("good", "bad") * 20:
        await world.execute_with_fallback("x", [name])
    await asyncio.sleep(0.1)

    await asyncio.gather(*(world.execute_with_fallback("x") for _ in range(60)))

    assert len(good.calls) == 80


@virtual
async def test_tasks_one_after_the_other_are_not_spread() -> None:
    world = World(dice=0.999)
    scripts = equal_adapters(world, 0.001)

    for _ in range(10):
        await world.execute_with_fallback("x")

    assert [len(script.calls) for script in scripts][1:] == [0, 0]


@virtual
async def test_an_order_is_computed_at_most_once_a_refresh_and_at_once_after_a_change_of_state() -> None:
    policy = RoutingPolicy(exploration=0, refresh_seconds=10, adaptive=True)
    engine = world(policy, {"a": Service(0.0, 0.1), "b": Service(1.0, 0.1)})
    chains = [(await engine.execute_with_fallback(n)).fallback_chain for n in range(3)]
    assert chains == [["a", "b"]] * 3  # learned, but the order is still the one of the start
    await asyncio.sleep(10)
    assert (await engine.execute_with_fallback("later")).fallback_chain == ["b"]
    engine.breaker("b").force_open()
    route = await engine.execute_with_fallback("b is out")
    assert (route.fallback_chain, route.skipped, route.left) == (["a"], {"b": route.skipped["b"]}, ())
    assert route.attempts[0].adapter == "a"  # the new order has b last
    engine.breaker("b").reset()
    assert (await engine.execute_with_fallback("b is back")).fallback_chain == ["b"]


@virtual
async def test_an_adaptive_order_forgets_a_removed_adapter() -> None:
    services = {"a": Service(0.0, 0.1), "b": Service(1.0, 0.1)}
    engine = world(EXACT.model_copy(update={"adaptive": True}), services)
    for n in range(5):
        await engine.execute_with_fallback(n)
    assert (await engine.execute_with_fallback("known bad")).fallback_chain == ["b"]
    engine.remove_adapter("a")
    engine.add_adapter("a", Service(1.0, 0.1))
    route = await engine.execute_with_fallback("task")
    assert "a (untried)" in route.why


@virtual
async def test_a_new_policy_applies_from_the_next_task() -> None:
    engine = world(EXACT.model_copy(update={"adaptive": True, "failure_seconds": 0}), {})
    engine.add_adapter("slow", Service(1.0, 1.0))
    engine.add_adapter("flaky", Service(0.0, 0.01))
    for n in range(20):
        await engine.execute_with_fallback(n, preference_order=["flaky", "slow"])
    assert (await engine.execute_with_fallback("failures cost nothing")).fallback_chain[0] == "flaky"
    engine.routing.update_policy(EXACT.model_copy(update={"adaptive": True, "failure_seconds": 60}))
    assert (await engine.execute_with_fallback("failures cost a minute")).fallback_chain == ["slow"]


@virtual
async def test_between_two_computations_a_burst_is_spread_over_adapters_that_cost_about_the_same() -> None:
    policy = RoutingPolicy(exploration=0, refresh_seconds=HOUR, load=1.0, adaptive=True)
    engine = world(policy, {"a": Service(1.0, 1.0), "b": Service(1.0, 1.0)})
    routes = await asyncio.gather(*(engine.execute_with_fallback(n) for n in range(6)))
    assert [route.adapter for route in routes] == ["a", "b"] * 3
    assert routes[0].why == "adaptive: a (untried) before b (untried)"
    assert routes[1].why.endswith("; b first, as a is busier")


@virtual
async def test_the_only_adapter_takes_the_whole_burst() -> None:
    engine = world(RoutingPolicy(exploration=0, adaptive=True), {"a": Service(1.0, 1.0)})
    routes = await asyncio.gather(*(engine.execute_with_fallback(n) for n in range(4)))
    assert {route.why for route in routes} == {"adaptive: a (untried)"}
