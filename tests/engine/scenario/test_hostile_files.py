"""Scenario files with values of every kind: played to the end, or refused with the line before anything runs."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fuseboard_engine.documents.loader import DocumentError, parse
from fuseboard_engine.scenario.model import Scenario
from fuseboard_engine.scenario.player import Player
from fuseboard_engine.virtual_time import run
from support.hostile_values import YAML_VALUES

VALUES = (
    *YAML_VALUES, "-1", "0", "1", "1e308", "5e-324", "86400", "[]", "{}", "[1]", "[[1, 2]]", "{a: b}", "{x: 1}", "text",
    "true", "[x]", "{p50: 1}", "[[0, 1]]", "[.nan]", "[[.inf, 1]]", "{x: .nan}", "{at_least: .nan}", "[gpt, gpt]",
)  # fmt: skip
FIELDS: dict[str, Any] = {
    "scenario": "mine",
    "title": "t",
    "seed": "1",
    "duration": "3",
    "breaker": {"failure_threshold": "3", "recovery_timeout": "1"},
    "retry": {"max_attempts": "2", "base_delay": "0.1"},
    "routing": {"adaptive": "true", "max_attempts": "3", "max_out_share": "0.5", "max_out_by_tag": {"eu": "0.5"}},
    "execution": {"timeout": "3"},
    "dead_letters": {"capacity": "10", "schedules": {"network": "linear"}, "first_retry": "at_once"},
    "degraded": {"default": "later"},
    "degradation": {"chat": {"answer": "later", "even_for": "[caller]", "timeout": "1"}},
    "health_monitoring": {"enabled": "true", "check_interval": "1", "timeout": "0.5"},
    "attribution": [{"name": "odd", "statuses": "[503]", "errors": "[ValueError]", "when": "null", "says": "[x]"}],
    "adapters": {
        "gpt": {"latency": "0.1", "spread": "0.1", "failure_rate": "0.1", "tags": "[eu]", "handles": "[]"},
        "claude": {"latency": {"p50": "0.1"}, "capacity": "3", "overload": "wait", "errors": {"error": "0.1"}},
        "pre": {"recorded": [{"at": "0", "until": "1", "seconds": "[0.1]", "calls": "3", "rule": "server"}]},
    },
    "preference": {"default": "[gpt, claude]", "chat": {"order": "[gpt, pre]", "adaptive": "true"}},
    "workflows": {"order": {"a": {"adapter": "gpt"}, "b": {"type": "x", "after": "[a]", "params": {"x": "1"}}}},
    "traffic": [
        {"name": "main", "type": "x", "per_second": "5", "start": "0.5", "until": "2.5", "deadline": "1"},
        {"times": "[0, 1, 2]", "payload": "{a: 1}", "batch": {"tasks": "3", "rollback": "true", "retries": "1"}},
        {"rates": "[[0, 5], [1, 2]]", "fan_out": {"adapters": "[gpt, claude]", "strategy": "all", "timeout": "1"}},
        {"workflow": "order", "per_second": "2"},
        {"stream": "true", "per_second": "2"},
    ],
    "timeline": [
        {"at": "0.5", "adapter": "gpt", "fault": "slow", "factor": "3", "for": "0.5", "every": "1", "until": "3"},
        {"at": "1", "set": {"gpt.breaker.failure_threshold": "3", "routing.max_attempts": "3"}},
        {"at": "1", "command": "dlq_retry", "args": {"all": "true"}},
        {"at": "1.5", "traffic": "main", "paused": "true"},
        {"at": "2", "kill": "true", "down": "0.2"},
    ],
    "expect": [{"success_rate": {"at_least": "0"}, "between": "[0, 3]", "failover_within": {"gpt": "3"}}],
}
"""A whole scenario; each text is a value as a file has it."""


def _paths(part: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    items = part.items() if isinstance(part, dict) else enumerate(part) if isinstance(part, list) else ()
    return [one for key, item in items for one in ((*path, key), *_paths(item, (*path, key)))]


PATHS = _paths(FIELDS)


def text_with(path: tuple[Any, ...], value: str) -> str:
    """Return the whole scenario with another value in one place."""

    def write(part: Any, here: tuple[Any, ...]) -> str:
        if here == path:
            return value
        if isinstance(part, dict):
            return "{" + ", ".join(f"{key}: {write(item, (*here, key))}" for key, item in part.items()) + "}"
        if isinstance(part, list):
            return "[" + ", ".join(write(item, (*here, number)) for number, item in enumerate(part)) + "]"
        return str(part)

    return "".join(f"{key}: {write(part, (key,))}\n" for key, part in FIELDS.items())


def play_or_refuse(text: str) -> None:
    """Load a scenario; play a valid one that is not large."""
    try:
        scenario = parse(text, Scenario, "mine.yaml")
    except DocumentError as error:
        lines = str(error).splitlines()
        assert all(re.match(r"mine\.yaml(:\d+)?: |and \d", line) for line in lines), str(error)
        assert len(str(error)) < 20_000
        return
    rates = [rate for stream in scenario.traffic for _, rate in stream.rates]
    rates += [stream.per_second or 0 for stream in scenario.traffic]
    if scenario.duration < 10 and max(rates) < 100:

        async def play() -> None:
            await Player(scenario).play()

        run(play())


def test_the_scenario_without_a_hostile_value_is_valid() -> None:
    assert parse(text_with(("seed",), "1"), Scenario, "mine.yaml").seed == 1


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(path=st.sampled_from(PATHS), value=st.sampled_from(VALUES))
def test_a_value_of_any_kind_is_played_or_refused_with_its_line(path: tuple[Any, ...], value: str) -> None:
    play_or_refuse(text_with(path, value))


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("retry", "base_delay"), "1_000"),  # above the default of max_delay, which only counts when it is set
        (("workflows", "order", "a", "adapter"), "{a: b}"),
        (("workflows", "order", "b", "params", "x"), ".inf"),
        (("traffic", 1, "payload"), "{x: .nan}"),
    ],
)
def test_a_value_that_once_ended_a_scenario_is_played_or_refused(path: tuple[Any, ...], value: str) -> None:
    play_or_refuse(text_with(path, value))


@pytest.mark.parametrize("value", [".inf", "-.inf", ".nan", "-1", "2026-01-01"])
@pytest.mark.parametrize(
    "path",
    [("duration",), ("timeline", 0, "at"), ("timeline", 0, "for"), ("traffic", 0, "start"), ("traffic", 1, "times")],
)
def test_a_time_that_is_none_is_refused_with_its_field(path: tuple[Any, ...], value: str) -> None:
    with pytest.raises(DocumentError) as caught:
        parse(text_with(path, f"[{value}]" if path[-1] == "times" else value), Scenario, "mine.yaml")
    line = 1 + list(FIELDS).index(path[0])
    assert re.search(rf"^mine\.yaml:{line}: {re.escape('.'.join(map(str, path)))}", str(caught.value), re.MULTILINE)


@pytest.mark.parametrize("value", [".inf", "[1, .nan]", "{a: {b: -.inf}}"])
def test_a_payload_that_json_cannot_represent_is_refused(value: str) -> None:
    with pytest.raises(DocumentError, match=r"traffic\.1\.payload: JSON has no infinite number"):
        parse(text_with(("traffic", 1, "payload"), value), Scenario, "mine.yaml")
