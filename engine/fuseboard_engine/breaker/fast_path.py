"""The counts of a breaker that are updated without its lock."""

from __future__ import annotations

from fuseboard_engine.breaker.sliding_window import StateWindow


class FastPath:
    """What permits and `guard` read and write of a breaker directly. Internal: not for applications.

    While a closed breaker counts only consecutive failures, a success adds one to a counter and a failure below the
    limit adds one to another. Neither needs the lock, nor a call to the breaker. Every other outcome goes to
    `CircuitBreaker.settle`.

    Lock-free updates are safe because the interpreter switches threads only at calls and jumps: code that checks
    `window` and then writes must do so without either in between. The breaker sets `window` to None, under its lock,
    before it changes anything else.

    Attributes:
        window: the current window while the fast path applies; None otherwise.
        failures: consecutive failures in the current state.
        limit: consecutive failures that open the breaker; infinite without such a rule.
        last_error: type and text of the last failure.
        last_error_at: when it was recorded, by the breaker's clock.
    """

    __slots__ = ("failures", "last_error", "last_error_at", "limit", "window")

    def __init__(self) -> None:
        self.window: StateWindow | None = None
        self.failures = 0
        self.limit = float("inf")
        self.last_error = ""
        self.last_error_at: float | None = None
