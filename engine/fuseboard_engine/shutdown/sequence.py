"""Ending an engine in good order: no new work, calls in flight may finish, what is left is written down.

`shutdown` does it when called. `shutdown_on_signals` (see `fuseboard_engine.shutdown.on_signals`) does it when the
process receives a signal to end, on an uncaught exception, or when time or memory run out.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol

import msgspec

from fuseboard_engine.event_log.redact import redact
from fuseboard_engine.events import Attempt, ShutdownChanged
from fuseboard_engine.routing.gates import ShuttingDown
from fuseboard_engine.workflow.active_runs import InterruptedRun

if TYPE_CHECKING:
    from fuseboard_engine.adapters.registry import Adapter
    from fuseboard_engine.config.sections import ShutdownSection
    from fuseboard_engine.engine import Engine
    from fuseboard_engine.routing.route import ActiveRoute

log = logging.getLogger("fuseboard.engine")

POLL: Final = 0.02  # seconds between two looks at what is still in flight
BRAKE: Final = 0.01  # seconds a refusal takes
LAST_STEPS: Final = 5.0  # seconds that cancelled calls, a save, a hook and the recorder may each take

Save = Callable[[], Awaitable[object] | object]
"""Saves what must not be lost. A text it returns goes into the recovery instructions."""


class Flushable(Protocol):
    """What a recorder must offer; `fuseboard_storage.Recorder` does."""

    path: Path

    async def flushed(self) -> None:
        """Wait until every event emitted so far is on disk."""


class ShutdownReport(msgspec.Struct, frozen=True, kw_only=True):
    """What came of a shutdown.

    `in_flight` counts the calls when it began. `hanging` counts, by adapter, those that the grace time was too short
    for, `cancelled` how many of them were cancelled. `interrupted` are the runs of workflows that are left. `seconds`
    is how long it took. `saved` is what the saves returned, `problems` what did not work.
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
    """A gate: refuses work that came after the shutdown began, and everything once its grace time is over."""

    def __init__(self, engine: Engine) -> None:
        self._since = engine.clock()
        self.closed = False

    async def __call__(self, adapter: Adapter, route: ActiveRoute) -> bool | None:
        """Let a route that was under way go on; refuse any other without calling the adapter."""
        if route.begun < self._since and not self.closed:
            return None
        refusal = ShuttingDown()
        if not route.attempts:
            await asyncio.sleep(BRAKE)  # a caller who tries again and again must not take the loop's time
        route.attempts.append(Attempt(adapter=adapter.name, outcome="rejected", why=str(refusal)))
        route.fail(refusal)
        return False


