"""The values of dead letters: a letter, selections, results, statistics and errors.

Times are UTC microseconds. A letter outlives the process that wrote it, so the wall clock decides what is due: no
monotonic clock survives a restart.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from typing import Any, Final, Literal, NamedTuple

import msgspec

from fuseboard_engine.errors import FuseboardError

Status = Literal["pending", "retrying", "exhausted", "succeeded", "archived", "discarded"]
"""`pending`: waits for a retry. `retrying`: a worker holds it, under a lease. `exhausted`: its retries are used up;
only an operator retries it. `succeeded`, `archived`, `discarded`: needs no further action.
"""

Category = Literal["transient", "network", "resource", "permission", "validation", "permanent"]
"""The kind of failure that ended the route; it decides whether and when a letter is retried automatically."""

Form = Literal["task", "mapping", "payload"]
"""The form in which the task was submitted, so that a retry gives adapters the same again."""

STATUSES: Final[tuple[Status, ...]] = ("pending", "retrying", "exhausted", "succeeded", "archived", "discarded")
CATEGORIES: Final[tuple[Category, ...]] = (
    "transient",
    "network",
    "resource",
    "permission",
    "validation",
    "permanent",
)
ACTIVE: Final[tuple[Status, ...]] = ("pending", "retrying", "exhausted")
"""Letters that still need action."""
FINISHED: Final[tuple[Status, ...]] = ("succeeded", "discarded", "archived", "exhausted")
"""Statuses that may be evicted when the queue is full, in this order."""
RETRYABLE: Final[tuple[Status, ...]] = ("pending", "exhausted")

Outcome = Literal["succeeded", "failed", "deferred", "released", "lost"]
"""The outcome of a retry. `failed`: it counts. `deferred`: open breakers refused it, which does not count. `released`:
the engine stopped first. `lost`: its lease expired and another worker holds the letter.
"""

Change = Literal["archive", "unarchive", "discard"]
CHANGEABLE: Final[dict[Change, tuple[Status, ...]]] = {
    "archive": ("pending", "exhausted", "succeeded"),
    "unarchive": ("archived",),
    "discard": ("pending", "exhausted", "archived"),
}
"""Statuses to which each manual change applies; never `retrying`."""

DONE: Final = {"archive": "archived", "unarchive": "unarchived", "discard": "discarded", "purge": "purged"}
"""Past participles of the manual changes, for messages."""

TOTALS: Final = ("enqueued", "refused", "evicted", "purged", "retry_success", "retry_failed", "deferred", "manual")
"""Lifetime counts of a queue. `manual` counts retries that an operator requested and that were made."""


class LetterChain(NamedTuple):
    """The chain of a retry: `order` if the call set one itself; else the current chain of `task_type`."""

    order: tuple[str, ...]
    task_type: str


class NewLetter(msgspec.Struct, frozen=True, kw_only=True):
    """A letter before it is stored. `payload` is JSON text; `order` is the chain that the call set itself, else empty.

    `due_at` is None if only an operator retries it. `attempts` counts the calls made before the route was exhausted.
    """

    engine: str
    task: str
    task_type: str
    form: Form
    payload: str
    category: Category
    created_at: int
    due_at: int | None
    rule: str = ""
    error_type: str = ""
    error: str = ""
    adapter: str = ""
    attempts: int = 0
    max_retries: int = 0
    order: tuple[str, ...] = ()
    deadline: float | None = None
    context: dict[str, str] | None = None

    @property
    def chain(self) -> LetterChain:
        """The chain of its retry."""
        return LetterChain(self.order, self.task_type)


class DeadLetter(NewLetter, frozen=True, kw_only=True):
    """A stored letter.

    `retries` counts failed retries; `deferrals` counts refusals by open breakers, which are not retries. `changed_at`
    is its last change, by `actor` (empty: the engine itself), described by `detail`. `claim` and `lease_until` identify
    the worker that holds it and the end of its lease. `was` is the status before it was archived, or before a worker
    claimed it.
    """

    id: int
    status: Status = "pending"
    retries: int = 0
    deferrals: int = 0
    changed_at: int = 0
    detail: str = ""
    actor: str = ""
    was: Status | None = None
    claim: str = ""
    lease_until: int | None = None


class LetterSelection(msgspec.Struct, frozen=True, kw_only=True):
    """A selection of letters: those that match every given criterion; without criteria every letter.

    `text` is searched, ignoring case, in the error, the task's id and type, the adapter and the payload. `before` is
    UTC microseconds: the last change was earlier. `engine` is the name of an engine.
    """

    ids: tuple[int, ...] = ()
    statuses: tuple[Status, ...] = ()
    task_type: str = ""
    category: Category | Literal[""] = ""
    text: str = ""
    before: int | None = None
    engine: str = ""


Letters = LetterSelection | int | Iterable[int]
"""What selects letters: a selection, one id, or several ids."""

NO_LETTER = LetterSelection(ids=(0,))
"""Selects nothing: no letter has the id 0."""


def as_selection(letters: Letters) -> LetterSelection:
    """Return what selects letters as a selection; no ids select no letter.

    Raises:
        TypeError: it is not a selection, an id, or ids.
        ValueError: there is no such status or category.
    """
    if isinstance(letters, LetterSelection):
        return _checked(letters)
    ids: Any = letters if isinstance(letters, Iterable) and not isinstance(letters, str | bytes) else (letters,)
    chosen = tuple(ids)
    for id in chosen:
        if isinstance(id, bool) or not isinstance(id, int):
            raise TypeError(f"dead letters are selected by ids or a LetterSelection, not by {id!r:.100}")
    return LetterSelection(ids=chosen) if chosen else NO_LETTER


def _checked(selection: LetterSelection) -> LetterSelection:
    given: Any = selection.statuses
    statuses = (given,) if isinstance(given, str) else tuple(given)
    for status in statuses:
        if status not in STATUSES:
            raise ValueError(f"no dead letter has the status {status!r}; there are {', '.join(STATUSES)}")
    if selection.category and selection.category not in CATEGORIES:
        raise ValueError(f"there is no category {selection.category!r}; there are {', '.join(CATEGORIES)}")
    ids: Any = selection.ids
    return msgspec.structs.replace(selection, statuses=statuses, ids=(ids,) if isinstance(ids, int) else tuple(ids))


class Capacity(msgspec.Struct, frozen=True):
    """The capacity of a queue, and its behaviour when it is full.

    `evict`: the oldest finished letters, a tenth of the capacity, are evicted. A waiting letter is never evicted:
    without finished letters the new one is refused.
    """

    capacity: int
    evict: bool

    @property
    def eviction_count(self) -> int:
        """Number of finished letters evicted at once."""
        return max(1, self.capacity // 10)


class RetryOutcome(msgspec.Struct, frozen=True, kw_only=True):
    """The outcome of a retry: the letter's next state, and the totals that count it."""

    outcome: Outcome
    status: Status
    due_at: int | None
    retries: int
    deferrals: int
    max_retries: int
    detail: str
    actor: str = ""
    error_type: str | None = None
    error: str | None = None
    counts: tuple[str, ...] = ()


