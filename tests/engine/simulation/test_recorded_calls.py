"""Adapters that repeat recorded calls."""

from __future__ import annotations

import asyncio
from random import Random
from typing import Any

import pytest

from fuseboard_engine import Engine, RetryPolicy
from fuseboard_engine.documents.loader import DocumentError, parse
from fuseboard_engine.retry.attribution import DEFAULT_TABLE, Table
from fuseboard_engine.scenario.model import Scenario
from fuseboard_engine.scenario_file.adapter import AdapterPart
from fuseboard_engine.scenario_file.recorded_calls import RecordedCallsPart
from fuseboard_engine.simulation.recorded_calls import RecordedCalls, RecordedError, recorded_rules
from support.engine_world import virtual

UP = {"at": 0.0, "until": 4.0, "seconds": [0.1, 0.2]}
DOWN = {"at": 6.0, "until": 10.0, "rule": "server", "error": "HttpError", "text": "503", "seconds": [0.3, 0.3]}
UP_AGAIN = {"at": 20.0, "seconds": [0.5]}


def calls(*parts: dict[str, Any]) -> RecordedCalls:
    """Return calls that begin now, in the time of the running loop."""
    loop = asyncio.get_running_loop()
    began = loop.time()
    checked = [RecordedCallsPart.model_validate(part) for part in parts]
    return RecordedCalls("gpt", checked, lambda: loop.time() - began, Random(1))


async def outcome(call: RecordedCalls) -> str:
    """Return how a call that begins now ends, and after how many seconds."""
    loop = asyncio.get_running_loop()
    began = loop.time()
    try:
        answer = await call({})
        ended = "answered" if answer["success"] else answer["error"]
    except RecordedError as error:
        ended = f"{type(error).__name__} {error}"
    return f"{ended} {loop.time() - began:.1f}"


@virtual
async def test_calls_go_in_the_order_in_which_they_were_recorded() -> None:
    call = calls(UP, DOWN, UP_AGAIN)
    assert [await outcome(call), await outcome(call)] == ["answered 0.1", "answered 0.2"]
    await asyncio.sleep(6.0)
    assert await outcome(call) == "HttpError 503 0.3"


@virtual
async def test_an_outage_ends_half_way_between_the_last_failure_and_the_first_answer() -> None:
    call = calls(UP, DOWN, UP_AGAIN)
    await asyncio.sleep(14.9)
    assert await outcome(call) == "HttpError 503 0.3"  # none was recorded then; the change is taken to be at 15 s
    await asyncio.sleep(0.2)
    assert await outcome(call) == "answered 0.5"


@virtual
async def test_more_calls_than_were_recorded_go_as_the_others_of_their_time() -> None:
    call = calls(UP, DOWN, UP_AGAIN)
    await asyncio.sleep(6.5)
    assert {await outcome(call) for _ in range(8)} == {"HttpError 503 0.3"}


@virtual
async def test_calls_at_the_same_moment_keep_their_order() -> None:
    call = calls({"at": 1.0, "seconds": [0.1]}, {"at": 1.0, "rule": "server", "seconds": [0.1]}, UP_AGAIN)
    await asyncio.sleep(1.0)
    found = await asyncio.gather(outcome(call), outcome(call))
    assert found == ["answered 0.1", "RecordedError  0.1"]


@virtual
async def test_a_share_of_calls_fails_where_only_the_share_is_known() -> None:
    call = calls({"at": 0.0, "calls": 1_000, "seconds": [0.01], "rule": "server", "failing": 0.3})
    found = [await outcome(call) for _ in range(1_000)]
    assert 250 < sum(one.startswith("RecordedError") for one in found) < 350


@virtual
async def test_a_call_that_a_limit_ended_never_answers() -> None:
    call = calls({"at": 0.0, "rule": "timeout", "error": "AttemptTimeout", "seconds": [1.5]})
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(call({}), 1_000)


@virtual
async def test_an_answer_that_reported_its_own_failure_does_so_again() -> None:
    part = {"at": 0.0, "rule": "soft_failure", "error": "SoftFailure", "text": "no tokens", "seconds": [0.1]}
    assert await outcome(calls(part)) == "no tokens 0.1"


