"""Scripted adapters and engines in virtual time, for tests of routing."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Callable, Coroutine
from typing import Any, ParamSpec

from fuseboard_engine import BreakerPolicy, Engine
from fuseboard_engine.events import AdapterAdded, Event, PreferenceSet
from fuseboard_engine.virtual_time import VirtualTimeLoop, run

P = ParamSpec("P")
NEVER_TRIPS = BreakerPolicy(failure_threshold=None)
HOUR = 3600.0


def virtual(test: Callable[P, Coroutine[Any, Any, None]]) -> Callable[P, None]:
    """Run an async test in virtual time, and assert that it leaves no task and no timer behind."""

    @functools.wraps(test)
    def in_virtual_time(*args: P.args, **kwargs: P.kwargs) -> None:
        async def alone() -> None:
            await test(*args, **kwargs)
            left = asyncio.all_tasks() - {asyncio.current_task()}
            assert not left, f"tasks left behind: {left}"

        run(alone())

    return in_virtual_time


def now() -> float:
    """Return the virtual time in seconds."""
    return asyncio.get_running_loop().time()


class World(Engine):
    """An engine in virtual time that keeps every event, and whose jitter is `dice`."""

    def __init__(self, *, dice: float = 0.0, **options: Any) -> None:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, VirtualTimeLoop)
        super().__init__("world", clock=loop.time, wall=loop.wall, rng=lambda: dice, **options)
        self.emitted: list[Event] = []
        self.subscribe(self.emitted.append)

    def story(self) -> list[Event]:
        """Return the events except those of adding adapters and setting chains."""
        return [event for event in self.emitted if not isinstance(event, AdapterAdded | PreferenceSet)]

    def script(self, name: str, *outcomes: Any, **options: Any) -> Script:
        """Add an adapter that plays the outcomes of a script."""
        script = Script(*outcomes)
        self.add_adapter(name, script, **options)
        return script


class Script:
    """An adapter that plays its outcomes in turn and then goes on with the last one.

    An exception is raised, a float is a time to sleep, anything else is the answer.
    """

    def __init__(self, *outcomes: Any) -> None:
        self.outcomes = outcomes
        self.calls: list[float] = []
        self.tasks: list[Any] = []
        self.cancelled = 0

    async def __call__(self, task: Any) -> Any:
        outcome = self.outcomes[min(len(self.calls), len(self.outcomes) - 1)]
        self.calls.append(now())
        self.tasks.append(task)
        if isinstance(outcome, float):
            try:
                await asyncio.sleep(outcome)
            except asyncio.CancelledError:
                self.cancelled += 1
                raise
        if isinstance(outcome, BaseException):
            raise outcome
        return outcome


class HttpError(Exception):
    """An error shaped like those of httpx, requests and openai: its response has the status."""

    def __init__(self, status: int, text: str = "", **headers: str) -> None:
        super().__init__(text or f"HTTP {status}")
        self.response = HttpResponse(status, {name.replace("_", "-"): value for name, value in headers.items()})


class HttpResponse:
    def __init__(self, status: int, headers: dict[str, str]) -> None:
        self.status_code = status
        self.headers = headers
