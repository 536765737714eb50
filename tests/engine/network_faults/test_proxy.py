"""A proxy on real sockets: what clients meet. No test measures how fast anything is."""

from __future__ import annotations

import asyncio
import socket
import ssl

import pytest

from fuseboard_engine.network_faults.proxy import FaultProxy
from fuseboard_engine.virtual_time import RealIO, VirtualTimeLoop
from support.network_servers import client_tls, connected, reset, says, server, server_tls
from support.waiting import until_async

RECORD = b"\x17\x03\x03\x00\x0aABCDEFGHIJ"


async def closed(proxy: FaultProxy) -> None:
    """Wait until the proxy has no connection."""

    async def no_connection() -> bool:
        return proxy.connections == 0

    await until_async(no_connection)


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
async def test_without_a_fault_data_passes_in_both_directions(host: str) -> None:
    listen = f"[{host}]:0" if ":" in host else f"{host}:0"
    async with server(host=host) as upstream, FaultProxy(upstream, listen=listen) as proxy:
        async with connected(proxy.host, proxy.port) as client:
            assert await client.ask(b"hello") == b"hello"
            assert proxy.fault is None and proxy.connections == proxy.accepted == 1
        await closed(proxy)
        assert str(proxy.upstream) == upstream and str(proxy.address).startswith(listen[:-1])


async def test_a_client_that_sends_nothing_more_still_gets_its_answer() -> None:
    async with server() as upstream, FaultProxy(upstream) as proxy, connected(proxy.host, proxy.port) as client:
        await client.send(b"x" * 3_000_000)
        client.end_sending()
        assert len(await client.rest()) == 3_000_000


async def test_a_server_that_speaks_first_is_heard() -> None:
    async with (
        server(says(b"220 ready")) as upstream,
        FaultProxy(upstream) as proxy,
        connected(proxy.host, proxy.port) as client,
    ):
        assert await client.receive(9) == b"220 ready"


async def test_latency_delays_the_request_and_the_answer() -> None:
    loop = asyncio.get_running_loop()
    async with server() as upstream, FaultProxy(upstream) as proxy, connected(proxy.host, proxy.port) as client:
        proxy.inject("latency", delay=0.05)
        began = loop.time()
        assert await client.ask(b"hello") == b"hello"
        assert loop.time() - began >= 0.1


async def test_what_latency_holds_back_comes_when_it_ends() -> None:
    async with server() as upstream, FaultProxy(upstream) as proxy, connected(proxy.host, proxy.port) as client:
        proxy.inject("latency", delay=1_000)
        await client.send(b"hello")
        proxy.heal()
        assert await client.receive(5) == b"hello"


async def test_bandwidth_limits_each_direction() -> None:
    loop = asyncio.get_running_loop()
    async with server() as upstream, FaultProxy(upstream) as proxy, connected(proxy.host, proxy.port) as client:
        proxy.inject("bandwidth", bytes_per_second=10_000)
        began = loop.time()
        assert await client.ask(b"x" * 2_000) == b"x" * 2_000
        assert loop.time() - began >= 0.15  # 2,000 bytes without the first 500, which go at once


async def test_refused_closes_open_connections_and_refuses_new_ones_until_it_ends() -> None:
    async with server() as upstream, FaultProxy(upstream) as proxy:
        async with connected(proxy.host, proxy.port) as client:
            assert await client.ask(b"hello") == b"hello"
            proxy.inject("refused")
            assert await client.rest() == b""
        for _ in range(3):
            with pytest.raises(ConnectionRefusedError):
                await asyncio.open_connection(proxy.host, proxy.port)
        port = proxy.port
        proxy.heal()
        async with connected(proxy.host, port) as client:
            assert await client.ask(b"hello") == b"hello"


async def test_reset_resets_open_connections_and_new_ones() -> None:
    async with server() as upstream, FaultProxy(upstream) as proxy:
        async with connected(proxy.host, proxy.port) as client:
            assert await client.ask(b"hello") == b"hello"
            proxy.inject("reset")
            assert await client.is_reset()
        with pytest.raises(ConnectionResetError):  # at once, or when it is used
            async with connected(proxy.host, proxy.port) as client:
                await client.rest()
        proxy.heal()
        async with connected(proxy.host, proxy.port) as client:
            assert await client.ask(b"hello") == b"hello"


