"""What the console needs of a recording. It never holds an engine."""

from __future__ import annotations

from typing import Protocol

from fuseboard_storage.board import Board


class Feed(Protocol):
    """Where the Board comes from: a live recording, a replay, or a test's list of events."""

    @property
    def board(self) -> Board:
        """The Board as of the last `advance`."""
        ...

    async def advance(self) -> bool:
        """Take in what came since; return whether anything did."""
        ...

    async def behind(self) -> int:
        """Return how many events wait to be taken in."""
        ...


class Mailbox(Protocol):
    """Where operators' commands go."""

    async def ask(self, verb: str, adapter: str, *, instance: int | None) -> int:
        """Ask an engine to do something; return the command's number."""
        ...

    async def outcome(self, command: int) -> Outcome:
        """Return what has become of a command."""
        ...


class Outcome(Protocol):
    """What has become of a command."""

    @property
    def status(self) -> str:
        """`waiting`, `done`, `refused` or `expired`."""
        ...

    @property
    def detail(self) -> str:
        """What happened, in the engine's words."""
        ...
