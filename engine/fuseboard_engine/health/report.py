"""What one can see of an engine's health: of the whole, and of one adapter. All of it can be written as JSON.

Each function is a method of `Engine`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypedDict

import msgspec

from fuseboard_engine.health.status import HealthState

if TYPE_CHECKING:
    from fuseboard_engine.adapters.registry import Statistics
    from fuseboard_engine.engine import Engine

READY_SHARE = 0.5  # an engine is ready while more than this share of its adapters is healthy
CALLS = 50
TRANSITIONS = 20


class HealthStatus(TypedDict):
    """The health of the whole. An adapter is healthy while its breaker lets calls through unconditionally and no
    health check has found it down. `overall` is what the health checks say; `checks` is each adapter's.
    """

    total_adapters: int
    healthy_adapters: int
    open_breakers: int
    half_open_breakers: int
    held_breakers: int
    known_down: int
    healthy_share: float
    ready: bool
    overall: str
    checks: dict[str, str]


class AdapterHealth(TypedDict):
    """One adapter. Calls and transitions are oldest first; times are UTC microseconds, durations seconds."""

    adapter: str
    state: str
    known_down: bool
    check: dict[str, Any]
    breaker: dict[str, Any]
    statistics: Statistics
    calls: list[dict[str, Any]]
    transitions: list[dict[str, Any]]
    warning: str


def get_health_status(engine: Engine) -> HealthStatus:
    """Return the health of the whole. An adapter that was never used counts as healthy."""
    now = engine.clock()
    adapters = list(engine.registry)
    states = [adapter.breaker.state for adapter in adapters]
    down = [adapter.down is not None and now < adapter.down.until for adapter in adapters]
    healthy = sum(
        state in ("closed", "disabled", "metrics_only") and not bad for state, bad in zip(states, down, strict=True)
    )
    share = healthy / len(states) if states else 1.0
    checks = engine.health
    return HealthStatus(
        total_adapters=len(states),
        healthy_adapters=healthy,
        open_breakers=states.count("open"),
        half_open_breakers=states.count("half_open"),
        held_breakers=states.count("forced_open"),
        known_down=sum(down),
        healthy_share=share,
        ready=share > READY_SHARE,
        overall=checks.overall(),
        checks=checks.states(),
    )


def get_adapter_health(engine: Engine, name: str, *, full: bool = False) -> AdapterHealth:
    """Return the last 50 calls and 20 transitions of an adapter, its breaker, figures and last health check.

    Args:
        engine: which; it keeps calls and transitions when it was made with `health=HealthPolicy(...)`.
        name: the adapter's.
        full: all that is kept; the answer then warns of its length.

    Raises:
        UnknownAdapter: nothing is registered under that name.
    """
    adapter = engine.registry[name]
    history, checked = engine.health.history, engine.health.state_of(name)
    warning = "calls are not kept: make the engine with health=HealthPolicy()"
    calls: list[dict[str, Any]] = []
    transitions: list[dict[str, Any]] = []
    if history is not None:
        history.drop_expired(engine.wall())
        calls = [_plain(call) for call in history.calls(name, None if full else CALLS)]
        transitions = [_plain(change) for change in history.transitions(name, None if full else TRANSITIONS)]
        warning = f"all that is kept: {len(calls)} calls, {len(transitions)} transitions" if full else ""
    return AdapterHealth(
        adapter=name,
        state=adapter.breaker.state,
        known_down=adapter.down is not None and engine.clock() < adapter.down.until,
        check=_plain(checked),
        breaker=_plain(adapter.breaker.snapshot()),
        statistics=adapter.statistics(),
        calls=calls,
        transitions=transitions,
        warning=warning,
    )


async def check_health(engine: Engine, *names: str) -> dict[str, HealthState]:
    """Check the named adapters now, or all that are checked, and return how each stands.

    Args:
        engine: which.
        names: of adapters with a health check.

    Raises:
        UnknownAdapter: nothing is registered under one of the names.
    """
    for name in names:
        engine.registry[name]
    return await engine.health.check(*names)


def _plain(value: msgspec.Struct) -> dict[str, Any]:
    plain: dict[str, Any] = msgspec.to_builtins(value)
    return plain
