"""An engine with simulated adapters and traffic, in virtual time."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Coroutine, Mapping, Sequence
from random import Random
from typing import Any, Literal

from fuseboard_engine.breaker.policy import BreakerPolicy
from fuseboard_engine.dead_letters.policy import DeadLetterPolicy
from fuseboard_engine.engine import Engine
from fuseboard_engine.errors import FuseboardError
from fuseboard_engine.retry.policy import RetryPolicy
from fuseboard_engine.routing.policy import RoutingPolicy
from fuseboard_engine.scenario.timeline import arrivals
from fuseboard_engine.scenario.traffic import request
from fuseboard_engine.scenario_file.adapter import AdapterPart
from fuseboard_engine.scenario_file.traffic import TrafficPart
from fuseboard_engine.simulation.adapter import SimulatedAdapter
from fuseboard_engine.testing.clocks import TickingLoop
from fuseboard_engine.testing.faults import Faults
from fuseboard_engine.testing.history import EngineHistory
from fuseboard_engine.testing.parts import make_part


class World(EngineHistory):
    """An engine with simulated adapters and traffic, for tests of policies and routes in virtual time.

    Two worlds that are described in the same way do the same. The chain of every task type is the adapters in the
    order in which they were added, unless `engine.set_preference` says otherwise.

    Args:
        breaker: the policy of every adapter that has none of its own.
        retry: likewise, for retries.
        routing: how chains are ordered, and what happens when every adapter of a chain is unavailable.
        dead_letters: which failed tasks are kept, and when they are retried. None keeps none.
        seed: the seed of its randomness.
    """

    def __init__(
        self,
        *,
        breaker: BreakerPolicy | None = None,
        retry: RetryPolicy | None = None,
        routing: RoutingPolicy | None = None,
        dead_letters: DeadLetterPolicy | None = None,
        seed: int = 1,
    ) -> None:
        self._rng = Random(seed)
        self._ids = itertools.count(1)
        engine = Engine(
            "world", breaker=breaker, retry=retry, routing=routing, dead_letters=dead_letters, rng=self._rng.random
        )
        super().__init__(engine)
        self.faults = Faults(engine)
        """Puts faults into its adapters: `world.faults.refuse("gpt", for_=30)`."""

    def adapter(
        self,
        name: str,
        *,
        latency: float | Mapping[str, float] | Sequence[float] | None = None,
        spread: float | None = None,
        failure_rate: float | None = None,
        errors: Mapping[str, float] | None = None,
        items: int | None = None,
        gap: float | None = None,
        capacity: int | None = None,
        overload: Literal["wait", "refuse"] | None = None,
        breaker: BreakerPolicy | None = None,
        retry: RetryPolicy | None = None,
        tags: Sequence[str] | None = None,
        handles: Sequence[str] | None = None,
    ) -> None:
        """Add a simulated adapter. The defaults are those of a scenario.

        Args:
            name: its name.
            latency: seconds of a call: the median, percentiles (`{"p50": 0.1, "p99": 2}`), or a list to choose from.
            spread: how much latency varies, as a share of the median; 0: not at all.
            failure_rate: share of calls that fail without a fault.
            errors: share of calls that meet a fault of its own, by the fault's name: `{"rate_limited": 0.1}`.
            items: items of a stream; 0: an answer is one item.
            gap: seconds between two items of a stream.
            capacity: calls at a time; default: any number.
            overload: what calls beyond the capacity do: wait for a place, or fail with 503.
            breaker: its own breaker policy.
            retry: its own retry policy.
            tags: words to filter by.
            handles: attribution rows whose tasks it can take over.

        Raises:
            ValueError: a value cannot be, or the name is taken.
        """
        part = make_part(AdapterPart, {name: value for name, value in locals().items() if name not in ("self", "name")})
        self.engine.add_adapter(
            name,
            SimulatedAdapter(name, part, Random(self._rng.random()), lambda: _virtual_loop().time()),
            breaker=part.breaker,
            retry=part.retry,
            tags=part.tags,
            handles=part.handles,
        )

    async def run(
        self, *traffic: Mapping[str, Any], for_: float, per_second: float | None = None, type: str = "task"
    ) -> None:
        """Let tasks arrive for a while, and wait until the last of them has ended.

        Args:
            traffic: streams of tasks as in a scenario: `{"type": "chat", "per_second": 5, "arrivals": "poisson"}`.
            for_: how many seconds tasks arrive.
            per_second: a stream of so many tasks a second, beside those of `traffic`.
            type: the type of its tasks.

        Raises:
            ValueError: there is no stream, or one cannot be as it says.
            RuntimeError: the test does not run in virtual time.
        """
        loop = _virtual_loop()
        streams = [make_part(TrafficPart, one) for one in traffic]
        if per_second is not None:
            streams.append(make_part(TrafficPart, {"type": type, "per_second": per_second}))
        if not streams:
            raise ValueError("no tasks would arrive: set per_second, or give traffic as in a scenario")
        if not 0 < for_ <= 86_400:
            raise ValueError(f"for_ is a number of seconds above 0, at most a day, not {for_!r}")
        end = loop.time() + for_
        async with asyncio.TaskGroup() as tasks:
            for stream in streams:
                tasks.create_task(self._let_arrive(stream, loop.time(), for_, tasks))
        await asyncio.sleep(max(0.0, end - loop.time()))

    async def _let_arrive(self, traffic: TrafficPart, began: float, seconds: float, tasks: asyncio.TaskGroup) -> None:
        for due in arrivals(traffic, seconds, self._rng):
            await asyncio.sleep(max(0.0, began + due - _virtual_loop().time()))
            tasks.create_task(_to_its_end(request(self.engine, traffic, f"{next(self._ids):x}")))

    async def advance(self, seconds: float) -> None:
        """Let time pass without new tasks. Raises RuntimeError if the test does not run in virtual time."""
        _virtual_loop()
        await asyncio.sleep(seconds)

    def close(self) -> None:
        """End all faults."""
        self._unsubscribe()
        self.faults.close()


async def _to_its_end(work: Coroutine[Any, Any, object]) -> None:
    try:
        await work
    except FuseboardError:
        pass  # the events of the engine say so


def _virtual_loop() -> TickingLoop:
    loop = asyncio.get_running_loop()
    if not isinstance(loop, TickingLoop):
        raise RuntimeError("a world needs virtual time: put @virtual_time (from fuseboard.testing) above the test")
    return loop
