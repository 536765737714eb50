"""The orderly shutdown of an engine: admit no new work, let calls in flight finish, write down what is left.

`Engine.shutdown` runs it when called. `shutdown_on_signals` (see `fuseboard_engine.shutdown.on_signals`) runs it when
the process receives a signal to end, on an uncaught exception, or when time or memory run out.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeVar

import msgspec

from fuseboard_engine.adapters.timeouts import within
from fuseboard_engine.error_text.redaction import redact
from fuseboard_engine.error_text.safe_logging import get_logger
from fuseboard_engine.errors import AttemptTimeout
from fuseboard_engine.events import Attempt, Event, ShutdownChanged
from fuseboard_engine.routing.gates import Gate, ShuttingDown
from fuseboard_engine.runtime.overdue_calls import OverdueCalls
from fuseboard_engine.workflow.active_runs import ActiveRuns, InterruptedRun

if TYPE_CHECKING:
    from fuseboard_engine.adapters.registry import Adapter, Registry
    from fuseboard_engine.config.sections import ShutdownSection
    from fuseboard_engine.config.settings import Settings
    from fuseboard_engine.routing.route import ActiveRoute
    from fuseboard_engine.routing.router import TaskRouter

T = TypeVar("T")

log = get_logger("fuseboard.engine")

POLL: Final = 0.02  # seconds between two checks of what is still in flight
REJECTION_DELAY: Final = 0.01  # seconds a rejection takes
CANCEL_WAIT: Final = 1.0  # seconds that cancelled calls and ended streams may take to end
LAST_STEPS: Final = 5.0  # seconds that cancelled calls, a save, a hook and the recorder may each take

Save = Callable[[], Awaitable[object] | object]
"""Saves the application's state. A text it returns goes into the recovery instructions."""


class Flushable(Protocol):
    """The protocol of a recorder; `fuseboard_storage.Recorder` implements it."""

    path: Path

    async def flushed(self) -> None:
        """Wait until every event emitted so far is on disk."""


class Runner(Protocol):
    """Runs coroutines for threads; `fuseboard_engine.sync.SyncEngine` implements it."""

    def run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine in the engine's loop and return its result."""


class Stoppable(Protocol):
    """The protocol of an engine to shut down; `fuseboard_engine.Engine` implements it."""

    settings: Settings | None
    """The configuration in effect; None if the engine was configured in code."""

    @property
    def sync(self) -> Runner:
        """The engine for code without `await`."""

    @property
    def name(self) -> str:
        """The engine's name."""

    @property
    def registry(self) -> Registry:
        """The adapters."""

    @property
    def router(self) -> TaskRouter:
        """Routes tasks. The shutdown closes its gate."""

    @property
    def runs(self) -> ActiveRuns:
        """The runs of workflows."""

    @property
    def clock(self) -> Callable[[], float]:
        """Monotonic seconds."""

    @property
    def wall(self) -> Callable[[], int]:
        """UTC microseconds."""

    def emit(self, event: Event, /) -> None:
        """Publish an event."""

    def shutdown(
        self,
        reason: str = ...,
        *,
        grace: float | None = None,
        save: Save | Iterable[Save] | None = None,
        recorder: Flushable | None = None,
        instructions: Path | None = None,
        hook: Any = None,
    ) -> Coroutine[Any, Any, ShutdownReport]:
        """Shut down; see `shut_down`."""


class ShutdownReport(msgspec.Struct, frozen=True, kw_only=True):
    """The report of a shutdown.

    `in_flight` counts the calls in flight when it began. `hanging` counts, by adapter, those that did not end within
    the grace time, `cancelled` how many of them were cancelled. `interrupted` lists the unfinished runs of workflows.
    `seconds` is how long the shutdown took. `saved` is what the saves returned, `problems` what did not work.
    """

    engine: str
    reason: str
    at: int
    seconds: float = 0.0
    in_flight: int = 0
    cancelled: int = 0
    hanging: dict[str, int] = {}
    interrupted: tuple[InterruptedRun, ...] = ()
    saved: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()
    instructions: str = ""


class ShutdownGate:
    """A gate that rejects work that arrived after the shutdown began, and all work once the grace time is over."""

    def __init__(self, since: float, before: Gate | None = None) -> None:
        self._since = since
        self.before = before
        """The gate that it replaced."""
        self.closed = False

    async def __call__(self, adapter: Adapter, route: ActiveRoute) -> bool | None:
        """Let a route continue that had started before; reject any other without calling the adapter."""
        if route.started < self._since and not self.closed:
            return None
        rejection = ShuttingDown()
        if not route.attempts:
            await asyncio.sleep(REJECTION_DELAY)  # a caller that retries in a loop must not starve the event loop
        route.attempts.append(Attempt(adapter=adapter.name, outcome="rejected", why=str(rejection)))
        route.fail(rejection)
        return False


