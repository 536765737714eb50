"""The verdict of a scenario: what happened, and the expectations that failed."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from functools import cached_property

from fuseboard_engine.events import State
from fuseboard_engine.scenario_outcome.judge import Failure
from fuseboard_engine.scenario_outcome.outcome import Outcome, RouteKind


@dataclass(frozen=True)
class Verdict:
    """The result of a scenario: what happened, and the expectations that failed."""

    outcome: Outcome
    failures: tuple[Failure, ...] = ()

    @property
    def broken(self) -> list[str]:
        """The expectations that failed, each as a sentence."""
        return [str(failure) for failure in self.failures]

    @property
    def states(self) -> dict[str, list[State]]:
        """The states that each breaker went through, if it changed; with several engines, its name has its engine."""
        several = len(self.outcome.engines) > 1
        return {
            f"{adapter} in {engine}" if several else adapter: [
                state for _, state in self.outcome.states(engine, adapter)
            ]
            for engine, adapter in self.outcome.changes
        }

    @cached_property
    def _kinds(self) -> Counter[RouteKind]:
        return self.outcome.kinds()

    @property
    def tasks(self) -> int:
        """The number of tasks that ended."""
        return self._kinds.total()

    @property
    def succeeded(self) -> int:
        """The number of tasks that an adapter answered."""
        return sum(count for kind, count in self._kinds.items() if kind.success)

    @property
    def failed_over(self) -> int:
        """The number of tasks that another adapter than their first one answered."""
        return sum(count for kind, count in self._kinds.items() if kind.success and kind.tried[0] != kind.adapter)

    @property
    def answered(self) -> dict[str, int]:
        """The number of tasks that each adapter answered."""
        answered: Counter[str] = Counter()
        for kind, count in self._kinds.items():
            if kind.success:
                answered[kind.adapter] += count
        return dict(answered)

    @property
    def success_rate(self) -> float | None:
        """Share of tasks that succeeded, 0..1; None without tasks."""
        return self.succeeded / self.tasks if self.tasks else None
