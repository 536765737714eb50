"""The server that carries the HTTP API: one process, on a socket that is bound already."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.h11_impl import H11Protocol

HEADER_SECONDS: Final = 10.0
"""Seconds that a client may take until the headers of its first request are complete."""
MOST_CONNECTIONS: Final = 500
_CLOSE_SECONDS: Final = 5


@dataclass(frozen=True, slots=True)
class Certificate:
    """The files of a TLS certificate and of its key."""

    certificate: Path
    key: Path

    def check(self) -> None:
        """Raise OSError or ssl.SSLError if they cannot be used."""
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(self.certificate, self.key)


class _Protocol(H11Protocol):
    """A connection that is closed if its first request does not come."""

    _late: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn's own
        """Begin to wait for the first request."""
        super().connection_made(transport)
        self._late = asyncio.get_running_loop().call_later(HEADER_SECONDS, transport.abort)

    def handle_events(self) -> None:
        """Read what has come; a request whose headers are complete is not late any more."""
        super().handle_events()
        if self._late is not None and self.cycle is not None:
            self._late.cancel()
            self._late = None

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop waiting."""
        if self._late is not None:
            self._late.cancel()
            self._late = None
        super().connection_lost(exc)


class Server(uvicorn.Server):
    """Ends the streams of the API before it waits for the other requests to end.

    Args:
        app: The API.
        end_streams: Ends its streams.
        certificate: For TLS; None: plain HTTP.
    """

    def __init__(
        self, app: ASGIApp, end_streams: Callable[[], Awaitable[object]], certificate: Certificate | None = None
    ) -> None:
        options: dict[str, Any] = {}
        if certificate is not None:
            options = {"ssl_certfile": certificate.certificate, "ssl_keyfile": certificate.key}
        super().__init__(
            uvicorn.Config(
                app,
                http=_Protocol,
                log_level="warning",
                access_log=False,
                server_header=False,
                proxy_headers=False,
                ws="none",
                limit_concurrency=MOST_CONNECTIONS,
                timeout_graceful_shutdown=_CLOSE_SECONDS,
                **options,
            )
        )
        self._end_streams = end_streams

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Close the connections."""
        await self._end_streams()
        await super().shutdown(sockets)
