"""Events that an engine emits: complete, in order, and isolated from failing listeners."""

from __future__ import annotations

import asyncio
import json
import logging
from typing import Any

import msgspec
import pytest

from fuseboard_engine import BreakerPolicy, Engine, RetryPolicy, RoutingPolicy, Task
from fuseboard_engine.events import (
    AdapterAdded,
    AdapterRemoved,
    AnyEvent,
    AttemptFailed,
    Event,
    ListenerFailed,
    PreferenceSet,
    ProbeChanged,
    RouteFinished,
    RoutingPolicySet,
    StateChanged,
)
from support.engine_world import HttpError, World, virtual

DOWN = ConnectionError("down")
ONCE = RetryPolicy(max_attempts=1)


def plot(events: list[Event]) -> list[str]:
    """Return one line of text for each event."""
    words = []
    for event in events:
        match event:
            case AttemptFailed():
                words.append(f"{event.attempt.adapter} failed #{event.attempt.number}, then {event.then}")
            case StateChanged():
                words.append(f"{event.adapter} {event.before}->{event.after}: {event.reason}")
            case ProbeChanged():
                words.append(f"{event.adapter} probe {event.what}")
            case RouteFinished():
                words.append(f"route {'by ' + event.adapter if event.success else 'failed'}")
            case _:
                words.append(type(event).__name__)
    return words


@virtual
async def test_a_success_is_one_event() -> None:
    engine = World()
    engine.script("a", "done")
    await engine.execute_with_fallback(Task(id="t1", type="ai", context={"request": "r9"}))
    (reported,) = engine.story()
    assert isinstance(reported, RouteFinished)
    assert (reported.task, reported.task_type, reported.success, reported.adapter, reported.context) == (
        "t1",
        "ai",
        True,
        "a",
        {"request": "r9"},
    )
    assert [(attempt.adapter, attempt.outcome, attempt.number) for attempt in reported.attempts] == [
        ("a", "success", 1)
    ]


@virtual
async def test_retries_and_a_failover_are_emitted_as_they_happen() -> None:
    engine = World()
    engine.script("a", DOWN)
    engine.script("b", "done")
    await engine.execute_with_fallback("task")
    assert plot(engine.story()) == [
        "a failed #1, then retry",
        "a failed #2, then retry",
        "a failed #3, then failover",
        "route by b",
    ]
    first, second, third = [event for event in engine.emitted if isinstance(event, AttemptFailed)]
    assert [first.delay, second.delay, third.delay] == [0.1, 0.2, 0]
    assert [event.attempt.failures for event in (first, second, third)] == [1, 2, 3]
    assert first.threshold == 5
    assert [event.attempt.why for event in (first, third)] == ["attempt 2 of 3", "3 of 3 attempts made"]


@virtual
async def test_the_opening_of_a_breaker_is_emitted_before_the_attempt_that_caused_it() -> None:
    engine = World(breaker=BreakerPolicy(failure_threshold=2))
    engine.script("a", DOWN)
    await engine.execute_with_fallback("task")
    assert plot(engine.story()) == [
        "a failed #1, then retry",
        "a closed->open: failures",
        "a failed #2, then stop",
        "route failed",
    ]


@virtual
async def test_an_outage_probe_and_recovery_are_emitted_in_order() -> None:
    policy = BreakerPolicy(failure_threshold=1, recovery_timeout=5, jitter=0, success_threshold=2)
    engine = World(breaker=policy, retry=ONCE)
    engine.script("a", DOWN, "well", "well")
    engine.script("b", "done")
    await engine.execute_with_fallback(1)
    await engine.execute_with_fallback(2)
    await asyncio.sleep(5)
    await engine.execute_with_fallback(3)
    await engine.execute_with_fallback(4)
    assert plot(engine.story()) == [
        "a closed->open: failures",
        "a failed #1, then failover",
        "route by b",
        "route by b",
        "a open->half_open: probe_due",
        "a probe admitted",
        "a probe success",
        "route by a",
        "a probe admitted",
        "a probe success",
        "a half_open->closed: probes_succeeded",
        "route by a",
    ]
    opened = next(event for event in engine.emitted if isinstance(event, StateChanged))
    assert opened.wait == 5
    assert opened.until == opened.at + 5_000_000


@virtual
async def test_a_failure_that_counts_for_no_adapter_is_emitted_with_its_attribution_row() -> None:
    engine = World()
    engine.script("a", HttpError(400, "no such field"))
    engine.script("b", "done")
    await engine.execute_with_fallback("task")
    failed, finished = engine.story()
    assert isinstance(failed, AttemptFailed)
    assert (failed.attempt.outcome, failed.attempt.rule, failed.then) == ("ignored", "caller", "stop")
    assert isinstance(finished, RouteFinished)
    assert (finished.success, finished.error, finished.left) == (False, "no such field", ("b",))


@virtual
async def test_adapters_and_preferences_are_emitted_too() -> None:
    engine = World(breaker=BreakerPolicy(failure_threshold=7))
    engine.script("a", 1, tags=["eu"])
    engine.set_preference(["a"], "ai")
    engine.remove_adapter("a")
    added, preference, removed = engine.emitted
    assert isinstance(added, AdapterAdded)
    assert (added.adapter, added.tags, added.policy["failure_threshold"]) == ("a", ("eu",), 7)
    assert isinstance(preference, PreferenceSet)
    assert (preference.order, preference.task_type) == (("a",), "ai")
    assert isinstance(removed, AdapterRemoved)


