"""Carrying out an operator's command to retry dead letters.

A retry takes as long as the adapters do, so the command is taken at once and its outcome told when the last retry has
ended. When that is not soon, it is told what has been done so far: the one who asked is never left without an answer,
and the mailbox does not take the engine for dead. The rest goes on, and each letter's own event tells of it.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

import msgspec

from fuseboard_engine.dead_letters.letter import DeadLetterError, LetterSelection, Outcome, RetryResult

if TYPE_CHECKING:
    from fuseboard_engine.dead_letters.queue import DeadLetters

ANSWER_WITHIN: Final = 8.0
"""Seconds; the mailbox waits ten for the outcome of a command that was taken."""


def selection_of(args: dict[str, Any]) -> LetterSelection:
    """Return which letters a command means.

    Raises:
        ValueError: it names none, or something that is no criterion.
    """
    given = {name: value for name, value in args.items() if name != "all"}
    known = LetterSelection.__struct_fields__
    for name in given:
        if name not in known:
            raise ValueError(f"dead letters can't be selected by {name!r}; they can by {', '.join(known)}")
    try:
        selection = msgspec.convert(given, LetterSelection)
    except msgspec.ValidationError as error:
        raise ValueError(f"this does not say which dead letters: {error}") from None
    if selection == LetterSelection() and args.get("all") is not True:
        raise ValueError("this does not say which dead letters; name some, or all")
    return selection


async def carry_out(
    queue: DeadLetters, selection: LetterSelection, actor: str, report: Callable[[bool, str], object]
) -> None:
    """Retry what is selected, and report once."""
    done: list[RetryResult] = []
    work = asyncio.ensure_future(queue.retry_many(selection, actor=actor, done=done))
    try:
        await asyncio.wait({work}, timeout=ANSWER_WITHIN)
        if not work.done():
            report(True, f"{summary(done)} so far; the rest goes on" if done else "the retry goes on")
            await asyncio.wait({work})
            return
        work.result()
        report(bool(done) and all(retried.success for retried in done), summary(done))
    except DeadLetterError as error:
        report(False, str(error))
    except asyncio.CancelledError:
        work.cancel()
        await asyncio.wait({work})
        report(False, f"the engine stopped; {summary(done)}")
        raise


def summary(done: list[RetryResult]) -> str:
    """Return what came of retries, in words."""
    if not done:
        return "no such dead letter waits for a retry"
    if len(done) == 1:
        return f"dead letter {done[0].id} {WORDS[done[0].outcome]}: {done[0].detail}"
    counts = Counter(retried.outcome for retried in done)
    told = ", ".join(f"{counts[outcome]} {words}" for outcome, words in WORDS.items() if counts[outcome])
    refusals = (one.result.error for one in done if one.outcome == "deferred" and one.result is not None)
    why = next((f", as every adapter refused: {refusal}" for refusal in refusals if refusal), "")
    what = "no dead letter was retried" if counts["deferred"] == len(done) else f"{len(done)} dead letters retried"
    return f"{what}: {told}{why}"


WORDS: Final[dict[Outcome, str]] = {
    "succeeded": "succeeded",
    "failed": "failed again",
    "deferred": "put off",
    "released": "cut off",
    "lost": "taken over by another worker",
}
