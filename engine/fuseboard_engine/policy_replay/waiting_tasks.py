"""Tasks of a replay that wait until an adapter takes calls again, in the time of the replay.

The engine's own handler decides how they wait. Its coroutines run as steps of the replay, without an event loop: they
wait only for calls, which the replay makes, and for the pauses here.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine, Generator
from typing import Any, Generic, NamedTuple, TypeVar

T = TypeVar("T")


class RecordingOver(Exception):
    """A task would wait beyond the end of the recording, where nothing is known."""


class Pause(NamedTuple):
    """What a waiting task waits for: the second `until`, or that it is woken."""

    task: ReplayedTask
    until: float


class Callback:
    """A function that is called when the current task waits for something, unless it is cancelled before."""

    __slots__ = ("_call", "_cancelled")

    def __init__(self, call: Callable[[], object]) -> None:
        self._call = call
        self._cancelled = False

    def cancel(self) -> None:
        """Prevent the call."""
        self._cancelled = True

    def run(self) -> None:
        """Call the function."""
        if not self._cancelled:
            self._call()


class ReplayedTask:
    """A waiting task of a replay; see `WaitingTask`.

    Args:
        clock: returns the second of the replay.
        end: the second at which the recording ends.
        on_wake: called when it is woken while it pauses.
        soon: receives the callbacks for the moment at which the current task waits.
    """

    __slots__ = ("_clock", "_end", "_on_wake", "_paused", "_soon", "_woken", "number", "route", "turn")

    def __init__(
        self,
        clock: Callable[[], float],
        end: float,
        on_wake: Callable[[ReplayedTask], object],
        soon: list[Callback],
    ) -> None:
        self._clock = clock
        self._end = end
        self._on_wake = on_wake
        self._soon = soon
        self._paused = self._woken = False
        self.turn = 0
        """How often it was continued; what was planned for an earlier turn is void."""
        self.route: Any = None
        """The steps of its route, while it pauses."""
        self.number = 0
        """The number of its route."""

    def wake(self) -> None:
        """End its pause, or the next one if it does not pause now."""
        self._woken = True
        if self._paused:
            self._on_wake(self)

    async def pause(self, seconds: float) -> None:
        """Wait so many seconds, or until it is woken.

        Raises:
            RecordingOver: the recording has ended.
        """
        now = self._clock()
        if now > self._end:
            raise RecordingOver
        if not self._woken:
            self._paused = True
            await awaitable(_one_step(Pause(self, now + seconds)))
            self._paused = False
        self._woken = False

    def call_soon(self, callback: Callable[..., object], /, *args: Any) -> Callback:
        """Call a function as soon as the task waits for something."""
        planned = Callback(lambda: callback(*args))
        self._soon.append(planned)
        return planned


def _one_step(pause: Pause) -> Generator[Pause, None, None]:
    yield pause


class _Steps(Generic[T]):
    def __init__(self, steps: Generator[Any, None, T]) -> None:
        self._steps = steps

    def __await__(self) -> Generator[Any, None, T]:
        return self._steps


def awaitable(steps: Generator[Any, None, T]) -> Awaitable[T]:
    """Return steps of a replay as what a coroutine can wait for."""
    return _Steps(steps)


def steps_of(coroutine: Coroutine[Any, Any, T]) -> Generator[Any, None, T]:
    """Return a coroutine that waits only for steps of a replay as such steps."""
    return coroutine.__await__()
