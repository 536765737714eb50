"""Workers of real servers record to one file: every call is counted once, whoever dies, and every id is unique."""

from __future__ import annotations

import asyncio
import importlib.util
import os
import signal
import sqlite3
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from fuseboard_storage import Recording
from fuseboard_storage.board.board import Board
from support.servers import Server, server
from support.waiting import until

PROGRAM = "support.programs.recorded_web_application"
CLIENTS = 4


def needs(*modules: str) -> pytest.MarkDecorator:
    missing = [name for name in modules if importlib.util.find_spec(name) is None]
    return pytest.mark.skipif(bool(missing), reason=f"{', '.join(missing)} not installed")


UVICORN = ("uvicorn", f"{PROGRAM}:app", "--uds", "SOCKET", "--workers", "2")
PRELOADED = ("gunicorn", f"{PROGRAM}:wsgi", "--preload", "-w", "2", "-b", "unix:SOCKET", "--no-control-socket")
SERVERS = [
    pytest.param(UVICORN, {}, id="uvicorn", marks=needs("uvicorn")),
    pytest.param(PRELOADED, {"PRELOAD": "1"}, id="gunicorn-preload", marks=needs("gunicorn")),
]


class Load(threading.Thread):
    """A client that asks until it is stopped or has sent `most` requests. `answers` are the bodies it got."""

    def __init__(self, running: Server, most: int = 10**9) -> None:
        super().__init__(daemon=True)
        self.answers: list[str] = []
        self.unanswered = 0
        self.stopped = False
        self._running = running
        self._most = most
        self.start()

    def run(self) -> None:
        for number in range(self._most):
            if self.stopped:
                return
            try:
                answer = self._running.get("/fail" if number % 5 == 4 else "/work")
            except OSError:
                answer = ""
            self.answers += [answer] if answer else []
            self.unanswered += not answer


class Recorded:
    """A recording, and what the upstream saw."""

    def __init__(self, folder: Path) -> None:
        self.path, self._seen = folder / "web.db", folder / "seen"
        self.environment = {"FILE": str(self.path), "SEEN": str(self._seen)}

    @property
    def seen(self) -> int:
        return self._seen.stat().st_size

    def board(self) -> Board:
        async def read() -> Board:
            async with Recording.open(self.path) as recording:
                return await recording.board()

        return asyncio.run(read())

    def ask(self, sql: str) -> int:
        connection = sqlite3.connect(self.path)
        try:
            return int(connection.execute(sql).fetchone()[0])
        finally:
            connection.close()

    def calls(self) -> int:
        """Return the calls in the totals of the name, after checking that the metrics say the same."""
        calls = self.board().totals()["web"].adapters["upstream"].calls
        assert calls == self.ask("SELECT sum(calls) FROM metrics")
        return calls


@pytest.fixture
def recorded(tmp_path: Path) -> Iterator[Recorded]:
    return Recorded(tmp_path)


def processes(answers: list[str]) -> set[int]:
    return {int(answer.split()[0]) for answer in answers}


def check_ids(answers: list[str]) -> None:
    ids = [answer.split()[1] for answer in answers]
    assert len(set(ids)) == len(ids)
    letters = [answer.split()[3] for answer in answers if " letter " in answer]
    assert len(set(letters)) == len(letters) and "None" not in letters
    assert all(int(letter) > 0 for letter in letters), "they are on disk"


@pytest.mark.parametrize(("command", "environment"), SERVERS)
def test_every_call_of_two_workers_is_recorded_once(
    recorded: Recorded, command: tuple[str, ...], environment: dict[str, str]
) -> None:
    answers: list[str] = []
    for _ in range(2):  # the second round is a restart that restores the figures
        with server(*command, **recorded.environment, **environment, RESTORE="1") as running:
            running.ready()
            clients = [Load(running, 25) for _ in range(CLIENTS)]
            for client in clients:
                client.join()
                assert not client.unanswered, running.output
                answers += client.answers
            running.process.send_signal(signal.SIGTERM)
            running.end()
        assert recorded.calls() == recorded.seen
    check_ids(answers)
    assert recorded.ask("SELECT count(*) FROM dead_letters") == 2 * CLIENTS * 5
    assert recorded.ask("SELECT count(*) FROM instances WHERE ended_at IS NULL") == 0


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="this system has no /proc")
@pytest.mark.parametrize(("command", "environment"), SERVERS)
def test_a_worker_that_is_killed_and_replaced_under_load_loses_nothing_that_was_answered(
    recorded: Recorded, command: tuple[str, ...], environment: dict[str, str]
) -> None:
    with server(*command, **recorded.environment, **environment, RESTORE="1") as running:
        running.ready()
        clients = [Load(running) for _ in range(CLIENTS)]

        def workers() -> set[int]:
            return processes([answer for client in clients for answer in client.answers])

        def seen_more_than(count: int) -> Callable[[], bool]:
            return lambda: len(workers()) > count

        for killed in (1, 2):
            until(seen_more_than(killed))
            os.kill(max(workers() & alive()), signal.SIGKILL)
            until(seen_more_than(killed + 1))
        for client in clients:
            client.stopped = True
        for client in clients:
            client.join()
        running.process.send_signal(signal.SIGTERM)
        running.end()
        output = running.output
    answers = [answer for client in clients for answer in client.answers]
    check_ids(answers)
    lost = recorded.seen - recorded.calls()
    assert 0 <= lost <= 2 * CLIENTS, "at most what was in progress when a worker was killed"
    assert recorded.calls() >= len(answers), output
    assert lost <= sum(client.unanswered for client in clients)


def alive() -> set[int]:
    """Return the processes that run."""
    found = set()
    for process in Path("/proc").iterdir():
        if process.name.isdigit():
            try:
                state = (process / "stat").read_text().rpartition(")")[2].split()[0]
            except OSError:
                continue
            if state not in "ZX":
                found.add(int(process.name))
    return found
