"""Commands on their way: asked of an engine, watched until they are over, and reported."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Sequence
from typing import Any, Literal, Protocol

from fuseboard_console.actor import actor
from fuseboard_console.bulk import Bulk
from fuseboard_console.feed import Mailbox
from fuseboard_console.outcomes import nobody_can_take_it, nobody_took_it, outcome_text
from fuseboard_console.safe_text import safe_text
from fuseboard_console.views.connection import Connection
from fuseboard_storage.board import AdapterKey
from fuseboard_storage.errors import RecordingError
from fuseboard_storage.mailbox import CommandStatus

ANSWER_WITHIN = 5.0
"""Seconds an engine has to take a command."""


class Tell(Protocol):
    """Says a sentence to the operator."""

    def __call__(self, text: str, severity: Literal["information", "warning", "error"] = ...) -> None:
        """Say `text`, which is safe."""
        ...


class Desk:
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
        self._asked: dict[int, int] = {}  # the instance that each command was asked of
        self._bulks: dict[int, Bulk] = {}  # those of them that are told of together
        self._waiting: dict[int, asyncio.Future[CommandStatus]] = {}  # those of them that somebody waits for

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
        try:
            asked = await self._mailbox.ask(
                verb, adapter, instance=instance, actor=actor(), args=args, expires_in=ANSWER_WITHIN
            )
        except (sqlite3.Error, OSError, RecordingError) as error:
            self._tell(safe_text(f"The command could not be written: {error}", 300), "error")
            return
        self._asked[asked] = instance

    async def ask_all(self, verb: str, keys: Sequence[AdapterKey], args: dict[str, Any] | None = None) -> None:
        """Ask engines to do something to many adapters; what came of all is told in one sentence."""
        if self._mailbox is None:
            return
        bulk = Bulk(verb, len(keys))
        for key in keys:
            if self.over(key.instance):
                bulk.take(key.adapter, False, "its engine is no more")
                continue
            try:
                asked = await self._mailbox.ask(
                    verb, key.adapter, instance=key.instance, actor=actor(), args=args, expires_in=ANSWER_WITHIN
                )
            except (sqlite3.Error, OSError, RecordingError) as error:
                bulk.take(key.adapter, False, f"the command could not be written: {error}")
                continue
            self._asked[asked], self._bulks[asked] = key.instance, bulk
        self._tell_bulk(bulk)

    async def outcome(self, verb: str, instance: int, args: dict[str, Any]) -> CommandStatus:
        """Ask an engine to do something, and wait for what came of it; to tell that is the caller's.

        Raises:
            RecordingError: the command could not be written, or what came of it can't be known any more.
        """
        if self._mailbox is None:
            raise RecordingError("This console is read-only.", "Open it without --read-only.")
        try:
            asked = await self._mailbox.ask(verb, instance=instance, actor=actor(), args=args, expires_in=ANSWER_WITHIN)
        except (sqlite3.Error, OSError) as error:
            raise RecordingError(f"The command could not be written: {error}.", "Nothing was done.") from None
        self._asked[asked] = instance
        waiting: asyncio.Future[CommandStatus] = asyncio.get_running_loop().create_future()
        self._waiting[asked] = waiting
        return await waiting

    def _tell_bulk(self, bulk: Bulk) -> None:
        if bulk.over:
            self._tell(bulk.text, "information" if bulk.well else "warning")

    async def look(self) -> None:
        """See what has become of the commands that were asked, and tell it."""
        if self._mailbox is None:
            return
        for command in tuple(self._asked):
            try:
                status = await self._mailbox.command(command)
            except (sqlite3.Error, OSError, RecordingError):
                continue  # the file can't be read just now, which the banner says
            except KeyError:  # another file stands at the path now
                del self._asked[command]
                if (waiting := self._waiting.pop(command, None)) is not None:
                    if not waiting.done():
                        waiting.set_exception(RecordingError("The recording was replaced.", "See what came of it."))
                    continue
                if (bulk := self._bulks.pop(command, None)) is not None:
                    bulk.take("", False, "the recording was replaced")
                    self._tell_bulk(bulk)
                    continue
                self._tell("The recording was replaced: what came of the command is not known.", "warning")
                continue
            if not status.over:
                continue
            instance = self._asked.pop(command)
            if (waiting := self._waiting.pop(command, None)) is not None:
                if not waiting.done():
                    waiting.set_result(status)
                continue
            if (bulk := self._bulks.pop(command, None)) is not None:
                why = "nobody took it in time" if status.status == "expired" else status.detail
                bulk.take(status.adapter, status.status == "done", why)
                self._tell_bulk(bulk)
                continue
            if status.status == "expired":
                self._tell(nobody_took_it(self._connection(instance), self._file), "error")
            else:
                done = status.status == "done"
                said = outcome_text(status.verb, status.adapter, done, status.detail, self._key)
                self._tell(said, "information" if done else "warning")
