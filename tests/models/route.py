"""A slow and simple model of the router: the expected route, from scripts and policies alone.

It knows one adapter at a time, one loop over attempts, and a clock that is a number. Breakers count failures in a row.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

Outcome = Literal["ok", "down", "soft", "caller", "credentials", "hang"]


@dataclass
class ModelAdapter:
    name: str
    script: list[Outcome]
    attempts: int
    threshold: int | None
    recovery: float
    timeout: float
    delay: float
    played: int = 0
    row: int = 0
    opened_until: float | None = None
    half_open: bool = False
    successes: int = 0
    failures: int = 0

    def next(self) -> Outcome:
        outcome = self.script[min(self.played, len(self.script) - 1)]
        self.played += 1
        return outcome

    def admits(self, now: float) -> bool:
        if self.opened_until is None:
            return True
        if now < self.opened_until:
            return False
        self.opened_until, self.half_open = None, True
        return True

    def failed(self, now: float) -> None:
        self.row += 1
        if self.half_open or (self.threshold is not None and self.row >= self.threshold):
            self.opened_until, self.half_open, self.row = now + self.recovery, False, 0

    def succeeded(self) -> None:
        self.row, self.half_open = 0, False  # one good probe closes


@dataclass
class ModelRoute:
    """The expected route: the answering adapter, steps as (adapter, outcome), adapters not reached, the end time."""

    adapter: str | None
    steps: list[tuple[str, str]] = field(default_factory=list)
    left: list[str] = field(default_factory=list)
    ended: float = 0.0


def expected(chain: list[ModelAdapter], now: float) -> ModelRoute:
    """Return the expected route of one task along a chain."""
    route = ModelRoute(None)
    names = [adapter.name for adapter in chain]
    for index, adapter in enumerate(chain):
        verdict, now = _ask(adapter, route, now)
        route.ended = now
        if verdict != "next":
            route.left = names[index + 1 :]
            if verdict == "answered":
                route.adapter = adapter.name
            break
    return route


def _ask(adapter: ModelAdapter, route: ModelRoute, now: float) -> tuple[str, float]:
    for attempt in range(1, adapter.attempts + 1):
        if not adapter.admits(now):
            route.steps.append((adapter.name, "rejected"))
            if attempt > 1:
                adapter.failures += 1
            return "next", now
        outcome = adapter.next()
        if outcome == "ok":
            adapter.succeeded()
            adapter.successes += 1
            route.steps.append((adapter.name, "success"))
            return "answered", now
        if outcome == "caller":
            route.steps.append((adapter.name, "ignored"))
            return "stop", now
        if outcome == "hang":
            now += adapter.timeout
        adapter.failed(now)
        if outcome == "credentials":
            adapter.opened_until, adapter.half_open, adapter.row = now + adapter.recovery, False, 0
        route.steps.append((adapter.name, "failure"))
        wait = adapter.delay * 2 ** (attempt - 1)
        reopens_in_time = adapter.opened_until is None or now + wait >= adapter.opened_until
        if outcome == "credentials" or attempt == adapter.attempts or not reopens_in_time:
            adapter.failures += 1
            return "next", now
        now += wait
    raise AssertionError("a route always ends")
