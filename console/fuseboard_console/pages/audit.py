"""The audit page: operators' commands, and their outcome."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import partial

from fuseboard_console.operator.audit import AuditEntry, Key, audit_entries
from fuseboard_console.operator.follow_up import Followed, follow_up_text, follow_ups_text, followed_of
from fuseboard_console.pages.list_page import ListPage
from fuseboard_console.screens.adapter_detail import show_detail
from fuseboard_console.screens.text_detail import Link
from fuseboard_console.sources.feed import FEED_ERRORS
from fuseboard_console.text.line import Line
from fuseboard_console.tui.protocols import ConsoleHost, Frame
from fuseboard_console.views.adapters.engine_names import engine_names
from fuseboard_console.views.adapters.successors import Successors
from fuseboard_console.views.events.audit import audit_columns, audit_heading, audit_line, audit_lines, command_text
from fuseboard_console.views.events.sentences import verb_text
from fuseboard_storage.board.board import AdapterKey
from fuseboard_storage.tables.commands import CommandStatus

MOST = 1_000
"""Commands that are read from the mailbox."""
READ_INTERVAL = 1.0
"""Seconds at least between two looks into it."""


class Audit(ListPage[Key]):
    """Operators' commands, newest first."""

    PAGE = "audit"
    EMPTY = "No operator has sent a command yet."
    FIELDS = ("who", "what", "adapter", "outcome", "detail")

    def __init__(self, host: ConsoleHost) -> None:
        super().__init__(host)
        self.list.newest_first = self.list.follows = True
        self._successors = Successors()
        self._entries: dict[Key, AuditEntry] = {}
        self._followed: dict[tuple[int, int], list[Followed]] = {}
        self._columns = audit_columns(())
        self._commands: list[CommandStatus] = []
        self._read_at = -READ_INTERVAL
        self._made: tuple[object, ...] = ()
        self._opened: AuditEntry | None = None

    async def refresh_data(self, frame: Frame) -> None:
        """Read commands from the mailbox that the Board does not have."""
        recording, now = self.host.feed.recording, time.monotonic()
        if recording is not None and now - self._read_at >= READ_INTERVAL:
            self._read_at = now
            with suppress(*FEED_ERRORS):  # the banner says what is wrong with the file
                commands = await recording.commands(MOST)
                if commands != self._commands:
                    self._commands = commands
                    self.host.show()

    def rows(self, frame: Frame) -> Sequence[Key]:
        """Return the commands up to the shown time."""
        board = frame.board
        self._successors.note(board)
        self._followed = followed_of(board)
        newest = board.actions[0] if board.actions else None
        made = (board, len(board.actions), newest, self._commands, frame.past, engine_names(board))
        if made != self._made:
            self._made = made
            commands = self._commands
            if frame.past:  # rows do not describe what had not ended by then
                commands = [one for one in commands if one.done_at is not None and one.done_at <= frame.now]
            self._entries = audit_entries(board.actions, commands)
            self._columns = audit_columns(self._entries.values(), engine_names(board))
        return list(self._entries)

    def heading(self, cells: int) -> Line:
        """Return the column titles."""
        return audit_heading(self._columns, cells)

    def line(self, key: Key, cells: int) -> Line:
        """Return a command's line."""
        asked = self._entries.get(key)
        if asked is None:
            return ()
        engines = engine_names(self.host.frame.board)
        followed = self._followed.get((key[0], asked.done_at or 0), ())
        text = follow_ups_text(followed, engines) if followed else ""
        return audit_line(asked, self._columns, cells, self.host.glyphs, engines, text)

    def fields(self, key: Key) -> Mapping[str, str]:
        """Return the row's texts that a filter can match, by field."""
        asked = self._entries[key]
        return {
            "who": asked.actor,
            "what": verb_text(asked.verb),
            "adapter": asked.adapter,
            "outcome": asked.status,
            "detail": asked.detail,
        }

    def about(self, key: Key, cells: int) -> list[Line]:
        """Return a command in full. It stays available after the Board drops it."""
        self._opened = self._entries.get(key, self._opened)
        engines = engine_names(self.host.frame.board)
        if self._opened is None:
            return []
        found = followed_of(self.host.frame.board).get((self._opened.key[0], self._opened.done_at or 0), ())
        followed = [(engines.adapter(one.row.key), follow_up_text(one)) for one in found]
        return audit_lines(self._opened, cells, engines, followed)

    def title_of(self, key: Key) -> str:
        """Return a command as text."""
        self._opened = self._entries[key]
        text = command_text(self._opened, engine_names(self.host.frame.board))
        return text[:1].upper() + text[1:]

    def links(self, key: Key) -> Sequence[Link]:
        """Link to the adapter, if exactly one matches."""
        adapter = self._adapter_of(self._entries[key])
        return [] if adapter is None else [Link("a", "adapter", partial(show_detail, self.host, adapter))]

    def _adapter_of(self, asked: AuditEntry) -> AdapterKey | None:
        board = self.host.frame.board
        if asked.instance is not None:
            meant = AdapterKey(asked.instance, asked.adapter)
            successor = meant if meant in board.adapters else self._successors.of(board, meant)
            if successor is not None or asked.instance in board.instances:
                return successor
        found = board.find(asked.adapter)
        return found[0].key if len(found) == 1 else None
