"""What one client may use: requests a second, bytes of a request, and seconds to send and to take them."""

from __future__ import annotations

import asyncio
import contextlib
import math
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from fuseboard_console.http_server.problems import Problem, problem_response

MOST_CLIENTS: Final = 10_000
"""Clients whose requests are counted at a time."""


@dataclass(frozen=True, slots=True)
class Limits:
    """The limits for each client, which is an address.

    Args:
        per_second: Requests a second, above 0.
        burst: Requests at once, at least 1.
        body_bytes: The bytes of a request's body.
        body_seconds: Seconds that a client may take to send it.
        send_seconds: Seconds that a client may take to accept a part of an answer.
    """

    per_second: float = 100.0
    burst: int = 400
    body_bytes: int = 65_536
    body_seconds: float = 10.0
    send_seconds: float = 20.0


class RequestRate:
    """Token buckets, one for each client. Pure: the caller says what time it is.

    Args:
        per_second: Requests a second.
        burst: Requests at once.
    """

    def __init__(self, per_second: float, burst: int) -> None:
        self._per_second = per_second
        self._burst = burst
        self._used: OrderedDict[str, float] = OrderedDict()
        # For each client, when its bucket is full again; those that are full are as good as unknown.

    def wait(self, client: str, now: float) -> float:
        """Count a request of a client, and return the seconds after which it may come; 0: now, and it is counted."""
        full_at = max(now, self._used.get(client, now))
        wait = full_at + 1 / self._per_second - now - self._burst / self._per_second
        if wait > 1e-9:
            return wait
        self._used[client] = full_at + 1 / self._per_second
        self._used.move_to_end(client)
        while len(self._used) > MOST_CLIENTS:
            self._used.popitem(last=False)
        return 0.0


class ClientGone(ConnectionError):
    """A client did not take an answer in time; its connection is closed."""


class LimitRequests:
    """Keeps every client within its limits; ASGI middleware.

    Args:
        app: The application.
        limits: The limits.
        clock: Seconds, monotonic.
    """

    def __init__(self, app: ASGIApp, limits: Limits, clock: Callable[[], float]) -> None:
        self._app = app
        self._limits = limits
        self._clock = clock
        self._rate = RequestRate(limits.per_second, limits.burst)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request, or refuse it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        client = scope.get("client")
        wait = self._rate.wait(client[0] if client else "", self._clock())
        if wait:
            problem = Problem(
                429,
                "too many requests",
                f"One client may send {self._limits.per_second:g} requests a second. Wait {wait:.1f} s.",
                {"Retry-After": str(math.ceil(wait))},
            )
            await problem_response(problem)(scope, receive, send)
            return
        body = _Body(receive, self._limits)
        if body.announces_too_much(scope):
            await problem_response(body.too_large())(scope, receive, send)
            return
        with contextlib.suppress(ClientGone, Problem):
            await self._app(scope, body.receive, self._sending(send, body))
        if body.problem is not None:
            await problem_response(body.problem)(scope, receive, send)

    def _sending(self, send: Send, body: _Body) -> Send:
        async def send_within_time(message: Message) -> None:
            if body.problem is not None:
                return  # it is answered instead of whatever the application makes of it
            try:
                async with asyncio.timeout(self._limits.send_seconds):
                    await send(message)
            except TimeoutError:
                raise ClientGone("the client does not take its answer") from None

        return send_within_time


class _Body:
    """Receives the body of one request."""

    def __init__(self, receive: Receive, limits: Limits) -> None:
        self._receive = receive
        self._limits = limits
        self._size = 0
        self._complete = False
        self.problem: Problem | None = None
        """Why the body is refused; None while it is not."""

    def announces_too_much(self, scope: Scope) -> bool:
        """Return whether the headers announce too many bytes."""
        return any(
            name == b"content-length" and (not value.isdigit() or int(value[:20]) > self._limits.body_bytes)
            for name, value in scope["headers"]
        )

    async def receive(self) -> Message:
        """Return the next message; raise `problem` if the body is too large or too late."""
        if self._complete:
            return await self._receive()  # waits for the end of the connection
        try:
            async with asyncio.timeout(self._limits.body_seconds):
                message = await self._receive()
        except TimeoutError:
            detail = f"The request was not complete within {self._limits.body_seconds:g} s."
            self.problem = Problem(408, "request timeout", detail, {"Connection": "close"})
            raise self.problem from None
        self._size += len(message.get("body", b""))
        if self._size > self._limits.body_bytes:
            self.problem = self.too_large()
            raise self.problem
        self._complete = not message.get("more_body", False)
        return message

    def too_large(self) -> Problem:
        """Return why a body is refused."""
        detail = f"A request may have {self._limits.body_bytes:,} bytes."
        return Problem(413, "request too large", detail, {"Connection": "close"})
