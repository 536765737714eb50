"""Operators' commands: their effect on an engine, and its answers."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest

from fuseboard_engine import BreakerPolicy, Engine
from fuseboard_engine.commands import VERBS, Command
from fuseboard_engine.events import CommandDone, StateChanged
from support.engine_world import World, virtual
from support.waiting import PATIENCE


def command(verb: str, adapter: str = "a", **args: Any) -> Command:
    return Command(id=7, verb=verb, actor="ann@host", adapter=adapter, args=args, requested_at=123)


def engine_with(*names: str) -> Engine:
    engine = Engine(breaker=BreakerPolicy(failure_threshold=1, recovery_timeout=30, jitter=0))

    async def done(task: Any) -> str:
        return "done"

    for name in names:
        engine.add_adapter(name, done)
    return engine


@pytest.mark.parametrize(
    ("verb", "state"),
    [
        ("force_open", "forced_open"),
        ("open_for", "open"),
        ("half_open", "half_open"),
        ("disable", "disabled"),
        ("metrics_only", "metrics_only"),
        ("enable", "closed"),
        ("reset", "closed"),
    ],
)
def test_each_verb_is_executed_and_its_outcome_names_the_actor_and_the_result(verb: str, state: str) -> None:
    engine = engine_with("a", "b")
    reported: list[Any] = []
    engine.subscribe(reported.append)
    done = engine.execute_command(command(verb))
    assert done.ok
    assert (done.command, done.verb, done.actor, done.adapter, done.requested_at) == (7, verb, "ann@host", "a", 123)
    assert done.detail == ("a stays closed" if state == "closed" else f"a went from closed to {state}")
    assert engine.breaker("a").state == state
    assert engine.breaker("b").state == "closed"
    assert reported[-1] == done
    assert all(event.actor == "ann@host" for event in reported if isinstance(event, StateChanged))


def test_reset_closes_an_open_breaker() -> None:
    engine = engine_with("a")
    engine.breaker("a").admit().failure()
    assert engine.execute_command(command("reset")).detail == "a went from open to closed"


def test_open_for_states_the_duration_even_when_the_breaker_was_open() -> None:
    engine = engine_with("a")
    for reported in ("a went from closed to open for 30 s", "a stays open for 30 s"):
        assert engine.execute_command(command("open_for", seconds=30)).detail == reported


def test_enable_reverts_a_manual_state() -> None:
    engine = engine_with("a")
    engine.execute_command(command("force_open"))
    assert engine.execute_command(command("enable")).detail == "a went from forced_open to closed"


def test_reset_all_resets_every_breaker_that_blocks_calls_and_names_them() -> None:
    engine = engine_with("a", "b", "c", "d")
    engine.breaker("a").open_for(5)
    engine.breaker("b").force_open()
    engine.breaker("c").disable()
    done = engine.execute_command(command("reset_all", adapter=""))
    assert (done.ok, done.detail) == (True, "a, b reset")
    assert [engine.breaker(name).state for name in "abcd"] == ["closed", "closed", "disabled", "closed"]
    assert engine.execute_command(command("reset_all", adapter="")).detail == "no breaker was open"


def test_open_for_takes_seconds_or_the_policys_own_wait() -> None:
    engine = engine_with("a")
    engine.execute_command(command("open_for", seconds=500))
    wait = engine.breaker("a").snapshot().retry_after
    assert wait is not None
    assert 490 < wait <= 500
    engine.execute_command(command("open_for"))
    wait = engine.breaker("a").snapshot().retry_after
    assert wait is not None
    assert 20 < wait <= 30


@pytest.mark.parametrize("seconds", ["ten", -1, float("nan"), float("inf"), [], True])
def test_invalid_seconds_are_refused_and_nothing_changes(seconds: object) -> None:
    engine = engine_with("a")
    done = engine.execute_command(command("open_for", seconds=seconds))
    assert not done.ok
    assert done.detail.startswith("open_for needs a")
    assert engine.breaker("a").state == "closed"


def test_an_unknown_adapter_is_refused_with_the_known_ones_named() -> None:
    done = engine_with("a", "b").execute_command(command("reset", adapter="x"))
    assert not done.ok
    assert done.detail == "no adapter is called 'x'; known adapters: a, b"


@pytest.mark.parametrize("verb", ["explode", "", "__class__", "admit", "snapshot"])
def test_an_unknown_verb_is_refused_with_the_known_ones_named(verb: str) -> None:
    engine = engine_with("a")
    done = engine.execute_command(command(verb))
    assert not done.ok
    assert all(known in done.detail for known in VERBS)
    assert engine.breaker("a").state == "closed"


@virtual
async def test_a_command_can_come_from_another_thread_during_routes() -> None:
    engine = World(breaker=BreakerPolicy(failure_threshold=1, recovery_timeout=1000))
    engine.script("a", ConnectionError("down"), "well")
    await engine.execute_with_fallback("opens it")
    outcome: list[CommandDone] = []
    operator = threading.Thread(target=lambda: outcome.append(engine.execute_command(command("reset"))))
    operator.start()
    operator.join(PATIENCE)
    assert outcome[0].ok
    assert (await engine.execute_with_fallback("task")).result == "well"


@virtual
async def test_forcing_a_breaker_open_does_not_disturb_calls_in_flight() -> None:
    engine = World()
    engine.script("a", 5.0)
    running = asyncio.create_task(engine.execute_with_fallback("task"))
    await asyncio.sleep(1)
    engine.execute_command(command("force_open"))
    assert (await running).success
    assert engine.breaker("a").state == "forced_open"
