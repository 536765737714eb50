"""How several answers become one result."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from fuseboard_engine.parallel import combiners
from support.engine_world import virtual
from support.fan_outs import fan


@pytest.mark.parametrize(
    ("how", "expected"),
    [
        (combiners.by_adapter, {"a": [1], "b": [2], "c": [1]}),
        (combiners.in_order, [[1], [2], [1]]),
        (combiners.joined, [1, 2, 1]),
        (combiners.first, [1]),
        (combiners.majority, [1]),
    ],
)
@virtual
async def test_answers_are_combined_in_the_order_of_the_adapters(how: combiners.Combine, expected: Any) -> None:
    engine, _ = fan({"a": (3.0, [1]), "b": (2.0, [2]), "c": (1.0, [1])})
    assert (await engine.execute_parallel("task", combine=how)).result == expected


@virtual
async def test_only_answers_are_combined_and_without_answers_there_is_no_result() -> None:
    engine, timed = fan({"a": (1.0, "a"), "b": (1.0, ConnectionError("down"))})
    asked: list[Mapping[str, Any]] = []
    await engine.execute_parallel("task", combine=asked.append)
    timed["a"].outcome = ConnectionError("down")
    await engine.execute_parallel("task", combine=asked.append)
    assert asked == [{"a": "a"}]


@virtual
async def test_a_combine_that_raises_is_reported_and_the_answers_are_kept() -> None:
    engine, _ = fan({"a": (1.0, "x"), "b": (1.0, "y")})
    result = await engine.execute_parallel("task", combine=combiners.majority)
    assert not result.success
    assert result.adapter is None
    assert result.answers == {"a": "x", "b": "y"}
    assert result.error == (
        "the answers of a, b could not be combined: ValueError: no answer was given by more than half of a, b"
    )
    assert isinstance(result.exception, ValueError)
    assert engine.breaker("a").snapshot().failures == 0


@virtual
async def test_an_async_combine_is_refused_with_an_alternative() -> None:
    engine, _ = fan({"a": (1.0, "x")})

    async def later(answers: Mapping[str, Any]) -> None: ...

    result = await engine.execute_parallel("task", combine=later)
    assert "combine must be a plain function" in (result.error or "")
