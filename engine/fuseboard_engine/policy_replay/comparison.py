"""Replays the recorded work of engines under several sets of policies and compares what comes of it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from math import inf

from fuseboard_engine.policy_replay.estimates import Between, CallHistory
from fuseboard_engine.policy_replay.figures import Figures, Interval, figures_of
from fuseboard_engine.policy_replay.outcome import ReplayOutcome
from fuseboard_engine.policy_replay.replayed_adapters import PolicyChanges
from fuseboard_engine.policy_replay.simulation import Simulation
from fuseboard_engine.policy_replay.workload import AdapterRecord, Workload

Progress = Callable[[int], None]
"""Called with the number of attempts that were replayed since the last call."""


@dataclass(frozen=True)
class Comparison:
    """What came of one set of policies.

    Attributes:
        figures: with unknown outcomes as those of the nearest recorded calls.
        bounds: the interval of the success rate, wide enough for unknown outcomes between a good and a bad call to be
            all good or all bad.
    """

    figures: Figures
    bounds: Interval

    def of(self, adapters: Collection[str]) -> Comparison:
        """Return the same with the figures of some adapters only."""
        kept = {name: one for name, one in self.figures.adapters.items() if name in adapters}
        return replace(self, figures=replace(self.figures, adapters=kept))


class PolicyReplay:
    """The recorded work of engines, ready to be replayed.

    Args:
        loads: the work of each engine.
    """

    def __init__(self, loads: Sequence[Workload]) -> None:
        self.loads = loads
        self._histories = [_histories(load) for load in loads]
        self.attempts = sum(load.attempts for load in loads)
        """Attempts of one replay."""

    def outcomes(
        self, changes: Mapping[str, PolicyChanges], between: Between = "nearest", progress: Progress | None = None
    ) -> list[ReplayOutcome]:
        """Replay all work under the recorded policies with changes, by adapter; one outcome for each engine."""
        found = []
        for load, histories in zip(self.loads, self._histories, strict=True):
            found.append(Simulation(load, histories, changes, between=between).run())
            if progress is not None:
                progress(load.attempts)
        return found

    def figures(
        self, changes: Mapping[str, PolicyChanges], between: Between = "nearest", progress: Progress | None = None
    ) -> Figures:
        """Return the figures of a replay; see `outcomes`."""
        return self._figures(self.outcomes(changes, between, progress))

    def compare(self, changes: Mapping[str, PolicyChanges], progress: Progress | None = None) -> Comparison:
        """Return the figures of a replay with bounds for what is unknown; see `outcomes`."""
        outcomes = self.outcomes(changes, progress=progress)
        figures = self._figures(outcomes)
        low, high = figures.success
        if any(adapter.ambiguous for outcome in outcomes for adapter in outcome.adapters.values()):
            bounds: tuple[Between, ...] = ("success", "failure")
            for between in bounds:
                other = self.figures(changes, between, progress).success
                low, high = min(low, other.low), max(high, other.high)
        return Comparison(figures, Interval(low, high))

    def outages(self, adapter: str) -> int:
        """Return how many outages of an adapter the recording shows."""
        return sum(len(histories[adapter].outages) for histories in self._histories if adapter in histories)

    def _figures(self, outcomes: Sequence[ReplayOutcome]) -> Figures:
        return figures_of(
            [
                (outcome, histories, load.origin, load.end)
                for outcome, histories, load in zip(outcomes, self._histories, self.loads, strict=True)
            ]
        )


def adapters_of(loads: Iterable[Workload]) -> dict[str, AdapterRecord]:
    """Return the adapters of all engines by name; of several with one name the one with most calls."""
    found: dict[str, AdapterRecord] = {}
    for load in loads:
        for name, record in load.adapters.items():
            if name not in found or len(record.calls) > len(found[name].calls):
                found[name] = record
    return found


def _histories(load: Workload) -> dict[str, CallHistory]:
    return {
        name: CallHistory(record.calls, record.policy.slow_call_seconds or inf)
        for name, record in load.adapters.items()
    }
