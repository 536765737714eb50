"""Leave to make one call, and how its outcome finds the way back to the breaker."""

from __future__ import annotations

from types import TracebackType
from typing import TYPE_CHECKING

import msgspec

from fuseboard_engine.errors import describe

if TYPE_CHECKING:
    from fuseboard_engine.breaker.circuit_breaker import CircuitBreaker


class Permit(msgspec.Struct, eq=False):
    """Leave to make one call. Settle it once with what came of the call; settling it again changes nothing.

    As a context manager it settles itself: an `Exception` is a failure, a clean end a success, and a cancellation or
    any other `BaseException` gives the permit back without a verdict.
    """

    breaker: CircuitBreaker
    generation: int
    started: float
    live: bool = True

    def success(self, duration: float | None = None) -> None:
        """The call succeeded. `duration` is in seconds; measured from `admit` when not given."""
        breaker = self.breaker
        tally = breaker._tally
        if tally is None or tally.generation != self.generation or breaker._failures:
            breaker._settle(self, "success", duration)
            return
        # The commonest case in the fewest steps: a success with nothing but a count to keep, and that needs no lock.
        if self.live:
            self.live = False
            tally.tick()

    def failure(
        self,
        kind: str = "error",
        duration: float | None = None,
        retry_after: float | None = None,
        error: str = "",
    ) -> None:
        """The call failed and the adapter is to blame.

        `kind` names what happened; `rate_limited` opens the breaker at once, for `retry_after` seconds or its own wait,
        and so does any other kind that carries a `retry_after`. `error` is a text to remember.
        """
        breaker = self.breaker
        if self.live and retry_after is None and kind != "rate_limited":
            self.live = False
            at = breaker.clock()
            # The short way: one more in a row, and not enough of them yet. It needs no lock: nothing from here on is a
            # call, and the interpreter changes threads at calls and jumps only. Whoever holds the lock to change the
            # state takes the tally away first.
            tally, failures = breaker._tally, breaker._failures + 1
            if tally is not None and tally.generation == self.generation and failures < breaker._limit:
                tally.failed += 1
                breaker._failures = failures
                breaker._last_error = error or kind
                breaker._last_error_at = at
                return
            self.live = True
        breaker._settle(self, "failure", duration, kind, retry_after, error)

    def ignored(self) -> None:
        """The call raised something that says nothing about the adapter."""
        self.breaker._settle(self, "ignored")

    def release(self) -> None:
        """The call was cancelled or never made: no verdict, the permit goes back."""
        self.breaker._settle(self, "cancelled")

    def __enter__(self) -> Permit:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if error is None:
            self.success()
        elif isinstance(error, Exception):
            self.failure(error=describe(error))
        else:
            self.release()  # cancelled (CancelledError is no Exception), interrupted, or closed early
