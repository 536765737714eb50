"""What keeps dead letters must offer. The engine knows no more of it; a recording brings one that survives restarts."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Collection
from typing import Protocol

from fuseboard_engine.dead_letters.letter import (
    Capacity,
    Change,
    DeadLetter,
    DeadLetterStatistics,
    Kept,
    LetterChain,
    LetterSelection,
    NewLetter,
    RetryOutcome,
    StatusChange,
)


class DeadLetterStore(Protocol):
    """Keeps dead letters. Every method returns only after what it did is safe.

    `now` is UTC microseconds. A letter that is `retrying` under a lease that has ended is `pending` again, for every
    method. All raise `StoreUnavailable` when they can't read or write; then nothing was changed.
    """

    @property
    def shared(self) -> bool:
        """True when other processes may add, take and change letters too."""

    def add(self, letter: NewLetter, room: Capacity) -> Awaitable[Kept]:
        """Keep a new letter. Returns its number, and the letters that made room; a future where it takes a while.

        Raises:
            QueueFull: There is no room.
        """

    async def get(self, id: int, now: int) -> DeadLetter | None:
        """Return a letter, or None."""

    async def find(
        self, selection: LetterSelection, now: int, limit: int = 100, below: int | None = None
    ) -> list[DeadLetter]:
        """Return the newest letters that are selected, newest first, at most `limit`, those numbered below `below`."""

    async def statistics(self, now: int, capacity: int = 0) -> DeadLetterStatistics:
        """Return the figures of the whole queue; `capacity` is what its use is measured by."""

    async def chains_due(self, engine: str, now: int) -> list[LetterChain]:
        """Return the chains that letters of that engine which are due go along, each once."""

    async def claim_due(
        self, engine: str, claim: str, now: int, until: int, but: Collection[LetterChain] = ()
    ) -> DeadLetter | None:
        """Take the letter of that engine that has been due longest, under a lease; None: none is due.

        Those that go along one of the chains `but` are left alone. One step: of two that ask at once, one gets it.
        `claim` names the taking and is never used again.
        """

    async def claim(self, id: int, engine: str, claim: str, now: int, until: int) -> DeadLetter | None:
        """Take this letter if it is `pending`, due or not, or `exhausted`; None: it is not, or is another engine's."""

    async def renew(self, id: int, claim: str, until: int) -> bool:
        """Prolong a lease. False: somebody else has the letter, or it is gone."""

    async def settle(self, id: int, claim: str, settled: RetryOutcome, now: int) -> bool:
        """Write what a retry came to. False: the claim was lost, and nothing was changed."""

    async def change(
        self, change: Change, selection: LetterSelection, now: int, actor: str
    ) -> tuple[StatusChange, ...]:
        """Archive, unarchive or discard what is selected and allows it. Returns what was changed."""

    async def purge(self, selection: LetterSelection, now: int, actor: str) -> tuple[StatusChange, ...]:
        """Delete what is selected, but for letters being retried. Returns what is gone."""

    async def next_due(self, engine: str, now: int, but: Collection[LetterChain] = ()) -> int | None:
        """Return when the next letter of that engine is due or its lease ends; None: never by itself.

        Letters that wait and go along one of the chains `but` are passed over.
        """

    async def close(self) -> None:
        """Let go of whatever it holds; a second time does nothing."""


async def pages(
    store: DeadLetterStore, selection: LetterSelection, now: int, limit: int | None = None, size: int = 500
) -> AsyncIterator[list[DeadLetter]]:
    """Yield the selected letters of a store, newest first, a page at a time.

    Args:
        store: The store to read.
        selection: Which letters are wanted.
        now: UTC microseconds.
        limit: At most so many letters in all. None: all of them.
        size: At most so many letters in a page.

    Raises:
        StoreUnavailable: The store can't be read.
    """
    below: int | None = None
    while limit is None or limit > 0:
        page = await store.find(selection, now, size if limit is None else min(size, limit), below)
        if not page:
            return
        yield page
        below = page[-1].id
        limit = None if limit is None else limit - len(page)
