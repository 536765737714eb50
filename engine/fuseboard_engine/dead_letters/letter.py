"""A dead letter, what can be asked about many, and what can go wrong with one. Values only.

Times are UTC microseconds. A letter outlives the process that wrote it, so here the wall clock decides what is due:
no monotonic clock survives a restart.
"""

from __future__ import annotations

from typing import Any, Final, Literal, NamedTuple

import msgspec

from fuseboard_engine.errors import FuseboardError

Status = Literal["pending", "retrying", "exhausted", "succeeded", "archived", "discarded"]
"""`pending`: waits for a retry. `retrying`: a worker has it, under a lease. `exhausted`: its retries are used up; only
an operator retries it. `succeeded`, `archived`, `discarded`: nobody waits for it."""

Category = Literal["transient", "network", "resource", "permission", "validation", "permanent"]
"""What kind of failure ended the route; it decides whether and when a letter is retried by itself."""

Form = Literal["task", "mapping", "payload"]
"""What the application had given to the router, so that a retry gives adapters the same again."""

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
"""The letters somebody still has to care for."""
FINISHED: Final[tuple[Status, ...]] = ("succeeded", "discarded", "archived", "exhausted")
"""What may make room when the queue is full, in this order."""
RETRYABLE: Final[tuple[Status, ...]] = ("pending", "exhausted")

Outcome = Literal["succeeded", "failed", "deferred", "released", "lost"]
"""What a retry came to. `failed`: one more counts. `deferred`: open breakers refused it, which counts as none.
`released`: the engine stopped first. `lost`: its lease ended and somebody else has the letter."""

Change = Literal["archive", "unarchive", "discard"]
CHANGEABLE: Final[dict[Change, tuple[Status, ...]]] = {
    "archive": ("pending", "exhausted", "succeeded"),
    "unarchive": ("archived",),
    "discard": ("pending", "exhausted", "archived"),
}
"""Which letters a change by hand applies to; never to one that is being retried."""

DONE: Final = {"archive": "archived", "unarchive": "unarchived", "discard": "discarded", "purge": "purged"}
"""What was done to letters by hand, in words."""

TOTALS: Final = ("enqueued", "refused", "evicted", "purged", "retry_success", "retry_failed", "deferred", "manual")
"""What is counted over a queue's whole life. `manual` counts retries an operator asked for that were made."""


class LetterChain(NamedTuple):
    """Which chain a retry goes along: `order`, where the call gave one itself; else that of `task_type` then."""

    order: tuple[str, ...]
    task_type: str


class NewLetter(msgspec.Struct, frozen=True, kw_only=True):
    """A letter at the door. `payload` is JSON text; `order` is the chain the call gave itself, else empty.

    `due_at` None: only an operator retries it. `attempts` counts the calls made before it was given up.
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
        """The chain that its retry goes along."""
        return LetterChain(self.order, self.task_type)


class DeadLetter(NewLetter, frozen=True, kw_only=True):
    """A letter as it is kept.

    `retries` counts failed retries; `deferrals` the times an open breaker refused it, which are none. `changed_at` is
    its last change, by `actor` (empty: the engine itself), and `detail` says it in words. `claim` and `lease_until`
    name the worker that has it, and until when it is taken at its word. `was` is the status before it was archived, or
    before a worker took it.
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
    """Which letters are meant: those that meet all that is given. Without anything it is every letter.

    `text` is looked for, whatever its case, in the error, the task's id and type, the adapter and the payload. `before`
    is UTC microseconds: the last change is earlier than that. `engine` is the name of an engine.
    """

    ids: tuple[int, ...] = ()
    statuses: tuple[Status, ...] = ()
    task_type: str = ""
    category: Category | Literal[""] = ""
    text: str = ""
    before: int | None = None
    engine: str = ""


class Capacity(msgspec.Struct, frozen=True):
    """How many letters a queue holds, and what happens when that is reached.

    `evict`: the oldest tenth of the capacity of finished letters goes. A letter that waits never does: when there is
    nothing else, the new one is refused.
    """

    capacity: int
    evict: bool

    @property
    def eviction_count(self) -> int:
        """How many finished letters go at once."""
        return max(1, self.capacity // 10)


class RetryOutcome(msgspec.Struct, frozen=True, kw_only=True):
    """What a retry came to: the letter's next state, and which totals count it."""

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
    """What came of one retry, in one word and in words. `result` is its route, where it came to one."""

    id: int
    outcome: Outcome
    detail: str = ""
    result: Any = None

    @property
    def success(self) -> bool:
        """True when the task was done at last."""
        return self.outcome == "succeeded"


class StatusChange(msgspec.Struct, frozen=True):
    """Letters that went from one status to another in one step; `after` is empty where they are gone."""

    ids: tuple[int, ...]
    before: Status
    after: Status | Literal[""] = ""


Kept = tuple[int, tuple[StatusChange, ...]]
"""The number of a new letter, and the letters that made room."""


class DeadLetterStatistics(msgspec.Struct, frozen=True, kw_only=True):
    """A queue in figures: every status and category is there, also at zero. `utilization_pct` is 0..100."""

    size: int
    capacity: int
    utilization_pct: float
    by_status: dict[str, int]
    by_category: dict[str, int]
    totals: dict[str, int]


class DeadLetterError(FuseboardError):
    """Something about dead letters could not be done; nothing was changed."""


class LetterRefused(DeadLetterError):
    """A task was refused at the door: the text says why."""


class QueueFull(LetterRefused):
    """The queue is at its capacity and nothing in it may go."""


class StoreUnavailable(DeadLetterError):
    """The store could not be read or written; `__cause__` is what it raised."""


class UnknownLetter(DeadLetterError, KeyError):
    """There is no dead letter of that number."""

    def __str__(self) -> str:
        return f"there is no dead letter {self.args[0]}"


class LetterBusy(DeadLetterError):
    """The letter can't be retried in its present state."""


def statistics(
    by_status: dict[str, int], by_category: dict[str, int], totals: dict[str, int], capacity: int
) -> DeadLetterStatistics:
    """Return the figures of a queue, with a zero for all that did not occur. `capacity` 0: it is not known."""
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
    """Return two sets of counts as one."""
    return {name: one.get(name, 0) + two.get(name, 0) for name in {**one, **two}}


def fields_of(letter: DeadLetter) -> dict[str, Any]:
    """Return a letter's fields by name, its payload as the value it stands for: what `--json` prints."""
    import json

    fields = msgspec.structs.asdict(letter)
    fields["payload"] = json.loads(letter.payload)
    return fields
