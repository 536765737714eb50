"""Dead letters in memory: for an engine that is not recorded, and while a store cannot be written.

They end with the process. `fuseboard_storage` keeps them in the recording, with the same interface.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable
from typing import Any, Literal

import msgspec

from fuseboard_engine.dead_letters.letter import (
    CHANGEABLE,
    DONE,
    FINISHED,
    RETRYABLE,
    Capacity,
    Change,
    DeadLetter,
    DeadLetterStatistics,
    LetterChain,
    LetterRefused,
    LetterSelection,
    NewLetter,
    QueueFull,
    RetryOutcome,
    Status,
    StatusChange,
    statistics,
)

replace = msgspec.structs.replace


class MemoryDeadLetters:
    """A `DeadLetterStore` that keeps letters in a dict, oldest first.

    Args:
        step: added to the last id to get the next; a store that supplements another one counts downwards.
    """

    shared = False

    def __init__(self, step: int = 1) -> None:
        self._letters: dict[int, DeadLetter] = {}
        self._totals: Counter[str] = Counter()
        self._step = step
        self._last = 0

    def __len__(self) -> int:
        return len(self._letters)

    async def add(self, letter: NewLetter, room: Capacity) -> tuple[int, tuple[StatusChange, ...]]:
        """Store a new letter; see `DeadLetterStore`."""
        evicted: tuple[StatusChange, ...] = ()
        if len(self._letters) >= room.capacity:
            gone = self._oldest_finished(room.eviction_count) if room.evict else []
            if not gone:
                self._totals["refused"] += 1
                raise QueueFull(full(room))
            evicted = self._drop(gone, "evicted")
        self._last += self._step
        fields = msgspec.structs.asdict(letter)
        self._letters[self._last] = DeadLetter(**fields, id=self._last, changed_at=letter.created_at)
        self._totals["enqueued"] += 1
        return self._last, evicted

    async def get(self, id: int, now: int) -> DeadLetter | None:
        """Return a letter, or None."""
        self._expire_leases(now)
        return self._letters.get(id)

    async def find(
        self, selection: LetterSelection, now: int, limit: int = 100, below: int | None = None
    ) -> list[DeadLetter]:
        """Return the newest selected letters; see `DeadLetterStore`."""
        self._expire_leases(now)
        found = [
            letter
            for letter in reversed(self._letters.values())
            if (below is None or letter.id < below) and is_selected(letter, selection)
        ]
        return found[:limit]

    async def statistics(self, now: int, capacity: int = 0) -> DeadLetterStatistics:
        """Return the statistics of the whole queue."""
        self._expire_leases(now)
        letters = self._letters.values()
        by_status: dict[str, int] = dict(Counter(str(letter.status) for letter in letters))
        by_category: dict[str, int] = dict(Counter(str(letter.category) for letter in letters))
        return statistics(by_status, by_category, dict(self._totals), capacity)

    async def chains_due(self, engine: str, now: int) -> list[LetterChain]:
        """Return the chains of the letters that are due."""
        self._expire_leases(now)
        return list(dict.fromkeys(letter.chain for letter in self._waiting(engine) if letter.due_at <= now))

    async def claim_due(
        self, engine: str, claim: str, now: int, until: int, excluding: Collection[LetterChain] = ()
    ) -> DeadLetter | None:
        """Claim the letter that has been due longest; see `DeadLetterStore`."""
        self._expire_leases(now)
        due = [(letter.due_at, letter.id) for letter in self._waiting(engine, excluding) if letter.due_at <= now]
        return self._claim(min(due)[1], claim, now, until) if due else None

    async def claim(self, id: int, engine: str, claim: str, now: int, until: int) -> DeadLetter | None:
        """Claim this letter; see `DeadLetterStore`."""
        self._expire_leases(now)
        letter = self._letters.get(id)
        if letter is None or letter.status not in RETRYABLE or letter.engine != engine:
            return None
        return self._claim(id, claim, now, until)

    async def renew(self, id: int, claim: str, until: int) -> bool:
        """Extend a lease. Return False if it was lost."""
        letter = self._claimed(id, claim)
        if letter is not None:
            self._letters[id] = replace(letter, lease_until=until)
        return letter is not None

    async def settle(self, id: int, claim: str, settled: RetryOutcome, now: int) -> bool:
        """Store the outcome of a retry. Return False if the claim was lost."""
        letter = self._claimed(id, claim)
        if letter is None:
            return False
        self._letters[id] = replace(
            letter,
            status=settled.status,
            due_at=settled.due_at,
            retries=settled.retries,
            deferrals=settled.deferrals,
            max_retries=settled.max_retries,
            detail=settled.detail,
            actor=settled.actor,
            error_type=letter.error_type if settled.error_type is None else settled.error_type,
            error=letter.error if settled.error is None else settled.error,
            changed_at=now,
            was=None,
            claim="",
            lease_until=None,
        )
        self._totals.update(settled.counts)
        return True

    async def change(
        self, change: Change, selection: LetterSelection, now: int, actor: str
    ) -> tuple[StatusChange, ...]:
        """Archive, unarchive or discard; see `DeadLetterStore`."""
        self._expire_leases(now)
        changed = [
            letter
            for letter in self._letters.values()
            if letter.status in CHANGEABLE[change] and is_selected(letter, selection)
        ]
        afters: list[Status] = []
        for letter in changed:
            status: Status = "archived" if change == "archive" else "discarded"
            if change == "unarchive":
                status = letter.was or "pending"
            was = letter.status if change == "archive" else None
            self._letters[letter.id] = replace(
                letter, status=status, was=was, changed_at=now, actor=actor, detail=f"{DONE[change]} by hand"
            )
            afters.append(status)
        return group_changes([(letter.id, letter.status, after) for letter, after in zip(changed, afters, strict=True)])

    async def purge(self, selection: LetterSelection, now: int, actor: str) -> tuple[StatusChange, ...]:
        """Delete the selected letters, except those being retried."""
        self._expire_leases(now)
        gone = [x for x in self._letters.values() if x.status != "retrying" and is_selected(x, selection)]
        return self._drop(gone, "purged")

    async def next_due(self, engine: str, now: int, excluding: Collection[LetterChain] = ()) -> int | None:
        """Return when the next letter is due or its lease expires; see `DeadLetterStore`."""
        self._expire_leases(now)
        leases = [
            x.lease_until
            for x in self._letters.values()
            if x.status == "retrying" and x.engine == engine and x.lease_until is not None
        ]
        return min([letter.due_at for letter in self._waiting(engine, excluding)] + leases, default=None)

    async def close(self) -> None:
        """Do nothing: there is nothing to release."""

    def waiting(self) -> list[DeadLetter]:
        """Return the letters that need a retry and are not claimed, oldest first."""
        return [letter for letter in self._letters.values() if letter.status in RETRYABLE]

    def remove(self, id: int) -> None:
        """Remove a letter that another store holds now; it counts as if it had never been here."""
        if self._letters.pop(id, None) is not None:
            self._totals["enqueued"] -= 1

    def adopt(self, other: MemoryDeadLetters) -> None:
        """Take over another store's letters under new ids; letters being retried there stay there."""
        for letter in [letter for letter in other._letters.values() if letter.status != "retrying"]:
            self._last += self._step
            self._letters[self._last] = replace(letter, id=self._last)
            self._totals["enqueued"] += 1
            other.remove(letter.id)

    # ------------------------------------------------------------------ internal

    def _expire_leases(self, now: int) -> None:
        for letter in self._letters.values():
            if letter.status == "retrying" and letter.lease_until is not None and letter.lease_until <= now:
                self._letters[letter.id] = replace(
                    letter,
                    status="pending",
                    was=None,
                    claim="",
                    lease_until=None,
                    changed_at=now,
                    detail=LEASE_EXPIRED,
                    actor="",
                )

    def _waiting(self, engine: str, excluding: Collection[LetterChain] = ()) -> list[Any]:
        return [
            x
            for x in self._letters.values()
            if x.status == "pending" and x.due_at is not None and x.engine == engine and x.chain not in excluding
        ]

    def _claim(self, id: int, claim: str, now: int, until: int) -> DeadLetter:
        letter = self._letters[id]
        taken = replace(letter, status="retrying", was=letter.status, claim=claim, lease_until=until, changed_at=now)
        self._letters[id] = taken
        return taken

    def _claimed(self, id: int, claim: str) -> DeadLetter | None:
        letter = self._letters.get(id)
        return letter if letter is not None and letter.status == "retrying" and letter.claim == claim else None

    def _oldest_finished(self, limit: int) -> list[DeadLetter]:
        finished = [letter for letter in self._letters.values() if letter.status in FINISHED]
        return sorted(finished, key=lambda letter: (FINISHED.index(letter.status), letter.id))[:limit]

    def _drop(self, gone: Iterable[DeadLetter], total: str) -> tuple[StatusChange, ...]:
        groups = group_changes([(letter.id, letter.status, "") for letter in gone])
        for group in groups:
            for id in group.ids:
                del self._letters[id]
            self._totals[total] += len(group.ids)
        return groups


