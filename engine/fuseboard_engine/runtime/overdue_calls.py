"""Calls that continue after their time limit: clean-up that takes long, or a cancellation that was swallowed."""

from __future__ import annotations

import asyncio
import types
from collections import Counter
from collections.abc import Callable, Coroutine, Generator
from typing import Any, Final

from fuseboard_engine.error_text.safe_logging import get_logger
from fuseboard_engine.errors import describe
from fuseboard_engine.events import CallOverdue, Event, OverdueCallEnded
from fuseboard_engine.runtime.formatting import plural

log = get_logger("fuseboard.adapters")

REPORT_AFTER: Final = 1.0
"""Seconds after its limit from which an overdue call is reported; most clean-up takes less."""


class OverdueCalls:
    """The overdue calls of one engine: continued in the background, counted, and reported until they end.

    `len` counts all of them. Those that are overdue for longer than `REPORT_AFTER` are logged and emitted as events;
    `reported` and `total` count these.
    """

    def __init__(self) -> None:
        self.total = 0
        """How many calls were reported so far."""
        self._emit: Callable[[Event], None] | None = None
        self._wall: Callable[[], int] = int
        self._tasks: dict[asyncio.Task[None], str] = {}
        self._reported: Counter[str] = Counter()

    def report_to(self, emit: Callable[[Event], None], wall: Callable[[], int]) -> None:
        """Emit an event when a call is reported, and when it ends. `wall`: UTC microseconds."""
        self._emit, self._wall = emit, wall

    def describe(self, now: int) -> list[CallOverdue]:
        """Return the calls that are reported now as events, one of each adapter. `now` is UTC microseconds."""
        total = self.reported
        return [
            CallOverdue(at=now, adapter=adapter, overdue=count, total=total)
            for adapter, count in self._reported.items()
        ]

    @property
    def reported(self) -> int:
        """How many calls are reported now."""
        return self._reported.total()

    def after_fork(self) -> None:
        """Begin without calls in a forked child, whose parent continues its own."""
        self.total = 0
        self._tasks, self._reported = {}, Counter()

    def __len__(self) -> int:
        return len(self._tasks)

    def of(self, adapter: str) -> int:
        """Return how many calls of an adapter are overdue."""
        return sum(name == adapter for name in self._tasks.values())

    def proceed(self, adapter: str, coroutine: Coroutine[Any, Any, Any], waiting_for: Any) -> asyncio.Task[None]:
        """Continue, in a task of its own, a suspended coroutine that waits for `waiting_for`."""
        if getattr(waiting_for, "_asyncio_future_blocking", None) is False:
            waiting_for._asyncio_future_blocking = True  # nothing awaits it any more, so a task may again
        return self.watch(adapter, _await_rest(coroutine, waiting_for))

    def watch(self, adapter: str, work: Coroutine[Any, Any, Any]) -> asyncio.Task[None]:
        """Run the rest of an overdue call, or of its clean-up, in a task of its own. Its outcome is only logged."""
        loop = asyncio.get_running_loop()
        task = loop.create_task(self._finish(adapter, work), name=f"fuseboard: overdue call of {adapter}")
        self._tasks[task] = adapter
        task.add_done_callback(self._forget)
        return task

    def _forget(self, task: asyncio.Task[None]) -> None:
        self._tasks.pop(task, None)
        if not task.cancelled():
            task.exception()  # a non-`Exception`; the loop has handled it

    async def _finish(self, adapter: str, work: Coroutine[Any, Any, Any]) -> None:
        loop = asyncio.get_running_loop()
        reported, began = False, loop.time()

        def report() -> None:
            nonlocal reported
            reported = True
            self._note_overdue(adapter)

        timer = loop.call_later(REPORT_AFTER, report)
        outcome = "its result is discarded"
        try:
            await work
        except asyncio.CancelledError:
            outcome = "it was cancelled"
        except Exception as error:
            outcome = describe(error)
        except BaseException as error:
            outcome = describe(error)
            raise
        finally:
            timer.cancel()
            if reported:
                self._note_ended(adapter, loop.time() - began, outcome)

    def _note_overdue(self, adapter: str) -> None:
        self.total += 1
        self._reported[adapter] += 1
        now, total = self._reported[adapter], self.reported
        log.warning("a call of %s does not end after its time limit: %s now", adapter, plural(now, "overdue call"))
        if self._emit is not None:
            self._emit(CallOverdue(at=self._wall(), adapter=adapter, overdue=now, total=total))

    def _note_ended(self, adapter: str, seconds: float, outcome: str) -> None:
        self._reported[adapter] -= 1
        now, total = self._reported[adapter], self.reported
        if not now:
            del self._reported[adapter]
        log.info("an overdue call of %s ended after %.3g s: %s", adapter, seconds, outcome)
        if self._emit is not None:
            ended = OverdueCallEnded(
                at=self._wall(), adapter=adapter, seconds=seconds, overdue=now, total=total, outcome=outcome
            )
            self._emit(ended)

    async def close(self, seconds: float = 1.0) -> None:
        """Wait at most `seconds` for the calls of this loop, cancel the others, and wait for those as long again."""
        for cancel in (False, True):
            here = asyncio.get_running_loop()
            tasks = {task for task in self._tasks if task.get_loop() is here}
            if not tasks:
                return
            if cancel:
                for task in tasks:
                    task.cancel()
            await asyncio.wait(tasks, timeout=seconds)
        if left := Counter(name for task, name in self._tasks.items() if task.get_loop() is here):
            names = ", ".join(f"{name} ({count})" for name, count in left.items())
            log.warning("overdue calls do not end although they were cancelled: %s", names)


async def _await_rest(coroutine: Coroutine[Any, Any, Any], waiting_for: Any) -> Any:
    return await resumed(coroutine, waiting_for)


@types.coroutine
def resumed(coroutine: Coroutine[Any, Any, Any], waiting_for: Any) -> Generator[Any, Any, Any]:
    """Continue a coroutine whose last step yielded `waiting_for`."""
    try:
        while True:
            try:
                sent = yield waiting_for
            except GeneratorExit:
                raise
            except BaseException as error:
                waiting_for = coroutine.throw(error)
            else:
                waiting_for = coroutine.send(sent)
    except StopIteration as stop:
        return stop.value
    finally:
        coroutine.close()
