"""Health reports, of the whole engine and of one adapter. All of them can be written as JSON."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypedDict

import msgspec

from fuseboard_engine.adapters.registry import Registry, Statistics
from fuseboard_engine.events import REFUSING_STATES
from fuseboard_engine.health.checker import HealthChecks
from fuseboard_engine.health.status import HealthState

READY_SHARE = 0.5
"""An engine is ready while more than this share of its adapters is healthy."""

CALLS = 50
"""Calls in a report of one adapter, unless it is a full one."""

TRANSITIONS = 20
"""Transitions in a report of one adapter, unless it is a full one."""


class HealthStatus(TypedDict):
    """The health of the whole engine.

    An adapter is healthy while its breaker admits every call and no health check has found it down. `overall` is the
    health according to the checks; `checks` is each adapter's.
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
    """The health of one adapter.

    Calls and transitions are ordered oldest first; times are UTC microseconds, durations seconds.
    """

    adapter: str
    state: str
    known_down: bool
    check: dict[str, Any]
    breaker: dict[str, Any]
    statistics: Statistics
    calls: list[dict[str, Any]]
    transitions: list[dict[str, Any]]
    warning: str


class HealthReport:
    """Builds health reports from breakers, health checks and call history.

    Args:
        registry: the adapters.
        checker: their health checks and call history.
        clock: monotonic seconds. wall: UTC microseconds.
    """

    def __init__(
        self, registry: Registry, checker: HealthChecks, clock: Callable[[], float], wall: Callable[[], int]
    ) -> None:
        self._registry = registry
        self._checker = checker
        self._clock = clock
        self._wall = wall

    def status(self) -> HealthStatus:
        """Return the health of the whole engine; see `Engine.get_health_status`."""
        now = self._clock()
        adapters = list(self._registry)
        states = [adapter.breaker.state for adapter in adapters]
        down = [adapter.down is not None and now < adapter.down.until for adapter in adapters]
        healthy = sum(state not in REFUSING_STATES and not is_down for state, is_down in zip(states, down, strict=True))
        share = healthy / len(states) if states else 1.0
        return HealthStatus(
            total_adapters=len(states),
            healthy_adapters=healthy,
            open_breakers=states.count("open"),
            half_open_breakers=states.count("half_open"),
            held_breakers=states.count("forced_open"),
            known_down=sum(down),
            healthy_share=share,
            ready=share > READY_SHARE,
            overall=self._checker.overall(),
            checks=self._checker.states(),
        )

    def adapter(self, name: str, *, full: bool = False) -> AdapterHealth:
        """Return the health of one adapter; see `Engine.get_adapter_health`. Raises UnknownAdapter."""
        adapter = self._registry[name]
        history = self._checker.history
        warning = "calls are not kept: make the engine with health=HealthPolicy()"
        calls: list[dict[str, Any]] = []
        transitions: list[dict[str, Any]] = []
        if history is not None:
            history.drop_expired(self._wall())
            calls = [_as_dict(call) for call in history.calls(name, None if full else CALLS)]
            transitions = [_as_dict(change) for change in history.transitions(name, None if full else TRANSITIONS)]
            warning = f"all that is kept: {len(calls)} calls, {len(transitions)} transitions" if full else ""
        return AdapterHealth(
            adapter=name,
            state=adapter.breaker.state,
            known_down=adapter.down is not None and self._clock() < adapter.down.until,
            check=_as_dict(self._checker.state_of(name)),
            breaker=_as_dict(adapter.breaker.snapshot()),
            statistics=adapter.statistics(),
            calls=calls,
            transitions=transitions,
            warning=warning,
        )

    async def check(self, *names: str) -> dict[str, HealthState]:
        """Check the named adapters now, or all that have a check; see `Engine.check_health`. Raises UnknownAdapter."""
        for name in names:
            self._registry[name]
        return await self._checker.check(*names)


def _as_dict(value: msgspec.Struct) -> dict[str, Any]:
    fields: dict[str, Any] = msgspec.to_builtins(value)
    return fields
