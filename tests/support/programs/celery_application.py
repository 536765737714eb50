"""A Celery application whose broker is the folder `BROKER`; each process that runs jobs has an orderly shutdown."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import Any

from celery import Celery, signals

from fuseboard_engine import Engine
from fuseboard_engine.shutdown.on_signals import SignalShutdown, shutdown_on_signals

FOLDER = os.environ["BROKER"]
engine = Engine("jobs")
blocks: list[SignalShutdown] = []
app = Celery(
    "jobs",
    broker="filesystem://",
    broker_transport_options={"data_folder_in": FOLDER, "data_folder_out": FOLDER, "control_folder": FOLDER},
    broker_connection_retry_on_startup=True,
)


@engine.adapter("slow")
async def slow(task: Any) -> str:
    await asyncio.sleep(task["seconds"])
    return "done"


def note(text: str) -> None:
    with Path(os.environ["SAVED"]).open("a") as file:
        file.write(f"{text}\n")


def begin(**_: Any) -> None:
    block = shutdown_on_signals(engine, grace=float(os.environ["GRACE"]), save=lambda: note("saved"), on_exit=True)
    block.__enter__()
    blocks.append(block)


def end(**_: Any) -> None:
    while blocks:
        blocks.pop().__exit__(None, None, None)


if os.environ["POOL"] == "prefork":
    signals.worker_process_init.connect(begin)
    signals.worker_process_shutdown.connect(end)
else:
    signals.worker_ready.connect(begin)
    signals.worker_shutdown.connect(end)


@app.task
def job(seconds: float) -> None:
    note("began")
    note(engine.sync.execute_with_fallback({"seconds": seconds}).result)
