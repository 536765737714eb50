"""What one client may use of the server, and which Host headers it accepts."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.types import Message, Receive, Scope, Send

from fuseboard_console.http_server.hosts import host_of
from fuseboard_console.http_server.limits import MOST_CLIENTS, LimitRequests, Limits, RequestRate
from fuseboard_engine.virtual_time import run
from support.served_api import WITH_TOKEN, api, engine_at


@given(st.lists(st.floats(0, 3), max_size=60), st.sampled_from([0.5, 1.0, 7.0]), st.integers(1, 9))
def test_no_client_sends_more_than_its_rate_and_its_burst(gaps: list[float], rate: float, burst: int) -> None:
    limit, now, taken = RequestRate(rate, burst), 0.0, []
    for gap in gaps:
        now += gap
        wait = limit.wait("a", now)
        if wait == 0:
            taken.append(now)
        else:
            assert limit.wait("a", now + wait + 1e-6) == 0  # the wait that it says is enough
            now += wait + 1e-6
            taken.append(now)
    for first, begin in enumerate(taken):
        for last in range(first, len(taken)):
            assert last - first + 1 <= burst + rate * (taken[last] - begin) + 1e-3


def test_clients_are_counted_one_by_one_and_not_without_end() -> None:
    limit = RequestRate(1, 1)
    assert [limit.wait(client, 0.0) for client in ("a", "b")] == [0, 0]
    assert limit.wait("a", 0.0) == pytest.approx(1.0)
    for number in range(MOST_CLIENTS):
        limit.wait(str(number), 0.0)
    assert limit.wait("a", 0.0) == 0


async def test_too_many_requests_are_refused_with_the_time_to_wait(tmp_path: Path) -> None:
    file, limits = tmp_path / "shop.db", Limits(per_second=0.001, burst=2)
    async with engine_at(file), api(file, limits=limits) as client:
        assert [(await client.get("/health/live")).status_code for _ in range(3)] == [200, 200, 429]
        answer = await client.get("/health/live")
        assert (answer.json()["title"], int(answer.headers["retry-after"]) > 900) == ("Too many requests", True)


async def test_a_request_that_is_too_large_is_refused_whether_it_says_so_or_not(tmp_path: Path) -> None:
    async def parts() -> AsyncIterator[bytes]:
        for _ in range(100):
            yield b" " * 1000

    async with engine_at(tmp_path / "shop.db"), api(tmp_path / "shop.db") as client:
        for content in (b" " * 65_537, parts()):
            answer = await client.post("/api/commands", content=content, headers=WITH_TOKEN)
            assert (answer.status_code, answer.json()["title"]) == (413, "Request too large")


async def _read_body(scope: Scope, receive: Receive, send: Send) -> None:
    while (await receive()).get("more_body"):
        pass
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b""})


def test_a_body_that_does_not_come_and_an_answer_that_is_not_taken_end_the_request() -> None:
    async def ask(*, sends: bool, takes: bool) -> tuple[list[int], float]:
        statuses: list[int] = []

        async def receive() -> Message:
            if not sends:
                await asyncio.Event().wait()
            return {"type": "http.request", "body": b"", "more_body": False}

        async def send(message: Message) -> None:
            if "status" in message:
                statuses.append(message["status"])
            elif not takes:
                await asyncio.Event().wait()

        loop = asyncio.get_running_loop()
        began = loop.time()
        limited = LimitRequests(_read_body, Limits(), loop.time)
        await limited({"type": "http", "headers": [], "client": ("127.0.0.1", 1)}, receive, send)
        return statuses, loop.time() - began

    assert run(ask(sends=True, takes=True)) == ([200], 0.0)
    assert run(ask(sends=False, takes=True)) == ([408], 10.0)
    assert run(ask(sends=True, takes=False)) == ([200], 20.0)


@pytest.mark.parametrize(
    ("header", "host"),
    [
        ("localhost:8642", "localhost"),
        ("LOCALHOST", "localhost"),
        ("[::1]:8642", "[::1]"),
        ("[::1]", "[::1]"),
        ("127.0.0.1", "127.0.0.1"),
        ("ops.example.:80", "ops.example"),
        ("", ""),
    ],
)
def test_the_name_in_a_host_header(header: str, host: str) -> None:
    assert host_of(header) == host


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example", "localhost.evil", "", "[::2]", "[::1"])
async def test_other_host_headers_are_refused(tmp_path: Path, host: str) -> None:
    async with engine_at(tmp_path / "shop.db"), api(tmp_path / "shop.db", hosts=["ops.example"]) as client:
        answer = await client.get("/health/live", headers={"Host": host})
        assert (answer.status_code, answer.json()["title"]) == (400, "Host not accepted")
        for accepted in ("ops.example:443", "localhost:1", "[::1]:8642"):
            assert (await client.get("/health/live", headers={"Host": accepted})).status_code == 200


async def test_web_pages_of_other_origins_may_use_it_only_if_it_is_set(tmp_path: Path) -> None:
    origin = {"Origin": "https://ops.example"}
    async with engine_at(tmp_path / "shop.db"):
        async with api(tmp_path / "shop.db") as client:
            answer = await client.get("/health/live", headers=origin)
            assert "access-control-allow-origin" not in answer.headers
        async with api(tmp_path / "shop.db", origins=["https://ops.example"]) as client:
            answer = await client.get("/health/live", headers=origin)
            assert answer.headers["access-control-allow-origin"] == "https://ops.example"
            answer = await client.get("/health/live", headers={"Origin": "https://evil.example"})
            assert "access-control-allow-origin" not in answer.headers
