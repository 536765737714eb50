"""Recovery instructions and the notification of a hook at the end of a shutdown."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shlex
import sys
from collections.abc import Awaitable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from fuseboard_engine.adapters.http import http_library
from fuseboard_engine.adapters.process import close_pipes_after_exit, start_process
from fuseboard_engine.error_text.redaction import redact
from fuseboard_engine.errors import MissingExtra

if TYPE_CHECKING:
    from fuseboard_engine.adapters.registry import Registry
    from fuseboard_engine.shutdown.sequence import ShutdownReport

HOOK_SECONDS = 4.5  # a webhook or a command may take


def instructions_of(report: ShutdownReport, registry: Registry) -> str:
    """Return the text of the recovery instructions."""
    when = datetime.fromtimestamp(report.at / 1e6, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    lines = [
        f"{report.engine} shut down at {when}",
        "",
        f"Why: {redact(report.reason)}",
        f"In flight when it began: {report.in_flight} calls; it took {report.seconds:.1f} s.",
    ]
    if report.hanging:
        calls = ", ".join(f"{number} of {redact(name)}" for name, number in sorted(report.hanging.items()))
        lines.append(f"Did not end in time: {calls}. Do these tasks again.")
    else:
        lines.append("Every call in flight has ended; none was cancelled.")
    shut = [f"{redact(a.name)} ({a.breaker.state})" for a in registry if a.breaker.state != "closed"]
    lines.append(f"Breakers that were not closed: {', '.join(shut) or 'none'}.")
    lines += [f"Saved: {text}" for text in report.saved]
    lines += [f"Did not work: {text}" for text in report.problems]
    lines += [
        "",
        "To continue:",
        "  1. Start the application again. It was started as:",
        f"       {redact(shlex.join(sys.orig_argv))}",
        f"       in {Path.cwd()}",
        *_runs(report),
        "  3. With record(engine, path, restore=True) breakers and statistics are restored.",
    ]
    return "\n".join(lines) + "\n"


def _runs(report: ShutdownReport) -> list[str]:
    """Return the lines that say how to resume the interrupted runs of workflows."""
    if not report.interrupted:
        return ["  2. No workflow was interrupted."]
    lines = ["  2. Workflows were interrupted. What is finished is not done again."]
    for left in report.interrupted:
        run, workflow, nodes = redact(left.run), redact(left.workflow), redact(", ".join(left.nodes))
        if not left.kept:
            lines.append(f"       Run {run} of workflow {workflow} was not saved: start it again.")
            continue
        id = redact(json.dumps(left.run, ensure_ascii=False))
        how = f"await engine.resume({id})" if left.registered else f"execute the same workflow again with resume={id}"
        lines += [f"       Run {run} of workflow {workflow}: {nodes} is left to do.", f"         {how}"]
    return lines


def write_instructions(path: Path, report: ShutdownReport, registry: Registry) -> None:
    """Write the recovery instructions atomically, readable by their owner only. Raises OSError."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    with contextlib.suppress(FileNotFoundError):
        temporary.unlink()
    handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(handle, "w", encoding="utf-8", errors="backslashreplace") as file:
            file.write(instructions_of(report, registry))
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise


async def call_hook(hook: Any, report: ShutdownReport) -> None:
    """Notify a webhook, a command or a callable of a shutdown.

    Args:
        hook: a URL, to which the report is posted as JSON; a command as a list, which gets the JSON on its standard
            input; or a callable that takes the report.
        report: the report of the shutdown.

    Raises:
        RuntimeError: httpx2 is missing, the service did not accept it, or the command failed.
    """
    if isinstance(hook, str):
        await _post(hook, msgspec.json.encode(report))
    elif isinstance(hook, Sequence):
        await _run([str(part) for part in hook], msgspec.json.encode(report))
    else:
        result = hook(report)
        if isinstance(result, Awaitable):
            await result


async def _post(url: str, body: bytes) -> None:
    try:
        library = http_library()
    except MissingExtra as error:
        raise RuntimeError("a webhook needs httpx2: pip install 'fuseboard[http]'") from error
    async with library.AsyncClient(timeout=HOOK_SECONDS) as client:
        response = await client.post(url, content=body, headers={"content-type": "application/json"})
    if not response.is_success:
        raise RuntimeError(f"the webhook answered {response.status_code}")


async def _run(command: list[str], body: bytes) -> None:
    process, exited = await start_process(
        command,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
        start_new_session=True,  # a Ctrl-C that ends the application must not end it
    )
    closing = asyncio.create_task(close_pipes_after_exit(process, exited))
    try:
        async with asyncio.timeout(HOOK_SECONDS):
            _, errors = await process.communicate(body)
    finally:
        closing.cancel()
        if process.returncode is None:
            process.kill()
            await process.wait()
    if process.returncode:
        message = redact(errors.decode(errors="replace").strip().splitlines()[-1] if errors.strip() else "no message")
        raise RuntimeError(f"{command[0]} ended with {process.returncode}: {message}")