async def test_a_black_hole_swallows_what_clients_send_and_resets_them_when_it_ends() -> None:
    asked: list[bytes] = []

    async def keep(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(100):
            asked.append(data)
            writer.write(data)

    async with server(keep) as upstream, FaultProxy(upstream) as proxy:
        async with connected(proxy.host, proxy.port) as before:
            assert await before.ask(b"before") == b"before"
            proxy.inject("black_hole")
            async with connected(proxy.host, proxy.port) as within:
                for client in (before, within):
                    await client.send(b"lost" * 1_000_000)

                async def all_lost() -> bool:
                    return proxy.lost == 8_000_000

                await until_async(all_lost)
                proxy.heal()
                assert await before.is_reset() and await within.is_reset()
        async with connected(proxy.host, proxy.port) as after:
            assert await after.ask(b"after") == b"after"
    assert asked == [b"before", b"after"]


async def test_a_connection_that_lost_nothing_to_a_black_hole_goes_on_after_it() -> None:
    async with server() as upstream, FaultProxy(upstream) as proxy, connected(proxy.host, proxy.port) as before:
        assert await before.ask(b"before") == b"before"
        proxy.inject("black_hole")
        async with connected(proxy.host, proxy.port) as within:
            proxy.heal()
            assert await before.ask(b"again") == b"again"
            assert await within.ask(b"within") == b"within"


async def test_a_client_leaves_a_black_hole() -> None:
    async with server() as upstream, FaultProxy(upstream) as proxy:
        proxy.inject("black_hole")
        async with connected(proxy.host, proxy.port) as client:
            await client.send(b"lost")
        await closed(proxy)


async def test_nothing_of_the_server_is_seen_from_a_black_hole() -> None:
    leave = asyncio.Event()

    async def leaves(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(await reader.read(100))
        await leave.wait()
        reset(writer)

    async with server(leaves) as upstream, FaultProxy(upstream) as proxy, connected(proxy.host, proxy.port) as client:
        assert await client.ask(b"hello") == b"hello"
        proxy.inject("black_hole")
        leave.set()
        await client.send(b"lost")
        assert proxy.connections == 1
        proxy.heal()
        assert await client.is_reset()


async def test_close_after_ends_the_answer_in_order() -> None:
    async with server() as upstream, FaultProxy(upstream) as proxy:
        proxy.inject("close_after", after_bytes=3)
        async with connected(proxy.host, proxy.port) as client:
            await client.send(b"hello")
            assert await client.rest() == b"hel"
        proxy.heal()
        async with connected(proxy.host, proxy.port) as client:
            assert await client.ask(b"before") == b"before"
            proxy.inject("close_after", after_bytes=3)  # counted from here
            await client.send(b"hello")
            assert await client.rest() == b"hel"


async def test_half_of_a_tls_record_comes_and_the_rest_when_the_fault_ends() -> None:
    async with server(says(RECORD * 2)) as upstream, FaultProxy(upstream) as proxy:
        proxy.inject("half_tls_record")
        async with connected(proxy.host, proxy.port) as client:
            assert await client.receive(10) == RECORD[:10]
            proxy.heal()
            assert await client.receive(20) == (RECORD * 2)[10:]


async def test_a_client_leaves_a_connection_that_stalls() -> None:
    async with server(says(RECORD)) as upstream, FaultProxy(upstream) as proxy:
        proxy.inject("half_tls_record")
        async with connected(proxy.host, proxy.port) as client:
            await client.receive(10)
        await closed(proxy)


async def test_a_connection_closes_after_half_of_a_tls_record() -> None:
    async with server(says(RECORD)) as upstream, FaultProxy(upstream) as proxy:
        proxy.inject("half_tls_record", then="close")
        async with connected(proxy.host, proxy.port) as client:
            assert await client.rest() == RECORD[:10]


async def test_a_tls_client_fails_in_its_handshake_after_half_a_record() -> None:
    async with server(tls=server_tls()) as upstream, FaultProxy(upstream) as proxy:
        proxy.inject("half_tls_record", then="close")
        with pytest.raises((ssl.SSLError, ConnectionError)):
            async with connected(proxy.host, proxy.port, client_tls()):
                pass
        proxy.heal()
        async with connected(proxy.host, proxy.port, client_tls()) as client:
            assert await client.ask(b"hello") == b"hello"


async def test_a_tls_client_cannot_read_half_a_record_of_an_answer() -> None:
    async with (
        server(tls=server_tls()) as upstream,
        FaultProxy(upstream) as proxy,
        connected(proxy.host, proxy.port, client_tls()) as client,
    ):
        assert await client.ask(b"hello") == b"hello"
        proxy.inject("half_tls_record", then="close")
        await client.send(b"again")
        with pytest.raises((asyncio.IncompleteReadError, ssl.SSLError, ConnectionError)):
            await client.receive(5)


async def test_a_fault_ends_after_its_time_and_another_takes_its_place() -> None:
    async with server() as upstream, FaultProxy(upstream) as proxy:
        proxy.inject("refused", for_=1_000)
        proxy.inject("latency", for_=0.01, delay=0.001)

        async def healed() -> bool:
            return proxy.fault is None

        await until_async(healed)
        async with connected(proxy.host, proxy.port) as client:
            assert await client.ask(b"hello") == b"hello"


async def test_a_server_that_cannot_be_reached_resets_the_client() -> None:
    with socket.socket() as bound:  # and does not listen
        bound.bind(("127.0.0.1", 0))
        for upstream in (f"127.0.0.1:{bound.getsockname()[1]}", "x" * 64 + ":80"):
            async with FaultProxy(upstream) as proxy:
                with pytest.raises(ConnectionResetError):
                    async with connected(proxy.host, proxy.port) as client:
                        await client.rest()


async def test_a_reset_of_one_side_is_one_for_the_other() -> None:
    async def abort(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        reset(writer)

    async with server(abort) as upstream, FaultProxy(upstream) as proxy, connected(proxy.host, proxy.port) as client:
        await client.send(b"hello")
        assert await client.is_reset()


async def test_two_proxies_in_a_row_have_two_faults() -> None:
    async with server() as upstream, FaultProxy(upstream) as inner, FaultProxy(str(inner.address)) as outer:
        outer.inject("latency", delay=0.01)
        inner.inject("close_after", after_bytes=2)
        async with connected(outer.host, outer.port) as client:
            await client.send(b"hello")
            assert await client.rest() == b"he"


async def test_an_address_in_use_is_an_error_and_the_proxy_can_be_opened_elsewhere() -> None:
    async with server() as upstream, FaultProxy(upstream) as first:
        second = FaultProxy(upstream, listen=str(first.address))
        with pytest.raises(OSError, match="in use"):
            await second.open()
        await first.close()
        async with second, connected(second.host, second.port) as client:
            assert await client.ask(b"hello") == b"hello"


async def test_a_proxy_takes_its_port_back_from_another_program() -> None:
    async with server() as upstream, FaultProxy(upstream) as proxy:
        proxy.inject("refused")
        async with FaultProxy(upstream, listen=str(proxy.address)):
            proxy.heal()

        async def answers() -> bool:
            try:
                async with connected(proxy.host, proxy.port) as client:
                    return await client.ask(b"hello") == b"hello"
            except ConnectionRefusedError:
                return False

        await until_async(answers)


async def test_a_proxy_that_is_not_open_takes_no_fault() -> None:
    proxy = FaultProxy("127.0.0.1:1")
    for act in (proxy.heal, lambda: proxy.inject("reset")):
        with pytest.raises(RuntimeError, match="not open"):
            act()
    await proxy.close()
    async with proxy:
        with pytest.raises(RuntimeError, match="open already"):
            await proxy.open()
        with pytest.raises(ValueError, match="did you mean reset"):
            proxy.inject("rest")
        for seconds in (0, -1, float("inf"), float("nan")):
            with pytest.raises(ValueError, match="above 0"):
                proxy.inject("reset", for_=seconds)
        assert proxy.fault is None


def test_a_proxy_listens_on_loopback_unless_it_may_be_reached_from_elsewhere() -> None:
    with pytest.raises(ValueError, match="can be reached from other hosts"):
        FaultProxy("127.0.0.1:1", listen="0.0.0.0:0")
    assert FaultProxy("127.0.0.1:1", listen="0.0.0.0:0", allow_remote=True).host == "0.0.0.0"
    with pytest.raises(ValueError, match="at least 1"):
        FaultProxy("127.0.0.1:1", max_connections=0)


async def test_a_name_that_stands_for_another_address_than_loopback_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    async def resolve(*_: object, **__: object) -> list[object]:
        return [(2, ("192.0.2.1", 0))]

    monkeypatch.setattr("fuseboard_engine.network_faults.proxy.resolve", resolve)
    with pytest.raises(ValueError, match=r"192\.0\.2\.1 can be reached from other hosts"):
        await FaultProxy("127.0.0.1:1", listen="localhost:0").open()


def test_a_proxy_is_refused_in_virtual_time() -> None:
    loop = VirtualTimeLoop()
    with asyncio.Runner(loop_factory=lambda: loop) as runner, pytest.raises(RealIO, match="A proxy was opened"):
        runner.run(FaultProxy("127.0.0.1:1").open())
    assert loop.real_io is not None
