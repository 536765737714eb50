"""The HTTP API of `fuseboard serve`: an ASGI application over one recording.

Any process on this host may read figures and states. Error texts need the token, because they are foreign and may quote
a task. Requests that change something need it too, and go through the recording's mailbox like any other operator
command. Requests with another Host header are refused, to prevent DNS rebinding by a web page.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.convertors import PathConvertor, register_url_convertor
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from fuseboard_console.http_api import responses
from fuseboard_console.text.safe_json import safe_json
from fuseboard_console.text.safe_text import safe_text
from fuseboard_console.text.suggestions import did_you_mean, rows_named
from fuseboard_engine.events import AttemptFailed
from fuseboard_engine.runtime.clock import wall_clock
from fuseboard_storage.board.board import AdapterRow, Board
from fuseboard_storage.board.presence import time_of
from fuseboard_storage.recording.tail import Tail

HOSTS = ["127.0.0.1", "localhost", "[::1]"]
ACTOR = "http"
MAX_NAME = 200
"""Characters of an unknown name that are compared and repeated."""
COMMAND_EXPIRY = 5.0  # seconds that an engine may take to accept a command


class _AdapterName(PathConvertor):
    """The name of an adapter: any text, also with line breaks, at which Starlette's own converter of paths ends."""

    regex = r"[\s\S]+"


register_url_convertor("adapter", _AdapterName())


def make_app(
    file: Path, token: str, *, now: Callable[[], int] = wall_clock, expires_in: float = COMMAND_EXPIRY
) -> Starlette:
    """Return the API of a recording.

    Args:
        file: The recording.
        token: The bearer token that requests need in order to change something.
        now: Returns the current time in UTC microseconds.
        expires_in: Seconds that an engine may take to accept a command.
    """
    service = _Service(file, token, now, expires_in)
    get, change = ("GET",), ("POST",)
    return Starlette(
        routes=[
            Route("/health/live", service.live, methods=get),
            Route("/health/ready", service.ready, methods=get),
            Route("/health/system", service.system, methods=get),
            Route("/health/adapters", service.adapters, methods=get),
            Route("/health/adapters/{name:adapter}/stats", service.adapter, methods=get),
            Route("/health/adapters/{name:adapter}/history", service.history, methods=get),
            Route("/health/adapters/{name:adapter}/reset", service.reset, methods=change),
            Route("/health/reset", service.reset_all, methods=change),
            Route("/health/adapters/{name:adapter}", service.adapter, methods=get),
            Route("/failures", service.failures, methods=get),
            Route("/metrics", service.metrics, methods=get),
        ],
        middleware=[Middleware(TrustedHostMiddleware, allowed_hosts=HOSTS)],
        exception_handlers={HTTPException: _http_error, Exception: _internal_error},
        lifespan=service.open,
    )


class SafeJSONResponse(Response):
    """JSON without secrets, in which nothing controls the terminal of a reader."""

    media_type = "application/json"

    def render(self, content: Any) -> bytes:
        """Return a value as bytes."""
        return safe_json(content).encode()


class SentenceResponse(SafeJSONResponse):
    """The API's own sentence about a request that failed. What it quotes is made safe before."""

    def render(self, content: Any) -> bytes:
        """Return the sentence as bytes."""
        return safe_json({"error": content}, as_is=("error",)).encode()


async def _http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return SentenceResponse(error.detail, error.status_code, headers=error.headers)


async def _internal_error(request: Request, error: Exception) -> Response:
    return SentenceResponse(f"the request failed with {safe_text(type(error).__name__)}; see the log", 500)


