"""Adapters that are objects: initialized once, checked for health, closed with the engine."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import AsyncIterator
from typing import Any

import pytest

from fuseboard_engine import BreakerPolicy, Engine, RetryPolicy
from fuseboard_engine.adapters.lifecycle import AdapterObject
from fuseboard_engine.errors import AttemptTimeout, Unhealthy
from fuseboard_engine.events import AttemptFailed
from support.engine_world import World, now, virtual

FOREVER = 1e6
ONCE = RetryPolicy(max_attempts=1, attempt_timeout=10)


class Client:
    """Takes `seconds` to initialise; raises what `errors` holds first."""

    def __init__(self, seconds: float = 0.0, *errors: Exception) -> None:
        self.seconds = seconds
        self.errors = list(errors)
        self.initialised = 0
        self.given_up = 0
        self.closed = 0
        self.calls: list[float] = []
        self.wrong: Any = None

    async def initialize(self) -> None:
        self.initialised += 1
        try:
            await asyncio.sleep(self.seconds)
        except asyncio.CancelledError:
            self.given_up += 1
            raise
        if self.errors:
            raise self.errors.pop(0)

    async def call(self, task: Any) -> str:
        self.calls.append(now())
        if task == "hang":
            await asyncio.sleep(FOREVER)
        return f"did {task}"

    async def health(self) -> Any:
        return self.wrong

    async def close(self) -> None:
        self.closed += 1


def of(client: Any, **options: Any) -> World:
    engine = World(retry=options.pop("retry", ONCE), **options)
    engine.add_adapter("a", client)
    return engine


# ------------------------------------------------------------------ initialising


@virtual
async def test_an_object_is_initialised_once_at_its_first_call() -> None:
    client = Client(1.0)
    engine = of(client)
    assert client.initialised == 0
    for _ in range(3):
        assert (await engine.execute_with_fallback("it")).unwrap() == "did it"
    assert (client.initialised, client.calls) == (1, [1.0, 1.0, 1.0])


@virtual
async def test_concurrent_callers_share_one_initialisation() -> None:
    client = Client(1.0)
    engine = of(client)
    await asyncio.gather(*(engine.execute_with_fallback(n) for n in range(5)))
    assert (client.initialised, client.calls) == (1, [1.0] * 5)


@virtual
async def test_a_failed_initialisation_fails_the_attempts_of_all_waiting_callers_and_is_retried() -> None:
    client = Client(1.0, ConnectionError("refused"))
    engine = of(client)
    routes = await asyncio.gather(*(engine.execute_with_fallback(n) for n in range(2)))
    assert [(r.success, r.error, r.attempts[0].rule) for r in routes] == [(False, "refused", "connection")] * 2
    assert (client.initialised, engine.breaker("a").failures) == (1, 2)
    assert (await engine.execute_with_fallback("it")).success
    assert client.initialised == 2


@virtual
async def test_a_failed_initialisation_is_retried_like_any_attempt() -> None:
    client = Client(0.0, ConnectionError("refused"))
    route = await of(client, retry=RetryPolicy(max_attempts=2)).execute_with_fallback("it")
    assert (route.success, route.total_attempts) == (True, 2)


@virtual
async def test_initialising_gets_30_percent_of_the_attempts_time_and_the_call_the_rest() -> None:
    engine = of(Client(FOREVER))
    route = await engine.execute_with_fallback("it")
    assert now() == pytest.approx(3)
    assert isinstance(route.exception, AttemptTimeout)
    assert route.error == "timeout: a was not initialised within 3 s"
    engine = of(Client(2.0))
    started = now()
    await engine.execute_with_fallback("hang")
    assert now() - started == pytest.approx(9)


@virtual
async def test_the_policy_can_divide_the_time_differently() -> None:
    engine = of(Client(FOREVER), retry=RetryPolicy(max_attempts=1, attempt_timeout=10, initialize_share=0.8))
    await engine.execute_with_fallback("it")
    assert now() == pytest.approx(8)


@virtual
async def test_after_initialisation_a_call_has_the_full_time() -> None:
    engine = of(Client())
    await engine.start()
    await engine.execute_with_fallback("hang")
    assert now() == pytest.approx(10)
    await engine.close()


@virtual
async def test_an_initialisation_continues_while_a_caller_waits_and_is_cancelled_with_the_last() -> None:
    client = Client(FOREVER)
    engine = of(client)
    first = asyncio.create_task(engine.execute_with_fallback(1))
    await asyncio.sleep(1)
    second = asyncio.create_task(engine.execute_with_fallback(2))
    await first
    assert (now(), client.given_up) == (pytest.approx(3), 0)
    await second
    assert (now(), client.given_up, client.initialised) == (pytest.approx(4), 1, 1)


@virtual
async def test_a_caller_that_gives_up_does_not_cancel_the_initialisation_for_others() -> None:
    client = Client(2.0)
    engine = of(client)
    first = asyncio.create_task(engine.execute_with_fallback(1))
    second = asyncio.create_task(engine.execute_with_fallback(2))
    await asyncio.sleep(1)
    first.cancel()
    assert (await second).success
    assert (client.initialised, client.given_up) == (1, 0)


@virtual
async def test_a_caller_during_the_cancellation_of_an_initialisation_starts_a_new_one() -> None:
    class Stubborn(Client):
        async def initialize(self) -> None:
            try:
                await super().initialize()
            except asyncio.CancelledError:
                self.seconds = 0.0
                await asyncio.sleep(5)
                raise

    client = Stubborn(FOREVER)
    engine = of(client)
    first = asyncio.create_task(engine.execute_with_fallback(1))
    await asyncio.sleep(4)
    second = await engine.execute_with_fallback(2, retry=RetryPolicy(max_attempts=1, attempt_timeout=100))
    assert (second.success, client.initialised) == (True, 2)
    assert (await first).attempts[0].rule == "timeout"


# ------------------------------------------------------------------ start and close


@virtual
async def test_start_initialises_adapters_concurrently_and_a_failure_stops_no_other() -> None:
    engine = World(retry=ONCE)
    good, bad = Client(2.0), Client(1.0, ConnectionError("refused"))
    engine.add_adapter("good", good)
    engine.add_adapter("bad", bad)
    engine.script("plain", "fine")
    assert await engine.start() == {"bad": "ConnectionError: refused"}
    assert now() == 2
    (reported,) = [event for event in engine.emitted if isinstance(event, AttemptFailed)]
    assert (reported.attempt.adapter, reported.attempt.why) == ("bad", "it could not be initialised")
    assert engine.breaker("bad").failures == 1
    assert engine.breaker("good").snapshot().calls == 0
    assert await engine.start() == {}
    assert (good.initialised, bad.initialised) == (1, 2)
    await engine.close()


@virtual
async def test_start_does_not_call_an_adapter_whose_breaker_is_open() -> None:
    client = Client()
    engine = of(client)
    engine.breaker("a").force_open()
    assert "held open" in (await engine.start())["a"]
    assert client.initialised == 0
    await engine.close()


@virtual
async def test_the_engine_as_a_context_starts_and_closes_its_adapters() -> None:
    client = Client()
    async with of(client) as engine:
        assert client.initialised == 1
        await engine.execute_with_fallback("it")
    assert client.closed == 1


@virtual
async def test_close_skips_adapters_that_were_never_used_or_are_already_closed() -> None:
    client = Client()
    engine = of(client)
    await engine.close()
    assert client.closed == 0
    await engine.start()
    await engine.close()
    await engine.close()
    assert client.closed == 1


@virtual
async def test_a_removed_adapter_is_closed_with_the_engine() -> None:
    client = Client()
    async with of(client) as engine:
        engine.remove_adapter("a")
        assert client.closed == 0
    assert client.closed == 1


@virtual
async def test_a_removed_adapter_is_closed_once_its_calls_have_ended() -> None:
    client = Client()
    async with of(client) as engine:
        call = asyncio.create_task(engine.execute_with_fallback("hang"))
        await asyncio.sleep(5)
        engine.remove_adapter("a")
        await asyncio.sleep(4)
        assert client.closed == 0
        assert not (await call).success
        await asyncio.sleep(1)
        assert client.closed == 1
    assert client.closed == 1


@virtual
async def test_an_adapter_removed_during_a_route_that_uses_it_is_closed_after_the_route() -> None:
    class Once(Client):
        async def call(self, task: Any) -> str:
            if not self.calls:
                self.calls.append(now())
                raise ConnectionError("down")
            return await super().call(task)

    client = Once()
    async with of(client, retry=RetryPolicy(max_attempts=2, base_delay=10)) as engine:
        call = asyncio.create_task(engine.execute_with_fallback("it"))
        await asyncio.sleep(1)
        engine.remove_adapter("a")
        await asyncio.sleep(5)
        assert (client.closed, client.initialised) == (1, 1)
        assert (await call).success
        assert client.initialised == 2
        await asyncio.sleep(1)
        assert client.closed == 2


@virtual
async def test_removed_adapters_leave_no_state_behind() -> None:
    clients = [Client() for _ in range(50)]
    async with World(retry=ONCE) as engine:
        for client in clients:
            engine.add_adapter("a", client)
            await engine.execute_with_fallback("it")
            engine.remove_adapter("a")
            await asyncio.sleep(1)
        assert [client.closed for client in clients] == [1] * 50


@virtual
async def test_a_closed_engine_initialises_adapters_again_when_it_is_reused() -> None:
    client = Client()
    engine = of(client)
    async with engine:
        pass
    assert (await engine.execute_with_fallback("it")).success
    assert client.initialised == 2


@virtual
async def test_a_failing_close_is_logged_and_the_other_adapters_are_closed(caplog: Any) -> None:
    class Bad(Client):
        async def close(self) -> None:
            raise OSError("still busy")

    class Hung(Client):
        async def close(self) -> None:
            await asyncio.sleep(FOREVER)

    engine, good = World(), Client()
    for name, client in {"bad": Bad(), "hung": Hung(), "good": good}.items():
        engine.add_adapter(name, client)
    await engine.start()
    with caplog.at_level(logging.WARNING, "fuseboard.adapters"):
        await engine.close()
    assert (good.closed, now()) == (1, 10)
    assert "adapter bad could not be closed: OSError: still busy" in caplog.text


# ------------------------------------------------------------------ shapes


async def test_plain_methods_run_in_a_thread() -> None:
    threads: dict[str, bool] = {}

    class Plain:
        def _note(self, name: str) -> None:
            threads[name] = threading.current_thread() is not threading.main_thread()

        def initialize(self) -> None:
            self._note("initialize")

        def call(self, task: Any) -> str:
            self._note("call")
            return f"did {task}"

        def health(self) -> bool:
            self._note("health")
            return True

        def close(self) -> None:
            self._note("close")

    async with Engine() as engine:
        adapter = engine.add_adapter("a", Plain())
        assert (await engine.execute_with_fallback("it")).unwrap() == "did it"
        assert adapter.health is not None
        await adapter.health()
    assert threads == {"initialize": True, "call": True, "health": True, "close": True}


@virtual
async def test_a_call_method_is_sufficient() -> None:
    class Small:
        async def call(self, task: Any) -> str:
            return f"did {task}"

    engine = of(Small())
    assert isinstance(Small(), AdapterObject)
    assert engine.registry["a"].lifecycle is None
    assert engine.registry["a"].health is None
    assert (await engine.execute_with_fallback("it")).unwrap() == "did it"


@virtual
async def test_an_object_can_have_a_stream_method_or_a_call_that_streams() -> None:
    class Both(Client):
        async def stream(self, task: Any) -> AsyncIterator[str]:
            for word in ("did", task):
                yield word

    class Only:
        async def call(self, task: Any) -> AsyncIterator[str]:
            yield task

    both = Both(1.0)
    engine = of(both)
    assert [item async for item in engine.stream_with_fallback("it")] == ["did", "it"]
    assert (both.initialised, now()) == (1, 1)
    assert (await engine.execute_with_fallback("it")).result == "did it"
    assert (await of(Only()).execute_with_fallback("it")).result == ["it"]


def test_an_invalid_adapter_is_refused_by_name() -> None:
    with pytest.raises(TypeError, match="adapter 'a' is of type int, which cannot be called"):
        Engine().add_adapter("a", 5)  # type: ignore[arg-type]


# ------------------------------------------------------------------ health


@pytest.mark.parametrize(
    ("answer", "wrong"),
    [
        (None, None),
        (True, None),
        ({"healthy": True}, None),
        (False, "a: it reports that it is not healthy"),
        ({"healthy": False}, "a: it reports healthy: false"),
        ({"success": False, "error": "no disk"}, "a: no disk"),
    ],
)
def test_health_is_what_the_check_returns_or_raises(answer: Any, wrong: str | None) -> None:
    @virtual
    async def ask() -> None:
        client = Client()
        client.wrong = answer
        engine = of(client)
        health = engine.registry["a"].health
        assert health is not None
        if wrong is None:
            await health()
        else:
            with pytest.raises(Unhealthy) as raised:
                await health()
            assert str(raised.value) == wrong
        assert client.initialised == 1

    ask()


@virtual
async def test_an_adapter_that_cannot_be_initialised_is_unhealthy() -> None:
    engine = of(Client(0.0, ConnectionError("refused")), breaker=BreakerPolicy())
    health = engine.registry["a"].health
    assert health is not None
    with pytest.raises(ConnectionError):
        await health()


def test_an_object_is_initialised_again_when_its_loop_was_closed() -> None:
    class Pool:
        """Belongs to the loop in which it was initialised, as connections do."""

        def __init__(self) -> None:
            self.loops: list[Any] = []

        async def initialize(self) -> None:
            self.loops.append(asyncio.get_running_loop())

        async def call(self, task: Any) -> bool:
            return self.loops[-1] is asyncio.get_running_loop()

    engine, pool = Engine(), Pool()
    engine.add_adapter("pool", pool)

    async def twice() -> list[Any]:
        return [(await engine.execute_with_fallback("it")).result for _ in range(2)]

    assert [asyncio.run(twice()) for _ in range(3)] == [[True, True]] * 3
    assert len(pool.loops) == 3


def test_an_initialisation_whose_loop_was_closed_starts_again() -> None:
    class Slow:
        def __init__(self) -> None:
            self.begun = 0

        async def initialize(self) -> None:
            self.begun += 1
            if self.begun == 1:
                await asyncio.Event().wait()

        async def call(self, task: Any) -> str:
            return "done"

    engine = Engine(retry=RetryPolicy(max_attempts=1, attempt_timeout=30))
    engine.add_adapter("slow", Slow())
    loop = asyncio.new_event_loop()
    call = loop.create_task(engine.execute_with_fallback("it"))
    loop.run_until_complete(asyncio.sleep(0.01))
    loop._ready.clear()  # type: ignore[attr-defined]
    loop.close()  # without cancelling its tasks, as a loop of another library may end
    assert asyncio.run(engine.execute_with_fallback("again")).result == "done"
    call.cancelling()
