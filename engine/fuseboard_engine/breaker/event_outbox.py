"""Queue of a breaker's events between the decision, made under the lock, and the listener, called without it."""

from __future__ import annotations

import threading
from collections.abc import Callable

from fuseboard_engine.error_text.safe_logging import get_logger
from fuseboard_engine.events import Event
from fuseboard_engine.runtime.plain_functions import ASYNC_LISTENER, is_async

log = get_logger("fuseboard.breaker")


class EventOutbox:
    """Delivers a breaker's events in order, one thread at a time, while no lock is held.

    Args:
        name: the adapter's name, for the log.
        lock: the breaker's lock.
        listener: called with each event. If it raises, the error is logged.

    Raises:
        TypeError: `listener` is async.
    """

    __slots__ = ("_delivering", "_listener", "_lock", "_name", "pending")

    def __init__(self, name: str, lock: threading.Lock, listener: Callable[[Event], None]) -> None:
        if is_async(listener):
            raise TypeError(ASYNC_LISTENER)
        self._name = name
        self._lock = lock
        self._listener = listener
        self._delivering = False
        self.pending: list[Event] | None = None
        """Events that were added and not yet delivered."""

    def after_fork(self, lock: threading.Lock) -> None:
        """Take the new lock of the breaker in a forked child. The parent delivers the events that are pending."""
        self._lock, self._delivering, self.pending = lock, False, None

    def add(self, event: Event) -> None:
        """Queue an event. The caller holds the lock and calls `deliver` after releasing it."""
        if self.pending is None:
            self.pending = [event]
        else:
            self.pending.append(event)

    def deliver(self) -> None:
        """Pass the pending events to the listener. Returns at once while another thread is delivering."""
        while True:
            with self._lock:
                if self._delivering or not self.pending:
                    return
                self._delivering = True
                events, self.pending = self.pending, None
            try:
                for event in events:
                    try:
                        self._listener(event)
                    except Exception:
                        log.exception("a listener of %s raised on %s", self._name, type(event).__name__)
            finally:
                self._delivering = False
