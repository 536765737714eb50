"""What a breaker costs in memory."""

from __future__ import annotations

import gc
import sys
import tracemalloc
from collections.abc import Callable

import pytest

from fuseboard_engine.breaker.circuit_breaker import CircuitBreaker
from fuseboard_engine.breaker.policy import BreakerPolicy
from support.fake_clock import FakeClock


def deep_size(thing: object, seen: set[int]) -> int:
    """Return the bytes of a thing and of all that only it holds."""
    if id(thing) in seen or isinstance(thing, (type, Callable, BreakerPolicy)):  # type: ignore[arg-type]
        return 0
    seen.add(id(thing))
    return sys.getsizeof(thing) + sum(deep_size(part, seen) for part in gc.get_referents(thing))


@pytest.mark.parametrize(
    "policy",
    [BreakerPolicy(), BreakerPolicy(window_size=100), BreakerPolicy(window_seconds=60, failure_rate=0.5)],
    ids=["in a row", "last calls", "last seconds"],
)
def test_a_breaker_costs_less_than_a_kilobyte(policy: BreakerPolicy) -> None:
    count = 1000
    CircuitBreaker("warm", policy).admit().success()
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        breakers = [CircuitBreaker("a", policy) for _ in range(count)]
        for breaker in breakers:
            breaker.admit().success()
        each = (tracemalloc.get_traced_memory()[0] - before) / count
    finally:
        tracemalloc.stop()
    assert each < (1024 if sys.version_info < (3, 13) else 1100)  # objects of Python 3.13 are larger
    assert len(breakers) == count


def test_memory_does_not_grow_with_calls() -> None:
    clock = FakeClock()
    policy = BreakerPolicy(failure_threshold=None, window_seconds=10, slow_call_seconds=1, slow_call_rate=1)
    breaker = CircuitBreaker("a", policy, clock=clock)
    for _ in range(20_000):
        clock.advance(0.001)
        breaker.admit().success()
    full = deep_size(breaker, set())
    for _ in range(20_000):
        clock.advance(0.001)
        breaker.admit().success()
    assert deep_size(breaker, set()) <= full * 1.1
    assert full < 64_000
