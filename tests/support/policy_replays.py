"""Recorded work for tests of replays under other policies: engines that ran in virtual time."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any

from fuseboard_engine import BreakerPolicy, Engine, RetryPolicy
from fuseboard_engine.events import Event, StateChanged
from fuseboard_engine.policy_replay.comparison import PolicyReplay
from fuseboard_engine.policy_replay.reader import WorkloadReader
from fuseboard_engine.policy_replay.workload import Workload
from fuseboard_engine.virtual_time import VirtualTimeLoop, run
from fuseboard_storage.board.histogram import value_of


class AskedToWait(Exception):
    """An error with the status and the wait of a rate limit."""

    status_code = 429

    def __init__(self, retry_after: float) -> None:
        super().__init__("slow down")
        self.retry_after = retry_after


@dataclass
class Service:
    """A service that is down from `down[0]` to `down[1]` seconds, in one way: refused, slow, limited or flaky."""

    down: tuple[float, float] = (10.0, 20.0)
    how: str = "refused"
    latency: float = 0.1
    breaker: BreakerPolicy = field(default_factory=BreakerPolicy)
    retry: RetryPolicy = field(default_factory=lambda: RetryPolicy(max_attempts=2))
    tags: tuple[str, ...] = ()


def engine_events(
    services: Mapping[str, Service],
    *,
    seconds: float = 40.0,
    rate: float = 5.0,
    seed: int = 1,
    deadline: float | None = None,
    **options: Any,
) -> list[Event]:
    """Return the events of an engine whose chain of services gets Poisson traffic, in virtual time."""
    dice, events = Random(seed), list[Event]()

    async def whole() -> None:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, VirtualTimeLoop)
        engine = Engine("world", clock=loop.time, wall=loop.wall, rng=dice.random, **options)
        events.extend(engine.describe())
        engine.subscribe(events.append)
        for name, service in services.items():
            engine.add_adapter(
                name, _adapter(service, dice), breaker=service.breaker, retry=service.retry, tags=service.tags
            )
        tasks = []
        while loop.time() < seconds:
            await asyncio.sleep(dice.expovariate(rate))
            tasks.append(asyncio.create_task(engine.execute_with_fallback({"id": f"t{len(tasks)}"}, deadline=deadline)))
        await asyncio.gather(*tasks)

    run(whole())
    return events


def _adapter(service: Service, dice: Random) -> Any:
    async def call(task: Any) -> str:
        loop = asyncio.get_running_loop()
        down = service.down[0] <= loop.time() < service.down[1]
        took = service.latency * dice.lognormvariate(0, 0.3)
        await asyncio.sleep(took * 30 if down and service.how == "slow" else took)
        if down and (service.how == "refused" or (service.how == "flaky" and dice.random() < 0.6)):
            raise ConnectionError("refused")
        if down and service.how == "limited":
            raise AskedToWait(1.0 + dice.random())
        return "done"

    return call


def workloads(events: Iterable[Event]) -> list[Workload]:
    """Return the work that events of one engine hold."""
    reader = WorkloadReader(value_of)
    for seq, event in enumerate(events, 1):
        reader.add(seq, 1, event)
    return reader.finish()


def replay_of(services: Mapping[str, Service], **options: Any) -> PolicyReplay:
    """Return the work of an engine with these services, ready to be replayed."""
    return PolicyReplay(workloads(engine_events(services, **options)))


def changes(events: Sequence[Event], adapter: str) -> list[StateChanged]:
    """Return the changes of state of an adapter."""
    return [event for event in events if isinstance(event, StateChanged) and event.adapter == adapter]


def assert_same_changes(found: Sequence[StateChanged], wanted: Sequence[StateChanged]) -> None:
    """Assert that changes have the same states, reasons, details and waits, at the same times within 10 µs."""
    assert [(one.before, one.after, one.reason, one.detail, one.openings) for one in found] == [
        (one.before, one.after, one.reason, one.detail, one.openings) for one in wanted
    ]
    for one, other in zip(found, wanted, strict=True):
        assert abs(one.at - other.at) <= 10
        assert abs((one.wait or 0.0) - (other.wait or 0.0)) < 1e-6
