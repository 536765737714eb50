"""Where events wait for the writer: bounded, and it never makes the one who emits wait."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Sequence
from concurrent.futures import Future
from typing import Final, NamedTuple

from fuseboard_engine.events import (
    AttemptFailed,
    Event,
    LateResult,
    ListenerFailed,
    ProbeChanged,
    RouteFinished,
)
from fuseboard_storage.board.metrics import Spans, count, merge_spans

ORDINARY: Final[frozenset[type[Event]]] = frozenset(
    {RouteFinished, AttemptFailed, LateResult, ProbeChanged, ListenerFailed}
)
"""The types of which the oldest are let go when the buffer is full. All others tell what a Board can't do without."""


class Barrier(NamedTuple):
    """A mark among the events: when it is reached and all before it are committed, `reached` gets its result."""

    reached: Future[None]


Item = Event | Barrier


class Batch(NamedTuple):
    """What the writer took to write: items in order, how many were let go before them, and their metrics."""

    items: list[Item]
    dropped: int
    spans: Spans


class EventBuffer:
    """A queue of at most `size` events. When it is full, the oldest ordinary events make room.

    `add` is what an engine's listener calls. It appends, and wakes the writer only if the writer waits.
    """

    def __init__(self, size: int) -> None:
        if size < 1:
            raise ValueError(f"buffer_size must be at least 1, not {size}.")
        self.size = size
        self.dropped = 0
        """Events let go since the recording began."""
        self._room = size
        self._head: deque[Item] = deque()
        self._queue: deque[Item] = deque()
        self._solid = False  # the head holds nothing ordinary
        self._lock = threading.Lock()
        self._idle = False
        self._wake = threading.Lock()
        self._wake.acquire()
        self._untold = 0
        self._spans: Spans = {}

    def __len__(self) -> int:
        return len(self._head) + len(self._queue)

    def add(self, item: Item) -> None:
        """Take one event; never waits for the disk and never raises."""
        queue = self._queue
        queue.append(item)
        if self._idle:
            self.wake()
        if len(queue) > self._room:
            self._make_room()

    def wake(self) -> None:
        """End the writer's `wait`, now or the next one."""
        self._idle = False
        try:
            self._wake.release()
        except RuntimeError:
            pass  # somebody else was quicker

    def wait(self, seconds: float) -> None:
        """Wait until an event comes or `wake` is called, at most `seconds`. For the writer."""
        self._idle = True
        if self._queue or self._head:
            self._idle = False
            return
        self._wake.acquire(timeout=seconds)
        self._idle = False

    def wait_to_batch(self, seconds: float) -> None:
        """Wait `seconds` while events gather; only `wake` ends it early. For the writer."""
        self._wake.acquire(timeout=seconds)

    def take(self, most: int) -> Batch:
        """Take up to `most` of the oldest items. For the writer."""
        with self._lock:
            head, queue = self._head, self._queue
            items = [head.popleft() for _ in range(min(most, len(head)))]
            items += [queue.popleft() for _ in range(min(most - len(items), len(queue)))]
            self._room = max(0, self.size - len(head))
            taken = Batch(items, self._untold, self._spans)
            self._untold = 0
            self._spans = {}
        return taken

    def put_back(self, taken: Batch) -> None:
        """Return what could not be written to where it came from. For the writer."""
        with self._lock:
            self._head.extendleft(reversed(taken.items))
            self._solid = False
            self._room = max(0, self.size - len(self._head))
            self._untold += taken.dropped
            merge_spans(self._spans, taken.spans)
        if len(self) > self.size:
            self._make_room()

    def lose(self, told: int, lost: int) -> None:
        """Count events that can never be stored, and `told` ones whose telling failed. For the writer."""
        with self._lock:
            self.dropped += lost
            self._untold += told + lost

    def empty(self) -> None:
        """Let everything go, uncounted: in a forked child, whose parent keeps the recording."""
        self._lock = threading.Lock()  # a copy of one that another thread may have held
        self._head.clear()
        self._queue.clear()

    def _make_room(self) -> None:
        """Let the oldest ordinary events go, some at a time; a fuller buffer keeps none of them but all others."""
        with self._lock:
            excess = len(self) - self.size
            if excess > 0:
                self._shed(excess + self.size // 64, ORDINARY)
            excess = len(self) - self.size
            if excess > 0:
                self._shed(excess + self.size // 64, None)
            self._room = max(0, self.size - len(self._head))

    def _shed(self, goal: int, types: frozenset[type[Event]] | None) -> None:
        """Let the oldest `goal` events of these types go (None: of all). What is gone over and kept goes to the head,
        so that a head that holds only such is not gone over again."""
        gone = 0
        if types is None or not self._solid:
            kept, gone = self._sift(self._head, goal, types)
            self._solid = not self._head
            self._head.extendleft(reversed(kept))
        kept, more = self._sift(self._queue, goal - gone, types)
        self._head.extend(kept)
        self.dropped += gone + more
        self._untold += gone + more

    def _sift(self, source: deque[Item], goal: int, types: frozenset[type[Event]] | None) -> tuple[list[Item], int]:
        kept: list[Item] = []
        gone = 0
        for _ in range(len(source)):
            if gone >= goal:
                break
            item = source.popleft()
            if isinstance(item, Barrier) or (types is not None and type(item) not in types):
                kept.append(item)
            else:
                gone += 1
                count(self._spans, item)
        return kept, gone


def events_of(items: Sequence[Item]) -> list[Event]:
    """Return the events among items."""
    return [item for item in items if not isinstance(item, Barrier)]
