"""An ASGI application whose lifespan is a block with an orderly shutdown.

The environment says how: `GRACE` in seconds, `SAVED` names the file that a save appends a line to, `MEMORY` is the
memory limit.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route

from fuseboard_engine import Engine, StreamBroken
from fuseboard_engine.shutdown.on_signals import shutdown_on_signals

engine = Engine("web")
used = [0]


@engine.adapter("slow")
async def slow(task: Any) -> str:
    if task["seconds"]:
        print("a long call has begun", flush=True)
    await asyncio.sleep(task["seconds"])
    return "done"


@engine.adapter("ticks")
async def ticks(task: Any) -> AsyncIterator[str]:
    while True:
        yield "tick\n"
        await asyncio.sleep(0.05)


def save() -> None:
    with Path(os.environ["SAVED"]).open("a") as file:
        file.write(f"{os.getpid()}\n")


@contextlib.asynccontextmanager
async def lifespan(app: Starlette) -> AsyncIterator[None]:
    limit = int(os.environ.get("MEMORY", "0")) or None
    async with shutdown_on_signals(
        engine, grace=float(os.environ["GRACE"]), save=save, memory_limit=limit, memory=lambda: used[0]
    ):
        yield


async def work(request: Request) -> Response:
    """Make two calls, as a request in progress does that needs the engine again."""
    seconds = float(request.query_params["seconds"])
    results = [await engine.execute_with_fallback({"seconds": wait}, ["slow"]) for wait in (seconds, 0)]
    return PlainTextResponse(" ".join(result.error or result.result for result in results))


async def stream(request: Request) -> Response:
    async def items() -> AsyncIterator[str]:
        try:
            async with engine.stream_with_fallback({}, ["ticks"]) as stream:
                async for item in stream:
                    yield item
        except StreamBroken as broken:
            yield f"broken: {broken.__cause__}\n"

    return StreamingResponse(items())


async def grow(request: Request) -> Response:
    used[0] = 10**12
    return PlainTextResponse("grown")


async def process(request: Request) -> Response:
    return PlainTextResponse(str(os.getpid()))


app = Starlette(
    routes=[Route("/work", work), Route("/stream", stream), Route("/grow", grow), Route("/process", process)],
    lifespan=lifespan,
)
