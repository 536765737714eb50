"""The live filter of a page's list."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from fuseboard_console.text.safe_text import safe_text
from fuseboard_console.text.suggestions import did_you_mean
from fuseboard_console.views.selection.filter import matcher, words_of

Test = Callable[[Mapping[str, str]], bool]
"""Given the texts of a row by field: whether a filter fits."""


def list_filter(text: str, fields: tuple[str, ...]) -> Test | None:
    """Return a test of rows for a filter such as `outcome:failed !test`, or None for a filter without effect.

    All words must match. A word without a field, or with an unknown one, may match any text of the row. `!` excludes
    matches. Quotes, `*` and `?` work as in the filter of the breakers table.
    """
    tests = [_test(word.field, matcher(word.pattern), word.negated) for word in words_of(text, fields)]
    return (lambda row: all(test(row) for test in tests)) if tests else None


def field_filter(field: str, text: str) -> str:
    """Return the filter that matches rows whose field contains a text, whatever characters the text has."""
    pattern = text.replace('"', "?")  # a filter has no other way to say it
    return f'{field}:"*{pattern}*"' if "?" in pattern or "*" in pattern else f'{field}:"{pattern}"'


def unknown_field(text: str, fields: tuple[str, ...]) -> str:
    """Return the error of a filter with an unknown field, as safe text, or an empty string."""
    for word in words_of(text, fields):
        if word.unknown:
            hint = did_you_mean(word.unknown, fields) or f" There are {', '.join(fields)}."
            return f"There is no field {safe_text(word.unknown, 30)}.{hint}"
    return ""


def _test(field: str, like: Callable[[str], bool], negated: bool) -> Test:
    if field:
        return lambda row: like(row[field].casefold()) != negated
    return lambda row: any(like(text.casefold()) for text in row.values()) != negated
