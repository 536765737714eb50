"""Counts, shares and durations in words."""

from __future__ import annotations

import pytest

from fuseboard_engine.runtime.formatting import exact_span, format_duration, percent, plural


def test_a_duration_is_in_milliseconds_below_a_second() -> None:
    assert (format_duration(0.0004), format_duration(1.25), format_duration(90)) == ("0.4 ms", "1.25 s", "90 s")


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.25, "250 ms"), (1.0, "1 s"), (1.5, "1.5 s"), (42.5, "42.5 s"), (90.0, "90 s"), (100.5, "100.5 s"),
        (120.0, "2 min"), (300.0, "5 min"), (3600.0, "60 min"), (7200.0, "2 h"), (86_400.0, "24 h"),
        (604_800.0, "7 d"), (5000.0, "83 min"),
    ],
)  # fmt: skip
def test_a_time_that_was_set_keeps_its_figures(seconds: float, text: str) -> None:
    assert exact_span(seconds) == text


def test_only_a_whole_is_one_hundred_percent() -> None:
    assert [percent(share) for share in (None, 0.5, 0.9999, 1.0)] == ["–", "50.0", "99.9", "100"]


def test_a_noun_agrees_with_its_count() -> None:
    assert (plural(1, "call"), plural(2000, "call"), plural(2, "entry", "entries")) == (
        "1 call",
        "2,000 calls",
        "2 entries",
    )
