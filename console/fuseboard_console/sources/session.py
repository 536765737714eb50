"""What the console looks at: a recording that is followed, one that is replayed, or a scenario that plays."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from fuseboard_console.sources.feed import Feed, Mailbox

if TYPE_CHECKING:
    from fuseboard_console.sources.replay import Replay


class Speeds(Protocol):
    """Something that goes faster or slower."""

    @property
    def speed(self) -> float:
        """How many times as fast as it happened."""
        ...

    def faster(self) -> float:
        """Go a step faster; return the speed."""
        ...

    def slower(self) -> float:
        """Go a step slower; return the speed."""
        ...


@dataclass(frozen=True, eq=False)
class Session:
    """What the console looks at: a feed, where commands go (None: nothing can be asked), what it is called.

    `file` is safe text. `replay` is the feed when that can travel in time, `speeds` what goes faster and slower.
    """

    feed: Feed
    file: str
    mailbox: Mailbox | None = None
    replay: Replay | None = None
    speeds: Speeds | None = None
    failure_reason: Callable[[], str] | None = None
    """Says what is wrong that the recording can't tell, if something is."""
    closing: AsyncExitStack = field(default_factory=AsyncExitStack)
    """What to close when it is left."""
