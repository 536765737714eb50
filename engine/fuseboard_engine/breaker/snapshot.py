"""The state and counts of a breaker at one moment."""

from __future__ import annotations

from typing import Any

import msgspec

from fuseboard_engine.events import State


class BreakerSnapshot(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A breaker at one moment. Counts are those of the current window.

    Attributes:
        state: the current state.
        generation: the number of the current generation; every change of state starts a new one.
        calls: recorded calls in the window.
        failed: failed calls in the window.
        slow: slow calls in the window.
        failure_rate: share of failed calls, 0..1; None below `minimum_calls`.
        slow_rate: share of slow calls, 0..1; None below `minimum_calls` or without a limit for slow calls.
        rejected: calls refused in the current state.
        retry_after: seconds an open breaker still waits; 0.0 when it will admit the next call as a probe; None
            where no wait applies.
        openings: how many times in a row the breaker has opened.
        failures: failures that count towards `failure_threshold`.
        successes: good probes that count towards closing.
        probes_in_flight: probes that have not reported yet.
        last_error: type and text of the last failure.
        last_error_at: when it was recorded, in UTC microseconds.
        recoveries: how often its probes closed the breaker since it was created.
        relapses: how often its probes opened the breaker again.
        consecutive_successes: successes in a row, up to now, in the current state.
    """

    state: State
    generation: int
    calls: int
    failed: int
    slow: int
    failure_rate: float | None
    slow_rate: float | None
    rejected: int
    retry_after: float | None
    openings: int
    failures: int
    successes: int
    probes_in_flight: int
    last_error: str
    last_error_at: int | None
    recoveries: int = 0
    relapses: int = 0
    consecutive_successes: int = 0

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as a dictionary that `json.dumps` takes."""
        return msgspec.structs.asdict(self)
