"""Helpers for tests of the breaker."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest

from fuseboard_engine.breaker.circuit_breaker import CircuitBreaker
from fuseboard_engine.breaker.policy import BreakerPolicy
from fuseboard_engine.errors import CircuitOpen
from support.waiting import PATIENCE

POLICY = BreakerPolicy(failure_threshold=1, recovery_timeout=10, backoff_multiplier=2, jitter=0, success_threshold=1)


def trip(breaker: CircuitBreaker) -> None:
    breaker.admit().failure()
    assert breaker.state == "open"


def refused(breaker: CircuitBreaker) -> CircuitOpen:
    with pytest.raises(CircuitOpen) as caught:
        breaker.admit()
    return caught.value


def in_threads(count: int, work: Callable[[], Any]) -> list[Any]:
    """Run `work` in `count` threads at once; return what each returned or raised."""
    barrier, results = threading.Barrier(count), list[Any]()

    def run() -> None:
        barrier.wait(timeout=PATIENCE)
        try:
            results.append(work())
        except Exception as error:
            results.append(error)

    threads = [threading.Thread(target=run) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=PATIENCE)
        assert not thread.is_alive()
    return results
