"""The HTTP API of a recording: an ASGI application.

Any process on this host may read figures and states. Texts of errors and payloads need a token, because they are
foreign and may be private. Requests that change something need one with the role `operate`, and go through the
recording's mailbox like any other operator command. Requests with another Host header are refused, to prevent DNS
rebinding by a web page.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import AsyncIterator, Callable, Iterable
from pathlib import Path
from typing import Final

from fastapi import FastAPI
from starlette.middleware.cors import CORSMiddleware

from fuseboard_console.http_api import commands, health, prometheus, recorded
from fuseboard_console.http_api.openapi import describe
from fuseboard_console.http_api.service import RecordingService
from fuseboard_console.http_api.stream import EventStreams
from fuseboard_console.http_server.access import Access
from fuseboard_console.http_server.hosts import AllowHosts
from fuseboard_console.http_server.limits import LimitRequests, Limits
from fuseboard_console.http_server.problems import HANDLERS
from fuseboard_engine.runtime.clock import wall_clock

COMMAND_EXPIRY: Final = 5.0
"""Seconds that an engine may take to accept a command."""


def make_app(
    file: Path,
    access: Access,
    *,
    hosts: Iterable[str] = (),
    origins: Iterable[str] = (),
    limits: Limits | None = None,
    now: Callable[[], int] = wall_clock,
    expires_in: float = COMMAND_EXPIRY,
) -> FastAPI:
    """Return the API of a recording.

    Args:
        file: The recording.
        access: The tokens, and whether anybody may read.
        hosts: Host names that are accepted beside those of the loopback interface.
        origins: Origins of web pages, such as `https://ops.example`, that may use the API in a browser.
        limits: What one client may use.
        now: Returns the current time in UTC microseconds.
        expires_in: Seconds that an engine may take to accept a command.
    """
    service = RecordingService(file, now, expires_in)
    streams = EventStreams(service)

    @contextlib.asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with service.open():
            try:
                yield
            finally:
                await streams.close()

    app = FastAPI(
        title="Fuseboard",
        version="1",
        summary="Health, history and commands of one recording",
        docs_url=None,  # it loads scripts from elsewhere
        redoc_url=None,
        lifespan=lifespan,
        exception_handlers=HANDLERS,
    )
    app.state.service, app.state.streams, app.state.access = service, streams, access
    for part in (health, recorded, commands, prometheus):
        app.include_router(part.router)
    if allowed := list(origins):
        app.add_middleware(
            CORSMiddleware,
            allow_origins=allowed,
            allow_methods=["GET", "POST"],
            allow_headers=["Authorization", "Content-Type", "If-None-Match", "Last-Event-ID"],
            expose_headers=["ETag", "Retry-After"],
        )
    app.add_middleware(LimitRequests, limits=limits or Limits(), clock=time.monotonic)
    app.add_middleware(AllowHosts, hosts=tuple(hosts))
    describe(app)
    return app