async def shut_down(
    engine: Stoppable,
    reason: str,
    *,
    grace: float | None,
    save: Save | Iterable[Save] | None,
    recorder: Flushable | None,
    instructions: Path | None,
    hook: Any,
) -> ShutdownReport:
    """Shut an engine down and return the report; see `Engine.shutdown`."""
    from fuseboard_engine.shutdown.recovery_notes import call_hook, write_instructions

    section = configured(engine)
    grace = section.grace if grace is None else grace
    instructions = section.instructions if instructions is None else instructions
    hook = section.hook_target() if hook is None else hook
    saves = section.saves() if save is None else [save] if callable(save) else list(save)
    attempts = engine.router.attempts
    clock, began = engine.clock, engine.clock()
    before = attempts.gate.before if isinstance(attempts.gate, ShutdownGate) else attempts.gate
    gate = ShutdownGate(began, before)
    attempts.gate = gate
    in_flight = _in_flight(engine)
    count, problems = sum(in_flight.values()), []
    engine.emit(ShutdownChanged(at=engine.wall(), what="began", reason=reason, in_flight=count, grace=grace))
    hanging = await _wait_for_calls(engine, began + grace)
    gate.closed = True
    cancelled = 0
    if hanging:
        readers = attempts.streams.stop()
        cancelled = len(readers)
        if attempts.running is not None:
            cancelled += attempts.running.cancel(but=readers)
        left = await _wait_for_calls(engine, clock() + CANCEL_WAIT)
        if left and attempts.running is not None:
            attempts.streams.cancel()
            left = await _wait_for_calls(engine, clock() + CANCEL_WAIT)
        problems += [f"{name} still has {calls} calls that do not end" for name, calls in left.items()]
    await _wait_for_runs(engine, problems)
    saved = await _save_all(saves, problems, engine.registry.overdue)
    report = ShutdownReport(
        engine=engine.name,
        reason=reason,
        at=engine.wall(),
        seconds=clock() - began,
        in_flight=count,
        cancelled=cancelled,
        hanging=hanging,
        interrupted=engine.runs.unfinished(),
        saved=tuple(saved),
        problems=tuple(problems),
        instructions="" if instructions is None else str(instructions),
    )
    if instructions is not None:
        try:
            write_instructions(instructions, report, engine.registry)
        except OSError as error:
            problems.append(f"the recovery instructions could not be written: {error.strerror or error}")
    if hook is not None:
        await _try("the hook", call_hook(hook, report), problems, engine.registry.overdue)
    engine.emit(
        ShutdownChanged(
            at=engine.wall(),
            what="finished",
            reason=reason,
            in_flight=count,
            cancelled=cancelled,
            grace=grace,
            instructions=report.instructions,
        )
    )
    if recorder is not None:
        await _try("flushing the recorder", recorder.flushed(), problems, engine.registry.overdue)
    return msgspec.structs.replace(report, problems=tuple(problems))


def configured(engine: Stoppable) -> ShutdownSection:
    """Return the section `shutdown` of an engine's configuration, or the defaults."""
    from fuseboard_engine.config.sections import ShutdownSection

    return ShutdownSection() if engine.settings is None else engine.settings.shutdown


def _in_flight(engine: Stoppable) -> dict[str, int]:
    """Return how many calls each adapter has in flight."""
    return {adapter.name: adapter.in_flight for adapter in engine.registry if adapter.in_flight}


async def _wait_for_calls(engine: Stoppable, until: float) -> dict[str, int]:
    """Wait until no call is in flight, or until `until` by the engine's clock; return what still is."""
    quiet = 0
    while True:
        left = _in_flight(engine)
        # Between two attempts nothing is in flight for a moment: check twice, with a pass of the loop in between.
        quiet = 0 if left else quiet + 1
        remaining = until - engine.clock()
        if quiet >= 2 or (left and remaining <= 0):
            return left
        await asyncio.sleep(min(POLL, max(remaining, 0.0)) if left else 0)


async def _wait_for_runs(engine: Stoppable, problems: list[str]) -> None:
    """Wait until the state of every workflow run is saved; no node begins any more."""
    until = engine.clock() + LAST_STEPS
    while engine.runs.active:
        if engine.clock() >= until:
            problems += [f"run {run} has not ended" for run in engine.runs.active]
            return
        await asyncio.sleep(POLL)


async def _save_all(saves: list[Save], problems: list[str], overdue: OverdueCalls) -> list[str]:
    saved = []
    for save in saves:
        result = await _try(f"saving with {getattr(save, '__qualname__', save)!s}", _call(save), problems, overdue)
        if isinstance(result, str) and result:
            saved.append(redact(result))
    return saved


async def _call(save: Save) -> object:
    result = save()
    return await result if isinstance(result, Awaitable) else result


async def _try(step: str, work: Awaitable[Any], problems: list[str], overdue: OverdueCalls) -> Any:
    """Do one of the last steps and return its result. Add an error to `problems`; the next step is done regardless.

    A step that does not end within its time, although it is cancelled, continues in the background.
    """
    try:
        return await within(lambda _: work, None, step, LAST_STEPS, overdue)
    except AttemptTimeout:
        problems.append(f"{step} took longer than {LAST_STEPS:g} s and was abandoned")
    except Exception as error:
        problems.append(f"{step} failed: {type(error).__name__}: {redact(str(error))}")
    log.error("Shutdown: %s", problems[-1])
    return None