@pytest.mark.parametrize("rule", ["rate_limited", "credentials", "caller", "server", "quota", "content_policy", "mine"])
def test_a_recorded_error_has_the_consequences_that_it_had(rule: str) -> None:
    part = RecordedCallsPart(at=0, seconds=(0.1,), rule=rule, retry_after=3)
    table = Table((*recorded_rules([AdapterPart(recorded=(part,))]), *DEFAULT_TABLE))
    found, wait = table.read(RecordedError(rule, "any text", 3))
    model = next((row for row in DEFAULT_TABLE if row.name == rule), None)
    assert (found.name, wait) == (rule, 3)
    if model is not None:
        consequences = ("counts", "retry", "failover", "opens", "only_handlers")
        assert [getattr(found, name) for name in consequences] == [getattr(model, name) for name in consequences]
    assert table.attribute(ConnectionError("down")).name == "connection"


@virtual
async def test_an_engine_names_the_recorded_error_and_its_row() -> None:
    part = RecordedCallsPart.model_validate({**DOWN, "at": 0})
    engine = Engine(
        table=(*recorded_rules([AdapterPart(recorded=(part,))]), *DEFAULT_TABLE), retry=RetryPolicy(max_attempts=1)
    )
    engine.add_adapter("gpt", calls({**DOWN, "at": 0}))
    result = await engine.execute_with_fallback("task")
    (attempt,) = result.attempts
    assert (attempt.rule, attempt.error_type, attempt.error) == ("server", "HttpError", "503")


@pytest.mark.parametrize(
    ("adapter", "reason"),
    [
        ("{recorded: [{at: 1, seconds: []}]}", "adapters.a.recorded.0.seconds"),
        ("{recorded: [{at: 5, seconds: [1]}, {at: 4, seconds: [1]}]}", "4 s is before the calls above"),
        ("{recorded: [{at: 5, until: 4, seconds: [1]}]}", "4 s is before at: 5 s"),
        ("{recorded: [{at: 5, seconds: [1], text: down}]}", "text describes a failure; set `rule`, or remove it"),
        ("{recorded: [{at: 5, seconds: [1, 2], calls: 1}]}", "there are 2 seconds for 1 calls"),
        ("{latency: 1, recorded: [{at: 5, seconds: [1]}]}", "adapters.a.latency: the recorded calls have this too"),
        ("{recorded: [{at: 5, seconds: [1], rule: server, error: 'a b'}]}", "adapters.a.recorded.0.error"),
    ],
)
def test_recorded_calls_that_contradict_themselves_are_refused(adapter: str, reason: str) -> None:
    text = f"scenario: mine\ntitle: t\nduration: 9\ntraffic: [{{per_second: 1}}]\nadapters:\n  a: {adapter}\n"
    with pytest.raises(DocumentError) as raised:
        parse(text, Scenario, "mine.yaml")
    assert "mine.yaml:6: " in str(raised.value)
    assert reason in str(raised.value)


async def streamed(calls: RecordedCalls) -> list[str]:
    """Return when each item of a stream that begins now arrived, and how it ended."""
    loop = asyncio.get_running_loop()
    began, found = loop.time(), list[str]()
    try:
        async for item in calls.stream({}):
            found.append(f"{item if isinstance(item, str) else 'answer'} {loop.time() - began:.1f}")
    except RecordedError as error:
        found.append(f"{type(error).__name__} {loop.time() - began:.1f}")
    return found


@virtual
async def test_the_items_of_a_recorded_stream_come_when_they_came() -> None:
    found = await streamed(calls({"at": 0.0, "seconds": [1.0], "items": [3], "first_item": [0.4]}))
    assert found == ["item 1 0.4", "item 2 0.7", "item 3 1.0"]


@virtual
async def test_a_recorded_stream_breaks_after_as_many_items_as_it_did() -> None:
    broken = {"at": 0.0, "seconds": [0.8], "items": [2], "first_item": [0.4], "rule": "connection", "error": "Broken"}
    assert await streamed(calls(broken)) == ["item 1 0.4", "item 2 0.6", "Broken 0.8"]


@virtual
async def test_a_stream_of_recorded_plain_calls_is_one_answer() -> None:
    assert await streamed(calls({"at": 0.0, "seconds": [0.3]})) == ["answer 0.3"]


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        ({"items": [1]}, "need a value for each"),
        ({"items": [1, 2], "first_item": [0.1, 0.1]}, "need a value for each"),
        ({"items": [1], "first_item": [0.2]}, "cannot come after the end"),
    ],
)
def test_items_that_contradict_the_seconds_are_refused(wrong: dict[str, Any], reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        RecordedCallsPart.model_validate({"at": 0.0, "seconds": [0.1], **wrong})
