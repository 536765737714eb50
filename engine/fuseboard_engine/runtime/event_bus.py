"""In-process event bus. Delivers each event to every subscriber once, in order."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable

from fuseboard_engine.error_text.safe_logging import get_logger
from fuseboard_engine.errors import describe
from fuseboard_engine.events import AttemptFailed, Event, ListenerFailed, StateChanged
from fuseboard_engine.runtime.plain_functions import ASYNC_LISTENER, is_async, refuse_awaitable

log = get_logger("fuseboard.engine")

MAX_FAILURES = 200

Listener = Callable[[Event], None]


class EventBus:
    """Delivers events to its subscribers, and keeps the last failed attempts.

    Args:
        wall: UTC microseconds, the time of its own events.
    """

    def __init__(self, wall: Callable[[], int]) -> None:
        self._wall = wall
        self._listeners: tuple[Listener, ...] = ()
        self._lock = threading.Lock()
        self.breaker_opens = 0
        """How often a breaker opened, by itself or by hand."""
        self._failures: deque[AttemptFailed] = deque(maxlen=MAX_FAILURES)

    def subscribe(self, listener: Listener) -> Callable[[], None]:
        """Deliver every event from now on to `listener`. Return a function that ends the subscription.

        The listener is called in the thread that emitted the event, so it must be quick. If it raises, the error is
        logged, the other listeners receive a `ListenerFailed`, and the call that emitted the event continues.

        Raises:
            TypeError: `listener` is async; nothing would await it.
        """
        if is_async(listener):
            raise TypeError(ASYNC_LISTENER)
        with self._lock:
            self._listeners = (*self._listeners, listener)

        def unsubscribe() -> None:
            with self._lock:
                self._listeners = tuple(other for other in self._listeners if other is not listener)

        return unsubscribe

    def emit(self, event: Event) -> None:
        """Deliver an event to all listeners. Never raises."""
        if type(event) is AttemptFailed:
            self._failures.append(event)
        elif type(event) is StateChanged and event.after == "open" != event.before and event.reason != "restored":
            self.breaker_opens += 1
        for listener in self._listeners:
            try:
                answer: object = listener(event)
                if answer is not None:
                    refuse_awaitable(answer, ASYNC_LISTENER)
            except Exception as error:
                self._listener_failed(listener, event, error)

    def _listener_failed(self, listener: Listener, event: Event, error: Exception) -> None:
        name = getattr(listener, "__qualname__", None) or repr(listener)
        log.exception("listener %s raised on %s", name, type(event).__name__)
        failed = ListenerFailed(at=self._wall(), listener=name, error=describe(error))
        for other in self._listeners:
            if other is not listener:
                try:
                    other(failed)
                except Exception:
                    log.exception("a listener raised on ListenerFailed")

    def after_fork(self) -> None:
        """Replace the lock in a forked child: a thread of the parent may have held it."""
        self._lock = threading.Lock()

    def get_recent_failures(self, limit: int = 10) -> list[AttemptFailed]:
        """Return the last failed attempts, newest first, at most `limit` of the 200 that are kept."""
        newest = list(self._failures)[::-1]
        return newest[: max(limit, 0)]
