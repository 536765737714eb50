"""The prompt before a command for many breakers, and the sentence about its outcome."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from fuseboard_console.text.formatting import exact_span, plural
from fuseboard_console.text.safe_text import safe_text
from fuseboard_console.text.width import cut
from fuseboard_console.views.adapters.engine_names import NO_ENGINES, EngineNames
from fuseboard_storage.board.board import AdapterKey

MAX_BREAKERS = 1000
"""Breakers that one batch of commands may concern."""
_NAMED = 6  # adapters named in a prompt
_LISTED = 3  # reasons, and names for each, in an outcome
_MAX_TYPED = 40  # characters that an operator is asked to type


class BatchWording(NamedTuple):
    """The texts about one verb.

    Args:
        title: The question.
        consequence: What follows, for several breakers.
        consequence_of_one: What follows, for one breaker.
        yes: The label of the button.
        done: The sentence when all is done.
    """

    title: str
    consequence: str
    consequence_of_one: str
    yes: str
    done: str


_WORDINGS = {
    "reset": BatchWording(
        "Reset {}?",
        "Their next calls go through, even if the adapters have not recovered.",
        "Its next call goes through, even if the adapter has not recovered.",
        "Reset {}",
        "{} reset.",
    ),
    "force_open": BatchWording(
        "Hold {} open?",
        "Every call is refused until someone resets them. There is no countdown.",
        "Every call is refused until someone resets it. There is no countdown.",
        "Hold {} open",
        "{} held open.",
    ),
    "open_for": BatchWording(
        "Open {} for a while?",
        "Their calls are refused as long as their policies set; then they probe.",
        "Its calls are refused for the wait of its policy; then it probes.",
        "Open {}",
        "{} opened.",
    ),
    "half_open": BatchWording(
        "Let {} probe now?",
        "Their waits end: their next calls are probes.",
        "Its wait ends: its next call is a probe.",
        "Probe {}",
        "{} probing at the next call.",
    ),
    "disable": BatchWording(
        "Disable {}?",
        "Every call goes through, however many fail, until someone enables them.",
        "Every call goes through, however many fail, until someone enables it.",
        "Disable {}",
        "{} disabled.",
    ),
    "metrics_only": BatchWording(
        "Set {} to watch only?",
        "They count and never open, until someone enables them.",
        "It counts and never opens, until someone enables it.",
        "Watch only",
        "{} set to watch only.",
    ),
    "enable": BatchWording(
        "Enable {}?",
        "They refuse calls by their policies again.",
        "It refuses calls by its policy again.",
        "Enable {}",
        "{} enabled.",
    ),
}


_FOR = "Their calls are refused for {}; then they probe."
_ONE_FOR = "Its calls are refused for {}; then it probes."


class BatchPrompt(NamedTuple):
    """A question that is confirmed by typing `word`."""

    title: str
    text: str
    word: str
    yes: str


def batch_prompt(
    verb: str,
    keys: Sequence[AdapterKey],
    group: str = "",
    seconds: float | None = None,
    engines: EngineNames = NO_ENGINES,
) -> BatchPrompt:
    """Return the question before a command for these adapters.

    Args:
        verb: The verb of the command.
        keys: The adapters, at least one.
        group: The name of the group that they form, if any. It is the word to type; else the first adapter's name is,
            or the number of adapters if the word is hard to type.
        seconds: How long the breakers are opened, if the operator chose that.
        engines: The engines, named where several have an adapter of the same name.
    """
    wording = _WORDINGS[verb]
    names = ", ".join(engines.adapter(key, 40) for key in keys[:_NAMED])
    more = f" and {len(keys) - _NAMED:,} more" if len(keys) > _NAMED else ""
    then, lasting = (wording.consequence_of_one, _ONE_FOR) if len(keys) == 1 else (wording.consequence, _FOR)
    return BatchPrompt(
        wording.title.format(plural(len(keys), "breaker")),
        f"{names}{more}\n\n{then if seconds is None else lasting.format(exact_span(seconds))}",
        word_to_type(group or keys[0].adapter, len(keys)),
        wording.yes.format(f"{len(keys):,}"),
    )


def word_to_type(word: str, count: int) -> str:
    """Return the word that the operator types: this one, or the `count` if it is hard to type."""
    easy = word and len(word) <= _MAX_TYPED and word.isascii() and word.isprintable() and word == word.strip()
    return word if easy else str(count)


class Outcome(NamedTuple):
    """The outcome of a command for one adapter, dead letter or run; `why` says why it was not done."""

    name: str
    done: bool
    why: str = ""


def batch_text(verb: str, outcomes: Sequence[Outcome], undo: str = "") -> str:
    """Return the outcome of a batch as a sentence of safe text: `9 of 10 done; gpt: there is no such adapter.`

    `undo` is the key that undoes it once the adapters are marked again; empty if there is none.
    """
    good = sum(outcome.done for outcome in outcomes)
    if good == len(outcomes):
        done = _WORDINGS[verb].done.format(f"{plural(good, 'breaker')} {'was' if good == 1 else 'were'}")
        return f"{done} To undo, mark them again and press {undo}." if undo else done
    return cut(f"{good:,} of {len(outcomes):,} done; {reasons_text(outcomes)}.", 400)


def reasons_text(outcomes: Sequence[Outcome]) -> str:
    """Return the reasons of failed outcomes without a full stop: `gpt: there is no such adapter; a, b: its engine ...`.

    Three reasons, and three names for each, are listed; more are counted.
    """
    reasons: dict[str, list[str]] = {}
    for outcome in outcomes:
        if not outcome.done:
            why = safe_text(outcome.why, 120).strip().rstrip(".") or "the engine refused it"
            reasons.setdefault(_lower_first(why), []).append(safe_text(outcome.name, 60))
    parts = [f"{_name_list(names)}: {why}" for why, names in list(reasons.items())[:_LISTED]]
    others = len(reasons) - _LISTED
    if others > 0:
        parts.append(f"{plural(others, 'more reason')} in the audit")
    return "; ".join(parts)


def _name_list(names: Sequence[str]) -> str:
    more = f" and {len(names) - _LISTED:,} more" if len(names) > _LISTED else ""
    return ", ".join(names[:_LISTED]) + more


def _lower_first(sentence: str) -> str:
    """Return a sentence for use after a colon, its first letter in lower case unless it begins an acronym."""
    return sentence[0].lower() + sentence[1:] if sentence[1:2].islower() else sentence
