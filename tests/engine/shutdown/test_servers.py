"""An orderly shutdown inside real servers: uvicorn, gunicorn and Celery in processes of their own."""

from __future__ import annotations

import importlib.util
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from support.paths import PROGRAMS, ROOT
from support.servers import Server, server
from support.waiting import PATIENCE, until

ASGI = "support.programs.web_application:app"
WSGI = "support.programs.wsgi_application"
HANGS = "/work?seconds=3600"


def needs(*modules: str) -> pytest.MarkDecorator:
    missing = [name for name in modules if importlib.util.find_spec(name) is None]
    return pytest.mark.skipif(bool(missing), reason=f"{', '.join(missing)} not installed")


UVICORN = ("uvicorn", ASGI, "--uds", "SOCKET")
GUNICORN = (
    "gunicorn",
    ASGI,
    "-k",
    "uvicorn_worker.UvicornWorker",
    "-b",
    "unix:SOCKET",
    "-w",
    "2",
    "--no-control-socket",
)
ASGI_SERVERS = [
    pytest.param(UVICORN, id="uvicorn", marks=needs("uvicorn")),
    pytest.param((*UVICORN, "--workers", "2"), id="uvicorn-2", marks=needs("uvicorn")),
    pytest.param(GUNICORN, id="gunicorn-2", marks=needs("gunicorn", "uvicorn_worker")),
]


class Request(threading.Thread):
    """A request in progress, in a thread of its own."""

    def __init__(self, asked: Callable[[], Any]) -> None:
        super().__init__(daemon=True)
        self._asked = asked
        self._answer: Any = None
        self.start()

    def run(self) -> None:
        self._answer = self._asked()

    def answer(self) -> Any:
        self.join(PATIENCE)
        assert not self.is_alive()
        return self._answer


def stop(running: Server, number: signal.Signals = signal.SIGTERM) -> int:
    running.process.send_signal(number)
    return running.end()


def ended_in_order(program: Program, *last: str) -> int:
    """Return the exit code. The caller gets its result, and the state is saved, in any order, before the block ends."""
    code, printed = program.end()
    first, second, *rest = printed.splitlines()
    assert {first, second} == {"result: done", "saved"}
    assert rest == ["left", *last]
    return code


@pytest.mark.parametrize("command", ASGI_SERVERS)
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_an_idle_server_and_saves(command: tuple[str, ...], number: signal.Signals) -> None:
    if command == GUNICORN and number == signal.SIGINT:
        pytest.skip("gunicorn sends SIGQUIT then, which workers of uvicorn do not heed: it kills them after 30 s")
    workers = 1 if command == UVICORN else 2
    with server(*command, GRACE="150") as running:
        running.ready()
        until(lambda: running.output.count("Application startup complete") == workers)  # one of them answers earlier
        began = time.monotonic()
        code = stop(running, number)
        assert time.monotonic() - began < 120, "it must not wait for the grace time"
        assert code in (0, 128 + number, -number), running.output
        assert len(running.saved) == workers, running.output
        assert "Traceback" not in running.output


@pytest.mark.parametrize("command", ASGI_SERVERS)
def test_a_request_in_progress_ends_well_and_may_call_the_engine_again(command: tuple[str, ...]) -> None:
    with server(*command, GRACE="150") as running:
        running.ready()
        first = running.ask("/stream")  # the server is at work when the signal arrives
        request = Request(lambda: running.get("/work?seconds=1"))
        assert first.readline() == b"tick\n"
        until(lambda: "a long call has begun" in running.output)  # a later arrival would be refused by the server
        first.close()
        stop(running)
        assert request.answer() == "done done", running.output


@pytest.mark.parametrize("command", ASGI_SERVERS)
def test_a_stream_in_progress_is_told_its_end_and_a_call_that_hangs_is_cancelled(command: tuple[str, ...]) -> None:
    with server(*command, GRACE="1") as running:
        running.ready()
        hanging = Request(lambda: running.get(HANGS))
        stream = running.ask("/stream")
        assert stream.readline() == b"tick\n"
        until(lambda: "a long call has begun" in running.output)
        stop(running)
        *_, last = stream.read().decode().splitlines()
        assert last.startswith("broken: shutting down: the stream was ended after"), running.output
        assert hanging.answer() in ("", "Internal Server Error")
        assert running.saved


@pytest.mark.parametrize("command", ASGI_SERVERS[:1])
def test_a_cause_other_than_a_signal_ends_the_server_too(command: tuple[str, ...]) -> None:
    with server(*command, GRACE="1", MEMORY="1000000") as running:
        assert running.ready().get("/grow") == "grown"
        running.end()
        assert len(running.saved) == 1, running.output


@needs("gunicorn", "uvicorn_worker")
def test_a_worker_that_is_stopped_is_replaced_and_the_next_one_answers() -> None:
    with server(*GRACEFUL_ONE, GRACE="1") as running:
        first = int(running.ready().get("/process"))
        os.kill(first, signal.SIGTERM)

        def replaced() -> bool:
            return running.get("/process") not in ("", str(first))

        until(replaced)
        assert running.get("/work?seconds=0") == "done done"
        assert running.saved == [str(first)]


