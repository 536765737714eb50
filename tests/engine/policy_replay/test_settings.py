"""The policy fields to try: their form, their names and their values."""

from __future__ import annotations

import pytest

from fuseboard_engine.policy_replay.settings import SettingError, changes_of, combinations, parse_setting
from fuseboard_engine.policy_replay.workload import AdapterRecord

ADAPTERS = {name: AdapterRecord(name, {"recovery_timeout": 2.0}, "a test") for name in ("gpt", "eu.search")}


def test_values_are_converted_by_the_policy() -> None:
    (setting,) = parse_setting("gpt.failure_threshold=3,5,5, none", ADAPTERS)
    assert (setting.adapter, setting.section, setting.values) == ("gpt", "breaker", (3, 5, None))
    (setting,) = parse_setting("eu.search.recovery_timeout=1,2.5", ADAPTERS)
    assert (setting.adapter, setting.values) == ("eu.search", (1.0, 2.5))


def test_a_field_that_both_policies_have_is_the_breakers_unless_the_retry_policy_is_named() -> None:
    assert parse_setting("gpt.jitter=0.5", ADAPTERS)[0].section == "breaker"
    (setting,) = parse_setting("gpt.retry.jitter=0.5", ADAPTERS)
    assert (setting.section, setting.label) == ("retry", "gpt.retry.jitter")
    assert parse_setting("gpt.max_attempts=1,2", ADAPTERS)[0].section == "retry"


def test_a_star_is_every_adapter() -> None:
    assert [one.adapter for one in parse_setting("*.failure_threshold=2", ADAPTERS)] == ["gpt", "eu.search"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("gpt", "is not a setting"),
        ("gpt=3", "is not a setting"),
        ("gpt.failure_threshold", "is not a setting"),
        ("gtp.failure_threshold=3", "there is no adapter 'gtp'; did you mean gpt?"),
        ("gpt.failure_treshold=3", "did you mean failure_threshold?"),
        ("gpt.failure_threshold=0", "must be 1 or more"),
        ("gpt.failure_threshold=x", "x: "),
        ("gpt.recovery_timeout=inf", "inf: "),
        ("gpt.recovery_timeout=nan", "nan: "),
        ("gpt.recovery_timeout=-1", "-1: "),
        ("gpt.recovery_timeout=", "recovery_timeout"),
        ("gpt.retry_on=ValueError", "has no effect on a replay"),
    ],
)
def test_a_wrong_setting_is_refused_with_what_is_wrong(text: str, said: str) -> None:
    with pytest.raises(SettingError) as refused:
        parse_setting(text, ADAPTERS)
    assert said in str(refused.value)


def test_combinations_are_all_values_of_all_settings() -> None:
    settings = [
        *parse_setting("gpt.failure_threshold=3,5", ADAPTERS),
        *parse_setting("gpt.max_attempts=1,2", ADAPTERS),
    ]
    found = combinations(settings, ADAPTERS)
    assert len(found) == 4
    changes = changes_of(found[0])["gpt"]
    assert (dict(changes.breaker), dict(changes.retry)) == ({"failure_threshold": 3}, {"max_attempts": 1})


@pytest.mark.parametrize(
    ("texts", "said"),
    [
        (["gpt.failure_threshold=3", "gpt.failure_threshold=4"], "is set twice"),
        (["gpt.window_size=3", "gpt.failure_threshold=5"], "failure_threshold is above window_size"),
        (["gpt.failure_threshold=" + ",".join(map(str, range(1, 50))),
          "gpt.success_threshold=" + ",".join(map(str, range(1, 50)))], "2,401 combinations"),
    ],
)  # fmt: skip
def test_combinations_that_cannot_be_are_refused(texts: list[str], said: str) -> None:
    with pytest.raises(SettingError) as refused:
        combinations([one for text in texts for one in parse_setting(text, ADAPTERS)], ADAPTERS)
    assert said in str(refused.value)
