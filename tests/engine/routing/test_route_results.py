"""The result of a task as a value: what it says of its attempts, and the error that `unwrap` raises."""

from __future__ import annotations

import pytest

from fuseboard_engine import AllAdaptersFailed, RetryPolicy, RouteResult, StreamBroken
from fuseboard_engine.events import Attempt, Outcome, RouteFinished
from fuseboard_engine.routing.route import Task, identify
from support.engine_world import World, virtual


def attempt(adapter: str, outcome: Outcome, retry_after: float | None = None, why: str = "") -> Attempt:
    return Attempt(adapter=adapter, outcome=outcome, number=1, duration=0.1, retry_after=retry_after, why=why)


def result(*attempts: Attempt, success: bool = False, **fields: object) -> RouteResult:
    return RouteResult(task="t", task_type="", success=success, attempts=attempts, **fields)  # type: ignore[arg-type]


def test_attempts_and_rejections_are_distinguished() -> None:
    route = result(
        attempt("a", "failure"),
        attempt("a", "failure"),
        attempt("b", "rejected", why="open"),
        attempt("c", "ignored"),
        attempt("a", "success"),
    )
    assert (route.fallback_chain, route.total_attempts, route.skipped) == (["a", "c"], 4, {"b": "open"})


def test_retry_after_is_the_shortest_of_the_last_waits_of_the_adapters() -> None:
    waits = (
        attempt("a", "failure", 1),
        attempt("a", "rejected", 9),
        attempt("b", "rejected", 5),
        attempt("c", "failure"),
    )
    assert result(*waits).retry_after == 5
    assert result(attempt("a", "failure", 3), attempt("a", "failure")).retry_after is None
    assert result().retry_after is None


def test_unwrap_returns_an_answer_even_that_of_a_fallback_and_raises_otherwise() -> None:
    assert result(success=True, result=1).unwrap() == 1
    assert result(degraded=True, result=2).unwrap() == 2
    cause = ConnectionError("down")
    failed = result(error="down", exception=cause)
    with pytest.raises(AllAdaptersFailed, match=r"^down$") as caught:
        failed.unwrap()
    assert caught.value.result is failed
    assert caught.value.__cause__ is cause


def test_a_route_without_an_error_says_that_no_adapter_could_be_tried() -> None:
    assert str(AllAdaptersFailed(result())) == "no adapter could be tried"
    broken = StreamBroken(result(error="down"), 3)
    assert (str(broken), broken.items) == ("down", 3)
    assert (result().why, result().left, result().duration) == ("", (), 0.0)


def test_a_task_cannot_be_changed_and_a_result_is_made_by_keyword() -> None:
    with pytest.raises(AttributeError):
        Task(id="t", type="", payload=None).id = "other"  # type: ignore[misc]
    with pytest.raises(TypeError):
        RouteResult("t", "", True)  # type: ignore[misc]


@virtual
async def test_the_event_of_a_route_says_what_its_result_says() -> None:
    engine = World(retry=RetryPolicy(max_attempts=1))
    engine.script("a", ConnectionError("down"))
    engine.script("b", 2.0)
    for order, left in ((["a", "b", "c"], ("c",)), (["a"], ())):
        route = await engine.execute_with_fallback({"id": "7", "type": "chat"}, order)
        (event,) = [one for one in engine.emitted if isinstance(one, RouteFinished)]
        engine.emitted.clear()
        assert (event.duration, event.left) == (route.duration, route.left) == (2.0 if "b" in order else 0.0, left)
        assert (event.task, event.task_type, event.success) == (route.task, route.task_type, route.success)
        assert (event.adapter, event.attempts, event.why) == (route.adapter or "", route.attempts, route.why)


@pytest.mark.parametrize(
    ("task", "identity"),
    [
        ({"task_id": 7, "id": 8, "task_type": "chat", "type": "other"}, ("7", "chat")),
        ({"id": "x", "type": "chat"}, ("x", "chat")),
        ({"payload": 1}, ("", "")),
        (Task(id="x", type="chat"), ("x", "chat")),
        ("text", ("", "")),
    ],
)
def test_a_task_is_identified_by_its_id_and_type(task: object, identity: tuple[str, str]) -> None:
    assert identify(task) == identity
