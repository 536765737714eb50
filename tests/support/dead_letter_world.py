"""An engine in virtual time that keeps dead letters."""

from __future__ import annotations

from typing import Any

from fuseboard_engine import RetryPolicy
from fuseboard_engine.dead_letters.letter import (
    DeadLetter,
)
from fuseboard_engine.dead_letters.policy import DeadLetterPolicy
from fuseboard_engine.dead_letters.queue import DeadLetters
from fuseboard_engine.events import (
    Event,
)
from support.engine_world import NEVER_TRIPS, World

ONCE = RetryPolicy(max_attempts=1, attempt_timeout=None)


BY_HAND = {"automatic_retry": False}


DOWN = ConnectionError("refused")


def world(**policy: Any) -> tuple[World, DeadLetters]:
    """Return an engine that calls each adapter once, and its dead letters."""
    made = World(dead_letters=DeadLetterPolicy(**policy), retry=ONCE, breaker=NEVER_TRIPS)
    assert made.dead_letters is not None
    return made, made.dead_letters


async def letter_of(queue: DeadLetters, id: int | None) -> DeadLetter:
    assert id is not None
    found = await queue.get(id)
    assert found is not None
    return found


def emitted_by(engine: World, kind: type[Event]) -> list[Any]:
    return [event for event in engine.emitted if isinstance(event, kind)]
