"""At most a share of a group may be out; members come, go and change their state."""

from __future__ import annotations

import pytest

from fuseboard_engine.breaker.ejection_limit import EjectionLimits, may_eject
from fuseboard_engine.events import State


def group(names: str, share: float = 0.5, tag: str = "") -> EjectionLimits:
    limits = EjectionLimits({tag: share})
    for name in names:
        limits.add(name, (tag,), "closed")
    return limits


@pytest.mark.parametrize(
    ("out", "size", "share", "allowed"),
    [
        (0, 0, 1.0, False),
        (0, 1, 1.0, True),
        (0, 2, 0.5, True),
        (1, 2, 0.5, False),
        (0, 3, 0.3, False),
        (1, 4, 0.5, True),
    ],
)
def test_a_member_may_be_ejected_while_the_share_is_not_exceeded(
    out: int, size: int, share: float, allowed: bool
) -> None:
    assert may_eject(out, size, share) is allowed


def test_a_removed_member_makes_the_group_smaller() -> None:
    limits = group("abcd")
    assert limits.try_eject("a") is None
    limits.remove("d")
    limits.remove("d")  # a second removal counts nothing
    reached = limits.try_eject("b")
    assert reached is not None
    assert (reached.out, reached.size) == (1, 3)


def test_a_member_removed_while_ejected_is_no_longer_counted() -> None:
    limits = group("abcd")
    assert limits.try_eject("a") is None
    limits.remove("a")
    limits.add("e", ("",), "closed")
    assert limits.try_eject("b") is None
    assert limits.try_eject("c") is None
    reached = limits.try_eject("e")
    assert reached is not None
    assert (reached.out, reached.size) == (2, 4)


def test_an_ejected_member_may_open_again() -> None:
    limits = group("ab")
    assert limits.try_eject("a") is None
    assert limits.try_eject("a") is None
    assert limits.try_eject("b") is not None


def test_a_member_added_again_counts_once_with_its_new_state() -> None:
    limits = group("ab")
    limits.add("a", ("",), "open")
    reached = limits.try_eject("b")
    assert reached is not None
    assert (reached.out, reached.size) == (1, 2)
    limits.add("a", ("",), "closed")
    assert limits.try_eject("b") is None


@pytest.mark.parametrize(
    ("state", "out"),
    [
        ("open", True),
        ("forced_open", True),
        ("closed", False),
        ("half_open", True),
        ("disabled", False),
        ("metrics_only", False),
    ],
)
def test_a_state_that_admits_every_call_does_not_count_as_out(state: State, out: bool) -> None:
    limits = group("ab")
    limits.update("a", state)
    assert (limits.try_eject("b") is not None) is out


def test_a_limit_of_a_tag_holds_for_its_members_only() -> None:
    limits = EjectionLimits({"llm": 0.5, "": 1.0})
    limits.add("a", ("llm",), "closed")
    limits.add("b", ("llm", "eu"), "closed")
    limits.add("c", ("eu",), "closed")
    assert limits.try_eject("a") is None
    assert limits.try_eject("c") is None
    reached = limits.try_eject("b")
    assert reached is not None
    assert str(reached) == "1 of 2 adapters tagged llm are out and at most 50% may be"
    assert limits.try_eject("nobody") is None


def test_a_refused_member_is_counted_in_no_group() -> None:
    limits = EjectionLimits({"": 1.0, "llm": 0.0})
    limits.add("a", ("llm",), "closed")
    limits.add("b", (), "closed")
    assert limits.try_eject("a") is not None
    limits = EjectionLimits({"": 0.5, "llm": 0.0})
    limits.add("a", ("llm",), "closed")
    limits.add("b", (), "closed")
    assert limits.try_eject("a") is not None
    assert limits.try_eject("b") is None
