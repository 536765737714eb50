"""A session of the console: a recording that is followed or replayed, or a scenario that plays."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from fuseboard_console.sources.feed import Feed, Mailbox

if TYPE_CHECKING:
    from fuseboard_console.sources.replay import Replay


class Speeds(Protocol):
    """A speed that can be changed in steps."""

    @property
    def speed(self) -> float:
        """The speed as a multiple of real time."""
        ...

    def faster(self) -> float:
        """Increase the speed by a step; return it."""
        ...

    def slower(self) -> float:
        """Decrease the speed by a step; return it."""
        ...


class Controls(Speeds, Protocol):
    """Steers a scenario while it plays."""

    @property
    def paused(self) -> bool:
        """Whether the operator has stopped it."""
        ...

    def toggle(self) -> None:
        """Stop it, or let it go on."""
        ...

    def next_step(self) -> None:
        """Go to its next step."""
        ...

    def restart(self) -> None:
        """Play it from the beginning."""
        ...


@dataclass(frozen=True, eq=False)
class Session:
    """What the console shows.

    Args:
        feed: The source of the Board.
        file: The recording's name, as safe text.
        mailbox: Takes commands; None if none can be sent.
        replay: The feed, if it can travel in time.
        controls: Steers the scenario that plays, if one does.
        failure_reason: Returns why the session has failed in a way that the recording does not show; empty if it has
            not.
        closing: What is closed with the session.
    """

    feed: Feed
    file: str
    mailbox: Mailbox | None = None
    replay: Replay | None = None
    controls: Controls | None = None
    failure_reason: Callable[[], str] | None = None
    closing: AsyncExitStack = field(default_factory=AsyncExitStack)
