"""Programs as adapters: the task as JSON on stdin, the result as JSON on stdout. Never uses a shell."""

from __future__ import annotations

import array
import asyncio
import contextlib
import fcntl
import os
import re
import signal
import termios
from collections.abc import Mapping, Sequence
from pathlib import PurePath
from typing import Any

from fuseboard_engine.adapters.json_codec import from_json, to_json
from fuseboard_engine.context import current
from fuseboard_engine.errors import FuseboardError

MAX_BYTES = 10_000_000
SHOWN_BYTES = 2_000  # of the end of stderr, for the error's text
CHUNK = 65_536
DRAIN_POLL = 0.001
DRAIN_SECONDS = 1.0
"""Seconds that reading what a program wrote may take after its exit, while a descendant holds its pipes."""


class ProcessFailed(FuseboardError):
    """A program could not be started, ended with an exit code other than 0, or wrote invalid JSON.

    `code` is the exit code, negative for a signal; None when the program did not run to its end.
    """

    def __init__(self, text: str, code: int | None = None) -> None:
        super().__init__(text)
        self.code = code


class ProcessAdapter:
    """Runs a program for each task, in its own process group, which is killed when the attempt is abandoned.

    The context ids of the current call are in its environment: `FUSEBOARD_REQUEST_ID`, `FUSEBOARD_TRACE_ID` and so on.

    Args:
        command: the program and its arguments as a list of strings; no shell is involved.
        cwd: the working directory.
        env: variables set in addition to those of this process.
        max_bytes: the program is killed when it writes more.

    Raises:
        ValueError: the command is empty, or is a single string.
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
            raise ValueError(f"a command must be a list of strings, not {command!r}; no shell is used")
        self._command = [os.fspath(part) for part in command]
        self._cwd = cwd
        self._env = dict(env or {})
        self._max_bytes = max_bytes
        self._name = PurePath(self._command[0]).name

    async def call(self, task: Any) -> Any:
        """Run the program for a task and return its result.

        Raises:
            ProcessFailed: the program failed; the message has the end of its stderr.
            CallerError: the task cannot be encoded as JSON.
        """
        given = to_json(task)
        try:
            process, exited = await start_process(
                self._command,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
                cwd=self._cwd,
                env={**os.environ, **_context_variables(), **self._env},
                start_new_session=True,
            )
        except OSError as error:
            raise ProcessFailed(f"{self._name} cannot be started: {error.strerror or error}") from error
        read = False
        closing = asyncio.create_task(close_pipes_after_exit(process, exited))
        try:
            # stderr comes first: it is needed even if the others fail.
            async with asyncio.TaskGroup() as group:
                stderr_tail = group.create_task(_read_tail(process.stderr))
                output = group.create_task(self._read_all(process.stdout))
                group.create_task(_write(process.stdin, given))
            read = True
            code = await process.wait()
        except* ProcessFailed as failures:
            raise failures.exceptions[0] from None
        finally:
            closing.cancel()
            await _terminate(process, read)
        if code:
            raise ProcessFailed(_failure_text(self._name, code, stderr_tail.result()), code)
        try:
            return from_json(output.result())
        except ValueError as error:
            raise ProcessFailed(f"{self._name}: {error}", code) from None

    async def _read_all(self, stdout: asyncio.StreamReader | None) -> bytearray:
        assert stdout is not None
        output = bytearray()
        while chunk := await stdout.read(CHUNK):
            output += chunk
            if len(output) > self._max_bytes:
                raise ProcessFailed(f"{self._name} wrote more than {self._max_bytes} bytes; it was killed")
        return output


class _Protocol(asyncio.subprocess.SubprocessStreamProtocol):
    """Tells when the program has exited; asyncio itself waits until its pipes are closed."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(limit=CHUNK, loop=loop)
        self.exited = asyncio.Event()

    def process_exited(self) -> None:
        self.exited.set()
        super().process_exited()


