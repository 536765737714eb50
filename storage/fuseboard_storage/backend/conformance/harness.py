"""What the suite needs of a backend, and the tools of its rules."""

from __future__ import annotations

import abc
import asyncio
import contextlib
import functools
import multiprocessing
import os
import signal
import time
from collections.abc import Callable, Coroutine, Iterator
from contextlib import AbstractContextManager
from typing import Any, Concatenate, Final, ParamSpec, TypeVar

from fuseboard_engine.events import AdapterAdded, Attempt, AttemptFailed, Event, RouteFinished
from fuseboard_engine.runtime.clock import wall_clock
from fuseboard_storage.backend.protocols import EngineWriter, Reader, Store
from fuseboard_storage.backend.values import EventBatch, Heartbeat
from fuseboard_storage.board.rows import Entry

P = ParamSpec("P")
S = TypeVar("S")

SECOND: Final = 1_000_000  # microseconds
DEATH_LIMIT: Final = 60.0
"""Seconds in which a process does what the suite asks of it."""


class StoreHarness(abc.ABC):
    """An empty store for one test, and what happens to it from outside.

    The rules of crashes run code in another process, so the harness has to be picklable and importable there, unless it
    has a `die` of its own.
    """

    @abc.abstractmethod
    def connect(self) -> Store:
        """Return the store as another process would open it: with connections of its own to the same contents."""

    def now(self) -> int:
        """Return the store's time, UTC microseconds."""
        return wall_clock()

    def advance(self, seconds: float) -> None:
        """Let time pass. A harness with a clock of its own moves that instead."""
        time.sleep(seconds)

    def die(self, work: Callable[[StoreHarness], object]) -> None:
        """Run `work` in another process, which is killed right after it: nothing is closed, and no end is recorded."""
        process = multiprocessing.get_context("spawn").Process(target=_work_and_die, args=(self, work))
        process.start()
        process.join(DEATH_LIMIT)
        if process.is_alive():
            process.kill()
            process.join()
        assert process.exitcode == -signal.SIGKILL, f"the other process ended with {process.exitcode}; see its output"

    def prune(self, to: int) -> None:
        """Remove the events up to a number, as the store does with old ones when it has too many.

        Raises:
            NotImplementedError: The store never removes events. The rules of it are skipped.
        """
        raise NotImplementedError

    def unreachable(self) -> AbstractContextManager[object]:
        """Return a context in which the store cannot be written.

        Raises:
            NotImplementedError: That cannot be arranged. The rules of it are skipped.
        """
        raise NotImplementedError


def _work_and_die(harness: StoreHarness, work: Callable[[StoreHarness], object]) -> None:
    work(harness)
    os.kill(os.getpid(), signal.SIGKILL)


class SuiteEngine:
    """An engine as far as a store needs to know it."""

    def __init__(self, name: str, wall: Callable[[], int]) -> None:
        self.name = name
        self.wall = wall

    def describe(self) -> list[Event]:
        """Return its state: two adapters."""
        return [AdapterAdded(at=self.wall(), adapter=name, policy={}) for name in ("prefect", "agno")]


def in_loop(rule: Callable[Concatenate[S, P], Coroutine[Any, Any, None]]) -> Callable[Concatenate[S, P], None]:
    """Make a test of a coroutine, which needs no plugin of pytest."""

    @functools.wraps(rule)
    def run(self: S, /, *args: P.args, **named: P.kwargs) -> None:
        asyncio.run(rule(self, *args, **named))

    return run


def opened(harness: StoreHarness, name: str = "checkout") -> EngineWriter:
    """Return an open writer for an engine, which nothing closes: for a process that dies."""
    writer = harness.connect().writer(SuiteEngine(name, harness.now))
    with writer.gate:
        writer.open()
    return writer


@contextlib.contextmanager
def writing(harness: StoreHarness, name: str = "checkout") -> Iterator[EngineWriter]:
    """Open a writer for an engine, as another process would; close it at the end."""
    writer = opened(harness, name)
    try:
        yield writer
    finally:
        with writer.gate:
            writer.close()


def append(writer: EngineWriter, *events: Event, **batch: Any) -> None:
    """Append a batch."""
    with writer.gate:
        writer.append(EventBatch(events, **batch))


def beat(harness: StoreHarness, writer: EngineWriter, *, ends: bool = False) -> None:
    """Append a heartbeat, or the end."""
    append(writer, heartbeat=Heartbeat(harness.now()), ends=ends)


async def everything(reader: Reader, after: int = 0) -> list[Entry]:
    """Return all events after a number, read in small parts."""
    found: list[Entry] = []
    while part := await reader.slice(found[-1].seq if found else after, 7):
        found += part
    return found


def routes(entries: list[Entry], instance: int | None = None) -> list[str]:
    """Return the tasks of the routes among entries, of one instance or of all."""
    return [
        entry.event.task
        for entry in entries
        if isinstance(entry.event, RouteFinished) and instance in (None, entry.instance)
    ]


def route(harness: StoreHarness, task: str, adapter: str = "agno") -> RouteFinished:
    """Return the event of a task that an adapter did at once."""
    attempt = Attempt(adapter=adapter, outcome="success", number=1, duration=0.25)
    return RouteFinished(
        at=harness.now(), task=task, task_type="ai", success=True, adapter=adapter, attempts=(attempt,), duration=0.25
    )


def failure(harness: StoreHarness, task: str, adapter: str = "prefect") -> AttemptFailed:
    """Return the event of a failed attempt."""
    attempt = Attempt(
        adapter=adapter, outcome="failure", number=1, duration=1.5, rule="timeout", error_type="Late", error="too late"
    )
    return AttemptFailed(
        at=harness.now(), task=task, task_type="ai", attempt=attempt, then="failover", context={"user": "ann"}
    )
