"""The operator's actions on dead letters: prompts, execution by engine or store, and the notice of the outcome."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from fuseboard_console.actions.model import key_for
from fuseboard_console.operator.bulk_prompts import Outcome
from fuseboard_console.operator.command_target import CommandTarget, find_target, instances_to_ask
from fuseboard_console.operator.identity import actor
from fuseboard_console.operator.messages import outcome_text
from fuseboard_console.pages.dead_letters import repository
from fuseboard_console.text.safe_text import safe_text
from fuseboard_console.tui.background_work import Work
from fuseboard_console.tui.protocols import ConsoleHost
from fuseboard_console.tui.questions import ask
from fuseboard_console.views.dead_letters.prompts import (
    Verb,
    allows,
    batch_dead_letter_prompt,
    discard_prompt,
    done_text,
    refusal,
    refused_text,
)
from fuseboard_console.views.events.dead_letter_labels import status_at
from fuseboard_engine.dead_letters.letter import Change, DeadLetter
from fuseboard_engine.runtime.clock import wall_clock


class DeadLetterActions:
    """Executes the operator's actions on dead letters.

    Args:
        host: The console.
        run: Runs work in the background.
        confirmed: Called when an action on several is confirmed, so that their marks are removed.
        changed: Called when dead letters were changed.
    """

    def __init__(
        self,
        host: ConsoleHost,
        run: Callable[[Work], None],
        confirmed: Callable[[], None],
        changed: Callable[[], None],
    ) -> None:
        self._host = host
        self._run = run
        self._on_confirmed = confirmed
        self._changed = changed
        self._archived: tuple[Path, tuple[int, ...]] | None = None  # what was archived last, for the way back

    def begin(self, verb: Verb, dead_letters: Sequence[DeadLetter], elsewhere: bool = False) -> None:
        """Ask for confirmation where that is needed, then apply the action to the dead letters that allow it.

        `elsewhere`: the cursor is not on the only one selected, so confirmation is needed too.
        """
        path = self._path()
        if path is None or not dead_letters:
            return
        now = wall_clock()
        allowed = [dead_letter for dead_letter in dead_letters if allows(verb, status_at(dead_letter, now))]
        others = [dead_letter for dead_letter in dead_letters if not allows(verb, status_at(dead_letter, now))]
        if not allowed:
            self._host.show_notice(refused_text(verb, others, now), "warning")
        elif verb == "retry" and (reason := self._no_engine_reason(path, allowed)):
            self._host.show_notice(reason, "error")
        elif elsewhere or len(dead_letters) > 1:
            from fuseboard_console.screens.typed_confirm import TypedConfirmScreen

            question = batch_dead_letter_prompt(verb, allowed, others, now)
            self._ask(TypedConfirmScreen(*question), self._work_of(path, verb, allowed, others))
        elif verb == "discard":
            from fuseboard_console.screens.confirm import ConfirmScreen

            self._ask(ConfirmScreen(*discard_prompt(allowed[0])), self._work_of(path, verb, allowed, others))
        else:
            self._run(self._work_of(path, verb, allowed, others))

    def _no_engine_reason(self, path: Path, dead_letters: Sequence[DeadLetter]) -> str:
        """Return why no engine can retry any of these dead letters, or an empty string."""
        targets = [self._target(path, engine) for engine in {dead_letter.engine for dead_letter in dead_letters}]
        if any(found.instance is not None for found in targets):
            return ""
        stay = (
            "They stay as they are." if len(dead_letters) > 1 else f"Dead letter {dead_letters[0].id} stays as it is."
        )
        return f"{targets[0].why} {stay}"

    def _target(self, path: Path, engine: str) -> CommandTarget:
        return find_target(self._host.feed.board, {engine}, wall_clock(), safe_text(path.name, 200))

    def unarchive_last(self) -> bool:
        """Unarchive what was archived last on this page. Return False if there is nothing."""
        if self._archived is None or self._host.feed.recording is None:
            return False
        path, ids = self._archived
        if path != self._host.feed.recording.path:
            return False
        if not self._host.refuse_if_read_only():
            self._run(partial(self._change, path, "unarchive", ids, ()))
        return True

    def _path(self) -> Path | None:
        """Return the recording to change, or None after a notice that it is gone."""
        if self._host.refuse_if_read_only():
            return None
        if self._host.feed.recording is None:
            self._host.show_notice("The file is gone just now: nothing was changed.", "error")
            return None
        return self._host.feed.recording.path

    def _ask(self, screen: Any, doing: Work) -> None:
        def confirmed(yes: bool) -> None:
            self._on_confirmed()
            self._run(doing)

        ask(self._host, screen, confirmed)

    def _work_of(self, path: Path, verb: Verb, allowed: Sequence[DeadLetter], others: Sequence[DeadLetter]) -> Work:
        refused = [refusal(dead_letter, wall_clock()) for dead_letter in others]
        if verb != "retry":
            return partial(self._change, path, verb, [dead_letter.id for dead_letter in allowed], refused)
        if len(allowed) == 1 and not refused:
            return partial(self._retry, path, allowed[0])
        return partial(self._retry_many, path, allowed, refused)

    # ---------------------------------------------------------------- changes by the store

    async def _change(self, path: Path, change: Change, ids: Sequence[int], refused: Sequence[Outcome]) -> None:
        try:
            done = await repository.changed(path, change, ids, wall_clock(), actor())
        except repository.READ_ERRORS as error:
            self._host.show_notice(safe_text(f"Nothing was changed: {error}", 400), "error")
            return
        if change == "archive":
            self._archived = (path, tuple(sorted(done)))
        elif change == "unarchive" and self._archived is not None and done >= set(self._archived[1]):
            self._archived = None
        outcomes = [Outcome(str(id), id in done, "it was changed meanwhile") for id in ids]
        undo = key_for(self._host.actions, "dead_letter_unarchive") if change == "archive" else ""
        self._report(change, [*outcomes, *refused], undo)
        self._changed()

    # ---------------------------------------------------------------- retries by the engine

    async def _retry(self, path: Path, dead_letter: DeadLetter) -> None:
        """Send one dead letter's retry. The dispatcher reports the outcome."""
        instance = self._target(path, dead_letter.engine).instance
        if instance is not None:
            await self._host.dispatcher.send("dlq_retry", "", instance, {"ids": [dead_letter.id]})

    async def _retry_many(self, path: Path, dead_letters: Sequence[DeadLetter], refused: Sequence[Outcome]) -> None:
        """Have each engine retry its own dead letters, and report all outcomes in one sentence."""
        outcomes, asked = list(refused), []
        for engine in sorted({dead_letter.engine for dead_letter in dead_letters}):
            own = [dead_letter for dead_letter in dead_letters if dead_letter.engine == engine]
            instance = self._target(path, engine).instance
            if instance is not None:
                asked.append(self._retried(path, own, instance))
            else:
                outcomes += [
                    Outcome(str(dead_letter.id), False, f"no engine called {engine} runs") for dead_letter in own
                ]
        in_progress = 0
        for part, left in await asyncio.gather(*asked):
            outcomes += part
            in_progress += left
        self._report("retry", outcomes, in_progress=in_progress)
        self._changed()

    async def _retried(
        self, path: Path, dead_letters: Sequence[DeadLetter], instance: int
    ) -> tuple[list[Outcome], int]:
        """Have an engine retry dead letters. Return the outcome of each, and how many are still in progress."""
        try:
            status = await self._host.dispatcher.send_and_wait(
                "dlq_retry", instance, {"ids": [dead_letter.id for dead_letter in dead_letters]}
            )
            found = await repository.some(path, [dead_letter.id for dead_letter in dead_letters], wall_clock())
        except repository.READ_ERRORS as error:
            return [Outcome(str(dead_letter.id), False, str(error)) for dead_letter in dead_letters], 0
        after = {dead_letter.id: dead_letter for dead_letter in found}
        outcomes: list[Outcome] = []
        in_progress = 0
        for dead_letter in dead_letters:
            now = after.get(dead_letter.id)
            untouched = now is not None and (now.status == "retrying" or now.changed_at == dead_letter.changed_at)
            if untouched and status.status == "done":
                in_progress += 1
                continue
            why = "no engine took it in time" if status.status == "expired" else status.detail
            if not untouched:
                why = now.detail if now is not None else "it is gone"
            outcomes.append(Outcome(str(dead_letter.id), now is not None and now.status == "succeeded", why))
        return outcomes, in_progress

    def stop_retries(self) -> None:
        """Have every engine that may run end its retries of many dead letters after the one in flight."""
        path = self._path()
        if path is None:
            return
        board, now = self._host.feed.board, wall_clock()
        asked = instances_to_ask(board, (), now)
        if asked:
            self._run(partial(self._stop, asked))
        else:
            self._host.show_notice(find_target(board, (), now, safe_text(path.name, 200)).why, "error")

    async def _stop(self, asked: Sequence[int]) -> None:
        try:
            send = self._host.dispatcher.send_and_wait
            statuses = await asyncio.gather(*[send("dlq_stop", instance, {}) for instance in asked])
        except repository.READ_ERRORS as error:
            self._host.show_notice(safe_text(str(error), 400), "error")
            return
        stopped = [status for status in statuses if status.status == "done"]
        told = stopped or [status for status in statuses if status.status == "failed"] or statuses[:1]
        text = " ".join(outcome_text(status.verb, "", bool(stopped), status.detail) for status in told[:3])
        self._host.show_notice(text, "information" if stopped else "warning")
        self._changed()

    def _report(self, verb: Verb, outcomes: Sequence[Outcome], undo: str = "", in_progress: int = 0) -> None:
        well = all(outcome.done for outcome in outcomes)
        self._host.show_notice(done_text(verb, outcomes, undo, in_progress), "information" if well else "warning")
