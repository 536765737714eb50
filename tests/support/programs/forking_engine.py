"""A recorded engine whose process forks: `python -m support.programs.forking_engine SCENE FILE`.

Each scene prints one JSON object with what it saw.
"""

from __future__ import annotations

import asyncio
import json
import multiprocessing
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing.context import BaseContext
from pathlib import Path
from typing import Any

from fuseboard_engine import DeadLetterPolicy, Engine, RetryPolicy, Workflow
from fuseboard_storage import Recorder, record

CHILD_SECONDS = 60


class Initialised:
    """An adapter object with an initialisation, which runs in a loop."""

    async def initialize(self) -> None:
        await asyncio.sleep(0)

    async def call(self, task: Any) -> str:
        return "object"


def down(task: Any) -> None:
    raise ConnectionError("down")


def make(dead_letters: bool = True) -> Engine:
    engine = Engine(
        "app",
        retry=RetryPolicy(max_attempts=1),
        dead_letters=DeadLetterPolicy(automatic_retry=False, capacity=100_000) if dead_letters else None,
    )
    engine.add_adapter("plain", lambda task: task)
    engine.add_adapter("object", Initialised())
    engine.add_adapter("down", down)
    workflow = Workflow("w")
    workflow.add_node("only", lambda inputs: "done")
    engine.add_workflow(workflow)
    return engine


def work(engine: Engine, calls: int) -> None:
    for number in range(calls):
        assert engine.sync.execute_with_fallback(number, ["plain"]).success


def in_child(body: Callable[[], None]) -> int:
    """Run `body` in a forked child. Return its exit code."""
    child = os.fork()
    if not child:
        signal.alarm(CHILD_SECONDS)
        code = 3
        try:
            body()
            code = 0
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def fork(engine: Engine, recorder: Recorder) -> dict[str, Any]:
    """The child of a recorded process uses its engine in every way."""

    def body() -> None:
        assert engine.get_adapter_statistics()["plain"]["calls"] == 0
        work(engine, 4)
        assert engine.sync.execute_with_fallback(1, ["object"]).success
        result = engine.sync.execute_with_fallback({"id": "kept"}, ["down"])
        assert result.dead_letter is not None and result.dead_letter > 0, "it is on disk"
        engine.sync.run(engine.workflows["w"].execute(run="in-child"))
        recorder.flush(CHILD_SECONDS)

    work(engine, 3)
    assert engine.sync.execute_with_fallback(1, ["object"]).success
    code = in_child(body)
    work(engine, 2)
    return {"code": code}


def unused(engine: Engine, recorder: Recorder) -> dict[str, Any]:
    """A child that does not use the engine is not an instance, and may flush and close."""

    def body() -> None:
        recorder.close()
        assert recorder.instance is None

    work(engine, 1)
    return {"code": in_child(body)}


def closed(engine: Engine, recorder: Recorder) -> dict[str, Any]:
    """A child closes its own recording; the parent's goes on."""

    def body() -> None:
        work(engine, 4)
        recorder.close()

    work(engine, 1)
    code = in_child(body)
    work(engine, 1)
    return {"code": code}


def busy(engine: Engine, recorder: Recorder) -> dict[str, Any]:
    """Forks while other threads call, fail, and store letters, so that locks are held."""
    stop, done = threading.Event(), [0] * 4

    def loop(place: int) -> None:
        while not stop.is_set():
            work(engine, 1)
            engine.sync.execute_with_fallback({}, ["down"])
            done[place] += 1

    def body() -> None:
        work(engine, 5)
        engine.sync.execute_with_fallback({}, ["down"])
        recorder.flush(CHILD_SECONDS)

    threads = [threading.Thread(target=loop, args=(place,)) for place in range(4)]
    for thread in threads:
        thread.start()
    codes = []
    for _ in range(20):
        time.sleep(0.01)
        codes.append(in_child(body))
    stop.set()
    for thread in threads:
        thread.join()
    return {"codes": codes, "calls": sum(done) + 20 * 5}


ENGINE: Engine | None = None
RECORDER: Recorder | None = None


def _pool_task(number: int) -> int:
    assert ENGINE is not None
    work(ENGINE, number)
    return os.getpid()


def _start(path: str) -> None:
    global ENGINE, RECORDER
    ENGINE = make(dead_letters=False)
    RECORDER = record(ENGINE, path)
    RECORDER.start()


def pool(context: BaseContext, path: str) -> dict[str, Any]:
    """A pool of processes of which none closes anything."""
    spawn = context.get_start_method() == "spawn"
    options: dict[str, Any] = {"initializer": _start, "initargs": (path,)} if spawn else {}
    with ProcessPoolExecutor(3, mp_context=context, **options) as processes:
        pids = list(processes.map(_pool_task, [1, 2, 3, 4, 5, 6, 7, 8]))
    return {"calls": 36, "processes": len(set(pids))}


def main() -> None:
    global ENGINE
    scene, path = sys.argv[1:]
    told: dict[str, Any]
    if scene == "pool_spawn":
        told = pool(multiprocessing.get_context("spawn"), path)
    else:
        ENGINE = make(scene != "pool_fork")
        with record(ENGINE, Path(path)) as recorder:
            if scene == "pool_fork":
                work(ENGINE, 2)
                told = pool(multiprocessing.get_context("fork"), path)
            else:
                scenes = {"fork": fork, "unused": unused, "closed": closed, "busy": busy}
                told = scenes[scene](ENGINE, recorder)
    print(json.dumps(told), flush=True)


if __name__ == "__main__":
    main()
