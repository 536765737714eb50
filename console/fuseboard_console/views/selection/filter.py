"""The live filter of the breakers table: parses the typed text and tests adapters."""

from __future__ import annotations

import re
from collections.abc import Callable, Container, Iterator
from fnmatch import translate
from typing import NamedTuple, get_args

from fuseboard_console.text.glyphs import APPEARANCES, KILLED, Condition
from fuseboard_console.text.safe_text import safe_text
from fuseboard_console.text.suggestions import did_you_mean
from fuseboard_console.views.adapters.adapter_view import condition_word
from fuseboard_console.views.adapters.chain_positions import DEFAULT, ChainPosition
from fuseboard_storage.board.board import AdapterRow, InstanceRow

FIELDS = ("name", "state", "tag", "instance", "error", "chain")
"""The fields that a term may name before its colon. A term without a field tests the name."""
_ALIASES = {"engine": "instance"}
WORD = re.compile(r'(?:[^\s"]|"[^"]*"?)+')
"""One word of a filter; quotes keep several words together."""


class Term(NamedTuple):
    """One term of a filter. `negated` excludes what matches.

    `unknown` is the text before a colon that is not a field.
    """

    field: str
    pattern: str
    negated: bool
    unknown: str = ""


class Word(NamedTuple):
    """One word of a filter as typed: `!field:pattern`. Without a colon or a known field, all of it is `pattern`.

    `unknown` is the text before a colon that is not a field.
    """

    field: str
    pattern: str
    negated: bool
    unknown: str = ""


def words_of(text: str, fields: Container[str]) -> Iterator[Word]:
    """Yield the words of a filter, case folded. A word still being typed (`state:`) has no effect and is left out."""
    for word in WORD.findall(text.casefold()):
        negated = word.startswith("!")
        word = word.removeprefix("!").replace('"', "")
        field, colon, pattern = word.partition(":")
        known = bool(colon) and field in fields
        if pattern if known else word:
            yield Word(
                field if known else "", pattern if known else word, negated, field if colon and not known else ""
            )


def parse(text: str) -> tuple[Term, ...]:
    """Return the terms of a filter such as `state:open name:gpt* tag:eu !test`. All terms must match.

    A pattern with `*` or `?` must match the whole text. One without matches anywhere in a text, and at the beginning of
    a state. Quotes keep words together (`error:"timed out"`). Case does not matter. A term still being typed (`state:`)
    has no effect.
    """
    words = words_of(text, (*FIELDS, *_ALIASES))
    return tuple([Term(_ALIASES.get(w.field, w.field) or "name", w.pattern, w.negated, w.unknown) for w in words])


def problem_of(terms: tuple[Term, ...], names: Callable[[], list[str]]) -> str:
    """Return what is wrong with a filter, as safe text, or an empty string.

    `names` yields the adapters' names, since a name may look like a field (`eu:gpt`).
    """
    for term in terms:
        if term.unknown:
            matches_name = matcher(term.pattern)
            if not any(matches_name(name.casefold()) for name in names()):
                field = safe_text(term.unknown, 30)
                hint = did_you_mean(term.unknown, FIELDS) or f" There are {', '.join(FIELDS)}."
                return f"There is no field {field}.{hint}"
        if term.field == "state":
            matches_state = matcher(term.pattern, start=True)
            if not any(matches_state(word) for word in _STATES):
                return f"There is no state {safe_text(term.pattern, 30)}.{did_you_mean(term.pattern, _CONDITION_WORDS)}"
    return ""


Test = Callable[[AdapterRow, Condition, InstanceRow | None, tuple[ChainPosition, ...]], bool]
"""Returns whether a term matches an adapter, given its row, condition, instance and positions in the chains."""


def test_of(term: Term) -> Test:
    """Return a test of adapters for a term. The caller applies the negation."""
    matches = matcher(term.pattern, start=term.field == "state")
    if term.field == "state":
        conditions = {
            condition for condition in get_args(Condition) if matches(condition) or matches(_filter_word(condition))
        }
        return lambda row, condition, instance, places: (
            condition in conditions
            or matches(row.state)
            or (condition == "silent" and matches(condition_word(condition, instance).casefold()))
        )
    if term.field == "tag":
        return lambda row, condition, instance, places: any(matches(tag.casefold()) for tag in row.tags)
    if term.field == "error":
        return lambda row, condition, instance, places: matches(row.last_error.casefold())
    if term.field == "chain":
        return lambda row, condition, instance, places: any(
            matches((p.task_type or DEFAULT).casefold()) for p in places
        )
    if term.field == "instance":
        return lambda row, condition, instance, places: instance is not None and matches(instance.label.casefold())
    return lambda row, condition, instance, places: matches(row.key.adapter.casefold())


def _filter_word(condition: Condition) -> str:
    return APPEARANCES[condition].word.casefold().replace(" ", "_")


_CONDITION_WORDS = sorted({KILLED.casefold(), *(_filter_word(condition) for condition in get_args(Condition))})
_STATES = {
    *_CONDITION_WORDS,
    *get_args(Condition),
    "closed",
    "open",
    "half_open",
    "forced_open",
    "disabled",
    "metrics_only",
}


def matcher(pattern: str, *, start: bool = False) -> Callable[[str], bool]:
    """Return a function that tests whether a case-folded text matches a pattern."""
    if "*" in pattern or "?" in pattern:
        whole = re.compile(translate(pattern.replace("[", "[[]"))).match
        return lambda text: whole(text) is not None
    if start:
        return lambda text: text.startswith(pattern)
    return lambda text: pattern in text
