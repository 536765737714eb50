"""Memory per breaker, in each state and with windows, compared with its peers."""

from __future__ import annotations

import gc
import tracemalloc
from collections.abc import Callable
from typing import Any

import peers
from report import Report, Table, at_most
from timing import Scale

from fuseboard_engine import BreakerPolicy, CircuitBreaker, CircuitOpen, Engine

KILOBYTE = 1000


def weigh(make: Callable[[str], Any], count: int) -> float:
    """Return the bytes that each of `count` objects takes, without its name."""
    names = [f"adapter-{number}" for number in range(count + 1)]
    kept: list[Any] = [None] * count
    warm = make(names[count])
    gc.collect()
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        for index in range(count):
            kept[index] = make(names[index])
        gc.collect()
        return (tracemalloc.get_traced_memory()[0] - before) / count
    finally:
        tracemalloc.stop()
        del warm


def closed(policy: BreakerPolicy) -> Callable[[str], CircuitBreaker]:
    """Return a function that makes a breaker with one counted success."""

    def make(name: str) -> CircuitBreaker:
        breaker = CircuitBreaker(name, policy)
        breaker.admit().success()
        return breaker

    return make


def failing(policy: BreakerPolicy, failures: int) -> Callable[[str], CircuitBreaker]:
    """Return a function that makes a breaker with counted failures, each with its own error text."""

    def make(name: str) -> CircuitBreaker:
        breaker = CircuitBreaker(name, policy)
        for number in range(failures):
            breaker.admit().failure(error=f"ConnectionError: {name} refused the connection, {number}")
        return breaker

    return make


def probing(policy: BreakerPolicy) -> Callable[[str], CircuitBreaker]:
    """Return a function that makes a half-open breaker with one probe in flight and a second one refused."""

    def make(name: str) -> CircuitBreaker:
        breaker = CircuitBreaker(name, policy)
        breaker.half_open()
        breaker.admit()
        try:
            breaker.admit()
        except CircuitOpen:
            pass
        return breaker

    return make


def adapters() -> Callable[[str], Any]:
    """Return a function that adds an adapter to an engine: breaker, retry budget, statistics."""
    engine = Engine("bench")

    async def call(task: Any) -> None:
        """Do nothing."""

    return lambda name: engine.add_adapter(name, call)


def run(scale: Scale) -> Report:
    """Measure everything and return the report."""
    count = scale.of(5_000, 20)
    plain = BreakerPolicy(failure_threshold=5, recovery_timeout=60.0)
    ours = {
        "closed": closed(plain),
        "two failures counted": failing(plain, 2),
        "open": failing(plain, 5),
        "half-open, a probe in flight": probing(plain),
        "closed, window of the last 100 calls": closed(BreakerPolicy(window_size=100, failure_rate=0.5)),
        "closed, window of the last 60 s": closed(BreakerPolicy(window_seconds=60.0, failure_rate=0.5)),
        "a whole adapter in an engine": adapters(),
    }
    weights = {what: weigh(make, count) for what, make in ours.items()}
    present, missing = peers.installed()
    rows = [(f"fuseboard: {what}", f"{weight:,.0f}") for what, weight in weights.items()]
    for peer in present:
        if peer.one_object:
            breaker = peer.decorate
            rows.append((peer.name, f"{weigh(lambda _: breaker(5), count):,.0f}"))  # noqa: B023 - used at once
    notes = ["Names are not counted, nor the policy, which breakers share."]
    if missing:
        notes.append(f"Not installed, so not measured: {', '.join(missing)}.")
    worst = max(weight for what, weight in weights.items() if "adapter" not in what)
    return Report(
        (Table("Memory per breaker", ("", "bytes"), tuple(rows)),),
        (at_most("each state and window: under 1 kB", worst, KILOBYTE, " B"),),
        tuple(notes),
    )
