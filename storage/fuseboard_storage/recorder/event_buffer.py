"""The bounded buffer between an engine and its recorder's writer thread. Adding to it never blocks."""

from __future__ import annotations

import contextlib
import threading
from collections import deque
from collections.abc import Sequence
from concurrent.futures import Future, InvalidStateError
from typing import Final, NamedTuple

from fuseboard_engine.error_text.text_limits import MAX_NAME, text_length, within_limits
from fuseboard_engine.events import Event, RouteFinished
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

BUFFER_SIZE: Final = 100_000
"""The number of events that may wait in memory while the file cannot be written."""
BUFFER_BYTES: Final = 64_000_000
"""The bytes that the waiting events may take."""

UNMEASURED: Final = 8_000  # events that may wait before they are measured, at most
FEWEST: Final = 16  # the same, at least
STEP: Final = 64  # events that are measured at a time
LARGE: Final = 8_000  # bytes of a large event; larger ones are rare
OVERHEAD: Final = 400  # bytes that an event takes without its texts


class Batch(NamedTuple):
    """Items for the writer, in order.

    `dropped` is how many events were dropped before them and not reported yet, `spans` the metrics of those events.
    """

    items: list[Item]
    dropped: int
    spans: Spans


class EventBuffer:
    """A queue of at most `size` events and about `most_bytes` bytes.

    When it is full, the oldest sheddable events make room. `add` serves as an engine's listener. It appends, and wakes
    the writer only if the writer waits. Events are measured by the length of their texts, a few at a time and only
    while thousands wait: a writer that keeps up measures nothing. Measuring cuts an event's texts to their limits.
    """

    def __init__(self, size: int, most_bytes: int = BUFFER_BYTES) -> None:
        if size < 1:
            raise ValueError(f"buffer_size must be at least 1, not {size}.")
        if most_bytes < 1:
            raise ValueError(f"buffer_bytes must be at least 1, not {most_bytes}.")
        self.size = size
        self.most_bytes = most_bytes
        self.dropped = 0
        """Events dropped since the recording began."""
        self._bytes = 0  # of the items in the head and of the measured ones
        self._head: deque[Item] = deque()
        self._head_sizes: deque[int] = deque()
        self._measured: deque[Item] = deque()  # after the head
        self._sizes: deque[int] = deque()
        self._queue: deque[Item] = deque()  # after the measured ones
        self._head_sifted = False  # the head holds no sheddable event
        self._lock = threading.Lock()
        self._idle = False
        self._wake = threading.Lock()
        self._wake.acquire()
        self._unreported = 0
        self._spans: Spans = {}
        self._set_room()

    @property
    def bytes(self) -> int:
        """About how many bytes the events take that were measured; others are few."""
        return self._bytes

    def __len__(self) -> int:
        return len(self._head) + len(self._measured) + len(self._queue)

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
        if len(self):
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
            items = self._pop(self._head, self._head_sizes, most)
            items += self._pop(self._measured, self._sizes, most - len(items))
            pop = self._queue.popleft
            items += [pop() for _ in range(min(most - len(items), len(self._queue)))]
            self._set_room()
            batch = Batch(items, self._unreported, self._spans)
            self._unreported = 0
            self._spans = {}
        return batch

    def put_back(self, batch: Batch) -> None:
        """Return a batch that could not be written to the front of the buffer. For the writer."""
        with self._lock:
            for item in reversed(batch.items):
                self._push_head(item, size_of(item))
            self._head_sifted = False
            self._set_room()
            self._unreported += batch.dropped
            merge_spans(self._spans, batch.spans)
        if len(self) > self.size or self._bytes > self.most_bytes:
            self._make_room()

    def count_lost(self, reported: int, lost: int) -> None:
        """Count `lost` events that cannot be stored, and `reported` drops whose report could not be stored.

        For the writer. Both are part of the next report.
        """
        with self._lock:
            self.dropped += lost
            self._unreported += reported + lost

    # ------------------------------------------------------------------ sizes, within the lock

    def _unmeasured_limit(self) -> int:
        """Return how many events may wait unmeasured: fewer when the measured ones leave less room for large ones."""
        return max(FEWEST, min(UNMEASURED, (self.most_bytes - self._bytes) // LARGE))

    def _set_room(self) -> None:
        """Set the length of the queue at which `add` has to look: it is full, or more events have to be measured."""
        self._room = max(0, min(self.size - len(self._head) - len(self._measured), self._unmeasured_limit()))

    def _measure(self) -> None:
        """Measure the oldest events and cut their texts, until few enough are unmeasured.

        A few at a time are measured, so that no call waits for all of them.
        """
        queue, measured, sizes = self._queue, self._measured, self._sizes
        while (more := min(STEP, len(queue) - self._unmeasured_limit() + STEP, len(queue))) > 0:
            for _ in range(more):
                item = queue.popleft()
                size = size_of(item)
                if size > OVERHEAD + MAX_NAME and not isinstance(item, Barrier):
                    item = within_limits(item)
                    size = size_of(item)
                measured.append(item)
                sizes.append(size)
                self._bytes += size

    def _pop(self, source: deque[Item], sizes: deque[int], most: int) -> list[Item]:
        """Remove up to `most` items and their sizes, and return the items."""
        pop, pop_size, count = source.popleft, sizes.popleft, min(most, len(source))
        self._bytes -= sum([pop_size() for _ in range(count)])
        return [pop() for _ in range(count)]

    def _push_head(self, item: Item, size: int) -> None:
        self._head.appendleft(item)
        self._head_sizes.appendleft(size)
        self._bytes += size

    # ------------------------------------------------------------------ shedding

    def _make_room(self) -> None:
        """Drop the oldest sheddable events, some at a time. Drop other events only when none of those are left."""
        with self._lock:
            self._measure()
            for any_type in (False, True):
                events, bytes_ = len(self) - self.size, self._bytes - self.most_bytes
                if events > 0 or bytes_ > 0:
                    more = (self.size // 64, self.most_bytes // 64)
                    self._shed(
                        events + more[0] if events > 0 else 0, bytes_ + more[1] if bytes_ > 0 else 0, any_type=any_type
                    )
            self._set_room()

    def _shed(self, events: int, bytes_: int, *, any_type: bool) -> None:
        """Drop the oldest `events` events and at least `bytes_` bytes, of sheddable types only unless `any_type`.

        What is examined and kept moves to the head, so that a head without sheddable events is not examined again.
        """
        goal = _Goal(events, bytes_)
        if any_type or not self._head_sifted:
            kept = self._sift(self._head, self._head_sizes, goal, any_type=any_type)
            self._head_sifted = not self._head
            for item, size in reversed(kept):
                self._push_head(item, size)
        kept = self._sift(self._measured, self._sizes, goal, any_type=any_type)
        kept += self._sift(self._queue, deque(), goal, any_type=any_type)
        for item, size in kept:
            self._head.append(item)
            self._head_sizes.append(size)
            self._bytes += size
        self.dropped += goal.gone
        self._unreported += goal.gone

    def _sift(self, source: deque[Item], sizes: deque[int], goal: _Goal, *, any_type: bool) -> list[tuple[Item, int]]:
        """Remove items until the goal is reached. Return those that are not dropped, with their sizes."""
        kept: list[tuple[Item, int]] = []
        for _ in range(len(source)):
            if goal.reached:
                break
            item = source.popleft()
            if sizes:
                size = sizes.popleft()
                self._bytes -= size
            else:
                size = size_of(item)
            if isinstance(item, Barrier) or not (any_type or item.sheddable):
                kept.append((item, size))
            else:
                goal.count(size)
                count(self._spans, item)
        return kept


class _Goal:
    """The amount still to drop, and the number of events dropped."""

    def __init__(self, events: int, bytes_: int) -> None:
        self._events = events
        self._bytes = bytes_
        self.gone = 0

    @property
    def reached(self) -> bool:
        return self._events <= 0 and self._bytes <= 0

    def count(self, size: int) -> None:
        self._events -= 1
        self._bytes -= size
        self.gone += 1


def size_of(item: Item) -> int:
    """Return about how many bytes an item takes in memory. Costs half a microsecond for most events."""
    if isinstance(item, Barrier):
        return 0
    try:
        if type(item) is RouteFinished and item.context is None and not item.strategy and len(item.attempts) == 1:
            attempt = item.attempts[0]  # by far the most frequent
            texts = len(item.task) + len(item.task_type) + len(item.adapter) + len(item.why) + len(item.error)
            texts += len(attempt.adapter) + len(attempt.rule) + len(attempt.error_type) + len(attempt.error)
            return OVERHEAD + texts + len(attempt.why) + sum(map(len, item.left))
        return OVERHEAD + text_length(item)
    except (TypeError, AttributeError, RecursionError):  # a field holds something else than its type says
        return LARGE


def events_of(items: Sequence[Item]) -> list[Event]:
    """Return the events among items."""
    return [item for item in items if not isinstance(item, Barrier)]