GRACEFUL_ONE = (*GUNICORN[:-3], "-w", "1", "--no-control-socket")


@needs("gunicorn")
@pytest.mark.parametrize("worker", ["sync", "gthread"])
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_wsgi_worker_answers_what_is_in_progress_and_saves(worker: str, number: signal.Signals) -> None:
    options = ("-c", f"python:{WSGI}", "-k", worker, "-b", "unix:SOCKET", "--no-control-socket")
    with server("gunicorn", f"{WSGI}:app", *options, GRACE="1") as running:
        running.ready()
        assert stop(running, number) == 0, running.output
        assert len(running.saved) == 1, running.output


@needs("gunicorn")
def test_a_wsgi_request_that_hangs_does_not_outlast_the_grace_time() -> None:
    options = ("-c", f"python:{WSGI}", "-k", "gthread", "--threads", "2", "-b", "unix:SOCKET", "--no-control-socket")
    options += ("--graceful-timeout", "150")
    with server("gunicorn", f"{WSGI}:app", *options, GRACE="0.5") as running:
        running.ready()
        request = Request(lambda: running.get(HANGS))
        until(lambda: "a long call has begun" in running.output)
        began = time.monotonic()
        assert stop(running) == 0, running.output
        assert time.monotonic() - began < 120, "gunicorn itself kills a worker after 150 s"
        request.answer()


@needs("celery")
@pytest.mark.parametrize("pool", ["prefork", "threads", "solo"])
def test_a_celery_job_in_progress_ends_well_and_the_worker_saves(pool: str, tmp_path: Path) -> None:
    name = "support.programs.celery_application"
    environment = {"POOL": pool, "BROKER": str(tmp_path), "GRACE": "30"}
    command = ("celery", "-A", name, "worker", f"--pool={pool}", "-c", "1", "-l", "WARNING")
    with server(*command, **environment) as running:
        code = f"from {name} import job; job.delay(1.0)"
        env = {**os.environ, **environment, "SAVED": os.devnull, "PYTHONPATH": str(ROOT / "tests")}
        subprocess.run([sys.executable, "-c", code], env=env, check=True)
        until(lambda: "began" in running.saved)
        assert stop(running) == 0, running.output
        assert running.saved == ["began", "done", "saved"], running.output


PROGRAM = str(PROGRAMS / "thread_shutdown_engine.py")


class Program:
    """A program without `await`, whose output is read line by line."""

    def __init__(self, *arguments: str, before: tuple[str, ...] = ()) -> None:
        self.process = subprocess.Popen(
            [*before, sys.executable, PROGRAM, *arguments],
            stdout=subprocess.PIPE,
            text=True,
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )

    def expect(self, line: str) -> None:
        assert self.process.stdout is not None
        assert self.process.stdout.readline().strip() == line

    def end(self) -> tuple[int, str]:
        out, _ = self.process.communicate(timeout=PATIENCE)
        return self.process.returncode, out


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_without_await_the_call_in_flight_ends_the_body_is_left_and_the_exit_code_is_ours(number: int) -> None:
    program = Program("wait")
    program.expect("called")
    program.process.send_signal(number)
    assert ended_in_order(program) == 3


def test_without_await_a_second_ctrl_c_ends_at_once() -> None:
    program = Program("hang")
    program.expect("called")
    while program.process.poll() is None:
        program.process.send_signal(signal.SIGINT)
    assert program.end()[0] == 130


def test_without_await_an_uncaught_error_saves_and_ends() -> None:
    assert Program("raise").end() == (3, "saved\n")


def test_without_await_a_time_limit_ends_the_body() -> None:
    program = Program("limit")
    assert program.end() == (3, "saved\nleft\n")


def test_without_an_exit_code_the_program_continues_after_the_block() -> None:
    program = Program("continue")
    program.expect("called")
    program.process.terminate()
    assert ended_in_order(program, "after") == 0


def test_a_handler_that_exits_is_obeyed_after_the_shutdown() -> None:
    program = Program("handler")
    program.expect("called")
    program.process.terminate()
    assert ended_in_order(program) == 7


def test_a_forked_child_dies_of_sigterm_and_shuts_nothing_down() -> None:
    program = Program("fork")
    assert program.end() == (0, "the child was ended by 15\n")


@pytest.mark.skipif(os.geteuid() != 0, reason="a PID namespace needs root")
def test_as_process_1_of_a_container_it_ends_on_sigterm() -> None:
    try:
        subprocess.run(["unshare", "--pid", "--fork", "true"], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError) as error:
        pytest.skip(f"no PID namespace: {error}")
    program = Program("first", before=("unshare", "--pid", "--fork", "--kill-child"))
    program.expect("process 1")
    program.expect("called")
    children = Path(f"/proc/{program.process.pid}/task/{program.process.pid}/children").read_text().split()
    os.kill(int(children[0]), signal.SIGTERM)
    assert ended_in_order(program) == 3
