"""Renamed methods of the breaker and of an engine's routing still work and warn."""

from __future__ import annotations

import pytest

from fuseboard_engine import BreakerPolicy, CircuitBreaker, Engine, RoutingPolicy


def test_the_former_names_of_breaker_methods_still_work() -> None:
    breaker = CircuitBreaker("a", BreakerPolicy(failure_threshold=1, recovery_timeout=60))
    with pytest.warns(DeprecationWarning, match="update_policy"):
        assert breaker.use(BreakerPolicy(failure_threshold=1, recovery_timeout=30, jitter=0)) is False
    breaker.admit().failure()
    with pytest.warns(DeprecationWarning, match="retry_after"):
        assert 0 < breaker.refuses_for() <= 30
    with pytest.warns(DeprecationWarning, match="half_open_early"):
        assert breaker.probe_early("a test says so")
    assert breaker.state == "half_open"


async def test_the_former_name_of_the_routing_policy_setter_still_works() -> None:
    engine = Engine("e")
    with pytest.warns(DeprecationWarning, match="update_policy"):
        engine.routing.use(RoutingPolicy(all_out="wait"))
    assert engine.routing.policy.all_out == "wait"
