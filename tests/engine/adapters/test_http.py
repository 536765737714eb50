"""HTTP endpoints as adapters, tested against a real server."""

from __future__ import annotations

import asyncio
import socket
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from fuseboard_engine import BreakerPolicy, Engine, NoConnectionFree, RetryPolicy
from fuseboard_engine.adapters import http
from fuseboard_engine.adapters.http import HttpAdapter, is_json
from fuseboard_engine.error_text.provider_messages import message_of
from support.http_service import Service, serving
from support.waiting import PATIENCE, TIMED_OUT

ONCE = RetryPolicy(max_attempts=1, attempt_timeout=30)


@pytest.fixture(autouse=True, params=["httpx2", "httpx"])
def library(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The library in use; every test runs with each that is installed."""
    module = pytest.importorskip(request.param)
    monkeypatch.setattr(http, "http_library", lambda: module)
    return module


@pytest.fixture
def service() -> Iterator[Service]:
    with serving() as service:
        yield service


def engine_of(url: str, **options: Any) -> Engine:
    engine = Engine(retry=ONCE, breaker=BreakerPolicy(failure_threshold=None))
    engine.add_http_adapter("a", url, **options)
    return engine


async def test_the_task_is_sent_as_json_and_the_response_is_parsed_as_json(service: Service) -> None:
    async with engine_of(f"{service.url}/work?v=1", headers={"x-key": "k"}, params={"user": "u 1"}) as engine:
        route = await engine.execute_with_fallback({"text": "päärynä"})
    assert route.result == {"fine": True}
    (asked,) = service.asked
    assert (asked["method"], asked["path"]) == ("POST", "/work?v=1&user=u+1")
    assert asked["json"] == {"text": "päärynä"}
    assert (asked["headers"]["content-type"], asked["headers"]["x-key"]) == ("application/json", "k")


async def test_the_context_ids_of_a_call_are_sent_as_headers(service: Service) -> None:
    ids = {
        "request": "r-1",
        "trace_id": "00-4bf92f-00f0-01",
        "user": "ann@shop",
        "session": "ä\r\nx-evil: \ud800",
        "tenant": "t",
    }
    async with engine_of(service.url, headers={"x-trace-id": "own"}) as engine:
        route = await engine.execute_with_fallback({"q": 1}, context=ids)
        await engine.execute_with_fallback({"q": 1})
    assert route.success
    reported, unreported = (asked["headers"] for asked in service.asked)
    assert {name: reported[name] for name in reported if name.startswith("x-")} == {
        "x-request-id": "r-1",
        "x-trace-id": "own",
        "x-user-id": "ann@shop",
        "x-session-id": "%C3%A4%0D%0Ax-evil: ?",
    }
    assert [name for name in unreported if name.startswith("x-")] == ["x-trace-id"]


async def test_the_ids_sent_and_their_header_names_are_configurable(service: Service) -> None:
    async with engine_of(service.url, context_headers={"request": "x-amzn-requestid"}) as engine:
        await engine.execute_with_fallback({"q": 1}, context={"request": "r-1", "user": "ann"})
    headers = service.asked[0]["headers"]
    assert headers["x-amzn-requestid"] == "r-1"
    assert "ann" not in headers.values()


async def test_a_get_request_sends_a_mapping_as_its_query(service: Service) -> None:
    async with engine_of(service.url, method="get") as engine:
        await engine.execute_with_fallback({"q": "a&b"})
    assert (service.asked[0]["method"], service.asked[0]["path"]) == ("GET", "/?q=a%26b")


async def test_a_response_that_is_not_json_is_returned_as_text(service: Service) -> None:
    service.answer(200, "plain ä", content_type="text/plain; charset=utf-8")
    async with engine_of(service.url) as engine:
        assert (await engine.execute_with_fallback("it")).result == "plain ä"


async def test_an_empty_response_is_none(service: Service) -> None:
    service.answer(200, "", content_type="application/json")
    async with engine_of(service.url) as engine:
        assert (await engine.execute_with_fallback("it")).result is None


async def test_a_response_with_invalid_json_is_a_failure(service: Service) -> None:
    service.answer(200, "<html>", content_type="application/json")
    async with engine_of(service.url) as engine:
        route = await engine.execute_with_fallback("it")
    assert "the answer is not valid JSON" in (route.error or "")


async def test_an_endless_response_is_cut_off(service: Service) -> None:
    service.answer(200, b"x" * 100_000)
    async with engine_of(service.url, max_bytes=10_000) as engine:
        route = await engine.execute_with_fallback("it")
    assert route.error == "the response is longer than 10000 bytes"


@pytest.mark.parametrize(
    ("status", "body", "rule"),
    [
        (500, "boom", "server"),
        (503, "", "server"),
        (429, "slow down", "rate_limited"),
        (401, "who are you?", "credentials"),
        (400, "bad field", "caller"),
        (400, '{"error": {"code": "context_length_exceeded"}}', "context_window"),
        (404, "no such model", "adapter_missing"),
        (302, "elsewhere", "error"),
    ],
)
async def test_a_status_is_attributed_by_the_table(
    service: Service, library: Any, status: int, body: str, rule: str
) -> None:
    service.answer(status, body, location="/elsewhere")
    async with engine_of(f"{service.url}/path?key=secret") as engine:
        route = await engine.execute_with_fallback("it")
    assert isinstance(route.exception, library.HTTPStatusError)
    assert route.exception.response.status_code == status
    assert route.attempts[0].rule == rule
    assert route.error is not None
    assert f"HTTP {status} " in route.error
    assert route.error.endswith(f"/path: {message_of(body)}" if body else "/path")
    assert "secret" not in route.error


async def test_a_retry_after_header_is_respected(service: Service) -> None:
    service.answer(429, "later", retry_after="7")
    async with engine_of(service.url) as engine:
        route = await engine.execute_with_fallback("it")
    assert route.attempts[0].retry_after == 7


async def test_a_password_in_the_url_is_used_but_never_shown(service: Service) -> None:
    service.answer(500, "boom")
    async with engine_of(service.url.replace("//", "//joe:hunter2@")) as engine:
        route = await engine.execute_with_fallback("it")
    assert service.asked[0]["headers"]["authorization"].startswith("Basic ")
    assert "hunter2" not in (route.error or "")


async def test_an_unreachable_server_is_a_failed_connection() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        async with engine_of(f"http://127.0.0.1:{unused.getsockname()[1]}") as engine:
            route = await engine.execute_with_fallback("it")
    assert route.attempts[0].rule == "connection"


async def test_an_endpoint_that_hangs_times_out(service: Service) -> None:
    service.hanging.set()
    async with engine_of(service.url) as engine:
        route = await engine.execute_with_fallback("it", retry=RetryPolicy(max_attempts=1, attempt_timeout=0.2))
    assert route.attempts[0].rule in TIMED_OUT


async def test_each_adapter_keeps_a_connection_of_its_own(service: Service) -> None:
    async with engine_of(f"{service.url}/a") as engine:
        engine.add_http_adapter("b", f"{service.url}/b")
        for name in "abab":
            assert (await engine.execute_with_fallback("it", [name])).success
    assert (len(service.asked), service.connections) == (4, 2)


async def test_no_cookie_is_sent_with_a_later_task_unless_the_adapter_is_given_one(service: Service) -> None:
    service.answer(200, "ok", set_cookie="session=of-the-first-user; Path=/")
    async with engine_of(service.url) as engine:
        engine.add_http_adapter("b", service.url)
        engine.add_http_adapter("own", service.url, headers={"cookie": "key=1"})
        for name in ("a", "a", "b", "own", "own"):
            await engine.execute_with_fallback("it", [name])
    assert [asked["headers"].get("cookie") for asked in service.asked] == [None, None, None, "key=1", "key=1"]


async def test_an_endpoint_that_hangs_takes_no_connection_of_another(service: Service) -> None:
    with socket.socket() as hole:
        hole.bind(("127.0.0.1", 0))
        hole.listen(500)
        engine = engine_of(service.url)
        engine.add_http_adapter("hangs", f"http://127.0.0.1:{hole.getsockname()[1]}")
        async with engine:
            hanging = [asyncio.create_task(engine.execute_with_fallback("it", ["hangs"])) for _ in range(120)]
            async with asyncio.timeout(PATIENCE):
                while engine.registry["hangs"].in_flight < len(hanging):
                    await asyncio.sleep(0)
            assert (await engine.execute_with_fallback("it", ["a"])).success
            for task in hanging:
                task.cancel()
            await asyncio.gather(*hanging, return_exceptions=True)


async def test_waiting_for_a_connection_of_ours_is_not_the_failure_of_the_service(service: Service) -> None:
    service.hanging.set()
    async with engine_of(service.url, max_connections=1) as engine:
        first = asyncio.create_task(engine.execute_with_fallback("it", ["a"]))
        while not service.asked:
            await asyncio.sleep(0.01)
        quick = RetryPolicy(max_attempts=1, attempt_timeout=0.1)
        second = await engine.execute_with_fallback("it", ["a"], retry=quick)
        assert isinstance(second.exception, NoConnectionFree)
        assert second.error == "no connection was free: all 1 were in use until the timeout"
        assert engine.breaker("a").snapshot().failures == 0
        assert len(service.asked) == 1
        first.cancel()
        await asyncio.gather(first, return_exceptions=True)
        service.hanging.clear()
        assert (await engine.execute_with_fallback("it", ["a"])).success, "its connection is free again"


@pytest.mark.parametrize("limit", [0, -1])
def test_a_limit_below_one_is_refused(limit: int) -> None:
    with pytest.raises(ValueError, match="max_connections must be at least 1"):
        Engine().add_http_adapter("a", "http://host", max_connections=limit)


LINES = b'{"part": "one"}\n{"part": "two"}\n'


@pytest.mark.parametrize(
    "kind",
    [
        "application/x-ndjson", "application/ndjson", "application/jsonl", "application/x-jsonlines",
        "application/json-seq", "application/stream+json", "text/plain; about=json", "application/json5",
    ],
)  # fmt: skip
async def test_lines_and_sequences_of_json_are_text(service: Service, kind: str) -> None:
    service.answer(200, LINES, content_type=kind)
    async with engine_of(service.url) as engine:
        assert (await engine.execute_with_fallback("it")).result == LINES.decode()


@pytest.mark.parametrize(
    "kind",
    [
        "application/json", "Application/JSON; charset=utf-8", "text/json", "application/problem+json",
        "application/vnd.api+json;v=1", "application/x-amz-json-1.1",
    ],
)  # fmt: skip
def test_one_document_of_json_is_data(kind: str) -> None:
    assert is_json(kind)


@pytest.mark.parametrize(
    ("body", "charset"),
    [
        ('"ä"'.encode("utf-8-sig"), ""),
        ('"ä"'.encode("utf-8-sig"), "utf-8"),
        ('"ä"'.encode("utf-16"), ""),
        ('"ä"'.encode("utf-16-le"), ""),
        ('"ä"'.encode("utf-32-be"), ""),
        ('"ä"'.encode("latin-1"), "iso-8859-1"),
        ('"ä"'.encode("utf-16-be"), "utf-16-be"),
        ('"ä"'.encode(), "no-such-charset"),
        ('"ä"'.encode(), "hex"),
        ('"ä"'.encode("utf-8-sig"), "iso-8859-1"),  # the mark is right, the declaration is not
    ],
)
@pytest.mark.parametrize("kind", ["application/json", "text/plain"])
async def test_a_byte_order_mark_and_the_declared_charset_are_respected(
    service: Service, kind: str, body: bytes, charset: str
) -> None:
    if kind == "text/plain" and not charset and not body.startswith((b"\xef", b"\xff")):
        pytest.skip("a text does not show its encoding")
    service.answer(200, body, content_type=f"{kind}; charset={charset}" if charset else kind)
    async with engine_of(service.url) as engine:
        assert (await engine.execute_with_fallback("it")).result == ("ä" if kind == "application/json" else '"ä"')


@pytest.mark.parametrize("charset", ["idna", "punycode", "rot13", "base64", "undefined", "unicode_escape"])
async def test_an_unknown_charset_never_fails_a_call(service: Service, charset: str) -> None:
    service.answer(200, b"x\xff.y", content_type=f"text/plain; charset={charset}")
    async with engine_of(service.url) as engine:
        assert (await engine.execute_with_fallback("it")).success


async def test_a_removed_adapter_closes_its_connections(service: Service) -> None:
    async with engine_of(service.url) as engine:
        await engine.execute_with_fallback("it")
        (adapters,) = engine.resources.clients._loops.values()
        (connections,) = adapters.values()
        engine.remove_adapter("a")
        async with asyncio.timeout(PATIENCE):
            while not connections.client.is_closed:
                await asyncio.sleep(0.01)


def test_each_event_loop_has_connections_of_its_own(service: Service) -> None:
    engine = engine_of(service.url)
    for _ in range(2):
        assert asyncio.run(engine.execute_with_fallback("it")).success
    assert engine.sync.execute_with_fallback("it").success
    engine.sync.close()
    assert engine.sync.execute_with_fallback("it").success
    engine.sync.close()


async def test_health_is_requested_at_the_configured_path(service: Service, library: Any) -> None:
    async with engine_of(f"{service.url}/api/work", health_url="/health") as engine:
        health = engine.registry["a"].health
        assert health is not None
        await health()
        assert (service.asked[0]["method"], service.asked[0]["path"]) == ("GET", "/health")
        service.answer(503, "warming up")
        with pytest.raises(library.HTTPStatusError):
            await health()
        engine.add_http_adapter("b", service.url)
        assert engine.registry["b"].health is None


async def test_an_adapter_outside_an_engine_closes_its_own_connections(service: Service) -> None:
    engine = Engine(retry=ONCE)
    engine.add_adapter("a", HttpAdapter(service.url))
    async with engine:
        assert (await engine.execute_with_fallback("it")).success


@pytest.mark.parametrize("url", ["ftp://host/x", "host/x", "http://", "http://[::1"])
def test_an_invalid_url_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match=r"is not (a|the) URL"):
        Engine().add_http_adapter("a", url)


def test_without_httpx2_and_httpx_the_error_says_what_to_install() -> None:
    program = """
import sys
sys.modules["httpx"] = sys.modules["httpx2"] = None
from fuseboard_engine import Engine
engine = Engine()
for add in (lambda: engine.add_http_adapter("a", "http://host"), lambda: engine.add_adapter_from("a", "http://host")):
    try:
        add()
    except ImportError as error:
        print(type(error).__name__, error)
"""
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=PATIENCE)
    assert ran.stdout == "MissingExtra HTTP adapters need httpx2: pip install 'fuseboard[http]'\n" * 2, ran.stderr