@virtual
async def test_events_have_monotonic_wall_times_and_survive_serialisation() -> None:
    engine = World(breaker=BreakerPolicy(failure_threshold=2, recovery_timeout=1, success_threshold=1))
    engine.script("a", DOWN, DOWN, "well", tags=["x"])
    engine.script("b", "done")
    engine.set_preference(["a", "b"])
    for n in range(4):
        await engine.execute_with_fallback(n)
        await asyncio.sleep(1)
    times = [event.at for event in engine.emitted]
    assert times == sorted(times)
    assert times[0] == 1_767_225_600_000_000
    decoder = msgspec.json.Decoder(AnyEvent)
    for event in engine.emitted:
        assert decoder.decode(msgspec.json.encode(event)) == event


# ------------------------------------------------------------------ listeners


@virtual
async def test_a_listener_that_raises_is_isolated_logged_and_reported_to_the_others(
    caplog: pytest.LogCaptureFixture,
) -> None:
    engine = World()
    later: list[Event] = []

    def broken(event: Event) -> None:
        raise RuntimeError("disk full")

    engine.subscribe(broken)
    engine.subscribe(later.append)
    engine.script("a", "done")
    with caplog.at_level(logging.ERROR, logger="fuseboard.engine"):
        route = await engine.execute_with_fallback("task")
    assert route.result == "done"
    reports = [event for event in engine.emitted if isinstance(event, ListenerFailed)]
    assert reports
    assert reports[0].listener.endswith("broken")
    assert reports[0].error == "RuntimeError: disk full"
    assert any(isinstance(event, RouteFinished) for event in later)  # those after it hear everything
    assert "raised on RouteFinished" in caplog.text


@virtual
async def test_calls_continue_when_every_listener_raises() -> None:
    engine = World()

    def broken(event: Event) -> None:
        raise RuntimeError("disk full")

    def broken_too(event: Event) -> None:
        raise ValueError("no")

    engine.subscribe(broken)
    engine.subscribe(broken_too)
    engine.script("a", DOWN)
    engine.script("b", "done")
    assert (await engine.execute_with_fallback("task")).success


@virtual
async def test_unsubscribing_stops_delivery_even_from_within_a_listener() -> None:
    engine = World()
    heard: list[Event] = []

    def once(event: Event) -> None:
        heard.append(event)
        stop()

    stop = engine.subscribe(once)
    engine.script("a", "done")
    await engine.execute_with_fallback("task")
    stop()
    assert len(heard) == 1


@virtual
async def test_a_listener_can_use_the_engine() -> None:
    """No lock is held while listeners run, so the listener of an opening breaker can open another."""
    engine = World(breaker=BreakerPolicy(failure_threshold=1), retry=ONCE)
    engine.script("a", DOWN)
    engine.script("b", "done")

    def together(event: Event) -> None:
        if isinstance(event, StateChanged) and event.adapter == "a" and event.after == "open":
            engine.breaker("b").force_open()
            engine.get_health_status()

    engine.subscribe(together)
    route = await engine.execute_with_fallback("task")
    assert not route.success
    assert engine.breaker("b").state == "forced_open"


# ------------------------------------------------------------------ describe


@virtual
async def test_describe_gives_a_new_subscriber_the_current_state() -> None:
    engine = World(breaker=BreakerPolicy(failure_threshold=1, recovery_timeout=9, jitter=0), retry=ONCE)
    for name in "abcd":
        engine.script(name, DOWN)
    engine.set_preference(["b", "a"], "ai")
    await engine.execute_with_fallback("task", ["a"])
    engine.breaker("c").force_open()
    engine.breaker("d").half_open()
    reported: list[Any] = engine.describe()
    assert [event.adapter for event in reported if isinstance(event, AdapterAdded)] == list("abcd")
    assert [event.order for event in reported if isinstance(event, PreferenceSet)] == [("b", "a")]
    stands = {event.adapter: event for event in reported if isinstance(event, StateChanged)}
    assert {name: event.after for name, event in stands.items()} == {"a": "open", "c": "forced_open", "d": "half_open"}
    assert all(event.reason == "restored" for event in stands.values())
    assert (stands["a"].wait, stands["a"].until) == (9, stands["a"].at + 9_000_000)
    assert stands["c"].until is None
    assert stands["d"].needed == 3


async def test_a_description_has_retry_policies_and_a_routing_policy_that_is_not_the_default() -> None:
    engine = Engine(retry=RetryPolicy(max_attempts=4, retry_on=(OSError,)))
    engine.add_adapter("a", lambda task: "yes")
    (added,) = [event for event in engine.describe() if isinstance(event, AdapterAdded)]
    assert added.retry["max_attempts"] == 4
    assert "retry_on" not in added.retry  # exception types exist only in the code
    assert not [event for event in engine.describe() if isinstance(event, RoutingPolicySet)]
    patient = Engine(routing=RoutingPolicy(all_out="wait"))
    (routing,) = [event for event in patient.describe() if isinstance(event, RoutingPolicySet)]
    assert RoutingPolicy(**routing.policy) == patient.routing.policy
    json.dumps([event.to_dict() for event in (*engine.describe(), *patient.describe())])
