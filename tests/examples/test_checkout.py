"""The whole checkout example with nothing simulated: an application, three HTTP servers, a recording, the CLI.

A server is killed and its breaker opens; others take the payments; the operator resets it once it is back.
"""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from support.paths import ROOT
from support.waiting import PATIENCE

EXAMPLES = ROOT / "examples"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def until(true: Callable[[], Any], what: str, seconds: float = PATIENCE) -> Any:
    """Wait for a condition; name it when the wait fails."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if value := true():
            return value
        time.sleep(0.02)
    return pytest.fail(f"waited {seconds:g} s for: {what}")


def fuseboard(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "fuseboard_console", *words],
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )


class World:
    """Three servers and an application, each in its own process."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        self.recording = folder / "checkout.db"
        self.ports = [free_port() for _ in range(3)]
        self.stack = stack
        self.servers = [self.serve(index) for index in range(3)]
        urls = [f"http://127.0.0.1:{port}" for port in self.ports]
        self.app = self.start(EXAMPLES / "checkout.py", self.recording, *urls)
        assert self.app.stdout is not None
        assert "recording to" in self.app.stdout.readline()

    def start(self, *words: object) -> subprocess.Popen[str]:
        environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
        process = subprocess.Popen(
            [sys.executable, *map(str, words)], stdout=subprocess.PIPE, text=True, env=environment
        )
        self.stack.callback(self.end, process)
        return process

    @staticmethod
    def end(process: subprocess.Popen[str]) -> None:
        if process.poll() is None:
            process.kill()
        process.wait()
        if process.stdout is not None:
            process.stdout.close()

    def serve(self, index: int) -> subprocess.Popen[str]:
        process = self.start(EXAMPLES / "payment_server.py", self.ports[index], ("acme", "beta", "cash")[index])
        assert process.stdout is not None
        assert "listens" in process.stdout.readline()
        return process

    def status(self) -> dict[str, Any]:
        result = fuseboard("status", str(self.recording), "--json")
        assert result.returncode == 0, result.stderr
        return {adapter["adapter"]: adapter for adapter in json.loads(result.stdout)["adapters"]}


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with ExitStack() as stack:
        yield World(tmp_path, stack)


def test_after_a_server_dies_others_take_over_until_an_operator_resets_it(world: World) -> None:
    until(lambda: world.status()["acme-pay"]["successes"] > 0, "payments at the first service")

    world.servers[0].kill()
    until(lambda: world.status()["acme-pay"]["state"] == "open", "the breaker to open")
    before = world.status()["beta-pay"]["successes"]
    until(lambda: world.status()["beta-pay"]["successes"] > before, "the second service to take over")
    assert world.status()["acme-pay"]["last_error"]

    world.serve(0)
    reset = fuseboard("reset", str(world.recording), "acme-pay", "--wait", "60")
    assert reset.returncode == 0, reset.stderr
    assert "acme-pay" in reset.stdout
    paid = world.status()["acme-pay"]["successes"]
    until(lambda: world.status()["acme-pay"]["successes"] > paid, "payments at the first service again")
    assert world.status()["acme-pay"]["state"] == "closed"

    world.app.send_signal(signal.SIGTERM)
    assert world.app.wait(timeout=PATIENCE) == 0


def test_a_recovered_server_is_found_by_a_probe_without_an_operator(world: World) -> None:
    until(lambda: world.status()["acme-pay"]["successes"] > 0, "payments at the first service")
    world.servers[0].kill()
    until(lambda: world.status()["acme-pay"]["state"] == "open", "the breaker to open")
    world.serve(0)
    until(lambda: world.status()["acme-pay"]["state"] == "closed", "a probe to close it")


def test_a_killed_application_is_shown_as_killed_in_its_recording(world: World) -> None:
    until(lambda: world.status()["acme-pay"]["successes"] > 0, "payments")
    world.app.kill()
    world.app.wait()
    result = fuseboard("reset", str(world.recording), "acme-pay", "--wait", "1")
    assert result.returncode == 1
    # `can take` once the end of the process was noticed, `took` before.
    assert re.search("No engine (took|can take) this command", result.stdout + result.stderr)


def test_with_every_server_down_the_application_continues_and_lists_what_was_not_paid(world: World) -> None:
    until(lambda: world.status()["acme-pay"]["successes"] > 0, "payments")
    for server in world.servers:
        server.kill()
    assert world.app.stdout is not None
    assert "was not paid" in world.app.stdout.readline()
    world.app.send_signal(signal.SIGTERM)
    assert world.app.wait(timeout=PATIENCE) == 0


def test_without_all_three_services_the_usage_is_shown(tmp_path: Path) -> None:
    for words in ([], ["a.db"], ["a.db", "http://127.0.0.1:1"]):
        command = [sys.executable, str(EXAMPLES / "checkout.py"), *words]
        ran = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=PATIENCE, check=False)
        assert (ran.returncode, ran.stdout) == (2, "")
        assert ran.stderr.startswith("usage: python ") and "RECORDING" in ran.stderr
