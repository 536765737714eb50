"""The traffic of a scenario, as it was observed: when tasks arrived, or how many a second."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, get_args

from fuseboard_engine.parallel.policy import ExecutionStrategy
from fuseboard_engine.scenario_derivation.observation import Counted, Observation
from fuseboard_engine.scenario_derivation.observed_traffic import ArrivalKind, BatchKind, FanOutKind, ObservedBatches
from fuseboard_engine.scenario_derivation.one_line import OneLine

UNTYPED: Final = "task"
"""The type of tasks that had none."""

RATE_SPANS: Final = 500
"""Spans of traffic of one kind at most."""


def traffic_of(
    observation: Observation, adapters: Mapping[str, object], exact: bool, duration: float
) -> Iterator[dict[str, Any]]:
    """Yield the streams of tasks of a scenario.

    Where routes are only counted, nobody knows which of them were parts of batches and workflows, so that all tasks
    come one by one.

    Args:
        observation: what was observed.
        adapters: the adapters of the scenario.
        exact: whether each arrival has its time; else there are rates.
        duration: the seconds of the scenario.
    """
    counted = observation.counted
    for kind, times in _tasks(observation):
        of_kind = (
            [span for span in counted if kind.type in span.types] if kind == _main_kind(observation, kind.type) else []
        )
        part: dict[str, Any] = {"type": kind.type} if kind.type else {}
        if kind.fan_out is not None:
            part["fan_out"] = _fan_out(kind.fan_out, kind.deadline, adapters)
        elif kind.deadline is not None:
            part["deadline"] = kind.deadline
        if kind.streamed:
            part["stream"] = True
        yield from _arriving(part, times, exact, duration, of_kind, kind.type)
    if not counted:
        for of_batches, batches in observation.traffic.batches.items():
            yield from _arriving(_batch(of_batches, batches), batches.began, exact, duration)
        for name, workflow in observation.traffic.workflows.items():
            part = {"workflow": name}
            if workflow.deadline is not None and workflow.deadline > 0:
                part["deadline"] = workflow.deadline
            yield from _arriving(part, workflow.began, exact, duration)


def _tasks(observation: Observation) -> Iterator[tuple[ArrivalKind, list[float]]]:
    """Yield the kinds of tasks that arrived by themselves, and when each did; also those that were only counted."""
    traffic, found = observation.traffic, dict[ArrivalKind, list[float]]()
    for kind in traffic.arrivals:
        if not kind.part_of or observation.counted:
            streamed = _mostly_streamed(observation, kind.type) if kind.streamed is None else kind.streamed
            found.setdefault(kind._replace(streamed=streamed, part_of=""), []).extend(traffic.times(kind))
    for type in {type for span in observation.counted for type in span.types}:
        found.setdefault(_main_kind(observation, type), [])
    yield from sorted(found.items(), key=lambda item: (item[0].type, str(item[0])))


def _main_kind(observation: Observation, type: str) -> ArrivalKind:
    """Return the kind of most tasks of a type, of which those are that were only counted."""
    sizes = Counter(
        {
            kind._replace(streamed=bool(kind.streamed), part_of=""): len(times)
            for kind, times in observation.traffic.arrivals.items()
            if kind.type == type and kind.fan_out is None and kind.streamed is not None
        }
    )
    return sizes.most_common(1)[0][0] if sizes else ArrivalKind(type)


def _mostly_streamed(observation: Observation, type: str) -> bool:
    sizes: Counter[bool | None] = Counter()
    for kind, times in observation.traffic.arrivals.items():
        if kind.type == type:
            sizes[kind.streamed] += len(times)
    return sizes[True] > sizes[False]


def _fan_out(kind: FanOutKind, timeout: float | None, adapters: Mapping[str, object]) -> OneLine:
    part = OneLine()
    if names := [name for name in kind.adapters if name in adapters]:
        part["adapters"] = names
    if kind.strategy in get_args(ExecutionStrategy):
        part["strategy"] = kind.strategy
    if timeout is not None:
        part["timeout"] = timeout
    return part


def _batch(kind: BatchKind, batches: ObservedBatches) -> dict[str, Any]:
    batch = OneLine(tasks=min(kind.tasks, 10_000), min_success_rate=min(max(kind.needed, 0.0), 1.0))
    if batches.rolled_back:
        batch["rollback"] = True
    if batches.rounds > 1 or not batches.accepted:
        batch["retries"] = min(max(0, batches.rounds - 1), 1_000)
    batch["max_concurrent"] = min(max(1, batches.at_once), 10_000)
    part: dict[str, Any] = {"type": kind.type} if kind.type else {}
    if kind.deadline is not None:
        part["deadline"] = kind.deadline
    return {**part, "batch": batch}


def _arriving(
    part: Mapping[str, Any],
    times: Iterable[float],
    exact: bool,
    duration: float,
    counted: Sequence[Counted] = (),
    type: str = "",
) -> Iterator[dict[str, Any]]:
    """Yield a stream of tasks with its times or rates, if anything arrived before the end."""
    within = sorted(at for at in times if 0 <= at < duration)
    if not within and not counted:
        return
    if exact:
        yield {**part, "times": [round(at, 4) for at in within]}
    else:
        yield {**part, "rates": [list(rate) for rate in _rates(within, counted, type, duration)]}


def _rates(
    times: Sequence[float], counted: Sequence[Counted], type: str, duration: float
) -> Iterator[tuple[float, float]]:
    """Yield from when on (seconds) how many tasks a second there were, without spans like the one before."""
    width = duration / min(RATE_SPANS, max(1, math.ceil(duration)))
    tasks = [0.0] * math.ceil(duration / width - 1e-9)
    for at in times:
        tasks[min(len(tasks) - 1, int(at / width))] += 1
    for span in counted:
        for place in range(len(tasks)):
            shared = min(span.until, (place + 1) * width) - max(span.since, place * width)
            if shared > 0 and span.until > span.since:
                tasks[place] += span.types.get(type, 0) * shared / (span.until - span.since)
    before = -1.0
    for place, number in enumerate(tasks):
        rate = float(f"{number / width:.4g}")
        if rate != before:
            yield round(place * width, 3), rate
        before = rate
