"""Virtual time for tests, and engines with faults in it."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Callable, Coroutine
from typing import Any, ParamSpec, TypeVar

from fuseboard_engine.engine import Engine
from fuseboard_engine.events import Event, RouteFinished, StateChanged
from fuseboard_engine.faults.injector import LONGEST, InjectedFault
from fuseboard_engine.testing.clocks import CLOCKS, install
from fuseboard_engine.virtual_time import VirtualTimeLoop

P = ParamSpec("P")
T = TypeVar("T")

install()


def virtual_time(test: Callable[P, Coroutine[Any, Any, T]]) -> Callable[P, T]:
    """Run an async function in virtual time: an hour's sleep ends at once, and in the correct order.

    Decorates a test, which is a plain function then, so that any other plugin leaves it alone. The clocks of engines
    that were made after the plugin was loaded follow, also of those that are made at import.

    Raises:
        RealIO: a socket or a program was used.
    """

    @functools.wraps(test)
    def in_virtual_time(*args: P.args, **kwargs: P.kwargs) -> T:
        return run(test(*args, **kwargs))

    return in_virtual_time


def run(main: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine to its end in virtual time and return its result; see `virtual_time`."""
    loop = VirtualTimeLoop()
    with CLOCKS.follow(loop), asyncio.Runner(loop_factory=lambda: loop) as runner:
        try:
            result = runner.run(main)
        except Exception as error:
            if loop.real_io is not None and error is not loop.real_io:
                raise loop.real_io from error
            raise
    if loop.real_io is not None:  # an adapter's failure hides it
        raise loop.real_io
    return result


class Faults:
    """Puts faults into the adapters of an engine, and tells what it did since.

    The engine takes faults from then on.

    Args:
        engine: the application's own engine.
    """

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.events: list[Event] = []
        """The events of the engine since then."""
        self._leave = engine.subscribe(self.events.append)
        self._allowed = engine.faults.allowed
        engine.faults.allow(True)

    def inject(
        self, adapter: str, fault: str, *, for_: float = LONGEST, share: float = 1.0, **values: Any
    ) -> InjectedFault:
        """Let the calls of an adapter meet a fault.

        Args:
            adapter: its name.
            fault: the name of the fault, as in a scenario.
            for_: how many seconds it lasts.
            share: the share of the calls that meet it.
            values: the values of the fault, by name.

        Raises:
            UnknownAdapter: there is no such adapter.
            ValueError: there is no such fault, or it cannot have such values.
        """
        return self.engine.inject_fault(adapter, fault, for_, share=share, values=values)

    def refuse(self, adapter: str, *, for_: float = LONGEST, share: float = 1.0) -> InjectedFault:
        """Let an adapter refuse connections for so many seconds."""
        return self.inject(adapter, "refused", for_=for_, share=share)

    def hang(self, adapter: str, *, for_: float = LONGEST, share: float = 1.0) -> InjectedFault:
        """Let an adapter give no answer for so many seconds."""
        return self.inject(adapter, "hang", for_=for_, share=share)

    def fail(self, adapter: str, status: int = 503, *, for_: float = LONGEST, share: float = 1.0) -> InjectedFault:
        """Let an adapter answer with an error status for so many seconds."""
        return self.inject(adapter, "error", for_=for_, share=share, status=status)

    def slow(self, adapter: str, factor: float = 10.0, *, for_: float = LONGEST, share: float = 1.0) -> InjectedFault:
        """Let an adapter take a multiple of its usual time for so many seconds."""
        return self.inject(adapter, "slow", for_=for_, share=share, factor=factor)

    def rate_limit(self, adapter: str, retry_after: float = 5.0, *, for_: float = LONGEST) -> InjectedFault:
        """Let an adapter answer 429 for so many seconds."""
        return self.inject(adapter, "rate_limited", for_=for_, retry_after=retry_after)

    def heal(self, adapter: str) -> None:
        """End the fault of an adapter."""
        self.engine.heal_fault(adapter)

    def states(self, adapter: str) -> list[str]:
        """Return the states that the breaker of an adapter went through since, the first one included."""
        changes = [one for one in self.events if isinstance(one, StateChanged) and one.adapter == adapter]
        return [changes[0].before, *(one.after for one in changes)] if changes else [self.engine.breaker(adapter).state]

    def routes(self, task_type: str | None = None) -> list[RouteFinished]:
        """Return the routes of the tasks that ended since, of one type or of all."""
        found = (event for event in self.events if isinstance(event, RouteFinished))
        return [route for route in found if task_type is None or route.task_type == task_type]

    def answered_by(self, task_type: str | None = None) -> list[str]:
        """Return who answered each of these tasks, in order: an adapter, `degraded`, or an empty text for nobody."""
        return ["degraded" if route.degraded else route.adapter for route in self.routes(task_type)]

    def close(self) -> None:
        """End all faults; the engine takes others as it did before."""
        self._leave()
        self.engine.faults.allow(False)
        self.engine.faults.allow(self._allowed)
