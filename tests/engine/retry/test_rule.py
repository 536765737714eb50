"""One row of the attribution table: to which errors it applies."""

from __future__ import annotations

import dataclasses
import re

import pytest

from fuseboard_engine import Rule


@pytest.mark.parametrize("status", [400, 404, 429, 499])
def test_phrases_are_sought_in_client_errors(status: int) -> None:
    rule = Rule(name="r", reason="r", says=("too long",))
    assert rule.reads_text(status, ()) is True
    assert rule.matches(ValueError("too long"), status)


@pytest.mark.parametrize("status", [399, 500, 503])
def test_phrases_are_not_sought_in_other_statuses(status: int) -> None:
    rule = Rule(name="r", reason="r", says=("too long",))
    assert rule.reads_text(status, ("code",)) is False
    assert not rule.matches(ValueError("too long"), status, ("code",))


def test_phrases_are_sought_in_a_status_that_the_row_names() -> None:
    rule = Rule(name="r", reason="r", statuses=(range(500, 504),), says=("too long",))
    assert [status for status in (499, 500, 503, 504) if rule.matches(ValueError("too long"), status)] == [500, 503]


def test_without_a_status_phrases_are_sought_only_where_the_service_gave_a_code() -> None:
    rule = Rule(name="r", reason="r", says=("too long",))
    assert rule.reads_text(None, ()) is False
    assert rule.reads_text(None, ("code",)) is True
    assert not rule.matches(ValueError("too long"), None)
    assert rule.matches(ValueError("too long"), None, ("code",))


def test_a_phrase_is_also_found_in_a_code_and_by_a_pattern() -> None:
    assert Rule(name="r", reason="r", says=("overloaded",)).matches(ValueError("x"), None, ("overloaded_error",))
    assert Rule(name="r", reason="r", says=(re.compile(r"\d+ tokens"),)).matches(ValueError("900 tokens"), 400)


def test_a_row_applies_to_any_code_that_it_names_in_upper_and_lower_case() -> None:
    rule = Rule(name="r", reason="r", codes=("Throttling", -32001))
    found = [("throttling",), ("-32001",), ("other", "throttling"), ("other",), ()]
    assert [rule.matches(ValueError("x"), None, codes) for codes in found] == [True, True, True, False, False]


def test_a_row_that_names_nothing_applies_to_every_error() -> None:
    assert Rule(name="r", reason="r").matches(ValueError("x"), None)
    assert not Rule(name="r", reason="r", when=lambda error: False).matches(ValueError("x"), None)


def test_a_row_cannot_be_changed() -> None:
    rule = Rule(name="r", reason="r")
    with pytest.raises(dataclasses.FrozenInstanceError):
        rule.name = "other"  # type: ignore[misc]
    assert rule in {rule}
