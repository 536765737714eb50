"""The adapters of a replay: the engine's own breakers, with recorded policies and changes, which call nothing."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from random import Random
from typing import Any

from fuseboard_engine.adapters.call_target import Target
from fuseboard_engine.adapters.registry import Adapter, Registry
from fuseboard_engine.breaker.circuit_breaker import CircuitBreaker
from fuseboard_engine.breaker.ejection_limit import EjectionLimits
from fuseboard_engine.breaker.policy import BreakerPolicy
from fuseboard_engine.events import AdapterAdded, ConfigReloaded, Event, StateChanged
from fuseboard_engine.policy_replay.workload import (
    AdapterRecord,
    Operation,
    Workload,
    recorded_policy,
    recorded_retry,
    with_changes,
)
from fuseboard_engine.routing.features import ejection_shares

Changes = Mapping[str, Any]
"""Fields of a policy and their values."""


@dataclass(frozen=True)
class PolicyChanges:
    """What to change in the recorded policies of one adapter."""

    breaker: Changes = field(default_factory=dict)
    retry: Changes = field(default_factory=dict)


UNCHANGED = PolicyChanges()


class ReplayClock:
    """The clock of a replay, which is set to the recorded times. `wall` is in UTC microseconds.

    Args:
        origin: UTC microseconds of second 0.
    """

    __slots__ = ("_origin", "now")

    def __init__(self, origin: int) -> None:
        self._origin = origin
        self.now = 0.0

    def __call__(self) -> float:
        return self.now

    def wall(self) -> int:
        """Return UTC microseconds."""
        return self._origin + round(self.now * 1e6)


class ReplayedAdapters:
    """The adapters of a replay.

    Args:
        load: the recorded work.
        changes: what to change in the recorded policies, by adapter.
        clock: the clock of the replay.
        rng: the random numbers of waits that the recording does not show.
        on_event: called with each event of a breaker.
    """

    def __init__(
        self,
        load: Workload,
        changes: Mapping[str, PolicyChanges],
        clock: ReplayClock,
        rng: Random,
        on_event: Callable[[Event], None],
    ) -> None:
        self.registry = Registry()
        self._load = load
        self._changes = changes
        self._clock = clock
        self._rng = rng
        self._on_event = on_event
        self._draws: dict[str, Iterator[float]] = {}
        shares = ejection_shares(load.routing)
        self._ejection_limits = EjectionLimits(shares) if shares else None
        for record in load.adapters.values():
            if record.name:  # a damaged file may hold an empty one
                self._add(record, record.policy)
                self._restore(record)

    def _add(self, record: AdapterRecord, recorded: BreakerPolicy) -> None:
        """Register an adapter with a breaker that has a recorded policy and its changes."""
        changes = self._changes.get(record.name, UNCHANGED)
        policy, retry = with_changes(recorded, changes.breaker), with_changes(record.retry, changes.retry)
        draws = self._draws.setdefault(record.name, iter(record.draws))
        dice = self._rng.random

        def draw() -> float:
            found = next(draws, None)
            return dice() if found is None else found

        clock = self._clock
        breaker = CircuitBreaker(
            record.name, policy, clock=clock, on_event=self._on_event, wall=clock.wall, rng=draw
        )  # fmt: skip
        target = Target(_never_called, _never_streamed)
        if self._ejection_limits is not None:
            breaker.ejection_limits = self._ejection_limits
            self._ejection_limits.add(record.name, record.tags, breaker.state)
        handles = frozenset(record.handles)
        self.registry.add(Adapter(record.name, target, breaker, retry, tags=record.tags, handles=handles))

    def _restore(self, record: AdapterRecord) -> None:
        breaker, state = self.registry[record.name].breaker, record.state
        if state is not None:
            with suppress(ValueError):
                repeat_change(breaker, state)

    def operate(self, operation: Operation) -> None:
        """Do to an adapter what happened to it from outside."""
        name, event = operation.adapter, operation.event
        adapter = self.registry.find(name)
        if adapter is None:
            return
        if isinstance(event, AdapterAdded):
            self.registry.remove(name)
            self._add(self._load.adapters[name], recorded_policy(event.policy))
        elif isinstance(event, ConfigReloaded):
            changes = self._changes.get(name, UNCHANGED)
            if (policy := event.policies.get(name)) is not None:
                adapter.breaker.update_policy(with_changes(recorded_policy(policy), changes.breaker))
            if (retry := event.retry_policies.get(name)) is not None:
                adapter.retry = with_changes(recorded_retry(retry), changes.retry)
                adapter.budget.update_policy(adapter.retry)
        else:
            with suppress(ValueError):  # a damaged file may hold a wait that cannot be
                repeat_change(adapter.breaker, event)


def repeat_change(breaker: CircuitBreaker, event: StateChanged) -> None:
    """Do to a breaker what a recorded change of state says was done from outside."""
    actor = event.actor
    match event.reason, event.after:
        case "restored", state:
            breaker.restore(state, wait=event.wait or 0.0, openings=event.openings, failures=event.failures)
        case "reset", _:
            breaker.reset(actor=actor)
        case "probe_due", _:
            breaker.half_open_early(event.detail)
        case _, "open":
            breaker.open_for(event.wait, actor=actor)
        case _, "half_open":
            breaker.half_open(actor=actor)
        case _, "forced_open":
            breaker.force_open(actor=actor)
        case _, "disabled":
            breaker.disable(actor=actor)
        case _, "metrics_only":
            breaker.metrics_only(actor=actor)
        case _:
            breaker.enable(actor=actor)


async def _never_called(task: Any) -> Any:
    raise AssertionError("a replay calls no adapter")


async def _never_streamed(task: Any) -> AsyncIterator[Any]:
    nothing: tuple[Any, ...] = ()
    for item in nothing:
        yield item
