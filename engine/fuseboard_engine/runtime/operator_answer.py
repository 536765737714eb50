"""Answers an operator's command whose work may take longer than the operator waits."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, Final, TypeVar

from fuseboard_engine.error_text.safe_logging import get_logger
from fuseboard_engine.errors import FuseboardError, describe, text_of
from fuseboard_engine.runtime.cancellation import is_own_cancellation

T = TypeVar("T")

log = get_logger("fuseboard.engine")

ANSWER_WITHIN: Final = 8.0
"""Seconds. A mailbox waits ten for the outcome of a command that an engine has taken."""


async def answer_within(
    work: Coroutine[Any, Any, T],
    report: Callable[[bool, str], object],
    *,
    outcome: Callable[[T], tuple[bool, str]],
    interim: Callable[[], str],
    stopped: Callable[[], str],
    ended: Callable[[bool, str], object] | None = None,
    seconds: float = ANSWER_WITHIN,
) -> None:
    """Do the work and report exactly once: its outcome, or after `seconds` that it continues.

    Work that continues is awaited to its end; `ended`, or its own events, report its outcome.

    Args:
        work: what the command asks for.
        report: receives whether the command succeeded, and a text for the operator.
        outcome: returns the report of a result.
        interim: returns the text that says that the work continues.
        stopped: returns the text for work that was cancelled because the engine stopped.
        ended: receives the outcome of work that continued after the report.
        seconds: when to report at the latest.
    """
    reported = False
    running = asyncio.ensure_future(work)
    try:
        await asyncio.wait({running}, timeout=seconds)
        if not running.done():
            report(True, interim())
            reported = True
            await asyncio.wait({running})
        ok, detail = outcome(running.result())
    except asyncio.CancelledError as error:
        if running.done() and is_own_cancellation(error):
            log.error("an operator's command cancelled its own work")
            if not reported:
                report(False, "its own work was cancelled")
            return
        running.cancel()
        await asyncio.wait({running})
        if not reported:
            report(False, stopped())
        elif ended is not None:
            ended(False, stopped())
        raise
    except FuseboardError as error:
        ok, detail = False, text_of(error)
    except Exception as error:
        log.exception("an operator's command failed")
        ok, detail = False, describe(error)
    if not reported:
        report(ok, detail)
    elif ended is not None:
        ended(ok, detail)
