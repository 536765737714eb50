"""Carries out an operator's commands to retry dead letters, and to stop that.

A retry takes as long as the adapters do. The command is accepted at once, and its outcome is reported when the last
retry has ended. When that takes long, the report says what has been done so far, so that the operator gets an answer
and the mailbox does not assume that the engine is dead. The rest continues, and each letter has an event of its own.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Coroutine
from typing import Any, Final

import msgspec

from fuseboard_engine.dead_letters.bulk_retry import BulkRetry, progress_of
from fuseboard_engine.dead_letters.letter import LetterSelection, Outcome, RetryResult
from fuseboard_engine.runtime.formatting import plural
from fuseboard_engine.runtime.operator_answer import answer_within

CONTINUES: Final = "continues"
"""The last word of the report of a retry that is still in progress."""


def selection_of(args: dict[str, Any]) -> LetterSelection:
    """Return the selection that the arguments of a command describe.

    Raises:
        ValueError: they select nothing, or name an unknown criterion.
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


def stopped_command_of(args: dict[str, Any]) -> int | None:
    """Return the command whose retry the arguments of a `dlq_stop` name; None: all.

    Raises:
        ValueError: it is not a number.
    """
    command = args.get("command")
    if command is None or (isinstance(command, int) and not isinstance(command, bool)):
        return command
    raise ValueError(f"command must be the number of a command, not {command!r}")


async def retry_selected(
    bulk: BulkRetry, work: Coroutine[Any, Any, None], report: Callable[[bool, str], object]
) -> None:
    """Retry the selected letters and report within the time that the operator waits, and at the end if that is later.

    Args:
        bulk: the retry, whose results `work` adds.
        work: retries the letters.
        report: receives whether all of them succeeded, and a summary.
    """
    done = bulk.done

    def outcome() -> tuple[bool, str]:
        if bulk.stopped:
            return False, f"{summary(done)}; {_stopped_by(bulk)}, {bulk.left:,} left"
        return bool(done) and all(result.success for result in done), summary(done)

    await answer_within(
        work,
        report,
        outcome=lambda _: outcome(),
        interim=lambda: f"{summary(done)} so far; the rest {CONTINUES}" if done else f"the retry {CONTINUES}",
        stopped=lambda: f"the engine stopped; {summary(done)}",
        ended=lambda ok, detail: report(ok, f"the retry ended: {detail}"),
    )


def _stopped_by(bulk: BulkRetry) -> str:
    return f"stopped by {bulk.stopped_by}" if bulk.stopped_by else "stopped"


async def report_stopped(stopped: list[BulkRetry], report: Callable[[bool, str], object]) -> None:
    """Report once the progress of stopped retries, when those in flight have ended, or that these take long."""
    if not stopped:
        report(False, "no retry of many dead letters is in progress")
        return

    async def ended() -> None:
        for bulk in stopped:
            await bulk.ended.wait()

    def so_far() -> str:
        _, done, left = progress_of(stopped)
        return f"{plural(done, 'dead letter')} retried, {left:,} left"

    await answer_within(
        ended(),
        report,
        outcome=lambda _: (True, f"the retry was stopped: {so_far()}"),
        interim=lambda: f"the retry stops after the one in flight: {so_far()}",
        stopped=lambda: f"the engine stopped; {so_far()}",
    )


def summary(done: list[RetryResult]) -> str:
    """Return a text that sums up the results of retries."""
    if not done:
        return "no such dead letter waits for a retry"
    if len(done) == 1:
        return f"dead letter {done[0].id} {WORDS[done[0].outcome]}: {done[0].detail}"
    counts = Counter(retried.outcome for retried in done)
    parts = ", ".join(f"{counts[outcome]} {words}" for outcome, words in WORDS.items() if counts[outcome])
    refusals = (one.result.error for one in done if one.outcome == "deferred" and one.result is not None)
    why = next((f", as every adapter refused: {refusal}" for refusal in refusals if refusal), "")
    subject = "no dead letter was retried" if counts["deferred"] == len(done) else f"{len(done)} dead letters retried"
    return f"{subject}: {parts}{why}"


WORDS: Final[dict[Outcome, str]] = {
    "succeeded": "succeeded",
    "failed": "failed again",
    "deferred": "deferred",
    "released": "cut off",
    "lost": "taken over by another worker",
}
"""A short text for each outcome of a retry."""