class RetryResult(msgspec.Struct, frozen=True, kw_only=True):
    """The result of one retry: outcome and description. `result` is its route, if there was one."""

    id: int
    outcome: Outcome
    detail: str = ""
    result: Any = None

    @property
    def success(self) -> bool:
        """True when the task was done."""
        return self.outcome == "succeeded"


class StatusChange(msgspec.Struct, frozen=True):
    """Letters that changed from one status to another in one step; `after` is empty for deleted letters."""

    ids: tuple[int, ...]
    before: Status
    after: Status | Literal[""] = ""


Kept = tuple[int, tuple[StatusChange, ...]]
"""The id of a new letter, and the letters that were evicted for it."""


class DeadLetterStatistics(msgspec.Struct, frozen=True, kw_only=True):
    """Statistics of a queue, with every status and category, also at zero. `utilization_pct` is 0..100."""

    size: int
    capacity: int
    utilization_pct: float
    by_status: dict[str, int]
    by_category: dict[str, int]
    totals: dict[str, int]


class DeadLetterError(FuseboardError):
    """An operation on dead letters failed; nothing was changed."""


class LetterRefused(DeadLetterError):
    """A task was not accepted as a dead letter; the message says why."""


class QueueFull(LetterRefused):
    """The queue is full and nothing in it may be evicted."""


class StoreUnavailable(DeadLetterError):
    """The store could not be read or written; `__cause__` is its error."""


class StoreTimeout(StoreUnavailable):
    """The store takes longer than allowed to keep a letter. It is kept later, unless an event tells why not."""


class UnknownLetter(DeadLetterError, KeyError):
    """There is no dead letter with that id."""

    def __str__(self) -> str:
        return f"there is no dead letter {self.args[0]}"


class LetterBusy(DeadLetterError):
    """The letter cannot be retried in its current status."""


def statistics(
    by_status: dict[str, int], by_category: dict[str, int], totals: dict[str, int], capacity: int
) -> DeadLetterStatistics:
    """Return the statistics of a queue, with zeros for what did not occur. `capacity` 0: unknown."""
    size = sum(by_status.values())
    return DeadLetterStatistics(
        size=size,
        capacity=capacity,
        utilization_pct=100.0 * size / capacity if capacity else 0.0,
        by_status=dict.fromkeys(STATUSES, 0) | by_status,
        by_category=dict.fromkeys(CATEGORIES, 0) | by_category,
        totals=dict.fromkeys(TOTALS, 0) | totals,
    )


def add_counts(one: dict[str, int], two: dict[str, int]) -> dict[str, int]:
    """Return the sums of two sets of counts."""
    return {name: one.get(name, 0) + two.get(name, 0) for name in {**one, **two}}


def fields_of(letter: DeadLetter) -> dict[str, Any]:
    """Return a letter's fields by name, with its payload decoded, as `--json` prints them.

    A payload that is damaged stays the text that it is.
    """
    import json

    fields = msgspec.structs.asdict(letter)
    with contextlib.suppress(ValueError, RecursionError):
        fields["payload"] = json.loads(letter.payload)
    return fields
