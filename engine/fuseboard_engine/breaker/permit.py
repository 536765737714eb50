"""A permit for one call; reports the outcome to the breaker that issued it."""

from __future__ import annotations

from types import TracebackType
from typing import TYPE_CHECKING

import msgspec

from fuseboard_engine.errors import describe_raw
from fuseboard_engine.runtime.cancellation import is_own_cancellation

if TYPE_CHECKING:
    from fuseboard_engine.breaker.circuit_breaker import CircuitBreaker


OPENING = {
    "rate_limited": "it asked for fewer calls",
    "quota": "its quota or credit is spent",
    "credentials": "its credentials were refused",
}
"""The kinds of failure that open a breaker at once, and why."""


class Permit(msgspec.Struct, eq=False):
    """A permit for one call. Report the outcome of the call once; later reports change nothing.

    As a context manager it reports by itself: an `Exception` is a failure, a normal exit a success, and a cancellation
    of the current task or any other `BaseException` returns the permit without a verdict. A `CancelledError` although
    the task was not cancelled comes from the called library, and is a failure.
    """

    breaker: CircuitBreaker
    generation: int
    started: float
    live: bool = True

    def success(self, duration: float | None = None) -> None:
        """Report that the call succeeded. `duration` is in seconds; default: the time since `admit`."""
        breaker = self.breaker
        fast = breaker.fast_path
        window = fast.window
        if window is None or window.generation != self.generation or fast.failures:
            breaker.settle(self, "success", duration)
            return
        # The most common case: nothing to update but an atomic counter, which needs no lock.
        if self.live:
            self.live = False
            window.tick()

    def failure(
        self,
        kind: str = "error",
        duration: float | None = None,
        retry_after: float | None = None,
        error: str = "",
        at_least: float | None = None,
    ) -> None:
        """Report that the call failed through the adapter's fault.

        Args:
            kind: what happened. `rate_limited`, `quota` and `credentials` open the breaker at once, for `retry_after`
                seconds or the policy's own wait.
            duration: seconds the call took; default: the time since `admit`.
            retry_after: seconds the adapter asked to wait; any kind that carries it opens the breaker at once.
            error: type and text of the failure, kept as the last error.
            at_least: seconds the breaker stays open at least if this failure opens it by a trip rule.
        """
        breaker = self.breaker
        if self.live and retry_after is None and kind not in OPENING:
            self.live = False
            at = breaker.clock()
            fast = breaker.fast_path
            # Below the limit, counting a consecutive failure needs no lock: from here to the last assignment there is
            # neither a call nor a jump backwards, where alone the interpreter switches threads.
            window, failures = fast.window, fast.failures + 1
            if window is not None and window.generation == self.generation and failures < fast.limit:
                window.failed += 1
                fast.failures = failures
                fast.last_error = error or kind
                fast.last_error_at = at
                return
            self.live = True
        breaker.settle(self, "failure", duration, kind, retry_after, error, at_least)

    def ignored(self) -> None:
        """Report an error that says nothing about the adapter."""
        self.breaker.settle(self, "ignored")

    def release(self) -> None:
        """Return the permit without a verdict: the call was cancelled or never made."""
        self.breaker.settle(self, "cancelled")

    def __enter__(self) -> Permit:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if error is None:
            self.success()
        elif isinstance(error, Exception) or is_own_cancellation(error):
            self.failure(error=describe_raw(error))
        else:
            self.release()  # cancelled, interrupted, or closed early
