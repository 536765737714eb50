"""How an engine stands, as events: what somebody who begins to listen has to be told first."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fuseboard_engine.events import AdapterAdded, Event, PreferenceSet, StateChanged

if TYPE_CHECKING:
    from fuseboard_engine.adapters.registry import Adapter
    from fuseboard_engine.breaker.circuit_breaker import CircuitBreaker
    from fuseboard_engine.engine import Engine


def describe(engine: Engine) -> list[Event]:
    """Return the events that tell a new listener how things stand: adapters, chains, health, breakers not closed."""
    now = engine.wall()
    return [
        *(adapter_added(adapter, now) for adapter in engine.registry),
        *(
            PreferenceSet(at=now, order=order, task_type=kind, adaptive=engine.routing.is_adaptive(kind))
            for kind, order in engine.registry.orders.items()
        ),
        *engine.health.describe(now),
        *(_state_of(adapter.breaker, now) for adapter in engine.registry if adapter.breaker.state != "closed"),
    ]


def gauges(engine: Engine) -> dict[str, tuple[int, int]]:
    """Return each adapter's calls in flight and how many retries its budget has left. For any thread."""
    now = engine.clock()
    return {adapter.name: (adapter.in_flight, int(adapter.budget.left_at(now))) for adapter in engine.registry.all()}


def adapter_added(adapter: Adapter, at: int) -> AdapterAdded:
    """Return the event that tells of an adapter."""
    policy = adapter.breaker.policy.model_dump(mode="json")
    return AdapterAdded(at=at, adapter=adapter.name, policy=policy, tags=adapter.tags, figures=adapter.restored)


def _state_of(breaker: CircuitBreaker, at: int) -> StateChanged:
    seen, policy = breaker.snapshot(), breaker.policy
    wait = seen.retry_after
    return StateChanged(
        at=at,
        adapter=breaker.name,
        before=seen.state,
        after=seen.state,
        reason="restored",
        detail="as it stood when the recording began",
        generation=seen.generation,
        openings=seen.openings,
        wait=wait,
        until=None if wait is None else at + round(wait * 1e6),
        failures=seen.failures,
        threshold=policy.failure_threshold,
        needed=policy.success_threshold or policy.half_open_calls or 1,
    )
