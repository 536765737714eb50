"""Pure rules of dead letters: what becomes one, when it is retried, and what its payload must be."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

import pytest
from pydantic import ValidationError

from fuseboard_engine import Rule, Task
from fuseboard_engine.dead_letters import schedule
from fuseboard_engine.dead_letters.json_payload import json_text, task_of
from fuseboard_engine.dead_letters.letter import CATEGORIES, DeadLetter, LetterRefused, RetryOutcome
from fuseboard_engine.dead_letters.policy import DeadLetterPolicy
from fuseboard_engine.events import Attempt
from fuseboard_engine.retry.attribution import DEFAULT_TABLE

MINUTE = 60.0
AT = 1_800_000_000_000_000


def letter(**fields: Any) -> DeadLetter:
    return DeadLetter(
        **{
            "id": 1,
            "engine": "e",
            "task": "t",
            "task_type": "",
            "form": "payload",
            "payload": "0",
            "category": "transient",
            "created_at": AT,
            "due_at": AT,
            "max_retries": 3,
            **fields,
        }
    )


@pytest.mark.parametrize(
    ("name", "waits"),
    [
        ("never", [None, None, None, None]),
        ("immediate", [0, 0, 0, 0]),
        ("linear", [5 * MINUTE, 10 * MINUTE, 15 * MINUTE, 55 * MINUTE]),
        ("exponential", [1 * MINUTE, 2 * MINUTE, 4 * MINUTE, 60 * MINUTE]),
    ],
)
def test_DQ09_the_wait_before_a_retry_follows_the_schedule(name: Any, waits: list[float | None]) -> None:
    assert [schedule.wait_before(name, retries) for retries in (0, 1, 2, 10)] == waits


def test_DQ09_a_huge_number_of_retries_does_not_overflow_the_wait() -> None:
    assert schedule.wait_before("exponential", 100_000) == 60 * MINUTE
    assert schedule.wait_before("linear", 100_000) == 60 * MINUTE


@pytest.mark.parametrize(
    ("strategy", "taken"),
    [
        ("automatic", set(CATEGORIES)),
        ("selective", {"transient", "network", "resource"}),
        ("manual", set()),
        ("disabled", set()),
    ],
)
def test_DQ10_what_is_enqueued_depends_on_the_strategy(strategy: Any, taken: set[str]) -> None:
    policy = DeadLetterPolicy(strategy=strategy)
    assert {category for category in CATEGORIES if schedule.is_kept(policy, category)} == taken


def test_DQ10_the_schedule_depends_on_the_category() -> None:
    policy = DeadLetterPolicy()
    assert {category: policy.schedule(category) for category in CATEGORIES} == {
        "transient": "exponential",
        "network": "exponential",
        "resource": "linear",
        "permission": "never",
        "validation": "never",
        "permanent": "never",
    }


def test_every_row_of_the_attribution_table_has_a_category() -> None:
    assert {rule.name for rule in DEFAULT_TABLE} <= set(schedule.CATEGORY_OF)


CATEGORY_OF_ROW = {
    "rejected": "transient",
    "timeout": "transient",
    "soft_failure": "transient",
    "server": "transient",
    "error": "transient",
    "local": "transient",
    "locked": "transient",
    "deadline": "transient",
    "connection": "network",
    "rate_limited": "resource",
    "quota": "resource",
    "credentials": "permission",
    "context_window": "validation",
    "content_policy": "validation",
    "caller": "validation",
    "adapter_missing": "permanent",
}


@pytest.mark.parametrize("rule", DEFAULT_TABLE, ids=lambda rule: rule.name)
def test_each_row_of_the_attribution_table_has_its_category(rule: Rule) -> None:
    assert schedule.category_of(DeadLetterPolicy(), rule.name, rule) == CATEGORY_OF_ROW[rule.name]


@pytest.mark.parametrize(
    ("fields", "to_blame"),
    [
        ({"counts": False, "failover": False}, True),
        ({"counts": False}, False),
        ({"failover": False}, False),
        ({}, False),
    ],
)
def test_only_a_row_that_neither_counts_nor_fails_over_blames_the_caller(
    fields: dict[str, Any], to_blame: bool
) -> None:
    assert schedule.is_caller_error(Rule(name="mine", reason="", **fields)) is to_blame
    assert not schedule.is_caller_error(None)


def test_a_row_is_found_by_its_name_and_the_first_of_them_counts() -> None:
    first, second, other = (Rule(name=name, reason=name) for name in ("mine", "mine", "other"))
    assert schedule.rule_of([other, first, second], "mine") is first
    assert schedule.rule_of([other], "mine") is None


@pytest.mark.parametrize(
    ("rule", "category"),
    [
        (Rule(name="mine", reason=""), "transient"),
        (Rule(name="mine", reason="", retry=False), "permanent"),
        (Rule(name="mine", reason="", counts=False), "validation"),
        (None, "permanent"),
    ],
)
def test_a_custom_attribution_row_is_categorised_by_its_fields(rule: Rule | None, category: str) -> None:
    assert schedule.category_of(DeadLetterPolicy(), "mine", rule) == category
    assert schedule.category_of(DeadLetterPolicy(categories={"mine": "resource"}), "mine", rule) == "resource"


def test_the_row_that_ended_a_route_is_that_of_its_last_call() -> None:
    failed = Attempt(adapter="a", outcome="failure", number=1, rule="connection")
    refused = Attempt(adapter="b", outcome="rejected")
    assert schedule.ending_row([failed, refused]) == "connection"
    assert schedule.ending_row([refused]) == "rejected"
    assert schedule.ending_row([]) == ""


def test_DQ05_failed_retries_count_up_and_the_last_one_exhausts() -> None:
    policy, kept = DeadLetterPolicy(max_retries=3), letter()
    seen = []
    for _ in range(3):
        state = schedule.failed(kept, policy, AT, "E", "down", "")
        seen.append((state.status, state.retries, None if state.due_at is None else (state.due_at - AT) / 60e6))
        kept = letter(retries=state.retries)
    assert seen == [("pending", 1, 1.0), ("pending", 2, 2.0), ("exhausted", 3, None)]


def test_a_rejected_retry_is_not_an_attempt_and_waits_for_the_breaker() -> None:
    state = schedule.deferred(letter(retries=2), DeadLetterPolicy(), AT, 12.5, "")
    assert (state.status, state.retries, state.deferrals, state.due_at) == ("pending", 2, 1, AT + 12_500_000)
    assert schedule.deferred(letter(), DeadLetterPolicy(deferral=7), AT, None, "").due_at == AT + 7_000_000


def test_repeated_rejections_wait_longer_up_to_the_policys_deferral_with_jitter() -> None:
    def waits(said: float, dice: float) -> list[float]:
        policy, refused = DeadLetterPolicy(deferral=30), [letter(deferrals=n) for n in (0, 1, 2, 3, 5, 6, 100_000)]
        due = [schedule.deferred(one, policy, AT, said, "", dice).due_at for one in refused]
        return [(at - AT) / 1e6 for at in due if at is not None]

    assert waits(0, 0.0) == [0.1, 1, 2, 4, 16, 30, 30]
    assert waits(3, 0.0) == [3, 3, 3, 4, 16, 30, 30]
    assert waits(40, 1.0) == [44] * 7


@pytest.mark.parametrize(("actor", "manual"), [("", ()), ("ann", ("manual",))])
def test_the_outcome_of_a_retry_holds_every_field(actor: str, manual: tuple[str, ...]) -> None:
    kept = letter(retries=1, deferrals=2, max_retries=9, was="exhausted", due_at=AT + 5)
    policy = DeadLetterPolicy(max_retries=3)
    same = {"retries": 1, "deferrals": 2, "max_retries": 9}
    assert schedule.succeeded(kept, AT, "a", actor) == RetryOutcome(
        outcome="succeeded", status="succeeded", due_at=None, detail="a did it", actor=actor,
        counts=("retry_success", *manual), **same,
    )  # fmt: skip
    assert schedule.succeeded(kept, AT, "", actor).detail == "done"
    assert schedule.failed(kept, policy, AT, "E", "down", actor) == RetryOutcome(
        outcome="failed", status="pending", due_at=AT + 120_000_000, retries=2, deferrals=2, max_retries=3,
        detail="retry 2 of 3 failed: down", actor=actor, error_type="E", error="down", counts=("retry_failed", *manual),
    )  # fmt: skip
    assert schedule.failed(kept, policy, AT, "E", "", actor).detail == "retry 2 of 3 failed: E"
    assert schedule.deferred(kept, policy, AT, 12.5, actor) == RetryOutcome(
        outcome="deferred", status="pending", due_at=AT + 12_500_000, retries=1, deferrals=3, max_retries=3,
        detail="every adapter refused it; due again in 12.5 s", actor=actor, counts=("deferred",),
    )  # fmt: skip
    assert schedule.released(kept) == RetryOutcome(
        outcome="released", status="exhausted", due_at=AT + 5, **same,
        detail="the engine stopped during the retry, which does not count",
    )  # fmt: skip
    assert schedule.released(letter()).status == "pending"


def test_an_exhausted_letter_is_not_due_again_and_its_jitter_is_added_only_when_asked_for() -> None:
    kept, policy = letter(retries=2), DeadLetterPolicy(max_retries=3)
    ended = schedule.failed(kept, policy, AT, "E", "down", "")
    assert (ended.status, ended.due_at, ended.detail) == ("exhausted", None, "retry 3 of 3 failed: down")
    assert schedule.deferred(kept, policy, AT, 10, "", 0.5).due_at == AT + 10_500_000


def test_the_first_retry_can_follow_the_schedule() -> None:
    assert schedule.first_due(DeadLetterPolicy(), "transient", AT) == AT
    assert schedule.first_due(DeadLetterPolicy(first_retry="scheduled"), "transient", AT) == AT + 60_000_000
    assert schedule.first_due(DeadLetterPolicy(), "permission", AT) is None
    assert schedule.first_due(DeadLetterPolicy(automatic_retry=False), "transient", AT) is None


def test_a_policy_refuses_invalid_values() -> None:
    for wrong in ({"capacity": 0}, {"lease": 0}, {"strategy": "sometimes"}, {"max_retry": 3}):
        with pytest.raises(ValidationError):
            DeadLetterPolicy(**wrong)


cycle: list[Any] = []
cycle.append(cycle)

REFUSED = {
    "a datetime": ({"when": [datetime(2026, 1, 1)]}, r"payload\.when\.0 is of type datetime"),
    "bytes": (b"x", "payload is of type bytes"),
    "a set": ({"a": {1}}, r"payload\.a is of type set"),
    "not a number": ([float("nan")], r"payload\.0 is nan"),
    "a key that is no text": ({1: 2}, "has the key 1"),
    "something that contains itself": (cycle, "contains itself"),
    "too large": ("x" * 100, "it has 102 bytes; the limit is 50"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_payload_that_is_not_json_is_refused_with_the_place_and_the_reason(case: str) -> None:
    value, reason = REFUSED[case]
    with pytest.raises(LetterRefused, match=reason):
        json_text(value, 50)


@pytest.mark.parametrize("value", [None, True, 1, 10**30, 1.5, "ü\udcff", [], {"a": [1, {"b": None}]}])
def test_a_payload_survives_a_round_trip(value: Any) -> None:
    back = task_of(letter(payload=json_text(value, 1000)))
    assert back == value
    assert type(back) is type(value)


def test_a_task_survives_a_round_trip() -> None:
    task = Task(type="ai", payload={"q": 1}, id="t1", context={"request": "r"})
    kept = letter(form="task", task="t1", task_type="ai", payload=json_text(task, 1000), context={"request": "r"})
    assert task_of(kept) == task
    assert json.loads(kept.payload) == {"q": 1}
