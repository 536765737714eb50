"""Sends an operator's commands to engines, watches them until they end, and reports the outcome."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Literal, Protocol

from fuseboard_console.operator.command_batch import CommandBatch
from fuseboard_console.operator.followed_commands import FollowedCommands
from fuseboard_console.operator.identity import actor
from fuseboard_console.operator.messages import no_engine_message, not_taken_message, outcome_text, undo_key
from fuseboard_console.sources.feed import FEED_ERRORS, Mailbox
from fuseboard_console.text.safe_text import safe_text
from fuseboard_console.views.adapters.engine_names import NO_ENGINES, EngineNames
from fuseboard_console.views.adapters.engine_presence import Connection
from fuseboard_engine.dead_letters.operator_retry import CONTINUES
from fuseboard_engine.runtime.clock import wall_clock
from fuseboard_storage.board.board import AdapterKey, Board
from fuseboard_storage.errors import RecordingError
from fuseboard_storage.tables.commands import CommandStatus

COMMAND_TIMEOUT = 5.0
"""Seconds that an engine has to take a command."""

Settle = Callable[[CommandStatus | None], None]
"""Takes the final status of a command; None if the recording with it was replaced."""


class Notify(Protocol):
    """Shows a sentence to the operator."""

    def __call__(self, text: str, severity: Literal["information", "warning", "error"] = ...) -> None:
        """Show `text`, which is safe."""
        ...


class CommandDispatcher:
    """Sends an operator's commands and reports their outcomes.

    Args:
        mailbox: Takes the commands; None if the console is read-only.
        file: The recording's name, as safe text.
        connection: Returns the connection to an instance.
        notify: Shows a sentence to the operator.
        key: Returns the operator's key for an action, for hints how to undo a command.
        engines: Returns the engines, which are named where an adapter's name does not tell which one is meant.
        board: Returns the Board, which tells what followed a command; None if that is not shown.
        now: Returns the present, in UTC microseconds.
    """

    def __init__(
        self,
        mailbox: Mailbox | None,
        file: str,
        connection: Callable[[int], Connection],
        notify: Notify,
        key: Callable[[str], str] | None = None,
        engines: Callable[[], EngineNames] = lambda: NO_ENGINES,
        board: Callable[[], Board] | None = None,
        now: Callable[[], int] = wall_clock,
    ) -> None:
        self._mailbox = mailbox
        self._file = file
        self._connection = connection
        self._notify = notify
        self._key = key
        self._engines = engines
        self._followed = FollowedCommands(board, now, notify)
        self._pending: dict[int, Settle] = {}  # by command, what to do when it has ended
        self._waiting: set[asyncio.Future[CommandStatus]] = set()  # callers that wait for an outcome

    @property
    def read_only(self) -> bool:
        """Whether no commands can be sent."""
        return self._mailbox is None

    def is_over(self, instance: int) -> bool:
        """Return whether an engine is known to have ended and can take no command."""
        return self._connection(instance).over

    def notify_if_over(self, instance: int) -> bool:
        """Show why an engine can take no command, if it is over; return whether it is."""
        connection = self._connection(instance)
        if connection.over:
            self._notify(no_engine_message(connection, self._file, self._engines().command(instance, "")), "error")
        return connection.over

    async def send(self, verb: str, adapter: str, instance: int, args: dict[str, Any] | None = None) -> None:
        """Send one command with the verb's own `args`; its outcome is reported later."""
        if self._mailbox is None or self.notify_if_over(instance):
            return
        trouble = await self._put(
            verb, [AdapterKey(instance, adapter)], args, lambda key: partial(self._report, instance)
        )
        if trouble:
            self._notify(safe_text(f"The command could not be written: {trouble}", 300), "error")

    async def send_all(self, verb: str, keys: Sequence[AdapterKey], args: dict[str, Any] | None = None) -> None:
        """Send a command for each of many adapters; the outcomes are reported in one sentence."""
        if self._mailbox is None:
            return
        batch = CommandBatch(verb, len(keys), undo_key(verb, self._key))
        over = {instance for instance in {key.instance for key in keys} if self.is_over(instance)}
        for key in keys:
            if key.instance in over:
                batch.add(self._engines().adapter(key), False, "its engine has ended")
        reached = [key for key in keys if key.instance not in over]
        if trouble := await self._put(verb, reached, args, lambda key: partial(self._collect, batch, key)):
            for key in reached:
                batch.add(self._engines().adapter(key), False, f"the command could not be written: {trouble}")
        self._report_batch(batch)

    async def send_and_wait(self, verb: str, instance: int, args: dict[str, Any]) -> CommandStatus:
        """Send one command and return its final status, which the caller reports.

        Raises:
            RecordingError: The command could not be written, or its outcome can no longer be known.
        """
        if self._mailbox is None:
            raise RecordingError("This console is read-only.", "Open it without --read-only.")
        waiting: asyncio.Future[CommandStatus] = asyncio.get_running_loop().create_future()

        def settle(status: CommandStatus | None) -> None:
            if waiting.done():
                return
            if status is None:
                waiting.set_exception(RecordingError("The recording was replaced.", "Check the outcome."))
            else:
                waiting.set_result(status)

        if trouble := await self._put(verb, [AdapterKey(instance, "")], args, lambda key: settle):
            raise RecordingError(f"The command could not be written: {trouble}", "Nothing was done.")
        self._waiting.add(waiting)
        try:
            return await waiting
        finally:
            self._waiting.discard(waiting)

    def close(self) -> None:
        """Stop watching commands because the session is left; callers that wait get an error."""
        self._pending.clear()
        self._followed.clear()
        for waiting in self._waiting:
            if not waiting.done():
                waiting.set_exception(RecordingError(f"{self._file} was left.", "The outcome is not known."))

    async def poll(self) -> None:
        """Read the statuses of pending commands and report those that have ended, and what followed earlier ones."""
        self._followed.report()
        if self._mailbox is None or not self._pending:
            return
        commands = tuple(self._pending)
        try:
            statuses = await self._mailbox.statuses(commands)
        except FEED_ERRORS:
            return  # the banner shows that the file cannot be read
        for command in commands:
            status = statuses.get(command)
            if (status is None or status.over) and (settle := self._pending.pop(command, None)) is not None:
                settle(status)
                if status is not None and status.verb == "dlq_retry" and status.detail.endswith(CONTINUES):
                    self._followed.add_retry(command)

    # ---------------------------------------------------------------- internal

    async def _put(
        self,
        verb: str,
        keys: Sequence[AdapterKey],
        args: dict[str, Any] | None,
        settle: Callable[[AdapterKey], Settle],
    ) -> str:
        """Write a command for each adapter into the mailbox; return an error text, empty on success."""
        assert self._mailbox is not None
        try:
            ids = await self._mailbox.ask_many(verb, keys, actor=actor(), args=args, expires_in=COMMAND_TIMEOUT)
        except FEED_ERRORS as error:
            return str(error)
        self._pending.update({id: settle(key) for id, key in zip(ids, keys, strict=True)})
        return ""

    def _report(self, instance: int, status: CommandStatus | None) -> None:
        """Report the outcome of one command."""
        if status is None:
            self._notify("The recording was replaced: the outcome of the command is not known.", "warning")
        elif status.status == "expired":
            engine = self._engines().command(instance, "")
            self._notify(not_taken_message(self._connection(instance), self._file, engine), "error")
        else:
            done = status.status == "done"
            engine = self._engines().command(instance, status.adapter)
            text = outcome_text(status.verb, status.adapter, done, status.detail, self._key, engine)
            self._notify(text, "information" if done else "warning")
            if done:
                self._followed.add(status.verb, [status.id])

    def _collect(self, batch: CommandBatch, key: AdapterKey, status: CommandStatus | None) -> None:
        """Collect one outcome of a batch; report the batch when all are known."""
        if status is None:
            batch.add(self._engines().adapter(key), False, "the recording was replaced")
        else:
            why = "no engine took it in time" if status.status == "expired" else status.detail
            done = status.status == "done"
            batch.add(self._engines().adapter(key), done, why, status.id if done else None)
        self._report_batch(batch)

    def _report_batch(self, batch: CommandBatch) -> None:
        if batch.over:
            self._notify(batch.text, "information" if batch.succeeded else "warning")
            self._followed.add(batch.verb, batch.done)
