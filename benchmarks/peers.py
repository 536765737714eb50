"""The libraries that Fuseboard is compared with, each used as the decorator that its documentation shows.

Libraries that are not installed are left out; the `bench` extra installs all of them.
"""

from __future__ import annotations

import functools
import importlib
from collections.abc import Callable
from datetime import timedelta
from importlib import metadata
from typing import Any, NamedTuple

NEVER = 10**9  # failures: more than any run has, so the breaker stays closed
HOUR = 3600  # seconds: once open, it stays open for the run

Decorate = Callable[[int], Callable[[Any], Any]]
"""Takes the number of failures that trip the breaker; returns a decorator with a new breaker."""


class Peer(NamedTuple):
    """One library: its name and version, its decorator, its rejection error, and what functions it decorates."""

    name: str
    decorate: Decorate
    rejection: type[Exception]
    takes_async: bool = True
    takes_plain: bool = True
    one_object: bool = True
    """Whether the decorator is the breaker itself, so that its memory is that of a breaker."""


def circuitbreaker() -> Peer:
    """`@circuit(...)`."""
    library = importlib.import_module("circuitbreaker")
    return Peer(
        _title("circuitbreaker"),
        lambda threshold: library.circuit(failure_threshold=threshold, recovery_timeout=HOUR),
        library.CircuitBreakerError,
    )


def hyx() -> Peer:
    """`@consecutive_breaker(...)`."""
    library = importlib.import_module("hyx.circuitbreaker")
    errors = importlib.import_module("hyx.circuitbreaker.exceptions")
    return Peer(
        _title("hyx"),
        lambda threshold: library.consecutive_breaker(
            exceptions=Exception, failure_threshold=threshold, recovery_time_secs=HOUR
        ),
        errors.BreakerFailing,
        takes_plain=False,
    )


def purgatory() -> Peer:
    """`@factory("name")`; plain functions need another factory."""
    library = importlib.import_module("purgatory")
    errors = importlib.import_module("purgatory.domain.model")
    return Peer(
        _title("purgatory"),
        lambda threshold: library.AsyncCircuitBreakerFactory(default_threshold=threshold, default_ttl=HOUR)("peer"),
        errors.OpenedState,
        takes_plain=False,
        one_object=False,
    )


def aiobreaker() -> Peer:
    """`@breaker`."""
    library = importlib.import_module("aiobreaker")
    return Peer(
        _title("aiobreaker"),
        lambda threshold: library.CircuitBreaker(fail_max=threshold, timeout_duration=timedelta(seconds=HOUR)),
        library.CircuitBreakerError,
    )


def interlock() -> Peer:
    """`@breaker`, with its default window of the last hundred calls."""
    library = importlib.import_module("interlock")

    @functools.cache
    def config_for(threshold: int) -> Any:
        return library.Config(
            failure_rate_threshold=1.0, minimum_number_of_calls=threshold, wait_duration_in_open=float(HOUR)
        )

    def decorate(threshold: int) -> Callable[[Any], Any]:
        config = config_for(threshold)
        breaker: Callable[[Any], Any] = library.CircuitBreaker(name="peer", config=config)
        return breaker

    return Peer(_title("interlock-cb"), decorate, library.CircuitOpenError)


def pybreaker() -> Peer:
    """`@breaker`, for plain functions only."""
    library = importlib.import_module("pybreaker")
    return Peer(
        _title("pybreaker"),
        lambda threshold: library.CircuitBreaker(fail_max=threshold, reset_timeout=HOUR),
        library.CircuitBreakerError,
        takes_async=False,
    )


def _title(distribution: str) -> str:
    return f"{distribution} {metadata.version(distribution)}"


def installed() -> tuple[tuple[Peer, ...], tuple[str, ...]]:
    """Return the peers that are installed, and the names of those that are not."""
    found: list[Peer] = []
    missing: list[str] = []
    for load in (circuitbreaker, hyx, purgatory, aiobreaker, interlock, pybreaker):
        try:
            found.append(load())
        except ImportError:
            missing.append(load.__name__)
    return tuple(found), tuple(missing)
