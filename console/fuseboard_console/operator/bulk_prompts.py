"""What is asked before something is done to many breakers at once, and what came of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from fuseboard_console.text.formatting import plural, span
from fuseboard_console.text.safe_text import safe_text
from fuseboard_console.text.width import cut
from fuseboard_storage.board.board import AdapterKey

MOST = 1000
"""Breakers that something can be done to at a time."""
_NAMED = 6
_TOLD = 3
_TYPED = 40  # characters that somebody can be asked to type


class Words(NamedTuple):
    """How a deed is spoken of: as a question, by its consequence, for one alone too, on the button, and when done."""

    title: str
    then: str
    alone: str
    yes: str
    done: str


_WORDS = {
    "reset": Words(
        "Reset {}?",
        "Their next calls go through, whether or not the adapters are well again.",
        "Its next call goes through, whether or not the adapter is well again.",
        "Reset {}",
        "{} reset.",
    ),
    "force_open": Words(
        "Hold {} open?",
        "Every call is refused until someone resets them. There is no countdown.",
        "Every call is refused until someone resets it. There is no countdown.",
        "Hold {} open",
        "{} held open.",
    ),
    "open_for": Words(
        "Open {} for a while?",
        "Their calls are refused for as long as their policies wait; then they probe.",
        "Its calls are refused for as long as its policy waits; then it probes.",
        "Open {}",
        "{} opened.",
    ),
    "half_open": Words(
        "Let {} probe now?",
        "Their waits end: their next calls are probes.",
        "Its wait ends: its next call is a probe.",
        "Probe {}",
        "{} probing at the next call.",
    ),
    "disable": Words(
        "Disable {}?",
        "Every call goes through, however many fail, until someone enables them.",
        "Every call goes through, however many fail, until someone enables it.",
        "Disable {}",
        "{} disabled.",
    ),
    "metrics_only": Words(
        "Let {} only watch?",
        "They count and never open, until someone enables them.",
        "It counts and never opens, until someone enables it.",
        "Watch",
        "{} set to only watch.",
    ),
    "enable": Words("Enable {}?", "They decide again.", "It decides again.", "Enable {}", "{} enabled."),
}


_FOR = "Their calls are refused for {}; then they probe."
_ALONE_FOR = "Its calls are refused for {}; then it probes."


class BulkQuestion(NamedTuple):
    """A question that is answered by typing `word`."""

    title: str
    text: str
    word: str
    yes: str


def ask_bulk(verb: str, keys: Sequence[AdapterKey], group: str = "", seconds: float | None = None) -> BulkQuestion:
    """Return the question before `verb` is asked for these adapters, of which there is one at least.

    Its word is the name of the `group`, if they are all of one; else that of the first adapter; the number of them
    where that is too hard to type. `seconds`: for how long they are opened, where that was said.
    """
    words = _WORDS[verb]
    names = ", ".join(safe_text(key.adapter, 40) for key in keys[:_NAMED])
    more = f" and {len(keys) - _NAMED:,} more" if len(keys) > _NAMED else ""
    then, lasting = (words.alone, _ALONE_FOR) if len(keys) == 1 else (words.then, _FOR)
    return BulkQuestion(
        words.title.format(plural(len(keys), "breaker")),
        f"{names}{more}\n\n{then if seconds is None else lasting.format(span(seconds))}",
        word_to_type(group or keys[0].adapter, len(keys)),
        words.yes.format(f"{len(keys):,}"),
    )


def word_to_type(word: str, count: int) -> str:
    """Return a word that somebody can be asked to type: this one, or the `count` where it is too hard to type."""
    easy = word and len(word) <= _TYPED and word.isascii() and word.isprintable() and word == word.strip()
    return word if easy else str(count)


class Outcome(NamedTuple):
    """What came of a command for one adapter, or one of whatever it was for; `why` it was not done."""

    name: str
    done: bool
    why: str = ""


def bulk_text(verb: str, outcomes: Sequence[Outcome], undo: str = "") -> str:
    """Return what came of all, as a sentence of safe text: `9 of 10 done; gpt: there is no such adapter.`

    `undo` is the key that takes it back when they are marked again; empty: none does.
    """
    good = sum(outcome.done for outcome in outcomes)
    if good == len(outcomes):
        done = _WORDS[verb].done.format(f"{plural(good, 'breaker')} {'was' if good == 1 else 'were'}")
        return f"{done} Marked again, {undo} takes it back." if undo else done
    return cut(f"{good:,} of {len(outcomes):,} done; {reasons_text(outcomes)}.", 400)


def reasons_text(outcomes: Sequence[Outcome]) -> str:
    """Return why what was not done was not, without a full stop: `gpt: there is no such adapter; a, b: its engine ...`.

    The names and the reasons that there are more of are counted.
    """
    reasons: dict[str, list[str]] = {}
    for outcome in outcomes:
        if not outcome.done:
            why = safe_text(outcome.why, 120).strip().rstrip(".") or "the engine refused it"
            reasons.setdefault(_lowered(why), []).append(safe_text(outcome.name, 40))
    parts = [f"{_some(names)}: {why}" for why, names in list(reasons.items())[:_TOLD]]
    others = len(reasons) - _TOLD
    if others > 0:
        parts.append(f"{plural(others, 'more reason')} in the audit")
    return "; ".join(parts)


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - _TOLD:,} more" if len(names) > _TOLD else ""
    return ", ".join(names[:_TOLD]) + more


def _lowered(sentence: str) -> str:
    """Return a sentence as it goes on behind a colon."""
    return sentence[0].lower() + sentence[1:] if sentence[1:2].islower() else sentence
