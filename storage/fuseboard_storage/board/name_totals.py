"""Totals of all processes of one name, which stay when a process ends: of its tasks, and of each of its adapters."""

from __future__ import annotations

import msgspec

from fuseboard_engine.events import Attempt, RouteFinished


class AdapterTotals(msgspec.Struct, gc=False):
    """The counts of one adapter over all processes of one name, since the recording began.

    `calls` counts the calls made: `successes`, `failed`, and those without a verdict. `timeouts` are among the failed
    ones. `busy` is the seconds of successful calls, `opens` how often a breaker opened.
    """

    calls: int = 0
    successes: int = 0
    failed: int = 0
    timeouts: int = 0
    retries: int = 0
    rejections: int = 0
    opens: int = 0
    busy: float = 0.0

    def add(self, attempt: Attempt) -> None:
        """Count one attempt."""
        outcome = attempt.outcome
        if outcome == "rejected":
            self.rejections += 1
            return
        self.calls += 1
        if attempt.number > 1:
            self.retries += 1
        if outcome == "success":
            self.successes += 1
            self.busy += attempt.duration
        elif outcome == "failure":
            self.failed += 1
            if attempt.rule == "timeout":
                self.timeouts += 1

    def add_figures(self, figures: dict[str, float]) -> None:
        """Count what an engine did before this recording; see `AdapterRow.figures`."""
        calls, successes = int(figures.get("calls", 0)), int(figures.get("successes", 0))
        self.calls += calls
        self.successes += successes
        self.failed += max(0, calls - successes)
        self.timeouts += int(figures.get("timeouts", 0))
        self.retries += int(figures.get("retries", 0))
        self.rejections += int(figures.get("rejections", 0))
        self.opens += int(figures.get("opens", 0))
        self.busy += figures.get("seconds", 0.0)


class EngineTotals(msgspec.Struct):
    """The counts of all processes of one name: `started` processes, their tasks by outcome, and their adapters."""

    started: int = 0
    tasks: int = 0
    answered: int = 0
    degraded: int = 0
    failed_over: int = 0
    adapters: dict[str, AdapterTotals] = {}

    def adapter(self, name: str) -> AdapterTotals:
        """Return the totals of an adapter; create them when it is first mentioned."""
        found = self.adapters.get(name)
        if found is None:
            found = self.adapters[name] = AdapterTotals()
        return found

    def count_task(self, event: RouteFinished, failed_over: bool) -> None:
        """Count a finished task."""
        self.tasks += 1
        if event.degraded:
            self.degraded += 1
        elif event.success:
            self.answered += 1
            self.failed_over += failed_over
