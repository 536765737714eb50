"""The steps of a scenario one by one, and the moments at which its tasks arrive."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import count, islice, pairwise
from random import Random
from typing import Final, NamedTuple

from fuseboard_engine.network_faults.table import NETWORK_FAULTS
from fuseboard_engine.scenario.model import Scenario
from fuseboard_engine.scenario_file.step import StepPart
from fuseboard_engine.scenario_file.traffic import TrafficPart

_SAME: Final = 1e-9  # seconds that lie between two steps at least


def timeline_of(scenario: Scenario) -> list[StepPart]:
    """Return what happens in a scenario, in order.

    A step that repeats is there once for each time, one for a tag once for each adapter that has it, one for all
    engines once for each of them, and a fault that lasts a while has its end as a step of its own, unless another step
    for its adapter comes before. Each says what happens.
    """
    steps = [one for step in scenario.timeline for one in _single_steps(step, scenario)]
    steps.sort(key=lambda one: one.step.at)
    ends = [end for place in range(len(steps)) if (end := _end_of(steps, place, scenario.duration)) is not None]
    return sorted([*(one.step for one in steps), *ends], key=lambda step: step.at)


class _SingleStep(NamedTuple):
    """A step for one engine and one adapter at most; `engine` is the one that the file names."""

    step: StepPart
    engine: str | None


def _single_steps(step: StepPart, scenario: Scenario) -> Iterator[_SingleStep]:
    last = min(scenario.duration, math.inf if step.until is None else step.until)
    names = (
        [step.adapter] if step.tag is None else [n for n, part in scenario.adapters.items() if step.tag in part.tags]
    )
    for number in count():
        at = step.at + number * (step.every or 0.0)
        if number and at > last + _SAME:
            return
        for name in names:
            one = step.model_copy(update={"at": at, "adapter": name, "tag": None})
            one = one.model_copy(update={"say": one.say or _describe(one)})
            for engine in _engines_of(step, scenario):
                yield _SingleStep(one.model_copy(update={"engine": engine}), step.engine)
        if step.every is None:
            return


def _engines_of(step: StepPart, scenario: Scenario) -> tuple[str | None, ...]:
    """Return the engines to which a step happens; None: to none of them. They share the runs that are resumed."""
    if not step.concerns_engines:
        return (None,)
    if step.engine is not None:
        return (step.engine,)
    return scenario.engine_names[:1] if step.command == "resume" else scenario.engine_names


def _end_of(steps: list[_SingleStep], place: int, duration: float) -> StepPart | None:
    """Return the step that ends the fault of the step at a place after the time that it lasts."""
    step, engine = steps[place]
    if step.lasts is None or not step.fault or (at := step.at + step.lasts) > duration:
        return None
    for other, _ in islice(steps, place + 1, None):
        if other.at > at:
            break
        if other.ends_fault_of(step.adapter, step.engine, step.proxy):
            return None
    end = StepPart(at=at, adapter=step.adapter, engine=engine, proxy=step.proxy, heal=True)
    return end.model_copy(update={"engine": step.engine, "say": _describe(end)})


def steps_after(steps: Sequence[StepPart], position: float) -> Iterator[StepPart]:
    """Return the steps that come after a position, in seconds of the scenario."""
    first = bisect_right(steps, position + 1e-6, key=lambda step: step.at)
    return (steps[place] for place in range(first, len(steps)))


def _describe(step: StepPart) -> str:
    """Return what happens in a step that says nothing itself."""
    if step.engine is not None:
        return f"{step.engine} is killed" if step.kill else f"{step.engine}: {_action(step)}"
    return "the engine is killed" if step.kill else _action(step)


def _action(step: StepPart) -> str:
    if step.operator:
        return f"asked of the operator: {step.command} {step.adapter or ''}".rstrip()
    if step.set:
        return ", ".join(f"{path} is now {value}" for path, value in step.set.items())
    if step.traffic is not None:
        rate = "" if step.per_second is None else f"{step.per_second:g} tasks a second"
        change = "stops" if step.paused else rate or "goes on"
        return f"traffic {step.traffic}: {change}"
    if step.command is not None:
        return f"an operator: {step.command} {step.adapter or ''}".rstrip()
    if step.proxy is not None:
        return f"{step.proxy}: {NETWORK_FAULTS[step.fault].sentence(step.values) if step.fault else 'connections work'}"
    if step.adapter is None:
        return "…"
    return f"{step.adapter} has recovered" if step.heal else f"{step.adapter}: {step.fault}"


class _Change(NamedTuple):
    """How a stream of tasks goes on from a moment: at a rate (tasks a second; None: as it says itself), or not."""

    at: float
    per_second: float | None = None
    paused: bool = False


def _changes_of(name: str, steps: Iterable[StepPart]) -> Iterator[_Change]:
    """Yield the changes of a stream of tasks, in order; the first is its beginning."""
    change = _Change(0.0)
    yield change
    for step in steps:
        if name and step.traffic == name:
            rate = change.per_second if step.per_second is None else step.per_second
            paused = step.paused if step.paused is not None else change.paused
            yield (change := _Change(step.at, rate, paused))


def arrivals(traffic: TrafficPart, duration: float, rng: Random, steps: Iterable[StepPart] = ()) -> Iterator[float]:
    """Yield the seconds from a scenario's beginning at which tasks arrive; several at once in a burst.

    The k-th arrival is where the integral of the rate is k: for a ramp from a to b within T seconds,
    a*t + (b-a)*t^2/(2T).

    Args:
        traffic: The stream of tasks.
        duration: The seconds that the scenario lasts.
        rng: The source of chance.
        steps: The steps of the timeline, in order; those that change this stream apply.
    """
    end = duration if traffic.until is None else min(traffic.until, duration)
    changes = list(_changes_of(traffic.name, steps))
    if traffic.times:
        times = (at for at in sorted(traffic.times) if traffic.start <= at < end)
        yield from (at for at in times if not changes[bisect_right(changes, at, key=_moment) - 1].paused)
        return
    for at in _bursts(_changed(list(_phases(traffic, end)), changes, traffic, end), lambda: _gap(traffic, rng)):
        for _ in range(traffic.burst):
            yield at


class _Phase(NamedTuple):
    """A time in which the rate changes evenly: from when until when (seconds), and the bursts a second then."""

    since: float
    until: float
    first: float
    last: float

    def rate_at(self, moment: float) -> float:
        """Return the bursts a second at a moment of the phase."""
        if self.first == self.last:
            return self.first
        share = (moment - self.since) / (self.until - self.since)
        return self.last if share == 1 else self.first + (self.last - self.first) * share


def _phases(traffic: TrafficPart, end: float) -> Iterator[_Phase]:
    """Yield the phases of a stream, from its start to its end."""
    if traffic.per_second is not None:
        last = traffic.per_second if traffic.ramp_to is None else traffic.ramp_to
        yield _Phase(traffic.start, end, traffic.per_second / traffic.burst, last / traffic.burst)
        return
    changes = [*traffic.rates, (end, 0.0)]
    for (since, rate), (until, _) in pairwise(changes):
        if (since := max(since, traffic.start)) < (until := min(until, end)):
            yield _Phase(since, until, rate / traffic.burst, rate / traffic.burst)


def _changed(phases: list[_Phase], changes: list[_Change], traffic: TrafficPart, end: float) -> Iterator[_Phase]:
    """Yield the phases of a stream after the changes of the timeline."""
    for change, following in pairwise([*changes, _Change(end)]):
        since, until = max(change.at, traffic.start), min(following.at, end)
        if since >= until or change.paused:
            continue
        if change.per_second is not None:
            rate = change.per_second / traffic.burst
            yield _Phase(since, until, rate, rate)
            continue
        for phase in phases:
            first, last = max(phase.since, since), min(phase.until, until)
            if first < last:
                yield _Phase(first, last, phase.rate_at(first), phase.rate_at(last))


def _moment(change: _Change) -> float:
    return change.at


def _bursts(phases: Iterable[_Phase], gap: Callable[[], float]) -> Iterator[float]:
    """Yield when bursts arrive, given the gaps between them as shares of the average one."""
    wanted = gap()  # bursts until the next one, counted from the beginning of the phase
    for phase in phases:
        seconds = phase.until - phase.since
        while (at := _time_of(wanted, phase.first, phase.last, seconds)) < seconds:
            yield phase.since + at
            wanted += gap()
        wanted -= seconds * (phase.first + phase.last) / 2


def _gap(traffic: TrafficPart, rng: Random) -> float:
    """Return the gap to the next burst, as a share of the average one."""
    if traffic.arrivals == "poisson":
        return rng.expovariate(1.0)
    return 1.0 if traffic.arrivals == "constant" else rng.uniform(0.6, 1.4)


def _time_of(expected: float, first: float, last: float, seconds: float) -> float:
    """Return after how many seconds so many bursts are expected; inf if there will not be as many.

    `first` and `last` are the bursts a second at the beginning and after `seconds`.
    """
    if first == last:
        return expected / first if first else math.inf
    slope = (last - first) / seconds
    root = first * first + 2 * slope * expected
    # The stable form of (sqrt(root) - first) / slope: it loses no digits where the ramp is nearly flat.
    return math.inf if root < 0 else 2 * expected / (first + math.sqrt(root))
