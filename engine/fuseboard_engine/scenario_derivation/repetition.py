"""How well a derived scenario repeats what was observed."""

from __future__ import annotations

from typing import NamedTuple

from fuseboard_engine.scenario.model import Scenario
from fuseboard_engine.scenario_derivation.observation import Observation


def can_be_repeated(scenario: Scenario) -> bool:
    """Return whether derived scenarios, one for each engine, have all that matters in this one: no health checks."""
    return not scenario.health_monitoring.enabled


class Repetition(NamedTuple):
    """What a scenario repeated when it was played.

    Attributes:
        changes: changes of breakers' states that were observed.
        same: whether each breaker had the same states in the same order.
        largest_gap: the largest difference between the times of an observed change and its repetition, in seconds; 0
            without changes.
        close: whether each change was within 1 s or 10 % of its time.
        tasks: tasks that were observed.
        success: the share of them that succeeded, 0..1.
        repeated_success: the share of tasks that succeeded when it was played.
    """

    changes: int
    same: bool
    largest_gap: float
    close: bool
    tasks: int
    success: float
    repeated_success: float


def compare(observed: Observation, repeated: Observation) -> Repetition:
    """Compare what was observed with what a scenario did."""
    before, after = _changes(observed), _changes(repeated)
    pairs = [
        (at, then)
        for name, changes in before.items()
        for (_, at), (_, then) in zip(changes, after.get(name, []), strict=False)
    ]
    return Repetition(
        changes=sum(map(len, before.values())),
        same=_states(before) == _states(after),
        largest_gap=max((abs(then - at) for at, then in pairs), default=0.0),
        close=all(abs(then - at) <= max(1.0, at / 10) for at, then in pairs),
        tasks=observed.tasks,
        success=_success(observed),
        repeated_success=_success(repeated),
    )


def _changes(observation: Observation) -> dict[str, list[tuple[str, float]]]:
    found: dict[str, list[tuple[str, float]]] = {}
    for change in observation.changes:
        found.setdefault(change.adapter, []).append((change.after, change.at))
    return found


def _states(changes: dict[str, list[tuple[str, float]]]) -> dict[str, list[str]]:
    return {name: [state for state, _ in found] for name, found in changes.items()}


def _success(observation: Observation) -> float:
    return observation.succeeded / observation.tasks if observation.tasks else 1.0
