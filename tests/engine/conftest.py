"""A breaker that opens on one failure, with a clock moved by hand and its events kept."""

from __future__ import annotations

import pytest

from fuseboard_engine.breaker.circuit_breaker import CircuitBreaker
from fuseboard_engine.events import Event
from support.breakers import POLICY
from support.fake_clock import FakeClock


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def events() -> list[Event]:
    return []


@pytest.fixture
def breaker(clock: FakeClock, events: list[Event]) -> CircuitBreaker:
    return CircuitBreaker("a", POLICY, clock=clock, wall=clock.wall, on_event=events.append)
