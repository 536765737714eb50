"""One row of the attribution table: to which errors it applies."""

from __future__ import annotations

import dataclasses
import re
from typing import Any

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


class Timeout(Exception):
    """As a library's own `Timeout`."""


class SlowRead(Timeout):
    pass


@pytest.mark.parametrize(
    "fields",
    [
        {"errors": (KeyError,)},
        {"named": ("Timeout",)},
        {"statuses": (503,)},
        {"statuses": (range(500, 504),)},
        {"codes": ("throttling",)},
        {"when": lambda error: False},
    ],
    ids=lambda fields: next(iter(fields)),
)
def test_a_row_that_names_something_applies_to_nothing_else(fields: dict[str, Any]) -> None:
    assert not Rule(name="r", reason="r", **fields).matches(ValueError("x"), 504, ("quota",))


@pytest.mark.parametrize(
    ("fields", "error", "status"),
    [
        ({"errors": (LookupError,)}, KeyError("x"), None),
        ({"named": ("Timeout",)}, SlowRead("x"), None),
        ({"named": ("other", "Timeout")}, Timeout("x"), None),
        ({"named": (f"{__name__.partition('.')[0]}.Timeout",)}, SlowRead("x"), None),
        ({"statuses": (404, 503)}, ValueError("x"), 503),
        ({"statuses": (range(500, 504), 599)}, ValueError("x"), 500),
        ({"statuses": (range(500, 504), 599)}, ValueError("x"), 503),
        ({"statuses": (range(500, 504), 599)}, ValueError("x"), 599),
        ({"when": lambda error: "x" in str(error)}, ValueError("x"), None),
        ({"errors": (KeyError,), "when": lambda error: True}, ValueError("x"), None),
    ],
)
def test_one_of_the_things_that_a_row_names_suffices(
    fields: dict[str, Any], error: Exception, status: int | None
) -> None:
    assert Rule(name="r", reason="r", **fields).matches(error, status) is True


def test_a_name_with_a_package_is_that_packages_type_only() -> None:
    assert not Rule(name="r", reason="r", named=("requests.Timeout",)).matches(Timeout("x"), None)


def test_one_of_several_phrases_suffices() -> None:
    rule = Rule(name="r", reason="r", says=("too long", re.compile(r"\d+ tokens")))
    texts = ("it is too long", "of 900 tokens", "no tokens")
    assert [rule.matches(ValueError(text), 400) for text in texts] == [True, True, False]


@pytest.mark.parametrize(("applies", "says"), [(True, "wrong"), (False, "too long")])
def test_a_row_with_phrases_needs_both_the_error_and_a_phrase(applies: bool, says: str) -> None:
    rule = Rule(name="r", reason="r", errors=(ValueError if applies else KeyError,), says=(says,))
    assert not rule.matches(ValueError("too long"), 400)


def test_a_row_is_counted_retried_and_failed_over_unless_it_says_otherwise() -> None:
    rule = Rule(name="r", reason="r")
    assert (rule.counts, rule.retry, rule.failover, rule.opens, rule.only_handlers) == (True, True, True, False, False)


def test_a_test_that_raises_is_logged_with_the_name_of_its_row(caplog: pytest.LogCaptureFixture) -> None:
    def broken(error: BaseException) -> bool:
        raise LookupError("no such field")

    rule = Rule(name="mine", reason="r", when=broken)
    assert rule.tests(ValueError("x")) is False
    assert Rule(name="r", reason="r").tests(ValueError("x")) is False
    (line,) = caplog.records
    assert (line.name, line.levelname) == ("fuseboard.attribution", "ERROR")
    assert line.getMessage() == "the test of attribution row 'mine' raised; the row is passed over"
    assert "no such field" in caplog.text


def test_an_async_test_is_refused_with_the_name_of_its_row() -> None:
    async def later(error: BaseException) -> bool:
        return True

    with pytest.raises(TypeError, match="`when` of row 'mine' is async"):
        Rule(name="mine", reason="r", when=later)  # type: ignore[arg-type]