async def shutdown(
    engine: Engine,
    reason: str = "shutdown was asked for",
    *,
    grace: float | None = None,
    save: Save | Iterable[Save] | None = None,
    recorder: Flushable | None = None,
    instructions: Path | None = None,
    hook: Any = None,
) -> ShutdownReport:
    """Stop taking work, let calls in flight finish, save, and say how to go on.

    New tasks are rejected at once with `shutting down`, without calling an adapter. A call in flight may end, and
    fail over, for `grace` seconds; a retry whose delay still lies ahead is not waited for. Inside
    `shutdown_on_signals`, calls that hang are then cancelled; elsewhere they are named in `problems`.

    What is not given is as the engine's configuration says in its section `shutdown`, if it has one.

    Args:
        engine: the engine.
        reason: why, as it should stand in event, log and instructions.
        grace: seconds that calls in flight may still take; default: 10.
        save: what saves the application's state, one or several; each has five seconds.
        recorder: flushed at the end.
        instructions: where to write how to go on; readable by its owner only. None: nowhere.
        hook: told at the end: a URL, a command as a list, or a callable that takes the report.

    Returns:
        What came of it; what did not work is in `problems`.

    Raises:
        ValueError: something of a program that the configuration names cannot be found; the engine goes on.
    """
    from fuseboard_engine.shutdown.recovery_notes import call_hook, write_instructions

    said = configured(engine)
    grace = said.grace if grace is None else grace
    instructions = said.instructions if instructions is None else instructions
    hook = said.hook_target() if hook is None else hook
    saves = said.saves() if save is None else [save] if callable(save) else list(save)
    attempts = engine.router.attempts
    clock, began = engine.clock, engine.clock()
    refusal = ShutdownGate(engine)
    attempts.gate = refusal
    in_flight = _in_flight(engine)
    count, problems = sum(in_flight.values()), []
    engine.emit(ShutdownChanged(at=engine.wall(), what="began", reason=reason, in_flight=count, grace=grace))
    hanging = await _let_finish(engine, began + grace)
    refusal.closed = True
    cancelled = 0
    if hanging and attempts.running is not None:
        cancelled = attempts.running.cancel()
        left = await _let_finish(engine, clock() + min(LAST_STEPS, 1.0))
        problems += [f"{name} still has {calls} calls that do not end" for name, calls in left.items()]
    await _let_runs_end(engine, problems)
    saved = await _save_all(saves, problems)
    report = ShutdownReport(
        engine=engine.name,
        reason=reason,
        at=engine.wall(),
        seconds=clock() - began,
        in_flight=count,
        cancelled=cancelled,
        hanging=hanging,
        interrupted=engine.runs.left(),
        saved=tuple(saved),
        problems=tuple(problems),
        instructions="" if instructions is None else str(instructions),
    )
    if instructions is not None:
        try:
            write_instructions(instructions, report, engine)
        except OSError as error:
            problems.append(f"the recovery instructions could not be written: {error.strerror or error}")
    if hook is not None:
        await _try("the hook", call_hook(hook, report), problems)
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
        await _try("flushing the recorder", recorder.flushed(), problems)
    return msgspec.structs.replace(report, problems=tuple(problems))


def configured(engine: Engine) -> ShutdownSection:
    """Return what an engine's configuration says of its end; without one, the defaults."""
    from fuseboard_engine.config.sections import ShutdownSection

    return ShutdownSection() if engine.settings is None else engine.settings.shutdown


def _in_flight(engine: Engine) -> dict[str, int]:
    """Return how many calls each adapter has in flight."""
    return {adapter.name: adapter.in_flight for adapter in engine.registry if adapter.in_flight}


async def _let_finish(engine: Engine, until: float) -> dict[str, int]:
    """Wait until nothing is in flight, or until `until` by the engine's clock; return what still is."""
    quiet = 0
    while True:
        left = _in_flight(engine)
        # Between two attempts nothing is in flight for a moment: look twice, with a turn of the loop in between.
        quiet = 0 if left else quiet + 1
        remaining = until - engine.clock()
        if quiet >= 2 or (left and remaining <= 0):
            return left
        await asyncio.sleep(min(POLL, max(remaining, 0.0)) if left else 0)


async def _let_runs_end(engine: Engine, problems: list[str]) -> None:
    """Wait until every run of a workflow is saved as it stands: no node of it begins any more."""
    until = engine.clock() + LAST_STEPS
    while engine.runs.now:
        if engine.clock() >= until:
            problems += [f"run {run} has not ended" for run in engine.runs.now]
            return
        await asyncio.sleep(POLL)


async def _save_all(saves: list[Save], problems: list[str]) -> list[str]:
    saved = []
    for save in saves:
        result = await _try(f"saving with {getattr(save, '__qualname__', save)!s}", _call(save), problems)
        if isinstance(result, str) and result:
            saved.append(redact(result))
    return saved


async def _call(save: Save) -> object:
    result = save()
    return await result if isinstance(result, Awaitable) else result


async def _try(what: str, work: Awaitable[Any], problems: list[str]) -> Any:
    """Do one of the last steps; whatever goes wrong is noted and the next one is done all the same."""
    try:
        async with asyncio.timeout(LAST_STEPS):
            return await work
    except TimeoutError:
        problems.append(f"{what} took longer than {LAST_STEPS:g} s and was given up")
    except Exception as error:
        problems.append(f"{what} failed: {type(error).__name__}: {redact(str(error))}")
    log.error("Shutdown: %s", problems[-1])
    return None
