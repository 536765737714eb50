"""A WSGI application and its configuration of gunicorn: each worker runs in a block with an orderly shutdown."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

from fuseboard_engine import Engine
from fuseboard_engine.shutdown.on_signals import SignalShutdown, shutdown_on_signals

engine = Engine("wsgi")
blocks: list[SignalShutdown] = []


@engine.adapter("slow")
async def slow(task: Any) -> str:
    if task["seconds"]:
        print("a long call has begun", flush=True)
    await asyncio.sleep(task["seconds"])
    return "done"


def save() -> None:
    with Path(os.environ["SAVED"]).open("a") as file:
        file.write(f"{os.getpid()}\n")


def app(environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
    start("200 OK", [("content-type", "text/plain")])
    query = parse_qs(environ["QUERY_STRING"])
    seconds = float(query.get("seconds", ["0"])[0])
    results = [engine.sync.execute_with_fallback({"seconds": wait}, ["slow"]) for wait in (seconds, 0)]
    return [" ".join(result.error or result.result for result in results).encode()]


def post_worker_init(worker: Any) -> None:
    block = shutdown_on_signals(engine, grace=float(os.environ["GRACE"]), save=save)
    block.__enter__()
    blocks.append(block)


def worker_exit(server: Any, worker: Any) -> None:
    blocks.pop().__exit__(None, None, None)
