"""Counts, shares and durations in words."""

from __future__ import annotations

from fuseboard_engine.runtime.formatting import format_duration, percent, plural


def test_a_duration_is_in_milliseconds_below_a_second() -> None:
    assert (format_duration(0.0004), format_duration(1.25), format_duration(90)) == ("0.4 ms", "1.25 s", "90 s")


def test_only_a_whole_is_one_hundred_percent() -> None:
    assert [percent(share) for share in (None, 0.5, 0.9999, 1.0)] == ["–", "50.0", "99.9", "100"]


def test_a_noun_agrees_with_its_count() -> None:
    assert (plural(1, "call"), plural(2000, "call"), plural(2, "entry", "entries")) == (
        "1 call",
        "2,000 calls",
        "2 entries",
    )
