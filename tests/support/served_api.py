"""An HTTP API over a recording, called without a socket, and an engine that writes to the recording."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx

from fuseboard_console.http_api.app import make_app
from fuseboard_console.http_server.access import Access, Token
from fuseboard_console.http_server.limits import Limits
from fuseboard_engine import BreakerPolicy, Engine, RetryPolicy
from fuseboard_engine.runtime.clock import wall_clock
from fuseboard_storage import record
from support.waiting import PATIENCE

TOKEN = "a-token-for-the-tests"
READING = "a-token-that-may-only-read"
WITH_TOKEN = {"Authorization": f"Bearer {TOKEN}"}
WITH_READING = {"Authorization": f"Bearer {READING}"}
ACCESS = Access((Token("ada", "operate", TOKEN), Token("bo", "read", READING)))
NO_LIMITS = Limits(per_second=1e9, burst=10**6)


async def succeed(task: Any) -> str:
    return "fine"


async def fail(task: Any) -> str:
    raise ConnectionRefusedError("nobody listens")


@asynccontextmanager
async def api(
    file: Path,
    *,
    expires_in: float = PATIENCE,
    access: Access = ACCESS,
    limits: Limits = NO_LIMITS,
    now: Callable[[], int] = wall_clock,
    **options: Any,
) -> AsyncIterator[httpx.AsyncClient]:
    """Serve a recording to a client in this process."""
    app = make_app(file, access, expires_in=expires_in, limits=limits, now=now, **options)
    async with app.router.lifespan_context(app):
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
            yield client


@asynccontextmanager
async def engine_at(file: Path) -> AsyncIterator[Engine]:
    """Run an engine with three adapters: prefect is open, agno is healthy, eu/search was never used."""
    engine = Engine(
        "shop", breaker=BreakerPolicy(failure_threshold=1, recovery_timeout=60), retry=RetryPolicy(max_attempts=1)
    )
    for name, call in (("prefect", fail), ("agno", succeed), ("eu/search", succeed)):
        engine.add_adapter(name, call)
    async with record(engine, file) as recorder:
        await engine.execute_with_fallback("a task", ["prefect", "agno"])
        await recorder.flushed()
        yield engine
