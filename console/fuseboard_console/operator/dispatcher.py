"""Commands on their way: asked of an engine, watched until they are over, and reported."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Literal, Protocol

from fuseboard_console.operator.command_batch import CommandBatch
from fuseboard_console.operator.identity import actor
from fuseboard_console.operator.messages import key_that_undoes, nobody_can_take_it, nobody_took_it, outcome_text
from fuseboard_console.sources.feed import TROUBLE, Mailbox
from fuseboard_console.text.safe_text import safe_text
from fuseboard_console.views.adapters.engine_presence import Connection
from fuseboard_storage.board.board import AdapterKey
from fuseboard_storage.errors import RecordingError
from fuseboard_storage.tables.commands import CommandStatus

ANSWER_WITHIN = 5.0
"""Seconds an engine has to take a command."""

Settle = Callable[[CommandStatus | None], None]
"""Takes what became of a command; None: it stands in no file that could tell."""


class Tell(Protocol):
    """Says a sentence to the operator."""

    def __call__(self, text: str, severity: Literal["information", "warning", "error"] = ...) -> None:
        """Say `text`, which is safe."""
        ...


class CommandDispatcher:
    """Takes an operator's commands to the mailbox and says what came of each.

    Args:
        mailbox: where commands go; None: the console is read-only, and nothing is ever asked.
        file: the recording's name, as safe text.
        connection: says how an engine stands now, by its instance.
        tell: says a sentence to the operator.
        key: gives the operator's key for an action, for a sentence that says how to take something back.
    """

    def __init__(
        self,
        mailbox: Mailbox | None,
        file: str,
        connection: Callable[[int], Connection],
        tell: Tell,
        key: Callable[[str], str] | None = None,
    ) -> None:
        self._mailbox = mailbox
        self._file = file
        self._connection = connection
        self._tell = tell
        self._key = key
        self._asked: dict[int, Settle] = {}  # what is done when each command is over
        self._waiting: set[asyncio.Future[CommandStatus]] = set()  # the outcomes that somebody waits for

    @property
    def read_only(self) -> bool:
        """Whether nothing can be asked."""
        return self._mailbox is None

    def over(self, instance: int) -> bool:
        """Return whether it is known that this engine can take nothing any more."""
        return self._connection(instance).over

    def refused(self, instance: int) -> bool:
        """The same; if so, say why."""
        connection = self._connection(instance)
        if connection.over:
            self._tell(nobody_can_take_it(connection, self._file), "error")
        return connection.over

    async def ask(self, verb: str, adapter: str, instance: int, args: dict[str, Any] | None = None) -> None:
        """Ask an engine to do something, with the verb's own `args`; what came of it is told later."""
        if self._mailbox is None or self.refused(instance):
            return
        trouble = await self._put(
            verb, [AdapterKey(instance, adapter)], args, lambda key: partial(self._tell_one, instance)
        )
        if trouble:
            self._tell(safe_text(f"The command could not be written: {trouble}", 300), "error")

    async def ask_all(self, verb: str, keys: Sequence[AdapterKey], args: dict[str, Any] | None = None) -> None:
        """Ask engines to do something to many adapters; what came of all is told in one sentence."""
        if self._mailbox is None:
            return
        bulk = CommandBatch(verb, len(keys), key_that_undoes(verb, self._key))
        over = {instance for instance in {key.instance for key in keys} if self.over(instance)}
        for key in keys:
            if key.instance in over:
                bulk.take(key.adapter, False, "its engine is no more")
        reached = [key for key in keys if key.instance not in over]
        if trouble := await self._put(verb, reached, args, lambda key: partial(self._gather, bulk, key)):
            for key in reached:
                bulk.take(key.adapter, False, f"the command could not be written: {trouble}")
        self._tell_bulk(bulk)

    async def outcome(self, verb: str, instance: int, args: dict[str, Any]) -> CommandStatus:
        """Ask an engine to do something, and wait for what came of it; to tell that is the caller's.

        Raises:
            RecordingError: the command could not be written, or what came of it can't be known any more.
        """
        if self._mailbox is None:
            raise RecordingError("This console is read-only.", "Open it without --read-only.")
        waiting: asyncio.Future[CommandStatus] = asyncio.get_running_loop().create_future()

        def settle(status: CommandStatus | None) -> None:
            if waiting.done():
                return
            if status is None:
                waiting.set_exception(RecordingError("The recording was replaced.", "See what came of it."))
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
        """Look after nothing any more, for its place is left; who waits for an outcome is told so."""
        self._asked.clear()
        for waiting in self._waiting:
            if not waiting.done():
                waiting.set_exception(RecordingError(f"{self._file} was left.", "What came of it is not known."))

    async def look(self) -> None:
        """See what has become of the commands that were asked, and tell it."""
        if self._mailbox is None or not self._asked:
            return
        asked = tuple(self._asked)
        try:
            statuses = await self._mailbox.statuses(asked)
        except TROUBLE:
            return  # the file can't be read just now, which the banner says
        for command in asked:
            status = statuses.get(command)
            if (status is None or status.over) and (settle := self._asked.pop(command, None)) is not None:
                settle(status)

    # ---------------------------------------------------------------- within

    async def _put(
        self,
        verb: str,
        keys: Sequence[AdapterKey],
        args: dict[str, Any] | None,
        settle: Callable[[AdapterKey], Settle],
    ) -> str:
        """Put a command about each adapter into the mailbox; return why that could not be done, nothing when it was."""
        assert self._mailbox is not None
        try:
            asked = await self._mailbox.ask_many(verb, keys, actor=actor(), args=args, expires_in=ANSWER_WITHIN)
        except TROUBLE as error:
            return str(error)
        self._asked.update({id: settle(key) for id, key in zip(asked, keys, strict=True)})
        return ""

    def _tell_one(self, instance: int, status: CommandStatus | None) -> None:
        """Tell what came of one command that was asked of an engine."""
        if status is None:
            self._tell("The recording was replaced: what came of the command is not known.", "warning")
        elif status.status == "expired":
            self._tell(nobody_took_it(self._connection(instance), self._file), "error")
        else:
            done = status.status == "done"
            said = outcome_text(status.verb, status.adapter, done, status.detail, self._key)
            self._tell(said, "information" if done else "warning")

    def _gather(self, bulk: CommandBatch, key: AdapterKey, status: CommandStatus | None) -> None:
        """Take what came of one command of many, and tell of all when they are known."""
        if status is None:
            bulk.take(key.adapter, False, "the recording was replaced")
        else:
            why = "nobody took it in time" if status.status == "expired" else status.detail
            bulk.take(key.adapter, status.status == "done", why)
        self._tell_bulk(bulk)

    def _tell_bulk(self, bulk: CommandBatch) -> None:
        if bulk.over:
            self._tell(bulk.text, "information" if bulk.well else "warning")
