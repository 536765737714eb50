"""Searches the policies that would have served best, one adapter at a time."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from fuseboard_engine.breaker.policy import BreakerPolicy
from fuseboard_engine.policy_replay.comparison import PolicyReplay, Progress
from fuseboard_engine.policy_replay.figures import Figures, Mean
from fuseboard_engine.policy_replay.settings import (
    Combination,
    Setting,
    changes_of,
    combinations,
    recorded_value,
    value_text,
)
from fuseboard_engine.policy_replay.workload import AdapterRecord
from fuseboard_engine.runtime.formatting import format_duration, percent, plural

SMALL_COST = 0.1
"""What a wasted call and a needless rejection cost, beside 1 for a task that is not answered."""

LEAST_GAIN = 0.05
"""The share of the cost that other policies have to save before they are suggested."""

_GRID: dict[str, tuple[Any, ...]] = {
    "failure_threshold": (2, 3, 5, 8),
    "failure_rate": (0.2, 0.35, 0.5, 0.7),
    "slow_call_rate": (0.2, 0.35, 0.5, 0.7),
    "recovery_timeout": (0.5, 1.0, 2.0, 5.0, 15.0),
}
_RULES = ("failure_threshold", "failure_rate", "slow_call_rate")


@dataclass(frozen=True)
class Suggestion:
    """What is suggested for one adapter: its new values, none if the recorded ones are kept, and why."""

    adapter: str
    combination: Combination
    sentence: str


def default_settings(record: AdapterRecord) -> list[Setting]:
    """Return what is tried for an adapter where the user names nothing: its trip rules and its wait."""
    policy = record.policy
    found = []
    for name, values in _GRID.items():
        own = getattr(policy, name)
        if name in _RULES and own is None:
            continue
        if name == "failure_threshold" and policy.window_size is not None:
            values = tuple(value for value in values if value <= policy.window_size)
        if name == "recovery_timeout" and policy.max_recovery_timeout != BreakerPolicy().max_recovery_timeout:
            values = tuple(value for value in values if value <= policy.max_recovery_timeout)
        found.append(Setting(record.name, "breaker", name, tuple(sorted({*values, own}))))
    return found


def cost(figures: Figures) -> float:
    """Return what went wrong as one number: tasks not answered, and a tenth of wasted calls and needless rejections."""
    return figures.tasks - figures.answered + SMALL_COST * (figures.total("wasted") + figures.total("lost"))


def search_size(settings: Mapping[str, Sequence[Setting]]) -> int:
    """Return how many replays a search makes, without those for bounds."""
    return 1 + sum(len(_distinct(found)) for found in settings.values())


def suggest(
    replay: PolicyReplay,
    adapters: Mapping[str, AdapterRecord],
    settings: Mapping[str, Sequence[Setting]],
    progress: Progress | None = None,
) -> tuple[list[Suggestion], Combination]:
    """Return a suggestion for each adapter, and all suggested values together.

    Adapters are searched one after another, the one with most failures first; each keeps what was found for those
    before it.

    Args:
        replay: the recorded work.
        adapters: the adapters by name.
        settings: what to try, by adapter.
        progress: called as replays end.
    """
    baseline = replay.figures({}, progress=progress)
    chosen: Combination = ()
    best = baseline
    found: dict[str, Suggestion] = {}
    for name in sorted(settings, key=lambda name: -baseline.adapters[name].failed):
        if not baseline.adapters[name].failed and not replay.outages(name):
            found[name] = Suggestion(name, (), f"{name}: keep its policy, because no call of it failed.")
            continue
        before, winner = best, None
        for combination in combinations(settings[name], adapters):
            if all(value == recorded_value(adapters[name], setting) for setting, value in combination):
                continue
            figures = replay.figures(changes_of((*chosen, *combination)), progress=progress)
            if winner is None or _rank(figures, combination, adapters[name]) < winner[0]:
                winner = _rank(figures, combination, adapters[name]), combination, figures
        if winner is None or cost(before) - cost(winner[2]) < max(LEAST_GAIN * cost(before), SMALL_COST):
            tried = len(_distinct(settings[name]))
            found[name] = Suggestion(
                name, (), f"{name}: keep its policy, because none of {plural(tried, 'combination')} is clearly better."
            )
            continue
        _, combination, best = winner
        changed = tuple(pair for pair in combination if pair[1] != recorded_value(adapters[name], pair[0]))
        chosen = (*chosen, *changed)
        found[name] = Suggestion(name, changed, _sentence(adapters[name], changed, before, best))
    return [found[name] for name in settings], chosen


def _distinct(settings: Iterable[Setting]) -> list[tuple[Any, ...]]:
    combined: list[tuple[Any, ...]] = [()]
    for setting in settings:
        combined = [(*values, value) for values in combined for value in setting.values]
    return combined


def _rank(figures: Figures, combination: Combination, record: AdapterRecord) -> tuple[float, int, float]:
    """Return the order of preference: the lowest cost, then the fewest changes, then the shortest latency."""
    changes = sum(value != recorded_value(record, setting) for setting, value in combination)
    return round(cost(figures), 6), changes, figures.p99


def _sentence(record: AdapterRecord, changed: Combination, before: Figures, after: Figures) -> str:
    """Return why values are suggested, as one sentence."""
    values = " and ".join(
        f"{setting.field} {value_text(value)} instead of {value_text(recorded_value(record, setting))}"
        for setting, value in changed
    )
    name = record.name
    old, new = before.adapters[name], after.adapters[name]
    gains = []
    if after.answered != before.answered:
        gains.append(
            f"{percent(after.success_rate)} % of tasks are answered instead of {percent(before.success_rate)} %"
        )
    for label, attribute in (("its outages are noticed after", "detect"), ("it is used again after", "recover")):
        was, now = getattr(old, attribute), getattr(new, attribute)
        if _differ(was, now):
            gains.append(f"{label} {format_duration(now.seconds)} instead of {format_duration(was.seconds)}")
    for label, attribute in (("wasted calls", "wasted"), ("needless rejections", "lost")):
        was, now = before.total(attribute), after.total(attribute)
        if was != now:
            gains.append(f"{now:,} {label} instead of {was:,}")
    return f"{name}: {values}, because {_joined(gains)}."


def _differ(was: Mean | None, now: Mean | None) -> bool:
    return was is not None and now is not None and format_duration(was.seconds) != format_duration(now.seconds)


def _joined(parts: Sequence[str]) -> str:
    return " and ".join(filter(None, (", ".join(parts[:-1]), *parts[-1:])))
