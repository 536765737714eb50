"""The calls of an adapter, as the events of an engine tell them."""

from __future__ import annotations

from array import array
from dataclasses import dataclass, field
from typing import Final, NamedTuple

MOST_ITEMS: Final = 100_000
"""Items of a stream at most; of more the rest is left out."""


class Failure(NamedTuple):
    """How a call failed. The empty one is an answer."""

    rule: str = ""
    error_type: str = ""
    error: str = ""
    retry_after: float | None = None


ANSWERED: Final = Failure()


class CountedCalls(NamedTuple):
    """Answered calls that a recording holds only as a number: from when until when, how many, and their mean duration.

    All times are in seconds.
    """

    since: float
    until: float
    calls: int
    mean: float


@dataclass
class ObservedCalls:
    """The calls of an adapter, as columns: when each began (seconds), how long it took, and how it ended.

    `outcomes` holds places in `failures`, whose first one is the answer. `items` is how many items a stream had, and
    `first_items` after how many seconds the first one came; -1 for calls that were no streams. `counted` are calls
    beside these.
    """

    began: array[float] = field(default_factory=lambda: array("d"))
    seconds: array[float] = field(default_factory=lambda: array("d"))
    outcomes: array[int] = field(default_factory=lambda: array("H"))
    items: array[int] = field(default_factory=lambda: array("i"))
    first_items: array[float] = field(default_factory=lambda: array("f"))
    failures: list[Failure] = field(default_factory=lambda: [ANSWERED])
    counted: list[CountedCalls] = field(default_factory=list)
    _place_of: dict[Failure, int] = field(default_factory=lambda: {ANSWERED: 0})

    def add(
        self, began: float, seconds: float, failure: Failure, items: int = 0, first_item: float | None = None
    ) -> None:
        """Add a call. Of more than 1,000 different failures the rest is taken for the first one with the same row."""
        place = self._place_of.get(failure)
        if place is None:
            place = len(self.failures)
            if place >= 1_000:
                failure = next((known for known in self.failures if known.rule == failure.rule), self.failures[1])
                place = self._place_of[failure]
            else:
                self.failures.append(failure)
            self._place_of[failure] = place
        self.began.append(began)
        self.seconds.append(seconds)
        self.outcomes.append(place)
        self.items.append(max(0, min(items, MOST_ITEMS)))
        self.first_items.append(-1.0 if first_item is None else min(max(0.0, first_item), seconds))
