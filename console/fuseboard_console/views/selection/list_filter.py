"""The live filter of a page's list: words, some of which ask about a field."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from fuseboard_console.text.safe_text import safe_text
from fuseboard_console.text.suggestions import did_you_mean
from fuseboard_console.views.selection.filter import matcher, words_of

Test = Callable[[Mapping[str, str]], bool]
"""Given the texts of a row by field: whether a filter fits."""


def list_filter(text: str, fields: tuple[str, ...]) -> Test | None:
    """Return what tests rows by a filter such as `outcome:failed !test`; None where it asks for nothing.

    All words must fit. One without a field, or with a colon that is no field's, may fit any text of the row; `!` leaves
    out what fits. Quotes, `*` and `?` are those of the breakers' filter.
    """
    tests = [_test(word.field, matcher(word.pattern), word.negated) for word in words_of(text, fields)]
    return (lambda row: all(test(row) for test in tests)) if tests else None


def has(field: str, text: str) -> str:
    """Return the filter that asks whether a field has a text in it, whatever that text is."""
    pattern = text.replace('"', "?")  # a filter has no other way to say it
    return f'{field}:"*{pattern}*"' if "?" in pattern or "*" in pattern else f'{field}:"{pattern}"'


def unknown_field(text: str, fields: tuple[str, ...]) -> str:
    """Return what is wrong with a filter that asks about a field there is not, as safe text; empty: it doesn't."""
    for word in words_of(text, fields):
        if word.unknown:
            hint = did_you_mean(word.unknown, fields) or f" There are {', '.join(fields)}."
            return f"There is no field {safe_text(word.unknown, 30)}.{hint}"
    return ""


def _test(field: str, like: Callable[[str], bool], negated: bool) -> Test:
    if field:
        return lambda row: like(row[field].casefold()) != negated
    return lambda row: any(like(text.casefold()) for text in row.values()) != negated
