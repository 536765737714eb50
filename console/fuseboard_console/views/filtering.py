"""The live filter: from what was typed to which adapters are shown."""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import NamedTuple

from fuseboard_console.glyphs import LOOKS, Condition
from fuseboard_storage.board import AdapterRow, InstanceRow

FIELDS = ("name", "state", "tag", "engine")
"""What a term may ask about, before its colon; without one it asks about the name."""


class Term(NamedTuple):
    """One word of a filter. `negated`: what it fits is left out."""

    field: str
    pattern: str
    negated: bool


def parse(text: str) -> tuple[Term, ...]:
    """Return the terms of a filter such as `state:open name:gpt* tag:eu !test`; all of them must hold.

    A pattern with `*` or `?` must fit the whole; one without fits anywhere in a name, a tag or an engine, and at the
    beginning of a state. Case makes no difference. A term still being typed (`state:`) asks for nothing.
    """
    terms: list[Term] = []
    for word in text.casefold().split():
        negated = word.startswith("!")
        word = word.removeprefix("!")
        field, colon, pattern = word.partition(":")
        if not colon or field not in FIELDS:
            field, pattern = "name", word
        if pattern:
            terms.append(Term(field, pattern, negated))
    return tuple(terms)


def fits(terms: tuple[Term, ...], row: AdapterRow, stands: Condition, instance: InstanceRow | None) -> bool:
    """Return whether an adapter is shown under these terms; `stands` is how it stands now."""
    return all(_fits(term, row, stands, instance) != term.negated for term in terms)


def _fits(term: Term, row: AdapterRow, stands: Condition, instance: InstanceRow | None) -> bool:
    if term.field == "state":
        names = (stands, row.state, LOOKS[stands].word.casefold().replace(" ", "_"))
        return any(_like(name, term.pattern, start=True) for name in names)
    if term.field == "tag":
        return any(_like(tag, term.pattern) for tag in row.tags)
    if term.field == "engine":
        return instance is not None and _like(instance.label, term.pattern)
    return _like(row.name, term.pattern)


def _like(text: str, pattern: str, *, start: bool = False) -> bool:
    text = text.casefold()
    if "*" in pattern or "?" in pattern:
        return fnmatchcase(text, pattern.replace("[", "[[]"))
    return text.startswith(pattern) if start else pattern in text