class ClosedDeadLetters(MemoryDeadLetters):
    """Takes the place of a store that was closed. Refuses letters: in memory, they would end with the process."""

    async def add(self, letter: NewLetter, room: Capacity) -> tuple[int, tuple[StatusChange, ...]]:
        """Refuse a letter. Raises LetterRefused."""
        self._totals["refused"] += 1
        raise LetterRefused("the recording that keeps dead letters is closed")


LEASE_EXPIRED = "its worker stopped responding; it is pending again"


def full(room: Capacity) -> str:
    """Return the message for a full queue."""
    hint = "none of them is finished" if room.evict else "purge finished letters, or allow eviction"
    return f"the dead letter queue is full: it holds {room.capacity:,} letters, and {hint}"


def group_changes(changes: Iterable[tuple[int, Status, Status | Literal[""]]]) -> tuple[StatusChange, ...]:
    """Group letters, each with its status before and after, by both."""
    groups: dict[tuple[Status, Status | Literal[""]], list[int]] = {}
    for id, before, after in changes:
        groups.setdefault((before, after), []).append(id)
    return tuple(StatusChange(tuple(ids), before, after) for (before, after), ids in groups.items())


def is_selected(letter: DeadLetter, selection: LetterSelection) -> bool:
    """Return whether a letter matches a selection."""
    if selection.text:
        places = (letter.error, letter.error_type, letter.task, letter.task_type, letter.adapter, letter.payload)
        if not any(selection.text.casefold() in place.casefold() for place in places):
            return False
    return (
        (not selection.ids or letter.id in selection.ids)
        and (not selection.statuses or letter.status in selection.statuses)
        and (not selection.task_type or letter.task_type == selection.task_type)
        and (not selection.category or letter.category == selection.category)
        and (selection.before is None or letter.changed_at < selection.before)
        and (not selection.engine or letter.engine == selection.engine)
    )
