"""The cost that a breaker adds to one call: a success, a rejection, a recorded failure.

Compares the `guard` decorator with each peer's own decorator. A breaker that must stay closed has a threshold that no
run reaches; one that must be open was tripped by one failure and stays open for an hour.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable
from time import perf_counter_ns
from typing import Any

import peers
from report import Report, Table, Target, at_most, figure
from timing import Batch, Comparison, Contender, Scale, compare

from fuseboard_engine import BreakerPolicy, CircuitBreaker, CircuitOpen, guard

OURS = "fuseboard guard"
WINDOWED = "fuseboard guard, rate over 100 calls and slow calls"


class Boom(Exception):
    """The error that the failing function raises."""


async def answer() -> int:
    """Return at once: the cheapest async call."""
    return 1


async def fail() -> int:
    """Raise at once: the cheapest async failure."""
    raise Boom


def answer_sync() -> int:
    """Return at once: the cheapest plain call."""
    return 1


def fail_sync() -> int:
    """Raise at once: the cheapest plain failure."""
    raise Boom


def succeeding(function: Callable[[], Any]) -> Batch:
    """Return a batch of awaited calls."""

    async def batch(calls: int) -> int:
        started = perf_counter_ns()
        for _ in range(calls):
            await function()
        return perf_counter_ns() - started

    return batch


def raising(function: Callable[[], Any], error: type[Exception]) -> Batch:
    """Return a batch of awaited calls that each raise `error`; any other error ends the run."""

    async def batch(calls: int) -> int:
        started = perf_counter_ns()
        for _ in range(calls):
            try:
                await function()
            except error:
                pass
        return perf_counter_ns() - started

    return batch


def succeeding_sync(function: Callable[[], Any]) -> Batch:
    """Return a batch of plain calls."""

    async def batch(calls: int) -> int:
        started = perf_counter_ns()
        for _ in range(calls):
            function()
        return perf_counter_ns() - started

    return batch


def raising_sync(function: Callable[[], Any], error: type[Exception]) -> Batch:
    """Return a batch of plain calls that each raise `error`; any other error ends the run."""

    async def batch(calls: int) -> int:
        started = perf_counter_ns()
        for _ in range(calls):
            try:
                function()
            except error:
                pass
        return perf_counter_ns() - started

    return batch


def ours(threshold: int | None, **policy: Any) -> Callable[[Any], Any]:
    """Return the `guard` decorator with a new breaker."""
    rules = BreakerPolicy(
        failure_threshold=threshold, recovery_timeout=peers.HOUR, max_recovery_timeout=peers.HOUR, **policy
    )
    return guard(CircuitBreaker("ours", rules))


def failing_now_and_then(every: int) -> Callable[[], Any]:
    """Return an async function that fails once in every `every` calls."""
    number = itertools.count(1).__next__

    async def function() -> None:
        if not number() % every:
            raise Boom

    return function


def windowed(threshold: int) -> Callable[[Any], Any]:
    """Return the `guard` decorator with every trip rule, so that each call is timed and kept in a window."""
    return ours(
        None,
        failure_rate=1.0,
        slow_call_rate=1.0,
        slow_call_seconds=60.0,
        window_size=None if threshold > 1 else 100,
        window_seconds=60.0 if threshold > 1 else None,
        minimum_calls=threshold,
    )


Decorators = dict[str, tuple[peers.Decorate, type[Exception], bool]]


def decorators(asynchronous: bool, present: tuple[peers.Peer, ...]) -> Decorators:
    """Return every decorator of one kind by name, with what it raises when open and whether it is ours."""
    found: Decorators = {OURS: (ours, CircuitOpen, True)}
    if asynchronous:
        found[WINDOWED] = (windowed, CircuitOpen, True)
    for peer in present:
        if peer.takes_async if asynchronous else peer.takes_plain:
            found[peer.name] = (peer.decorate, peer.rejection, False)
    return found


async def tripped(decorate: peers.Decorate, function: Callable[[], Any], asynchronous: bool) -> Callable[[], Any]:
    """Return a decorated function whose breaker was opened by one failure."""
    guarded: Callable[[], Any] = decorate(1)(function)
    try:
        outcome = guarded()
        if asynchronous:
            await outcome
    except Exception:  # the failure itself, or a peer's error that its breaker opened
        pass
    return guarded


async def measure(asynchronous: bool, present: tuple[peers.Peer, ...], scale: Scale) -> dict[str, Comparison]:
    """Time success, rejection and failure of every decorator of one kind."""
    found = decorators(asynchronous, present)
    good, bad = (answer, fail) if asynchronous else (answer_sync, fail_sync)
    passing = succeeding if asynchronous else succeeding_sync
    failing = raising if asynchronous else raising_sync
    rounds, calls = scale.of(100, 2), scale.of(1_000, 10)
    success = [Contender(n, passing(decorate(peers.NEVER)(good)), own) for n, (decorate, _, own) in found.items()]
    rejected = [
        Contender(name, failing(await tripped(decorate, bad, asynchronous), error), own)
        for name, (decorate, error, own) in found.items()
    ]
    failed = [Contender(n, failing(decorate(peers.NEVER)(bad), Boom), own) for n, (decorate, _, own) in found.items()]
    measured = {
        "closed, success": await compare(passing(good), success, rounds=rounds, calls=calls),
        "open, rejected": await compare(passing(good), rejected, rounds=rounds, calls=calls),
        "failure recorded": await compare(failing(bad, Boom), failed, rounds=rounds, calls=calls),
    }
    if asynchronous:
        mixed = [
            Contender(n, failing(decorate(peers.NEVER)(failing_now_and_then(10)), Boom), own)
            for n, (decorate, _, own) in found.items()
        ]
        bare = failing(failing_now_and_then(10), Boom)
        measured["one in ten fails"] = await compare(bare, mixed, rounds=rounds, calls=calls)
    return measured


def table(title: str, compared: dict[str, Comparison], bare_call: float) -> Table:
    """Return a table of what each contender adds, in bare calls and in nanoseconds."""
    rows = []
    for name in [one.name for one in next(iter(compared.values())).timed]:
        added = [one.named(name).added(one.bare) for one in compared.values()]
        rows.append((name, *(f"{figure(value / bare_call)} ({value:,.0f} ns)" for value in added)))
    return Table(title, ("", *compared), tuple(rows))


LIMITS = {"closed, success": 0.5, "open, rejected": 0.8, "failure recorded": 1.0}


def judge(compared: dict[str, Comparison], prefix: str = "") -> list[Target]:
    """Return the targets: what `guard` adds, as a share of what the fastest peer adds."""
    targets = []
    for what, limit in LIMITS.items():
        comparison = compared[what]
        fastest = comparison.fastest_peer
        if fastest is None:
            continue
        share = comparison.named(OURS).added(comparison.bare) / fastest.added(comparison.bare)
        targets.append(at_most(f"{prefix}{what}: at most {limit:g} of the fastest peer ({fastest.name})", share, limit))
    return targets


def run(scale: Scale) -> Report:
    """Measure everything and return the report."""
    present, missing = peers.installed()
    asynchronous = asyncio.run(measure(True, present, scale))
    plain = asyncio.run(measure(False, present, scale))
    call = asynchronous["closed, success"].bare.best
    call_sync = plain["closed, success"].bare.best
    notes = [
        f"A bare `await fn()` takes {call:.0f} ns here, a bare `fn()` {call_sync:.0f} ns, the loop around it included.",
        "A rejection is compared with a bare call that succeeds, a recorded failure with a bare one that raises.",
        "interlock-cb keeps a window of a hundred calls; the second row of ours is what compares with that.",
    ]
    if missing:
        notes.append(f"Not installed, so not measured: {', '.join(missing)}.")
    return Report(
        (
            table("Added to an awaited call, in bare `await fn()`", asynchronous, call),
            table("Added to a plain call, in bare `fn()`", plain, call_sync),
        ),
        (*judge(asynchronous), *judge(plain, "plain function, ")),
        tuple(notes),
    )
