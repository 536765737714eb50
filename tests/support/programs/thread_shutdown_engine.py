"""A program without `await` in a block with an orderly shutdown. Its argument says what happens in the block."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from typing import Any

from fuseboard_engine import Engine
from fuseboard_engine.shutdown.on_signals import shutdown_on_signals


def say(text: str) -> None:
    """Write one line in one piece: `print` writes the line break apart, and another thread's text comes between."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


async def work(task: Any) -> str:
    say("called")
    await asyncio.sleep(3600 if task["how"] == "hang" else 0.3)
    return "done"


def body(engine: Engine, how: str) -> None:
    if how == "raise":
        raise RuntimeError("not caught")
    if how == "fork":
        reading, writing = os.pipe()
        child = os.fork()
        if not child:
            os.write(writing, b"ready")  # a signal before that is lost: Python clears pending ones after a fork
            time.sleep(3600)
        os.read(reading, 5)
        os.kill(child, signal.SIGTERM)
        say(f"the child was ended by {os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) * -1}")
        return
    if how != "limit":
        say(f"result: {engine.sync.execute_with_fallback({'how': how}).result}")
    while True:
        time.sleep(3600)


def main(how: str) -> None:
    if how == "handler":
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(7))
    if how == "first":
        say(f"process {os.getpid()}")
    engine = Engine("jobs")
    engine.add_adapter("slow", work)
    with shutdown_on_signals(
        engine,
        grace=60 if how == "hang" else 10,
        save=lambda: say("saved"),
        exit_code=None if how == "continue" else 3,
        time_limit=0.2 if how == "limit" else None,
        margin=0,
    ):
        try:
            body(engine, how)
        finally:
            if how not in ("raise", "fork"):
                say("left")
    if how == "continue":
        say("after")


if __name__ == "__main__":
    main(sys.argv[1])
