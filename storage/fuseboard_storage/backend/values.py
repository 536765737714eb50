"""What passes between engines, stores and readers, as values."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Literal, NamedTuple

from fuseboard_engine.events import Event
from fuseboard_storage.board.metrics import Spans, count, merge_spans

UNLIMITED: Final = 2**31
"""A number of events that no batch exceeds."""

NEWEST: Final = 2**63 - 1
"""A number above that of every event."""


NO_METRICS: Final[Spans] = {}


class Heartbeat(NamedTuple):
    """A sign of life of an engine: its time in UTC microseconds, and how many events its recorder has dropped so far.

    A store that hosts share notes its own time instead.
    """

    at: int
    dropped: int = 0


class EventBatch(NamedTuple):
    """What an engine adds to a store in one step: all of it is kept, or nothing.

    `events` are in order. They are counted in the metrics; see `metrics_of`. `metrics` are counts of other events,
    which are not kept one by one. A `CommandDone` among the events is also the outcome of its command. `ends` says that
    the engine ends with this batch.

    `number` is above those of the instance's earlier batches. A store keeps a batch with a number once, however often
    it is sent. With 0 the batch has no number, and is never sent again once it may have been kept.
    """

    events: Sequence[Event] = ()
    metrics: Spans = NO_METRICS
    heartbeat: Heartbeat | None = None
    number: int = 0
    ends: bool = False


def metrics_of(batch: EventBatch) -> Spans:
    """Return the metrics that a batch adds to those of its instance, by start and adapter."""
    spans: Spans = {}
    merge_spans(spans, batch.metrics)
    for event in batch.events:
        count(spans, event)
    return spans


class Extent(NamedTuple):
    """The numbers of the events that a store has.

    `newest` is the number of the newest event, whether it is still kept or not; 0 if there never was one. `pruned` is
    the number up to which none is kept any more; 0 if all are. A reader that has read up to a lower number has missed
    events; it goes on from `pruned`.
    """

    pruned: int
    newest: int


# ---------------------------------------------------------------------- commands

Status = Literal["pending", "taken", "done", "failed", "expired"]

Target = tuple[int | None, str]
"""The instance that should take a command (None for the first that does) and the adapter it concerns (empty: all)."""

EXPIRED_DETAIL: Final = "No engine took this command before it expired. Is its engine running?"
LOST_DETAIL: Final = "The engine that took this command ended before it reported the outcome."

LOST_AFTER: Final = 10_000_000
"""Microseconds after its expiry at which a taken command without an outcome counts as failed."""


class CommandStatus(NamedTuple):
    """The status of a command for `instance` (None for the first engine that takes it).

    `status` is `pending`, `taken` by the instance `taken_by`, `done`, `failed` (refused, or the engine ended while
    executing it) or `expired`. `detail` describes the outcome once the command is over. Times are UTC microseconds.
    """

    id: int
    verb: str
    adapter: str
    actor: str
    status: Status
    detail: str = ""
    taken_by: int | None = None
    requested_at: int = 0
    done_at: int | None = None
    instance: int | None = None

    @property
    def over(self) -> bool:
        """Whether the status is final."""
        return self.status in ("done", "failed", "expired")
