"""Real input and output in virtual time."""

from __future__ import annotations

import asyncio
import concurrent.futures
import http.server
import os
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from fuseboard import Engine, RetryPolicy
from fuseboard.testing import RealIO, run, virtual_time
from support.waiting import PATIENCE


async def open_sockets() -> None:
    loop, one = asyncio.get_running_loop(), socket.socket()
    with one:
        await loop.sock_connect(one, ("127.0.0.1", 9))


async def watch_a_pipe() -> None:
    asyncio.get_running_loop().add_reader(0, int)


async def encrypt() -> None:
    await asyncio.get_running_loop().start_tls(None, None, None)  # type: ignore[arg-type]


async def in_a_thread(function: Callable[[], object]) -> None:
    await asyncio.to_thread(function)


async def in_the_default_executor() -> None:
    await asyncio.get_running_loop().run_in_executor(None, connect)


def connect() -> None:
    with socket.socket() as one:
        one.connect(("127.0.0.1", 9))


def fetch() -> None:
    urllib.request.urlopen("http://localhost:9/", timeout=1)


async def here(function: Callable[[], object]) -> None:
    function()


@pytest.mark.parametrize(
    ("use", "says"),
    [
        (lambda: asyncio.open_connection("127.0.0.1", 9), "A connection was opened"),
        (lambda: asyncio.start_server(lambda r, w: None, "127.0.0.1", 0), "A server was started"),
        (lambda: asyncio.open_unix_connection("none"), "A connection was opened"),
        (lambda: asyncio.create_subprocess_exec("true"), "A program was started"),
        (lambda: asyncio.create_subprocess_shell("true"), "A program was started"),
        (lambda: asyncio.get_running_loop().getaddrinfo("localhost", 9), "The address of a host was looked up"),
        (open_sockets, "A connection was opened"),
        (watch_a_pipe, "A socket or pipe was watched"),
        (encrypt, "A connection was encrypted"),
        (lambda: here(connect), "A connection was opened"),
        (lambda: here(fetch), "The address of a host was looked up"),
        (lambda: here(lambda: time.sleep(0.1)), "A plain function slept"),
        (lambda: here(lambda: subprocess.run(["true"], check=True)), "A program was started"),
        (lambda: here(lambda: os.system("true")), "A program was started"),
        (lambda: in_a_thread(connect), "A connection was opened"),
        (lambda: in_a_thread(fetch), "The address of a host was looked up"),
        (lambda: in_a_thread(lambda: time.sleep(0.1)), "A plain function slept"),
        (in_the_default_executor, "A connection was opened"),
    ],
)
def test_what_needs_real_time_is_refused_with_a_sentence(use: Callable[[], Any], says: str) -> None:
    async def main() -> None:
        await use()

    with pytest.raises(RealIO, match=f"{says} in virtual time .*use @virtual_time\\(allow_io=True\\)"):
        run(main())


@pytest.mark.parametrize("function", [fetch, lambda: time.sleep(0.1)], ids=["fetch", "sleep"])
def test_it_is_reported_though_the_engine_takes_it_for_a_failure_of_a_plain_adapter(
    function: Callable[[], object],
) -> None:
    engine = Engine("shop", retry=RetryPolicy(max_attempts=1))
    engine.add_adapter("plain", lambda task: function())

    @virtual_time
    async def test() -> None:
        assert not (await engine.execute_with_fallback("task")).success

    with pytest.raises(RealIO):
        test()


def test_a_test_that_ends_otherwise_has_it_as_a_note() -> None:
    @virtual_time
    async def test() -> None:
        with pytest.raises(KeyError):
            try:
                connect()
            except RealIO:
                pass

    with pytest.raises(pytest.fail.Exception) as caught:
        test()
    assert "A connection was opened" in caught.value.__notes__[0]


@virtual_time
async def test_files_and_an_empty_sleep_are_allowed(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("text")
    assert await asyncio.to_thread((tmp_path / "a").read_text) == "text"
    time.sleep(0)


def test_real_time_is_as_before() -> None:
    sleep = time.sleep

    @virtual_time
    async def test() -> None:
        await asyncio.sleep(1)

    test()
    assert time.sleep is sleep
    time.sleep(0.001)
    assert subprocess.run(["true"], check=True).returncode == 0


def test_other_threads_are_not_watched() -> None:
    asked: concurrent.futures.Future[int] = concurrent.futures.Future()

    def outside() -> None:
        time.sleep(0.001)
        asked.set_result(subprocess.run(["true"], check=True).returncode)

    @virtual_time
    async def test() -> None:
        threading.Thread(target=outside).start()
        assert asked.result(PATIENCE) == 0

    test()


@pytest.fixture
def server() -> Iterator[str]:
    """The address of a server in a thread of its own."""
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), http.server.SimpleHTTPRequestHandler) as one:
        threading.Thread(target=one.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{one.server_port}/"
        one.shutdown()


def test_a_local_server_and_programs_can_be_allowed(server: str) -> None:
    @virtual_time(allow_io=True)
    async def test() -> None:
        with await asyncio.to_thread(urllib.request.urlopen, server) as answer:
            assert answer.status == 200
        assert subprocess.run(["true"], check=True).returncode == 0
        program = await asyncio.create_subprocess_exec(sys.executable, "-c", "print(7)", stdout=subprocess.PIPE)
        out, _ = await program.communicate()
        assert out == b"7\n"

    test()


def test_virtual_time_waits_for_connections_that_are_allowed() -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(await reader.readline())
        writer.close()

    @virtual_time(allow_io=True)
    async def test() -> None:
        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        async with server:
            await asyncio.sleep(3_600)  # a server that waits costs no real time
            reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
            writer.write(b"hello\n")
            async with asyncio.timeout(30):
                assert await reader.read() == b"hello\n"
            writer.close()

    test()


def test_random_numbers_are_the_same_in_each_run_and_not_afterwards() -> None:
    import random

    @virtual_time
    async def numbers() -> list[float]:
        return [random.random() for _ in range(3)]

    random.seed(7)
    expected = random.Random(7).random()
    assert numbers() == numbers()
    assert random.random() == expected


def test_virtual_time_within_virtual_time_is_refused() -> None:
    @virtual_time
    async def outer() -> None:
        with pytest.raises(RuntimeError, match="virtual time runs already"):
            await asyncio.to_thread(virtual_time(inner))

    async def inner() -> None:
        raise AssertionError

    outer()
