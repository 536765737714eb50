"""Prompts before an action on dead letters, and messages about its outcome or refusal."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Literal, NamedTuple

from fuseboard_console.operator.bulk_prompts import BatchPrompt, Outcome, reasons_text, word_to_type
from fuseboard_console.operator.prompts import Prompt
from fuseboard_console.text.formatting import clock, plural
from fuseboard_console.text.safe_text import safe_text
from fuseboard_console.text.width import cut
from fuseboard_console.views.events.dead_letter_labels import error_text, status_at
from fuseboard_engine.dead_letters.letter import CHANGEABLE, RETRYABLE, DeadLetter, Status

Verb = Literal["retry", "archive", "unarchive", "discard"]
"""The actions on dead letters."""

_GIVEN_UP = "A discarded dead letter is never retried. This cannot be undone."
_NAMED = 8
_KINDS = 4


class Words(NamedTuple):
    """The wording of an action: as a verb, by its consequence, and as done."""

    does: str
    then: str
    done: str


_WORDS: dict[Verb, Words] = {
    "retry": Words("Retry", "Their adapters get the tasks again, one after another.", "retried"),
    "archive": Words("Archive", "What is archived leaves the list and is kept; it can be put back.", "archived"),
    "unarchive": Words("Put back", "Each is again what it was before it was archived.", "put back"),
    "discard": Words("Discard", _GIVEN_UP, "discarded"),
}


def allows(verb: Verb, status: Status) -> bool:
    """Return whether an action applies to dead letters of this status."""
    return status in (RETRYABLE if verb == "retry" else CHANGEABLE[verb])


def discard_prompt(dead_letter: DeadLetter) -> Prompt:
    """Return the prompt before one dead letter is discarded."""
    what = f"{safe_text(dead_letter.task_type, 40)} {safe_text(dead_letter.task, 60)}".strip()
    error = cut(safe_text(error_text(dead_letter), 200), 120)
    description = "\n".join(part for part in (what, error) if part)
    return Prompt(f"Discard dead letter {dead_letter.id}?", f"{description}\n\n{_GIVEN_UP}", "Discard")


def batch_dead_letter_prompt(
    verb: Verb, dead_letters: Sequence[DeadLetter], others: Sequence[DeadLetter], now: int
) -> BatchPrompt:
    """Return the prompt before an action on several dead letters. `others` were selected too and do not allow it.

    The word to type is their type if they share one, else their number.
    """
    words, count = _WORDS[verb], len(dead_letters)
    ids = ", ".join(str(dead_letter.id) for dead_letter in dead_letters[:_NAMED])
    more = f" and {count - _NAMED:,} more" if count > _NAMED else ""
    paragraphs = [f"{ids}{more}", _kinds(dead_letters)]
    if others:
        paragraphs.append(f"Not {reasons_text([refusal(dead_letter, now) for dead_letter in others])}.")
    kinds = {dead_letter.task_type for dead_letter in dead_letters}
    return BatchPrompt(
        f"{words.does} {plural(count, 'dead letter')}?",
        "\n".join(paragraphs) + f"\n\n{words.then}",
        word_to_type(kinds.pop() if len(kinds) == 1 else "", count),
        f"{words.does} {count:,}",
    )


def _kinds(dead_letters: Sequence[DeadLetter]) -> str:
    """Return the types of dead letters with counts: `order 8, report 2`."""
    counted = Counter(dead_letter.task_type for dead_letter in dead_letters).most_common()
    texts = [f"{safe_text(kind, 30) or 'no type'} {count:,}" for kind, count in counted[:_KINDS]]
    if len(counted) > _KINDS:
        texts.append(f"{len(counted) - _KINDS} more types")
    return ", ".join(texts)


def refusal(dead_letter: DeadLetter, now: int) -> Outcome:
    """Return the message that an action did not apply to a dead letter at `now` (UTC microseconds)."""
    return Outcome(str(dead_letter.id), False, _state(dead_letter, now))


def refused_text(verb: Verb, dead_letters: Sequence[DeadLetter], now: int) -> str:
    """Return the message that none of these dead letters (at least one) allows an action."""
    words = _WORDS[verb]
    if len(dead_letters) > 1:
        reasons = reasons_text([refusal(dead_letter, now) for dead_letter in dead_letters])
        return f"None of them can be {words.done}; {reasons}."
    dead_letter = dead_letters[0]
    hint = "; unarchive it first" if verb == "retry" and dead_letter.status == "archived" else ""
    return f"Dead letter {dead_letter.id} is {_state(dead_letter, now)}: it can't be {words.done}{hint}."


def _state(dead_letter: DeadLetter, now: int) -> str:
    status = status_at(dead_letter, now)
    if status != "retrying":
        return status
    until = f" (its lease runs until {clock(dead_letter.lease_until)})" if dead_letter.lease_until is not None else ""
    return f"being retried{until}"


def done_text(verb: Verb, outcomes: Sequence[Outcome], undo: str = "", in_progress: int = 0) -> str:
    """Return the outcome of an action on dead letters as a sentence of safe text.

    Args:
        verb: The action.
        outcomes: The outcome for each dead letter, by id.
        undo: The key that undoes it. Empty if none does.
        in_progress: How many more are still in progress.
    """
    words, good, count = _WORDS[verb], [one for one in outcomes if one.done], len(outcomes) + in_progress
    back = f" {undo} puts {'it' if len(good) == 1 else 'them'} back." if undo and good else ""
    if count == 1 and good:
        return f"Dead letter {good[0].name} {words.done}.{back}"
    if len(good) == count:
        return f"{plural(count, 'dead letter')} {words.done}.{back}"
    parts = [f"{len(good):,} of {count:,} {words.done}"]
    if len(good) < len(outcomes):
        parts.append(reasons_text(outcomes))
    if in_progress:
        parts.append(f"{in_progress:,} still in progress")
    return cut(f"{'; '.join(parts)}.{back}", 400)
