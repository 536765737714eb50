"""The interface of a dead letter store. A recording provides one that survives restarts."""

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
    """Stores dead letters. Every method returns only when its effect is durable.

    `now` is UTC microseconds. For every method, a `retrying` letter whose lease has expired is `pending` again. All
    raise `StoreUnavailable` when they cannot read or write; then nothing was changed.
    """

    @property
    def shared(self) -> bool:
        """True when other processes may add, claim and change letters too."""

    def add(self, letter: NewLetter, room: Capacity) -> Awaitable[Kept]:
        """Store a new letter. Return its id and the evicted letters; a future if it takes a while.

        Raises:
            QueueFull: there is no room.
        """

    async def get(self, id: int, now: int) -> DeadLetter | None:
        """Return a letter, or None."""

    async def find(
        self, selection: LetterSelection, now: int, limit: int = 100, below: int | None = None
    ) -> list[DeadLetter]:
        """Return the newest selected letters, newest first, at most `limit`, with ids below `below`."""

    async def statistics(self, now: int, capacity: int = 0) -> DeadLetterStatistics:
        """Return the statistics of the whole queue; `capacity` is the basis of its utilisation."""

    async def chains_due(self, engine: str, now: int) -> list[LetterChain]:
        """Return the chains of that engine's due letters, each once."""

    async def claim_due(
        self, engine: str, claim: str, now: int, until: int, excluding: Collection[LetterChain] = ()
    ) -> DeadLetter | None:
        """Claim the letter of that engine that has been due longest, under a lease. Return None if none is due.

        Letters of the chains `excluding` are skipped. Atomic: of two concurrent callers one gets the letter. `claim`
        identifies this claim and is never reused.
        """

    async def claim(self, id: int, engine: str, claim: str, now: int, until: int) -> DeadLetter | None:
        """Claim this letter of the engine if it is `pending`, due or not, or `exhausted`; otherwise return None."""

    async def renew(self, id: int, claim: str, until: int) -> bool:
        """Extend a lease. Return False if another worker holds the letter, or it was deleted."""

    async def settle(self, id: int, claim: str, settled: RetryOutcome, now: int) -> bool:
        """Store the outcome of a retry. Return False if the claim was lost; then nothing was changed."""

    async def change(
        self, change: Change, selection: LetterSelection, now: int, actor: str
    ) -> tuple[StatusChange, ...]:
        """Archive, unarchive or discard the selected letters whose status allows it. Return the changes."""

    async def purge(self, selection: LetterSelection, now: int, actor: str) -> tuple[StatusChange, ...]:
        """Delete the selected letters, except those being retried. Return what was deleted."""

    async def next_due(self, engine: str, now: int, excluding: Collection[LetterChain] = ()) -> int | None:
        """Return when that engine's next letter is due or its lease expires, or None if never.

        Pending letters of the chains `excluding` are skipped.
        """

    async def close(self) -> None:
        """Release all resources. A second call does nothing."""


async def pages(
    store: DeadLetterStore, selection: LetterSelection, now: int, limit: int | None = None, size: int = 500
) -> AsyncIterator[list[DeadLetter]]:
    """Yield the selected letters of a store, newest first, a page at a time.

    Args:
        store: The store to read.
        selection: Which letters are wanted.
        now: UTC microseconds.
        limit: The maximum number of letters in all; None for no limit.
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
