"""A recorded application for servers with several workers: `app` (ASGI) or `wsgi`.

The environment says how: `FILE` names the recording, `SEEN` a file that each call of the upstream appends a byte to,
`PRELOAD=1` starts the recording when the module is imported, before the server forks. A request is answered, with the
process, the task's id and the result, once its events are committed.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import AsyncIterator, Callable, Iterable
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from fuseboard_engine import BreakerPolicy, DeadLetterPolicy, Engine, RetryPolicy
from fuseboard_storage import record

engine = Engine(
    "web",
    breaker=BreakerPolicy(failure_threshold=None, failure_rate=None),
    retry=RetryPolicy(max_attempts=1),
    dead_letters=DeadLetterPolicy(automatic_retry=False),
)
recorder = record(engine, os.environ["FILE"], restore="RESTORE" in os.environ)
seen = os.open(os.environ["SEEN"], os.O_CREAT | os.O_APPEND | os.O_WRONLY, 0o600)


@engine.adapter("upstream")
def upstream(task: Any) -> str:
    os.write(seen, b".")
    if task == "fails":
        raise ConnectionError("refused")
    return "done"


def told(result: Any) -> str:
    return f"{os.getpid()} {result.task} {result.result if result.success else f'letter {result.dead_letter}'}"


if "PRELOAD" in os.environ:
    recorder.start()
    engine.sync.execute_with_fallback("warm up", ["upstream"])


def wsgi(environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
    task = "fails" if environ["PATH_INFO"] == "/fail" else "works"
    result = engine.sync.execute_with_fallback(task, ["upstream"])
    recorder.flush(60)
    start("200 OK", [("Content-Type", "text/plain")])
    return [told(result).encode()]


async def work(request: Request) -> Response:
    result = await engine.execute_with_fallback("fails" if request.url.path == "/fail" else "works", ["upstream"])
    await recorder.flushed()
    return PlainTextResponse(told(result))


@contextlib.asynccontextmanager
async def lifespan(app: Starlette) -> AsyncIterator[None]:
    async with recorder:
        yield


app = Starlette(routes=[Route("/work", work), Route("/fail", work)], lifespan=lifespan)
