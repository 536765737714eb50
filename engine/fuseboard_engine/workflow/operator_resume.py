"""Carrying out an operator's command to resume a run.

A run takes as long as its nodes do, so the command is taken at once and answered when the run has ended, or before the
mailbox would take the engine for dead: then the answer says that it goes on, and the run's own events tell the rest.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from fuseboard_engine.commands import Command
from fuseboard_engine.errors import FuseboardError, describe
from fuseboard_engine.workflow.words import stands

if TYPE_CHECKING:
    from fuseboard_engine.engine import Engine

ANSWER_WITHIN: Final = 8.0
"""Seconds; the mailbox waits ten for the outcome of a command that was taken."""


def ask(engine: Engine, command: Command, report: Callable[[bool, str], object]) -> None:
    """Carry out an operator's `resume`, from whichever thread; returns at once.

    Args:
        engine: whose workflow it is.
        command: its `args` name the run: `{"run": "nightly-1f"}`.
        report: told once, in the engine's loop, whether the run came to its end, and in words what came of it.

    Raises:
        ValueError: it names no run.
    """
    run = command.args.get("run")
    if not isinstance(run, str) or not run:
        raise ValueError("resume needs the id of a run")
    if engine.loop is None or not engine.loop.is_running():
        engine.loop = engine.sync.home()  # an application without a loop of its own
    loop = engine.loop

    def begin() -> None:
        task = asyncio.get_running_loop().create_task(
            carry_out(engine, run, report), name=f"fuseboard-command-{command.id}"
        )
        engine.runs.asked.add(task)
        task.add_done_callback(engine.runs.asked.discard)

    loop.call_soon_threadsafe(begin)


async def carry_out(engine: Engine, run: str, report: Callable[[bool, str], object]) -> None:
    """Resume a run, and report once."""
    told = False
    work = asyncio.ensure_future(engine.resume(run))
    try:
        await asyncio.wait({work}, timeout=ANSWER_WITHIN)
        if not work.done():
            told = True
            report(True, f"run {run} goes on")
            await asyncio.wait({work})
        result = work.result()
        if not told:
            how = f"run {run} {stands(result.state)}"
            report(result.success or result.degraded, f"{how}: {result.error}" if result.error else how)
    except asyncio.CancelledError:
        work.cancel()
        await asyncio.wait({work})
        if not told:
            report(False, f"the engine stopped; run {run} can be resumed again")
        raise
    except FuseboardError as error:
        if not told:
            report(False, str(error))
    except Exception as error:
        if not told:
            report(False, describe(error))
