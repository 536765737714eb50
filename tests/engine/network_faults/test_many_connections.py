"""A proxy with many connections, at its limits, and after its end: no file, task or memory is left."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from fuseboard_engine.network_faults.connection import MOST_WAITING
from fuseboard_engine.network_faults.proxy import FaultProxy
from fuseboard_engine.network_faults.table import NETWORK_FAULTS
from support.network_servers import OPEN_FILES, Peer, connected, open_files, server
from support.waiting import until_async

linux = pytest.mark.skipif(not OPEN_FILES.exists(), reason="only Linux lists the open files of a process")


@pytest.fixture
async def nothing_left() -> AsyncIterator[None]:
    """Fail if files or tasks are left at the end of the test."""
    await asyncio.sleep(0)
    files, tasks = open_files(), asyncio.all_tasks()

    async def as_before() -> bool:
        return open_files() <= files and not asyncio.all_tasks() - tasks - {asyncio.current_task()}

    yield
    await until_async(as_before)


async def ask(proxy: FaultProxy, number: int) -> bytes:
    async with connected(proxy.host, proxy.port) as client:
        return await client.ask(b"%5d" % number)


@linux
@pytest.mark.usefixtures("nothing_left")
async def test_two_hundred_connections_at_once_are_carried() -> None:
    async with server() as upstream, FaultProxy(upstream) as proxy:
        proxy.inject("latency", delay=0.01)
        answers = await asyncio.gather(*(ask(proxy, number) for number in range(200)))
        assert answers == [b"%5d" % number for number in range(200)]
        assert proxy.accepted == 200


@linux
@pytest.mark.usefixtures("nothing_left")
@pytest.mark.parametrize("fault", [None, *NETWORK_FAULTS])
async def test_nothing_is_left_when_a_proxy_closes_under_its_clients(fault: str | None) -> None:
    async with server() as upstream, FaultProxy(upstream) as proxy:
        clients = []
        for number in range(20):
            reader, writer = await asyncio.open_connection(proxy.host, proxy.port)
            clients.append(Peer(reader, writer))
            await clients[-1].ask(b"%5d" % number)
        if fault is not None:
            proxy.inject(fault)
        for client in clients[::2]:
            client.writer.write(b"x" * 100_000)
        await asyncio.sleep(0)
        await proxy.close()
        await proxy.close()
        assert proxy.connections == 0
        for client in clients:
            client.writer.transport.abort()


@linux
@pytest.mark.usefixtures("nothing_left")
async def test_nothing_is_left_of_a_proxy_that_is_cancelled() -> None:
    async with server() as upstream:

        async def proxied() -> None:
            async with FaultProxy(upstream) as proxy, connected(proxy.host, proxy.port) as client:
                await client.ask(b"hello")
                proxy.inject("black_hole", for_=1_000)
                inside.set()
                await client.rest()

        inside = asyncio.Event()
        task = asyncio.create_task(proxied())
        await inside.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task


@linux
@pytest.mark.usefixtures("nothing_left")
async def test_connections_beyond_the_limit_wait_until_others_end() -> None:
    async with server() as upstream, FaultProxy(upstream, max_connections=2) as proxy:
        async with connected(proxy.host, proxy.port) as first, connected(proxy.host, proxy.port) as second:
            await first.ask(b"first")
            await second.ask(b"second")
            third = asyncio.create_task(ask(proxy, 3))
            await first.ask(b"again")
            assert proxy.accepted == proxy.connections == 2 and not third.done()
        assert await third == b"    3"


@linux
@pytest.mark.usefixtures("nothing_left")
async def test_a_fault_ends_while_connections_wait_for_the_limit() -> None:
    async with (
        server() as upstream,
        FaultProxy(upstream, max_connections=1) as proxy,
        connected(proxy.host, proxy.port) as first,
    ):
        await first.ask(b"first")
        proxy.inject("refused")
        assert await first.rest() == b""
        proxy.heal()
        assert await ask(proxy, 2) == b"    2"


async def test_a_side_that_sends_faster_than_the_other_receives_has_to_wait() -> None:
    async def deaf(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await asyncio.Event().wait()

    async with server(deaf) as upstream, FaultProxy(upstream) as proxy, connected(proxy.host, proxy.port) as client:
        client.writer.write(b"x" * 50_000_000)

        async def is_full() -> bool:
            return proxy.waiting >= MOST_WAITING

        await until_async(is_full)
        for _ in range(100):
            await asyncio.sleep(0)
        assert proxy.waiting < MOST_WAITING + 100_000
        client.writer.transport.abort()
