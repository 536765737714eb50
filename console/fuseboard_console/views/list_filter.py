"""The live filter of a page's list: words, some of which ask about a field."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from fuseboard_console.safe_text import safe_text
from fuseboard_console.suggest import did_you_mean
from fuseboard_console.views.filtering import WORD, matcher

Test = Callable[[Mapping[str, str]], bool]
"""Given the texts of a row by field: whether a filter fits."""


def list_filter(text: str, fields: tuple[str, ...]) -> Test | None:
    """Return what tests rows by a filter such as `outcome:failed !test`; None where it asks for nothing.

    All words must fit. One without a field, or with a colon that is no field's, may fit any text of the row; `!` leaves
    out what fits. Quotes, `*` and `?` are those of the breakers' filter.
    """
    tests: list[Test] = []
    for word in WORD.findall(text.casefold()):
        negated = word.startswith("!")
        word = word.removeprefix("!").replace('"', "")
        field, colon, pattern = word.partition(":")
        if not colon or field not in fields:
            field, pattern = "", word
        if pattern:
            tests.append(_test(field, matcher(pattern), negated))
    return (lambda row: all(test(row) for test in tests)) if tests else None


def unknown_field(text: str, fields: tuple[str, ...]) -> str:
    """Return what is wrong with a filter that asks about a field there is not, as safe text; empty: it doesn't."""
    for word in WORD.findall(text.casefold()):
        field, colon, _ = word.removeprefix("!").partition(":")
        if colon and field not in fields:
            hint = did_you_mean(field, fields) or f" There are {', '.join(fields)}."
            return f"There is no field {safe_text(field, 30)}.{hint}"
    return ""


def _test(field: str, like: Callable[[str], bool], negated: bool) -> Test:
    if field:
        return lambda row: like(row[field].casefold()) != negated
    return lambda row: any(like(text.casefold()) for text in row.values()) != negated
