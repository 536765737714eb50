"""The API as an ASGI application over one recording.

Anyone on this host may read. What changes anything needs the token, and goes through the recording's mailbox like any
operator's command. Requests that name another host are refused, so that no web page can reach it by a name of its own.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from fuseboard_console.http_api import responses
from fuseboard_console.text.suggestions import did_you_mean
from fuseboard_engine.events import AttemptFailed
from fuseboard_engine.runtime.clock import wall_clock
from fuseboard_storage.board.board import AdapterRow, Board
from fuseboard_storage.recording.tail import Tail

HOSTS = ["127.0.0.1", "localhost", "[::1]"]
ACTOR = "http"
PATIENCE = 5.0  # seconds an engine has to take a command


def make_app(file: Path, token: str, *, now: Callable[[], int] = wall_clock, patience: float = PATIENCE) -> Starlette:
    """Return the API on a recording.

    Args:
        file: the recording.
        token: what a request has to bring before it may change anything.
        now: UTC microseconds.
        patience: seconds an engine has to take a command.
    """
    service = _Service(file, token, now, patience)
    get, change = ("GET",), ("POST",)
    return Starlette(
        routes=[
            Route("/health/live", service.live, methods=get),
            Route("/health/ready", service.ready, methods=get),
            Route("/health/system", service.system, methods=get),
            Route("/health/adapters", service.adapters, methods=get),
            Route("/health/adapters/{name:path}/stats", service.adapter, methods=get),
            Route("/health/adapters/{name:path}/history", service.history, methods=get),
            Route("/health/adapters/{name:path}/reset", service.reset, methods=change),
            Route("/health/reset", service.reset_all, methods=change),
            Route("/health/adapters/{name:path}", service.adapter, methods=get),
            Route("/failures", service.failures, methods=get),
            Route("/metrics", service.metrics, methods=get),
        ],
        middleware=[Middleware(TrustedHostMiddleware, allowed_hosts=HOSTS)],
        exception_handlers={HTTPException: _refused, Exception: _broken},
        lifespan=service.open,
    )


async def _refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return JSONResponse({"error": error.detail}, error.status_code, headers=error.headers)


async def _broken(request: Request, error: Exception) -> Response:
    return JSONResponse({"error": f"this could not be answered: {type(error).__name__}; the log says more"}, 500)


class _Service:
    def __init__(self, file: Path, token: str, now: Callable[[], int], patience: float) -> None:
        self._file = file
        self._token = token.encode()
        self._now = now
        self._patience = patience
        self._tail: Tail | None = None
        self._one_at_a_time = asyncio.Lock()

    @contextlib.asynccontextmanager
    async def open(self, app: Starlette) -> AsyncIterator[None]:
        """Follow the recording while the API is up."""
        async with Tail.open(self._file, now=self._now) as tail:
            self._tail = tail
            yield

    async def _board(self) -> Board:
        tail = self._open()
        async with self._one_at_a_time:
            await tail.advance()
        return tail.board

    def _open(self) -> Tail:
        if self._tail is None:
            raise HTTPException(503, "the recording is not open")
        return self._tail

    async def _rows(self, request: Request) -> tuple[Board, list[AdapterRow]]:
        board = await self._board()
        name = request.path_params["name"]
        if not board.adapters:
            raise HTTPException(503, "no engine has written to this recording yet")
        rows = board.find(name)
        if not rows:
            hint = did_you_mean(name, sorted({row.name for row in board.rows()}))
            raise HTTPException(404, f"there is no adapter {name!r}.{hint}")
        return board, rows

    async def live(self, request: Request) -> Response:
        """The API itself is up."""
        return JSONResponse({"live": True})

    async def ready(self, request: Request) -> Response:
        """200 while the application is ready, else 503."""
        ready, answer = responses.readiness(await self._board(), self._now())
        return JSONResponse(answer, 200 if ready else 503)

    async def system(self, request: Request) -> Response:
        """The whole."""
        return JSONResponse(responses.system(await self._board(), self._file.name, self._now()))

    async def adapters(self, request: Request) -> Response:
        """Every adapter."""
        return JSONResponse({"adapters": responses.adapters(await self._board(), self._file.name, self._now())})

    async def adapter(self, request: Request) -> Response:
        """One adapter, by each engine that has it."""
        board, rows = await self._rows(request)
        whole = responses.adapters(board, self._file.name, self._now())
        return JSONResponse({"adapters": [adapter for adapter in whole if adapter["adapter"] == rows[0].name]})

    async def history(self, request: Request) -> Response:
        """The last calls and transitions of one adapter; all that is kept with `?full=1`."""
        board, rows = await self._rows(request)
        return JSONResponse(responses.history(board, rows, full=request.query_params.get("full") in ("1", "true")))

    async def failures(self, request: Request) -> Response:
        """The newest failures first; `?limit=` says how many."""
        text = request.query_params.get("limit", "20")
        if not text.isascii() or not text.isdigit() or not 1 <= int(text) <= 1000:
            raise HTTPException(400, "limit is a number from 1 to 1000")
        await self._board()
        recording = self._open().recording
        entries = [] if recording is None else await recording.failures(int(text), None)
        found = [responses.failure(entry.event) for entry in entries if isinstance(entry.event, AttemptFailed)]
        return JSONResponse({"failures": found})

    async def metrics(self, request: Request) -> Response:
        """Counters for Prometheus."""
        return PlainTextResponse(responses.metrics(await self._board()), media_type="text/plain; version=0.0.4")

    async def reset(self, request: Request) -> Response:
        """Reset one adapter's breaker, at each engine that has it."""
        self._authorise(request)
        _, rows = await self._rows(request)
        return await self._ask("reset", rows[0].name, sorted({row.key.instance for row in rows}))

    async def reset_all(self, request: Request) -> Response:
        """Reset every breaker that refuses calls."""
        self._authorise(request)
        board = await self._board()
        return await self._ask("reset_all", "", sorted(i.id for i in board.instances.values() if i.ended_at is None))

    def _authorise(self, request: Request) -> None:
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not secrets.compare_digest(token.strip().encode(), self._token):
            wanted = "this changes something: send the token, as `Authorization: Bearer TOKEN`"
            raise HTTPException(401, wanted, headers={"WWW-Authenticate": "Bearer"})

    async def _ask(self, verb: str, adapter: str, instances: list[int]) -> Response:
        recording = self._open().recording
        if recording is None or not instances:
            raise HTTPException(503, "no engine is there to take this command")
        outcomes: list[dict[str, Any]] = []
        for instance in instances:
            asked = await recording.ask(verb, adapter, instance=instance, actor=ACTOR, expires_in=self._patience)
            status = await recording.outcome(asked)
            outcomes.append({"instance": instance, "status": status.status, "detail": status.detail})
        worst = {outcome["status"] for outcome in outcomes}
        code = 504 if "expired" in worst else 409 if "failed" in worst else 200
        return JSONResponse({"done": code == 200, "outcomes": outcomes}, code)
