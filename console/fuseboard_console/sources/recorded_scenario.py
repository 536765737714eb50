"""Reads what a scenario is made from: the events of one engine process in a recording."""

from __future__ import annotations

from collections import Counter
from contextlib import aclosing
from dataclasses import dataclass
from typing import Final

from fuseboard_engine.events import (
    AdapterAdded,
    ConfigReloaded,
    Event,
    PreferenceSet,
    RouteFinished,
    RoutesCounted,
    RoutingPolicySet,
)
from fuseboard_engine.scenario_derivation.observation import Observation
from fuseboard_storage.board.board import InstanceRow
from fuseboard_storage.recording.recording import Recording

SETTINGS: Final[tuple[type[Event], ...]] = (AdapterAdded, ConfigReloaded, PreferenceSet, RoutingPolicySet)
"""The events that say how an engine was set up, which may be older than the time that is asked for."""


class NotObserved(Exception):
    """A recording holds nothing that a scenario can be made from. The text says why, and what to do."""


@dataclass(frozen=True)
class Observed:
    """What was observed of an engine process, and how many tasks its siblings did meanwhile."""

    observation: Observation
    instance: InstanceRow
    tasks_of_siblings: int


async def observe(
    recording: Recording,
    *,
    since: int | None,
    until: int | None,
    adapters: frozenset[str] = frozenset(),
    engine: str = "",
    pid: int | None = None,
) -> Observed:
    """Observe the engine process that did most tasks in a time.

    Args:
        recording: the recording.
        since: UTC microseconds from which on its events are taken; None: from the first.
        until: UTC microseconds before which they are; None: to the last.
        adapters: the adapters that matter; empty: all.
        engine: the name of the engine; empty: the only one that did tasks.
        pid: the number of the process; None: the one that did most tasks.

    Raises:
        NotObserved: no task was recorded there, or several engines did tasks and none is named.
        RecordingError: the recording cannot be read.
    """
    instances = {row.id: row for row in await recording.instances()}
    tasks: Counter[int] = Counter()
    kinds = (RouteFinished, RoutesCounted)
    async with aclosing(recording.stream_events(kinds=kinds, since=since, until=until)) as routes:
        async for entry in routes:
            tasks[entry.instance] += entry.event.tasks if isinstance(entry.event, RoutesCounted) else 1
    chosen = _chosen(instances, tasks, engine, pid)
    began = max(chosen.started_at, since or 0)
    observation = Observation(began, adapters)
    if since is not None:
        async with aclosing(recording.stream_events(kinds=SETTINGS, until=since)) as settings:
            async for entry in settings:
                if entry.instance == chosen.id:
                    observation.add(entry.event)
    async with aclosing(recording.stream_events(since=began, until=until)) as entries:
        async for entry in entries:
            if entry.instance == chosen.id:
                observation.add(entry.event)
    if not observation.tasks:
        raise NotObserved("It has no tasks at that time, so there is nothing to repeat.")
    siblings = sum(number for id, number in tasks.items() if id != chosen.id and instances[id].name == chosen.name)
    return Observed(observation, chosen, siblings)


def _chosen(instances: dict[int, InstanceRow], tasks: Counter[int], engine: str, pid: int | None) -> InstanceRow:
    able = {id: number for id, number in tasks.items() if id in instances}
    if not able:
        raise NotObserved("It has no tasks at that time, so there is nothing to repeat.")
    if engine:
        able = {id: number for id, number in able.items() if instances[id].name == engine}
        if not able:
            raise NotObserved(f"No engine {engine!r} did tasks at that time; {_names(instances, tasks)} did.")
    if pid is not None:
        able = {id: number for id, number in able.items() if instances[id].pid == pid}
        if not able:
            raise NotObserved(f"No process {pid} did tasks at that time.")
    if len({instances[id].name for id in able}) > 1:
        raise NotObserved(f"Several engines did tasks: {_names(instances, tasks)}. Choose one with --engine NAME.")
    return instances[max(able, key=able.__getitem__)]


def _names(instances: dict[int, InstanceRow], tasks: Counter[int]) -> str:
    return ", ".join(sorted({instances[id].name for id in tasks if id in instances}))