class _Service:
    """The request handlers, and the Board that they read."""

    def __init__(self, file: Path, token: str, now: Callable[[], int], expires_in: float) -> None:
        self._file = file
        self._token = token.encode()
        self._now = now
        self._expires_in = expires_in
        self._tail: Tail | None = None
        self._advancing = asyncio.Lock()

    @contextlib.asynccontextmanager
    async def open(self, app: Starlette) -> AsyncIterator[None]:
        """Follow the recording for the lifetime of the application."""
        async with Tail.open(self._file, now=self._now) as tail:
            self._tail = tail
            yield

    async def _board(self) -> Board:
        """Return the Board, up to date."""
        tail = self._opened_tail()
        async with self._advancing:
            await tail.advance()
        return tail.board

    def _time(self, board: Board) -> int:
        """Return the current time of a Board: of the scenario that plays in it, else of the host's clock."""
        return time_of(board, self._now())

    def _opened_tail(self) -> Tail:
        if self._tail is None:
            raise HTTPException(503, "the recording is not open")
        return self._tail

    async def _rows(self, request: Request) -> tuple[Board, list[AdapterRow]]:
        """Return the Board and the rows of the adapter that the path names."""
        board = await self._board()
        name = request.path_params["name"]
        if not board.adapters:
            raise HTTPException(503, "no engine has written to this recording yet")
        rows = rows_named(board, name)
        if not rows:
            hint = did_you_mean(name[:MAX_NAME], sorted({row.name for row in board.rows()}))
            raise HTTPException(404, f"there is no adapter {safe_text(name, MAX_NAME)!r}.{hint}")
        return board, rows

    async def live(self, request: Request) -> Response:
        """Answer that the API itself is up."""
        return SafeJSONResponse({"live": True})

    async def ready(self, request: Request) -> Response:
        """Answer 200 while the application is ready, else 503."""
        ready, answer = responses.readiness(board := await self._board(), self._time(board))
        return SafeJSONResponse(answer, 200 if ready else 503)

    async def system(self, request: Request) -> Response:
        """Answer with readiness, engines, tasks and breakers by state."""
        return self._json(request, responses.system(board := await self._board(), self._file.name, self._time(board)))

    async def adapters(self, request: Request) -> Response:
        """Answer with every adapter."""
        answer = {"adapters": responses.adapters(board := await self._board(), self._file.name, self._time(board))}
        return self._json(request, answer)

    async def adapter(self, request: Request) -> Response:
        """Answer with one adapter, once for each engine that has it."""
        board, rows = await self._rows(request)
        every = responses.adapters(board, self._file.name, self._time(board))
        found = [adapter for adapter in every if adapter["adapter"] == rows[0].name]
        return self._json(request, {"adapters": found})

    async def history(self, request: Request) -> Response:
        """Answer with the last calls and transitions of one adapter; with `?full=1`, all that are kept."""
        board, rows = await self._rows(request)
        full = request.query_params.get("full") in ("1", "true")
        return self._json(request, responses.history(board, rows, full=full))

    async def failures(self, request: Request) -> Response:
        """Answer with the latest failures, newest first, at most `?limit=` of them."""
        text = request.query_params.get("limit", "20")
        if not (text.isascii() and text.isdigit() and len(text) <= 4 and 1 <= int(text) <= 1000):
            raise HTTPException(422, "limit must be a number from 1 to 1000")
        await self._board()
        recording = self._opened_tail().recording
        entries = [] if recording is None else await recording.failures(int(text), None)
        found = [responses.failure(entry.event) for entry in entries if isinstance(entry.event, AttemptFailed)]
        return self._json(request, {"failures": found})

    async def metrics(self, request: Request) -> Response:
        """Answer with counters for Prometheus."""
        return PlainTextResponse(responses.metrics(await self._board()), media_type="text/plain; version=0.0.4")

    async def reset(self, request: Request) -> Response:
        """Reset one adapter's breaker in each engine that has it."""
        self._authorise(request)
        _, rows = await self._rows(request)
        return await self._ask("reset", rows[0].name, sorted({row.key.instance for row in rows}))

    async def reset_all(self, request: Request) -> Response:
        """Reset every breaker that refuses calls."""
        self._authorise(request)
        board = await self._board()
        return await self._ask("reset_all", "", sorted(i.id for i in board.instances.values() if i.ended_at is None))

    def _json(self, request: Request, answer: Any, status: int = 200) -> Response:
        """Answer with JSON, without error texts unless the request has the token."""
        if not self._is_authorised(request):
            answer = responses.without_error_texts(answer)
        return SafeJSONResponse(answer, status)

    def _is_authorised(self, request: Request) -> bool:
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        return scheme.lower() == "bearer" and secrets.compare_digest(token.strip().encode(), self._token)

    def _authorise(self, request: Request) -> None:
        """Raise HTTPException 401 unless the request has the token."""
        if not self._is_authorised(request):
            detail = "this request needs the token: send it as `Authorization: Bearer TOKEN`"
            raise HTTPException(401, detail, headers={"WWW-Authenticate": "Bearer"})

    async def _ask(self, verb: str, adapter: str, instances: list[int]) -> Response:
        """Send a command to each instance and answer with the outcomes."""
        recording = self._opened_tail().recording
        if recording is None or not instances:
            raise HTTPException(503, "no engine is running that could take this command")
        outcomes: list[dict[str, Any]] = []
        for instance in instances:
            command = await recording.ask(verb, adapter, instance=instance, actor=ACTOR, expires_in=self._expires_in)
            status = await recording.outcome(command)
            outcomes.append({"instance": instance, "status": status.status, "detail": status.detail})
        statuses = {outcome["status"] for outcome in outcomes}
        code = 504 if "expired" in statuses else 409 if "failed" in statuses else 200
        return SafeJSONResponse({"done": code == 200, "outcomes": outcomes}, code)