async def start_process(command: Sequence[str], **options: Any) -> tuple[asyncio.subprocess.Process, asyncio.Event]:
    """Start a program. Return it and an event that is set when it has exited, even if a descendant holds its pipes.

    Args:
        command: the program and its arguments.
        options: those of `loop.subprocess_exec`.
    """
    loop = asyncio.get_running_loop()
    transport, protocol = await loop.subprocess_exec(lambda: _Protocol(loop), *command, **options)
    return asyncio.subprocess.Process(transport, protocol, loop), protocol.exited


async def close_pipes_after_exit(process: asyncio.subprocess.Process, exited: asyncio.Event) -> None:
    """Close the pipes once the program has exited and all that it wrote was read.

    A descendant of the program may hold them open indefinitely.
    """
    await exited.wait()
    loop = asyncio.get_running_loop()
    end = loop.time() + DRAIN_SECONDS
    transport = process._transport  # type: ignore[attr-defined]
    pipes = [pipe for fd in (1, 2) if (pipe := transport.get_pipe_transport(fd)) is not None]
    while any(_has_unread(pipe) for pipe in pipes) and loop.time() < end:  # noqa: ASYNC110 - the kernel has no event for it
        await asyncio.sleep(DRAIN_POLL)
    stdin = transport.get_pipe_transport(0)
    if stdin is not None and stdin.get_write_buffer_size():
        stdin.abort()  # what the program did not read
    for pipe in pipes:
        pipe.close()  # its reader keeps what it holds, and then sees the end


def _has_unread(pipe: asyncio.ReadTransport) -> bool:
    """Return whether the kernel holds data for a pipe, or a pause keeps its reader from asking."""
    file = pipe.get_extra_info("pipe")
    if pipe.is_closing() or file is None or file.closed:
        return False
    count = array.array("i", [0])
    fcntl.ioctl(file, termios.FIONREAD, count)
    return count[0] > 0


def _context_variables() -> dict[str, str]:
    """Return the environment variables with the context ids of the current call."""
    ids = {re.sub(r"\W", "_", name, flags=re.ASCII): value for name, value in current().items()}
    whole = {name: value.replace("\0", "").encode("utf-8", "replace").decode() for name, value in ids.items()}
    return {f"FUSEBOARD_{name.upper()}_ID": value for name, value in whole.items()}


async def _read_tail(stderr: asyncio.StreamReader | None) -> bytes:
    assert stderr is not None
    stderr_tail = b""
    while chunk := await stderr.read(CHUNK):
        stderr_tail = (stderr_tail + chunk)[-SHOWN_BYTES:]
    return stderr_tail


async def _write(stdin: asyncio.StreamWriter | None, given: bytes) -> None:
    assert stdin is not None
    if stdin.is_closing():
        return  # the program has exited already
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # the program need not read its task
        stdin.write(given)
        await stdin.drain()
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):
        stdin.close()
        await stdin.wait_closed()


async def _terminate(process: asyncio.subprocess.Process, read: bool) -> None:
    """Kill the whole process group if it still runs, and wait for the process, so that no zombie or orphan remains.

    When `read` is false its pipes were not read to the end: a descendant may hold them although the process itself is
    gone.
    """
    transport = process._transport  # type: ignore[attr-defined]
    if read and process.returncode is not None:
        transport.close()
        return
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    # Close the pipes first: asyncio does not report a process as ended while an unread pipe still holds data.
    transport.close()
    waiting = asyncio.ensure_future(process.wait())
    cancelled: asyncio.CancelledError | None = None
    while not waiting.done():
        try:
            await asyncio.shield(waiting)
        except asyncio.CancelledError as error:
            cancelled = error  # the process is being killed, which is quick: finish waiting, then re-raise
    if cancelled is not None:
        raise cancelled


def _failure_text(name: str, code: int, stderr_tail: bytes) -> str:
    if code < 0:
        try:
            how = f"was killed by {signal.Signals(-code).name}"
        except ValueError:
            how = f"was killed by signal {-code}"
    else:
        how = f"ended with exit code {code}"
    text = stderr_tail.decode("utf-8", "replace").strip()
    return f"{name} {how}: {text}" if text else f"{name} {how} and wrote nothing to stderr"
