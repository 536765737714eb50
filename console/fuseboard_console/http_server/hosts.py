"""Which Host headers are accepted: a web page that binds its own name to this host's address is refused."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from starlette.types import ASGIApp, Receive, Scope, Send

from fuseboard_console.http_server.problems import Problem, problem_response

LOOPBACK_NAMES: Final = ("127.0.0.1", "localhost", "[::1]")
"""The names of this host that are always accepted."""


def host_of(header: str) -> str:
    """Return the name in a Host header, without its port: `[::1]` of `[::1]:8642`."""
    if header.startswith("["):
        name, bracket, _ = header.partition("]")
        return (name + bracket).lower()
    return header.partition(":")[0].rstrip(".").lower()


class AllowHosts:
    """Refuses requests with other Host headers; ASGI middleware.

    Args:
        app: The application.
        hosts: The names that are accepted, beside those of the loopback interface.
    """

    def __init__(self, app: ASGIApp, hosts: Iterable[str] = ()) -> None:
        self._app = app
        self._hosts = frozenset((*LOOPBACK_NAMES, *(host_of(host) for host in hosts)))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request, or refuse it."""
        if scope["type"] in ("http", "websocket"):
            given = [value.decode("latin-1") for name, value in scope["headers"] if name == b"host"]
            if len(given) != 1 or host_of(given[0]) not in self._hosts:
                detail = "This Host header is not accepted. `fuseboard serve --allow-host NAME` accepts one."
                await problem_response(Problem(400, "host not accepted", detail))(scope, receive, send)
                return
        await self._app(scope, receive, send)
