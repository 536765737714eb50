"""Foreign text is shown, never obeyed."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fuseboard_console.text.line import Span, cut_line, fit_line, line_width, right, text_of
from fuseboard_console.text.safe_text import escaped_text, safe_text
from fuseboard_console.text.width import cut, fit, width
from support.hostile_texts import HOSTILE


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ("plain text, [markup] and all", "plain text, [markup] and all"),
        ("\x1b]0;owned\x07", "\\e]0;owned\\x07"),
        ("\x9b31m", "\\x9b31m"),
        ("a\u202eb", "a\\u202eb"),
        ("a\u200bb", "a\\u200bb"),
        ("one\ntwo", "one\\ntwo"),
        ("\ud83d", "\\ud83d"),
        ("\U000e0041", "\\U000e0041"),
        ("\u3164", "\\u3164"),
        ("naïve Ω 漢字 שלום", "naïve Ω 漢字 שלום"),
        ("❤\ufe0f", "❤"),
        ("a\ufe0f", "a\\ufe0f"),
    ],
)
def test_control_characters_are_escaped(given: str, shown: str) -> None:
    assert safe_text(given) == shown


def test_a_letter_keeps_two_marks_and_no_more() -> None:
    assert safe_text("e" + "\u0301" * 4) == "e\u0301\u0301\\u0301\\u0301"


def test_a_very_long_text_ends_in_an_ellipsis() -> None:
    assert safe_text("x" * 5000, limit=10) == "x" * 10 + "…"


@pytest.mark.parametrize("length", [10, 299, 1_500, 50_000])
def test_no_secret_is_shown_not_even_one_that_the_limit_cuts_in_two(length: int) -> None:
    for limit in (length + 4, length + 12, length + 200):
        shown = safe_text(f"{'x' * length} sk-Zq7RtY88pLmN3vKx and more", limit)
        assert "Zq7R" not in shown
        assert shown.endswith("…") is (limit < len(f"{'x' * length} [hidden] and more"))
    assert escaped_text("sk-Zq7RtY88pLmN3vKx\n") == "sk-Zq7RtY88pLmN3vKx\\n"


@given(st.text(st.characters(), max_size=60))
def test_nothing_that_is_shown_can_control_or_reorder_a_terminal(text: str) -> None:
    shown = safe_text(text)
    assert all(unicodedata.category(c) not in ("Cc", "Cf", "Cs", "Zl", "Zp") for c in shown)
    shown.encode("utf-8")
    assert safe_text(shown) == shown


@given(st.text(max_size=40), st.integers(0, 30), st.sampled_from(["left", "right"]))
def test_fitted_text_takes_exactly_its_cells(text: str, cells: int, align: str) -> None:
    assert width(fit(safe_text(text), cells, align)) == cells  # type: ignore[arg-type]


@pytest.mark.parametrize("text", HOSTILE)
@pytest.mark.parametrize("cells", [0, 1, 2, 7, 80])
def test_cut_text_never_takes_more_than_its_cells(text: str, cells: int) -> None:
    assert width(cut(safe_text(text), cells)) <= cells


def test_a_cut_line_says_that_something_is_missing_even_at_the_edge_of_a_span() -> None:
    line = (Span("abc"), Span("def", "muted"))
    assert text_of(cut_line(line, 6)) == "abcdef"
    assert text_of(cut_line(line, 3)) == "ab…"
    assert text_of(cut_line(line, 5)) == "abcd…"


@given(st.lists(st.text(max_size=8), max_size=5), st.integers(0, 20))
def test_a_fitted_line_takes_exactly_its_cells(texts: list[str], cells: int) -> None:
    line = tuple(Span(safe_text(text)) for text in texts)
    assert line_width(fit_line(line, cells)) == cells
    assert line_width(right(line, cells)) <= max(cells, 0)
