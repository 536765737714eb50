"""The live stream of events: each client gets every event once, in order, and resumes where it stopped."""

from __future__ import annotations

import asyncio
import json
import re
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import pytest

from fuseboard_console.http_api import stream
from fuseboard_console.http_api.app import make_app
from fuseboard_console.http_server.server import Server
from fuseboard_engine import Engine
from fuseboard_storage import record
from support.console_story import NOON
from support.fake_engine import failed
from support.replays import recorded
from support.served_api import ACCESS, NO_LIMITS, READING, succeed
from support.waiting import PATIENCE


class Message(NamedTuple):
    """One message of a stream."""

    id: str
    kind: str
    body: dict[str, Any]


@asynccontextmanager
async def served(file: Path) -> AsyncIterator[str]:
    """Serve a recording on a socket, in this process; yield the address."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        app = make_app(file, ACCESS, limits=NO_LIMITS)
        server = Server(app, app.state.streams.close)
        server.config.lifespan = "on"
        serving = asyncio.create_task(server._serve([listener]))
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.should_exit = True
            async with asyncio.timeout(PATIENCE):
                await serving


@asynccontextmanager
async def messages(address: str, query: str = "", **headers: str) -> AsyncIterator[AsyncIterator[Message]]:
    """Open a stream; yield its messages."""

    async def read(answer: httpx.Response) -> AsyncIterator[Message]:
        fields: dict[str, str] = {}
        async for line in answer.aiter_lines():
            name, colon, value = line.partition(": ")
            if colon and name:
                fields[name] = value
            elif not line and "data" in fields:
                yield Message(fields.get("id", ""), fields["event"], json.loads(fields["data"]))
                fields = {}

    async with (
        httpx.AsyncClient(base_url=address, timeout=PATIENCE) as client,
        client.stream("GET", f"/api/events/stream{query}", headers=headers) as answer,
    ):
        assert answer.status_code == 200
        yield read(answer)


async def take(found: AsyncIterator[Message], count: int) -> list[Message]:
    async with asyncio.timeout(PATIENCE):
        return [await anext(found) for _ in range(count)]


async def test_every_client_gets_every_event_once_and_in_order(tmp_path: Path) -> None:
    file = tmp_path / "shop.db"
    engine = Engine("shop")
    engine.add_adapter("agno", succeed)
    async with record(engine, file) as recorder, served(file) as address:
        await recorder.flushed()
        async with messages(address) as one, messages(address, "?kind=route_finished") as other:
            for _ in range(50):
                await engine.execute_with_fallback("a task", ["agno"])
            for found in (one, other):
                seen = [message for message in await take(found, 50) if message.kind == "route_finished"]
                assert len(seen) == 50
                seqs = [message.body["seq"] for message in seen]
                assert seqs == sorted(set(seqs))
                assert all(message.id.endswith(f"-{message.body['seq']}") for message in seen)


async def test_a_client_resumes_after_its_last_event_while_more_are_recorded(tmp_path: Path) -> None:
    file = tmp_path / "shop.db"
    engine = Engine("shop")
    engine.add_adapter("agno", succeed)
    async with record(engine, file) as recorder, served(file) as address:

        async def routes(count: int) -> None:
            for _ in range(count):
                await engine.execute_with_fallback("a task", ["agno"])

        await recorder.flushed()
        async with messages(address) as found:
            await routes(3)
            first = await take(found, 3)
        await routes(2500)
        await recorder.flushed()
        async with messages(address, **{"Last-Event-ID": first[1].id}) as found:
            await routes(10)
            rest = await take(found, 2511)
        assert [message.body["seq"] for message in rest] == list(
            range(first[2].body["seq"], first[2].body["seq"] + 2511)
        )


async def test_texts_of_errors_need_a_token(tmp_path: Path) -> None:
    file = recorded(tmp_path / "shop.db", [failed(at=NOON, task=f"t{n}") for n in range(3)])
    async with served(file) as address:
        tag = stream.file_tag(file)
        for headers, text in (({}, None), ({"Authorization": f"Bearer {READING}"}, "refused")):
            async with messages(address, **{"Last-Event-ID": f"{tag}-0", **headers}) as found:
                seen = [one for one in await take(found, 3) if one.kind == "attempt_failed"]
                assert {one.body["attempt"]["error"] for one in seen} == {text}


async def test_what_is_not_kept_any_more_and_another_recording_are_said(tmp_path: Path) -> None:
    file = recorded(tmp_path / "shop.db", [failed(at=NOON)])
    async with served(file) as address:
        async with messages(address, **{"Last-Event-ID": "0badcafe-1"}) as found:
            assert [one.kind for one in await take(found, 1)] == ["replaced"]
        async with messages(address) as found:
            file.rename(tmp_path / "old.db")
            recorded(file, [failed(at=NOON, task="new")])
            seen = await take(found, 2)
            assert [one.kind for one in seen] == ["replaced", seen[1].kind]
            assert seen[1].body["seq"] == 1


@pytest.mark.parametrize("last_id", ["", "x", "-", "-1", "9" * 40, "a-b-c", "a-" + "9" * 18])
async def test_a_strange_id_gives_a_stream_all_the_same(tmp_path: Path, last_id: str) -> None:
    file = tmp_path / "shop.db"
    engine = Engine("shop")
    engine.add_adapter("agno", succeed)
    async with record(engine, file) as recorder, served(file) as address:
        await recorder.flushed()
        async with messages(address, "?kind=route_finished", **{"Last-Event-ID": last_id}) as found:
            await engine.execute_with_fallback("a task", ["agno"])
            async with asyncio.timeout(PATIENCE):
                assert "route_finished" in [message.kind async for message in _until_route(found)]


async def _until_route(found: AsyncIterator[Message]) -> AsyncIterator[Message]:
    async for message in found:
        yield message
        if message.kind == "route_finished":
            return


async def test_a_client_that_takes_nothing_is_dropped_and_others_are_not_delayed() -> None:
    slow, quick = stream._Subscriber(), stream._Subscriber()
    batch = stream._Batch("tag", [])
    batch.size = 1000
    for _ in range(stream.MOST_WAITING // 1000 + 5):
        slow.put(batch)
        quick.put(batch)
        assert await quick.get() is batch
    taken = [await slow.get() for _ in range(slow.batches.qsize())]
    assert taken[-1] is None and taken[:-1] == [batch] * (stream.MOST_WAITING // 1000)


async def test_streams_end_at_once_when_the_server_stops(tmp_path: Path) -> None:
    file = recorded(tmp_path / "shop.db", [failed(at=NOON)])
    reading: list[asyncio.Task[list[Message]]] = []

    async def read(address: str, opened: asyncio.Event) -> list[Message]:
        async with messages(address) as found:
            opened.set()
            return [one async for one in found]

    async with served(file) as address:
        opened = asyncio.Event()
        reading.append(asyncio.create_task(read(address, opened)))
        await asyncio.wait_for(opened.wait(), PATIENCE)
    assert await asyncio.wait_for(reading[0], PATIENCE) == []


def test_foreign_texts_begin_no_field_of_their_own() -> None:
    sent = stream.message("attempt_failed", {"error": "a\n\ndata: b\r\nid: 7\u2028event: x"}, "tag-1").decode()
    assert re.fullmatch(r"id: tag-1\nevent: attempt_failed\ndata: [ -~]*\n\n", sent)
