"""The bounded buffer between an engine and its recorder's writer thread. Adding to it never blocks."""

from __future__ import annotations

import contextlib
import threading
from collections import deque
from collections.abc import Sequence
from concurrent.futures import Future, InvalidStateError
from typing import NamedTuple

from fuseboard_engine.events import Event
from fuseboard_storage.board.metrics import Spans, count, merge_spans


class Barrier(NamedTuple):
    """A mark among the events. `reached` gets its result once everything before the mark is committed."""

    reached: Future[None]

    def settle(self, error: Exception | None = None) -> None:
        """Give `reached` its result, or an error. Does nothing if its waiter has given up."""
        settle(self.reached, error)


def settle(future: Future[None], error: Exception | None = None) -> None:
    """Give a future its result, or an error. Does nothing if it is done already or was cancelled by its waiter."""
    with contextlib.suppress(InvalidStateError):  # another thread may cancel or settle it at any time
        if error is None:
            future.set_result(None)
        else:
            future.set_exception(error)


Item = Event | Barrier


class Batch(NamedTuple):
    """Items for the writer, in order.

    `dropped` is how many events were dropped before them and not reported yet, `spans` the metrics of those events.
    """

    items: list[Item]
    dropped: int
    spans: Spans


class EventBuffer:
    """A queue of at most `size` events. When it is full, the oldest sheddable events make room.

    `add` serves as an engine's listener. It appends, and wakes the writer only if the writer waits.
    """

    def __init__(self, size: int) -> None:
        if size < 1:
            raise ValueError(f"buffer_size must be at least 1, not {size}.")
        self.size = size
        self.dropped = 0
        """Events dropped since the recording began."""
        self._room = size
        self._head: deque[Item] = deque()
        self._queue: deque[Item] = deque()
        self._head_sifted = False  # the head holds no sheddable event
        self._lock = threading.Lock()
        self._idle = False
        self._wake = threading.Lock()
        self._wake.acquire()
        self._unreported = 0
        self._spans: Spans = {}

    def __len__(self) -> int:
        return len(self._head) + len(self._queue)

    def add(self, item: Item) -> None:
        """Append one item. Never waits for the disk and never raises."""
        queue = self._queue
        queue.append(item)
        if self._idle:
            self.wake()
        if len(queue) > self._room:
            self._make_room()

    def wake(self) -> None:
        """End the writer's current `wait`, or its next one."""
        self._idle = False
        try:
            self._wake.release()
        except RuntimeError:
            pass  # another thread has already released it

    def wait(self, seconds: float) -> None:
        """Wait until an event arrives or `wake` is called, at most `seconds`. For the writer."""
        self._idle = True
        if self._queue or self._head:
            self._idle = False
            return
        self._wake.acquire(timeout=seconds)
        self._idle = False

    def wait_to_batch(self, seconds: float) -> None:
        """Wait `seconds` while events accumulate; only `wake` ends it early. For the writer."""
        self._wake.acquire(timeout=seconds)

    def take(self, most: int) -> Batch:
        """Remove and return up to `most` of the oldest items. For the writer."""
        with self._lock:
            head, queue = self._head, self._queue
            items = [head.popleft() for _ in range(min(most, len(head)))]
            items += [queue.popleft() for _ in range(min(most - len(items), len(queue)))]
            self._room = max(0, self.size - len(head))
            batch = Batch(items, self._unreported, self._spans)
            self._unreported = 0
            self._spans = {}
        return batch

    def put_back(self, batch: Batch) -> None:
        """Return a batch that could not be written to the front of the buffer. For the writer."""
        with self._lock:
            self._head.extendleft(reversed(batch.items))
            self._head_sifted = False
            self._room = max(0, self.size - len(self._head))
            self._unreported += batch.dropped
            merge_spans(self._spans, batch.spans)
        if len(self) > self.size:
            self._make_room()

    def count_lost(self, reported: int, lost: int) -> None:
        """Count `lost` events that cannot be stored, and `reported` drops whose report could not be stored.

        For the writer. Both are part of the next report.
        """
        with self._lock:
            self.dropped += lost
            self._unreported += reported + lost

    def _make_room(self) -> None:
        """Drop the oldest sheddable events, some at a time. Drop other events only when none of those are left."""
        with self._lock:
            excess = len(self) - self.size
            if excess > 0:
                self._shed(excess + self.size // 64, any_type=False)
            excess = len(self) - self.size
            if excess > 0:
                self._shed(excess + self.size // 64, any_type=True)
            self._room = max(0, self.size - len(self._head))

    def _shed(self, goal: int, *, any_type: bool) -> None:
        """Drop the oldest `goal` events, of sheddable types only unless `any_type`.

        What is examined and kept moves to the head, so that a head without sheddable events is not examined again.
        """
        gone = 0
        if any_type or not self._head_sifted:
            kept, gone = self._sift(self._head, goal, any_type)
            self._head_sifted = not self._head
            self._head.extendleft(reversed(kept))
        kept, more = self._sift(self._queue, goal - gone, any_type)
        self._head.extend(kept)
        self.dropped += gone + more
        self._unreported += gone + more

    def _sift(self, source: deque[Item], goal: int, any_type: bool) -> tuple[list[Item], int]:
        kept: list[Item] = []
        gone = 0
        for _ in range(len(source)):
            if gone >= goal:
                break
            item = source.popleft()
            if isinstance(item, Barrier) or not (any_type or item.sheddable):
                kept.append(item)
            else:
                gone += 1
                count(self._spans, item)
        return kept, gone


def events_of(items: Sequence[Item]) -> list[Event]:
    """Return the events among items."""
    return [item for item in items if not isinstance(item, Barrier)]
