"""Programs as adapters: the task as JSON on stdin, the result as JSON on stdout. Never a shell."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import signal
from collections.abc import Mapping, Sequence
from pathlib import PurePath
from typing import Any

from fuseboard_engine.adapters.json_codec import from_json, to_json
from fuseboard_engine.context import current
from fuseboard_engine.errors import FuseboardError

MAX_BYTES = 10_000_000
SHOWN_BYTES = 2_000  # of stderr: its end says why
CHUNK = 65_536


class ProcessFailed(FuseboardError):
    """A program could not be started, ended with an exit code other than 0, or wrote what is no JSON.

    `code` is the exit code, negative for a signal; None when it did not run to its end.
    """

    def __init__(self, text: str, code: int | None = None) -> None:
        super().__init__(text)
        self.code = code


class ProcessAdapter:
    """Runs a program for each task, in a process group of its own that is killed when the attempt is given up.

    The ids of the call under way are in its environment: `FUSEBOARD_REQUEST_ID`, `FUSEBOARD_TRACE_ID` and so on.

    Args:
        command: the program and its arguments, each a string of its own; no shell reads them.
        cwd: the folder it runs in.
        env: variables set besides those of this process.
        max_bytes: it is killed when it writes more than that.

    Raises:
        ValueError: the command is empty, or one string.
    """

    def __init__(
        self,
        command: Sequence[str | os.PathLike[str]],
        *,
        cwd: str | os.PathLike[str] | None = None,
        env: Mapping[str, str] | None = None,
        max_bytes: int = MAX_BYTES,
    ) -> None:
        if isinstance(command, str | bytes) or not command:
            raise ValueError(f"a command is a list of strings, not {command!r}; no shell reads it")
        self._command = [os.fspath(part) for part in command]
        self._cwd = cwd
        self._env = dict(env or {})
        self._max_bytes = max_bytes
        self._name = PurePath(self._command[0]).name

    async def call(self, task: Any) -> Any:
        """Run the program for a task and return its result.

        Raises:
            ProcessFailed: see there; the text holds the end of what it wrote to stderr.
            CallerError: the task cannot be written as JSON.
        """
        given = to_json(task)
        try:
            process = await asyncio.create_subprocess_exec(
                *self._command,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
                cwd=self._cwd,
                env={**os.environ, **_of_context(), **self._env},
                start_new_session=True,
            )
        except OSError as error:
            raise ProcessFailed(f"{self._name} cannot be started: {error.strerror or error}") from error
        read = False
        try:
            # In this order: what it says on stderr is needed even where the others fail.
            async with asyncio.TaskGroup() as group:
                told = group.create_task(_end_of(process.stderr))
                wrote = group.create_task(self._all_of(process.stdout))
                group.create_task(_write(process.stdin, given))
            read = True
            code = await process.wait()
        except* ProcessFailed as failures:
            raise failures.exceptions[0] from None
        finally:
            await _end(process, read)
        if code:
            raise ProcessFailed(_ending(self._name, code, told.result()), code)
        try:
            return from_json(wrote.result())
        except ValueError as error:
            raise ProcessFailed(f"{self._name}: {error}", code) from None

    async def _all_of(self, stdout: asyncio.StreamReader | None) -> bytearray:
        assert stdout is not None
        wrote = bytearray()
        while chunk := await stdout.read(CHUNK):
            wrote += chunk
            if len(wrote) > self._max_bytes:
                raise ProcessFailed(f"{self._name} wrote more than {self._max_bytes} bytes; it was killed")
        return wrote


def _of_context() -> dict[str, str]:
    """Return the variables that carry the ids of the call under way."""
    ids = {re.sub(r"\W", "_", name, flags=re.ASCII): value for name, value in current().items()}
    whole = {name: value.replace("\0", "").encode("utf-8", "replace").decode() for name, value in ids.items()}
    return {f"FUSEBOARD_{name.upper()}_ID": value for name, value in whole.items()}


async def _end_of(stderr: asyncio.StreamReader | None) -> bytes:
    assert stderr is not None
    told = b""
    while chunk := await stderr.read(CHUNK):
        told = (told + chunk)[-SHOWN_BYTES:]
    return told


async def _write(stdin: asyncio.StreamWriter | None, given: bytes) -> None:
    assert stdin is not None
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # it need not read its task
        stdin.write(given)
        await stdin.drain()
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):
        stdin.close()
        await stdin.wait_closed()


async def _end(process: asyncio.subprocess.Process, read: bool) -> None:
    """Kill the whole group of a process that is still at it, and see it end: no zombie, no orphan.

    Not `read` to the end: whoever holds its pipes is at it, though the process itself may be gone.
    """
    transport = process._transport  # type: ignore[attr-defined]
    if read and process.returncode is not None:
        transport.close()
        return
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    # First its pipes: asyncio takes no process for ended while one that nobody reads any more still holds something.
    transport.close()
    waiting = asyncio.ensure_future(process.wait())
    cancelled: asyncio.CancelledError | None = None
    while not waiting.done():
        try:
            await asyncio.shield(waiting)
        except asyncio.CancelledError as error:
            cancelled = error  # it is being killed: that takes no time worth giving up for
    if cancelled is not None:
        raise cancelled


def _ending(name: str, code: int, told: bytes) -> str:
    if code < 0:
        try:
            how = f"was killed by {signal.Signals(-code).name}"
        except ValueError:
            how = f"was killed by signal {-code}"
    else:
        how = f"ended with exit code {code}"
    text = told.decode("utf-8", "replace").strip()
    return f"{name} {how}: {text}" if text else f"{name} {how} and wrote nothing to stderr"
