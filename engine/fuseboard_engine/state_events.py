"""The engine's current state as events, so that a new subscriber can catch up."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from fuseboard_engine.adapters.registry import Adapter, Registry
from fuseboard_engine.breaker.circuit_breaker import CircuitBreaker
from fuseboard_engine.events import AdapterAdded, Event, PreferenceSet, RoutingPolicySet, StateChanged
from fuseboard_engine.faults.injector import FaultInjector
from fuseboard_engine.health.checker import HealthChecks
from fuseboard_engine.retry.policy import RetryPolicy
from fuseboard_engine.routing.features import RoutingFeatures
from fuseboard_engine.routing.policy import RoutingPolicy

_USUAL_ROUTING: Final = RoutingPolicy()


class StateEvents:
    """Describes adapters, chains, the routing policy, health, overdue calls, injected faults and breakers as events.

    Args:
        registry: the adapters and their chains.
        features: which chains are adaptive.
        checker: the health checks.
        faults: the injected faults.
        wall: UTC microseconds.
    """

    def __init__(
        self,
        registry: Registry,
        features: RoutingFeatures,
        checker: HealthChecks,
        faults: FaultInjector,
        wall: Callable[[], int],
    ) -> None:
        self._registry = registry
        self._features = features
        self._checker = checker
        self._faults = faults
        self._wall = wall

    def describe(self) -> list[Event]:
        """Return the current state as events. Closed breakers have none."""
        now = self._wall()
        return [
            *(adapter_added(adapter, now) for adapter in self._registry),
            *(
                PreferenceSet(at=now, order=order, task_type=kind, adaptive=self._features.is_adaptive(kind))
                for kind, order in self._registry.orders.items()
            ),
            *([] if self._features.policy == _USUAL_ROUTING else [routing_policy_set(self._features.policy, now)]),
            *self._checker.describe(now),
            *self._registry.overdue.describe(now),
            *self._faults.describe(),
            *(state_of(adapter.breaker, now) for adapter in self._registry if adapter.breaker.state != "closed"),
        ]


def adapter_added(adapter: Adapter, at: int) -> AdapterAdded:
    """Return the event that announces an adapter. `at` is UTC microseconds."""
    return AdapterAdded(
        at=at,
        adapter=adapter.name,
        policy=adapter.breaker.policy.model_dump(mode="json"),
        tags=adapter.tags,
        figures=adapter.restored,
        retry=retry_fields(adapter.retry),
    )


def retry_fields(policy: RetryPolicy) -> dict[str, Any]:
    """Return the fields of a retry policy for an event: without the exception types, which only the code knows."""
    return policy.model_dump(mode="json", exclude={"retry_on", "give_up_on"})


def routing_policy_set(policy: RoutingPolicy, at: int) -> RoutingPolicySet:
    """Return the event that announces a routing policy. `at` is UTC microseconds."""
    return RoutingPolicySet(at=at, policy=policy.model_dump(mode="json"))


def state_of(breaker: CircuitBreaker, at: int) -> StateChanged:
    """Return a breaker's current state as an event. `at` is UTC microseconds."""
    snapshot, policy = breaker.snapshot(), breaker.policy
    wait = snapshot.retry_after
    return StateChanged(
        at=at,
        adapter=breaker.name,
        before=snapshot.state,
        after=snapshot.state,
        reason="restored",
        detail="as it was when the recording began",
        generation=snapshot.generation,
        openings=snapshot.openings,
        wait=wait,
        until=None if wait is None else at + round(wait * 1e6),
        failures=snapshot.failures,
        threshold=policy.failure_threshold,
        needed=policy.success_threshold or policy.half_open_calls or 1,
    )
