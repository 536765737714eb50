"""Limits of the texts in events: what is cut and how, and that nothing else changes."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fuseboard_engine.error_text.redaction import MAX_BYTES, safe_error_text
from fuseboard_engine.error_text.text_limits import (
    MAX_NAME,
    TOO_DEEP,
    name_within_limit,
    text_length,
    text_within_limit,
    value_within_limits,
    within_limits,
)
from fuseboard_engine.events import AdapterAdded, Attempt, DeadLettersCounted, Event, RouteFinished, StateChanged
from support.any_events import KINDS, LONG_TEXTS, event_with, events


@given(events(st.text(max_size=5)))
@settings(max_examples=200, deadline=None)
def test_an_event_with_short_texts_is_returned_itself(event: Event) -> None:
    assert within_limits(event) is event


@pytest.mark.parametrize("kind", KINDS)
def test_every_text_of_every_event_is_cut(kind: type[Event]) -> None:
    plain, large = event_with(kind, "x"), event_with(kind, "x" * 100_000)
    places = msgspec.json.encode(plain).count(b'"x"')
    assert len(msgspec.json.encode(within_limits(large))) <= len(msgspec.json.encode(plain)) + places * MAX_BYTES
    assert within_limits(plain) is plain


def test_a_text_of_fifty_megabytes_takes_eight_thousand_bytes() -> None:
    event = StateChanged(
        at=1, adapter="a", before="closed", after="open", reason="by_hand", detail="x" * 50_000_000, actor="ann"
    )
    limited = within_limits(event)
    assert len(limited.detail) <= MAX_BYTES
    assert limited.detail.endswith("x… [cut; 50,000,000 characters in all]")
    assert msgspec.structs.replace(limited, detail=event.detail) == event


@given(LONG_TEXTS)
@settings(deadline=None)
def test_a_text_is_cut_to_what_it_takes_in_a_file(text: str) -> None:
    limited = text_within_limit(text)
    assert len(msgspec.json.encode(limited)) <= MAX_BYTES + 2
    assert limited == text or (limited.endswith("characters in all]") and f"{len(text):,}" in limited)
    if len(msgspec.json.encode(text)) <= MAX_BYTES:
        assert limited == text


def test_a_text_that_was_cut_before_keeps_its_length() -> None:
    text = safe_error_text("\n" * 90_000)
    assert text.endswith("… [cut; 90,000 characters in all]")
    assert text_within_limit(text).endswith("… [cut; 90,000 characters in all]")


@given(LONG_TEXTS)
@settings(deadline=None)
def test_a_name_is_cut_once(name: str) -> None:
    limited = name_within_limit(name)
    assert len(limited) <= MAX_NAME
    assert name_within_limit(limited) == limited
    assert (limited == name) == (len(name) <= MAX_NAME)


def test_two_long_names_stay_two_names() -> None:
    assert name_within_limit("a" * 999 + "b") != name_within_limit("a" * 999 + "c")


def test_names_in_events_are_shorter_than_texts() -> None:
    attempt = Attempt(adapter="a" * 5_000, outcome="failure", error="e" * 5_000)
    event = RouteFinished(at=1, task="t" * 5_000, task_type="code", success=False, attempts=(attempt,))
    limited = within_limits(event)
    assert len(limited.task) == len(limited.attempts[0].adapter) == MAX_NAME
    assert limited.attempts[0].error == attempt.error


def test_values_inside_values_are_cut_and_what_nests_too_deeply_is_left_out() -> None:
    deep: list[object] = ["x" * 10_000]
    for _ in range(20):
        deep = [deep]
    policy = {"k" * 1_000: ["x" * 10_000], "deep": deep, "odd": {1, 2}, "plain": [1, None, True, "x"]}
    limited = within_limits(AdapterAdded(at=1, adapter="a", policy=policy)).policy
    assert [len(key) for key in limited] == [MAX_NAME, 4, 3, 5]
    assert TOO_DEEP in repr(limited["deep"])
    assert limited["plain"] is policy["plain"]
    assert limited["odd"] == {1, 2}


def test_a_foreign_object_with_a_long_repr_becomes_a_cut_text() -> None:
    class Long:
        def __repr__(self) -> str:
            return "y" * 100_000

    assert len(value_within_limits(Long())) <= MAX_BYTES


def test_a_field_with_something_else_than_a_text_stays() -> None:
    event = AdapterAdded(at=1, adapter=7, policy={}, tags=("t" * 1_000,))  # type: ignore[arg-type]
    limited = within_limits(event)
    assert (limited.adapter, len(limited.tags[0])) == (7, MAX_NAME)


@pytest.mark.parametrize("kind", KINDS)
def test_the_length_is_at_least_that_of_all_texts(kind: type[Event]) -> None:
    text = "x" * 50
    event = event_with(kind, text)
    assert text_length(event) >= len(text) * msgspec.json.encode(event).count(text.encode())


def test_each_number_in_a_container_counts_as_eight_characters() -> None:
    assert text_length(DeadLettersCounted(at=1, counts={"ready": 7, "done": 8})) == 5 + 8 + 4 + 8
    assert text_length(DeadLettersCounted(at=1, counts={})) == 0


@pytest.mark.parametrize("characters", [4_001, 7_999, 8_000, 8_001, 100_000])
def test_a_cut_text_keeps_as_much_as_fits(characters: int) -> None:
    limited = text_within_limit("é" * characters)
    assert MAX_BYTES - 2 <= len(limited.encode()) <= MAX_BYTES
    assert limited.endswith(f"é… [cut; {characters:,} characters in all]")


def test_the_length_counts_every_text() -> None:
    attempt = Attempt(adapter="aa", outcome="success")
    event = RouteFinished(
        at=1, task="ttt", task_type="c", success=True, attempts=(attempt, attempt), adapter="aa", context={"k": "vv"}
    )
    assert text_length(event) == 3 + 1 + 2 * 2 + 2 + 1 + 2
