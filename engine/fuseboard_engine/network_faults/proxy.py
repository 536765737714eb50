"""A TCP proxy on real sockets that puts network faults between clients and a server."""

from __future__ import annotations

import asyncio
import socket
from typing import Any, Final, Self

from fuseboard_engine.network_faults.addresses import Address, read_address, read_listen_address
from fuseboard_engine.network_faults.connection import NO_FAULT, ActiveFault, Connection
from fuseboard_engine.network_faults.fault_methods import NetworkFaultMethods
from fuseboard_engine.network_faults.listener import Listener
from fuseboard_engine.network_faults.sockets import finish, resolve, send_at_once
from fuseboard_engine.network_faults.table import NETWORK_FAULTS, network_fault_values
from fuseboard_engine.virtual_time import VirtualTimeLoop

MOST_CONNECTIONS: Final = 1_000


class FaultProxy(NetworkFaultMethods):
    """A TCP proxy in front of a server, whose connections meet network faults.

    Use it in a running event loop, in real time: `async with FaultProxy("127.0.0.1:5432") as proxy:` opens it, and
    closes it with all its connections. One fault is in effect at a time.

    Args:
        upstream: the address of the server, `HOST:PORT`; brackets around an IPv6 address.
        listen: the address to listen on; port 0 is a free port.
        allow_remote: whether `listen` may be an address that other hosts can reach.
        max_connections: how many connections it carries at a time; further ones wait to be accepted.

    Raises:
        ValueError: an address is not one, or other hosts could connect and may not.
    """

    def __init__(
        self,
        upstream: str,
        *,
        listen: str = "127.0.0.1:0",
        allow_remote: bool = False,
        max_connections: int = MOST_CONNECTIONS,
    ) -> None:
        if max_connections < 1:
            raise ValueError(f"max_connections must be at least 1, not {max_connections}")
        self._upstream = read_address(upstream)
        self._address = read_listen_address(listen, allow_remote=allow_remote)
        self._allow_remote = allow_remote
        self._max_connections = max_connections
        self._accepted = 0
        self._active = NO_FAULT
        self._connections: set[Connection] = set()
        self._listener: Listener | None = None  # while it is open
        self._end_of_fault: asyncio.TimerHandle | None = None

    async def __aenter__(self) -> Self:
        await self.open()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    # ---------------------------------------------------------------- opening and closing

    async def open(self) -> None:
        """Begin to listen.

        Raises:
            OSError: the address is in use, or is not one of this host.
            ValueError: the name of the host stands for an address that other hosts can reach.
            RuntimeError: it is open already.
            RealIO: the event loop runs in virtual time, without real sockets.
        """
        if self._listener is not None:
            raise RuntimeError("the proxy is open already")
        loop = asyncio.get_running_loop()
        if isinstance(loop, VirtualTimeLoop) and not loop.allows_io:
            raise loop.refuse("A proxy was opened", "FaultProxy")
        family, at = (await resolve(self._address, to_listen=True))[0]
        self._listener = Listener(family, at, self._accept, allow_remote=self._allow_remote)
        self._address = Address(str(self._listener.at[0]), int(str(self._listener.at[1])))
        self._listener.start()

    async def close(self) -> None:
        """Close the proxy and all its connections; a second call has no effect."""
        if self._listener is None:
            return
        self._forget_end_of_fault()
        self._listener.close()
        self._listener, self._active = None, NO_FAULT
        if tasks := [connection.task for connection in self._connections]:
            for connection in self._connections:
                connection.end("close")
            await asyncio.wait(tasks)

    @property
    def address(self) -> Address:
        """The address that it listens on. Its text is `HOST:PORT`; port 0 is only there before a free one is taken."""
        return self._address

    @property
    def host(self) -> str:
        """The host that it listens on."""
        return self._address.host

    @property
    def port(self) -> int:
        """The port that it listens on."""
        return self._address.port

    @property
    def upstream(self) -> Address:
        """The address of the server."""
        return self._upstream

    @property
    def connections(self) -> int:
        """How many connections are open."""
        return len(self._connections)

    @property
    def waiting(self) -> int:
        """How many bytes wait in it, with what keeping them takes. Each connection has a limit."""
        return sum(connection.waiting for connection in self._connections)

    @property
    def lost(self) -> int:
        """How many bytes `black_hole` has swallowed of the connections that are open."""
        return sum(connection.lost for connection in self._connections)

    @property
    def accepted(self) -> int:
        """How many connections it has accepted so far."""
        return self._accepted

    # ---------------------------------------------------------------- faults

    @property
    def fault(self) -> str | None:
        """The name of the fault in effect; None without one."""
        return self._active.name or None

    def inject(self, fault: str, *, for_: float | None = None, **values: Any) -> None:
        """Let all connections meet a fault, the open ones too, in place of the one in effect.

        Args:
            fault: its name, as in a scenario.
            for_: how many seconds it lasts; None: until it is replaced or ended.
            values: the values of the fault, by name.

        Raises:
            ValueError: there is no such fault, or it cannot have such values.
            RuntimeError: the proxy is not open.
        """
        known = network_fault_values(fault, values)
        if for_ is not None and not 0 < for_ < float("inf"):
            raise ValueError(f"for_ must be a number of seconds above 0, not {for_!r}")
        self._put(ActiveFault(fault, NETWORK_FAULTS[fault], known))
        if for_ is not None:
            self._end_of_fault = asyncio.get_running_loop().call_later(for_, self.heal)

    def heal(self) -> None:
        """End the fault in effect. A connection that has lost data to it is reset.

        Raises:
            RuntimeError: the proxy is not open.
        """
        self._put(NO_FAULT)

    def _put(self, active: ActiveFault) -> None:
        """Let a fault be in effect from now on."""
        if self._listener is None:
            raise RuntimeError("the proxy is not open")
        self._forget_end_of_fault()
        before, self._active = self._active.fault, active
        if before.listens and not active.fault.listens:
            self._listener.stop()
        elif active.fault.listens and not before.listens:
            self._listener.start()
        for connection in tuple(self._connections):
            connection.on_fault()

    def _forget_end_of_fault(self) -> None:
        if self._end_of_fault is not None:
            self._end_of_fault.cancel()
            self._end_of_fault = None

    # ---------------------------------------------------------------- connections

    def _accept(self, accepted: socket.socket) -> None:
        """Carry a new connection, unless the fault in effect ends it at once."""
        self._accepted += 1
        if (end := self._active.fault.ends) is not None:
            finish(accepted, end)
            return
        send_at_once(accepted)
        connection = Connection(accepted, self._upstream, lambda: self._active)
        self._connections.add(connection)
        connection.task.add_done_callback(lambda _: self._forget(connection))
        if len(self._connections) >= self._max_connections and self._listener is not None:
            self._listener.pause()

    def _forget(self, connection: Connection) -> None:
        self._connections.discard(connection)
        if self._listener is not None:
            self._listener.resume()
