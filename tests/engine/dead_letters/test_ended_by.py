"""What a dead letter says of its end: the last failed attempt, else the last refusal."""

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
async def test_a_letters_error_is_that_of_the_last_failed_attempt(
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
async def test_where_everybody_refused_it_is_the_last_refusal() -> None:
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
async def test_where_nobody_was_there_it_is_that() -> None:
    engine, queue = world(**BY_HAND)
    kept = await letter_of(queue, (await engine.execute_with_fallback({"n": 1}, ("gone",))).dead_letter)
    assert (kept.adapter, kept.category) == ("", "permanent")
    assert "gone" in kept.error
