"""The cause that a dead letter records: its last failed attempt, or else its last rejection."""

from __future__ import annotations

import pytest

from fuseboard_engine.events import RouteFinished
from support.dead_letter_world import BY_HAND, DOWN, emitted_by, letter_of, world
from support.engine_world import HttpError, virtual


@virtual
@pytest.mark.parametrize(
    ("held", "adapter", "error_type", "error"),
    [
        ("a", "c", "ConnectionError", "refused"),
        ("c", "b", "HttpError", "overloaded"),
        ("bc", "a", "ConnectionError", "refused"),
    ],
)
async def test_a_letter_records_the_error_of_the_last_failed_attempt(
    held: str, adapter: str, error_type: str, error: str
) -> None:
    engine, queue = world(**BY_HAND)
    engine.script("a", DOWN)
    engine.script("b", HttpError(500, "overloaded"))
    engine.script("c", DOWN)
    for name in held:
        engine.breaker(name).force_open()
    kept = await letter_of(queue, (await engine.execute_with_fallback({"n": 1}, ("a", "b", "c"))).dead_letter)
    assert (kept.adapter, kept.error_type, kept.error) == (adapter, error_type, error)


@virtual
async def test_a_letter_records_the_last_rejection_when_every_adapter_rejected() -> None:
    engine, queue = world(**BY_HAND)
    for name in "ab":
        engine.script(name, DOWN)
        engine.breaker(name).force_open()
    result = await engine.execute_with_fallback({"n": 1}, ("a", "b"))
    kept = await letter_of(queue, result.dead_letter)
    assert kept.error.startswith("b is held open by hand")
    assert (kept.adapter, kept.error_type, kept.category) == ("b", "", "transient")
    (route,) = emitted_by(engine, RouteFinished)
    assert route.error == result.error == kept.error


@virtual
async def test_a_letter_records_that_the_chain_had_no_adapter() -> None:
    engine, queue = world(**BY_HAND)
    kept = await letter_of(queue, (await engine.execute_with_fallback({"n": 1}, ("gone",))).dead_letter)
    assert (kept.adapter, kept.category) == ("", "permanent")
    assert "gone" in kept.error
