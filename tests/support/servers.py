"""Servers in processes of their own, reached over a Unix socket, so that no port can be taken."""

from __future__ import annotations

import http.client
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from support.paths import ROOT
from support.waiting import PATIENCE, until


class _Connection(http.client.HTTPConnection):
    def __init__(self, path: Path) -> None:
        super().__init__("localhost", timeout=PATIENCE)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self._path))


class Server:
    """A server process. `saved` lists what its save function wrote."""

    def __init__(self, folder: Path, command: Sequence[str], environment: dict[str, str]) -> None:
        self.socket = folder / "socket"
        self._saved = folder / "saved"
        self._output = folder / "output"
        with self._output.open("wb") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-m", *(part.replace("SOCKET", str(self.socket)) for part in command)],
                stdout=output,
                stderr=output,
                cwd=folder,
                env={
                    **os.environ,
                    **environment,
                    "SAVED": str(self._saved),
                    "PYTHONPATH": str(ROOT / "tests"),
                    "HOME": str(folder),
                },
                start_new_session=True,
                preexec_fn=_heed_ctrl_c,
            )

    @property
    def output(self) -> str:
        """What it has written so far."""
        return self._output.read_text(errors="replace")

    @property
    def saved(self) -> list[str]:
        """The lines of its save functions."""
        return self._saved.read_text().split() if self._saved.exists() else []

    def ask(self, path: str) -> http.client.HTTPResponse:
        """Send a request and return its response, of which the body is not read yet."""
        connection = _Connection(self.socket)
        connection.request("GET", path, headers={"connection": "close"})
        return connection.getresponse()

    def get(self, path: str) -> str:
        """Return the body of a response; empty if the connection was closed without one."""
        try:
            return self.ask(path).read().decode()
        except (http.client.HTTPException, ConnectionError):
            return ""

    def ready(self) -> Server:
        """Wait until it answers."""

        def answers() -> bool:
            assert self.process.poll() is None, self.output
            try:
                return self.ask("/work?seconds=0").status == 200
            except (OSError, http.client.HTTPException):
                return False

        until(answers)
        return self

    def end(self) -> int:
        """Wait for its end and return its exit code."""
        return self.process.wait(timeout=PATIENCE)

    def kill(self) -> None:
        """Kill it with all its children."""
        try:
            os.killpg(self.process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self.process.wait()


def _heed_ctrl_c() -> None:
    signal.signal(signal.SIGINT, signal.SIG_DFL)


@contextmanager
def server(*command: str, **environment: str) -> Iterator[Server]:
    """Run `python -m COMMAND`, in which SOCKET stands for the path of its socket."""
    folder = Path(tempfile.mkdtemp(prefix="fb-"))  # pytest's own folders are too long for a socket
    running = Server(folder, command, environment)
    try:
        yield running
    finally:
        running.kill()
        shutil.rmtree(folder, ignore_errors=True)
