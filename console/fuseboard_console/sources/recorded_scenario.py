"""Reads what a scenario is made from: the events of one engine process in a recording."""

from __future__ import annotations

from collections import Counter
from contextlib import aclosing
from dataclasses import dataclass
from typing import Final

from fuseboard_engine.events import (
    LOST,
    AdapterAdded,
    ConfigReloaded,
    EngineStarted,
    EngineStopped,
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
    """What was observed of an engine: its first process, and how many tasks others of its name did meanwhile."""

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
    """Observe the engine that did most tasks in a time, with the processes that took the place of one that had ended.

    Args:
        recording: the recording.
        since: UTC microseconds from which on its events are taken; None: from the first.
        until: UTC microseconds before which they are; None: to the last.
        adapters: the adapters that matter; empty: all.
        engine: the name of the engine; empty: the only one that did tasks.
        pid: the number of its only process; None: those that did most tasks, one after the other.

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
    able = _able(instances, tasks, engine, pid)
    lines = [[one] for one in able] if pid is not None else await _lines(recording, instances, since, until)
    line = max(lines, key=lambda ids: sum(able.get(id, 0) for id in ids))
    first = instances[line[0]]
    began = max(first.started_at, since or 0)
    observation = Observation(began, adapters)
    if since is not None:
        async with aclosing(recording.stream_events(kinds=SETTINGS, until=since)) as settings:
            async for entry in settings:
                if entry.instance == first.id:
                    observation.add(entry.event)
    await _add_events(observation, recording, [instances[id] for id in line], began, until)
    if not observation.tasks:
        raise NotObserved("It has no tasks at that time, so there is nothing to repeat.")
    siblings = sum(number for id, number in tasks.items() if id not in line and instances[id].name == first.name)
    return Observed(observation, first, siblings)


async def _add_events(
    observation: Observation, recording: Recording, line: list[InstanceRow], since: int, until: int | None
) -> None:
    """Add the events of processes that followed each other."""
    rows, current = {row.id: row for row in line}, line[0]
    async with aclosing(recording.stream_events(since=since, until=until)) as entries:
        async for entry in entries:
            if entry.instance not in rows or (isinstance(entry.event, EngineStopped) and entry.event.reason == LOST):
                continue  # the next process found it dead, and says so at its own start
            if entry.instance != current.id and rows[entry.instance].started_at >= current.started_at:
                following = rows[entry.instance]
                observation.end_process(min(current.heartbeat_at, following.started_at))
                current = following
            observation.add(entry.event)


async def _lines(
    recording: Recording, instances: dict[int, InstanceRow], since: int | None, until: int | None
) -> list[list[int]]:
    """Return the processes that took each other's place in a time, each line in the order of their starts."""
    after: dict[int, int] = {}
    async with aclosing(recording.stream_events(kinds=(EngineStarted,), since=since, until=until)) as starts:
        async for entry in starts:
            event = entry.event
            if isinstance(event, EngineStarted) and event.replaces in instances and event.replaces < entry.instance:
                after.setdefault(event.replaces, entry.instance)
    lines = []
    for id in sorted(instances.keys() - set(after.values())):
        line = [id]
        while (following := after.get(line[-1])) is not None and following not in line:
            line.append(following)
        lines.append(line)
    return lines


def _able(instances: dict[int, InstanceRow], tasks: Counter[int], engine: str, pid: int | None) -> dict[int, int]:
    """Return the processes of the engine that is asked for, and how many tasks each did."""
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
    return able


def _names(instances: dict[int, InstanceRow], tasks: Counter[int]) -> str:
    return ", ".join(sorted({instances[id].name for id in tasks if id in instances}))
