"""What each fault does to a call."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any, Final

from fuseboard_engine.faults.faulty_call import FaultyCall, ServiceError, Values

EXCEPTIONS: Final[Mapping[str, type[Exception]]] = {
    kind.__name__: kind
    for kind in (
        ConnectionResetError,
        ConnectionAbortedError,
        BrokenPipeError,
        TimeoutError,
        OSError,
        PermissionError,
        MemoryError,
        RuntimeError,
        ValueError,
        TypeError,
        KeyError,
        LookupError,
        NotImplementedError,
    )
}
"""The exceptions that a fault raises by name."""


async def refuse(call: FaultyCall, latency: float, values: Values) -> Any:
    """Refuse the connection."""
    await asyncio.sleep(0.001)
    raise ConnectionRefusedError(111, f"{call.note}Connection refused by {call.name}")


async def answer_status(call: FaultyCall, latency: float, values: Values) -> Any:
    """Answer with an error status."""
    await asyncio.sleep(latency)
    status = int(values["status"])
    raise ServiceError(status, call.note + _PHRASES.get(status, "Error"))


_PHRASES: Final = {
    400: "Bad Request",
    404: "Not Found",
    408: "Request Timeout",
    409: "Conflict",
    500: "Internal Server Error",
    502: "Bad Gateway",
    503: "Service Unavailable",
    504: "Gateway Timeout",
    529: "Overloaded",
}


async def raise_exception(call: FaultyCall, latency: float, values: Values) -> Any:
    """Raise an exception by name."""
    await asyncio.sleep(latency)
    raise EXCEPTIONS[values["exception"]](f"{call.note}{values['exception']} in {call.name}")


async def hang(call: FaultyCall, latency: float, values: Values) -> Any:
    """Give no answer."""
    return await call.hang()


async def slow_down(call: FaultyCall, latency: float, values: Values) -> Any:
    """Take a multiple of the usual latency."""
    return await call.answer(latency * values["factor"])


async def delay(call: FaultyCall, latency: float, values: Values) -> Any:
    """Take some seconds more."""
    return await call.answer(latency + values["delay"])


async def grow_slow(call: FaultyCall, latency: float, values: Values) -> Any:
    """Take longer and longer, up to a limit."""
    share = min(1.0, call.elapsed / values["over"])
    return await call.answer(latency + max(0.0, values["limit"] - latency) * share)


async def fail_sometimes(call: FaultyCall, latency: float, values: Values) -> Any:
    """Fail for a share of the calls."""
    return await call.answer(latency, values["rate"])


async def recover_by_halves(call: FaultyCall, latency: float, values: Values) -> Any:
    """Fail for a share of the calls that halves again and again."""
    return await call.answer(latency, 0.5 ** min(1_000, call.elapsed // values["half_life"]))


async def flap(call: FaultyCall, latency: float, values: Values) -> Any:
    """Refuse for a while, answer for a while, in turn."""
    down, up = values["down_for"], values["up_for"]
    if call.elapsed % (down + up) < down:
        return await refuse(call, latency, values)
    return await call.answer(latency)


async def lose_capacity(call: FaultyCall, latency: float, values: Values) -> Any:
    """Serve only so many calls at a time."""
    if call.concurrent > values["capacity"]:
        return await answer_status(call, latency, {"status": 503})
    return await call.answer(latency)


async def limit_rate(call: FaultyCall, latency: float, values: Values) -> Any:
    """Answer 429 with a Retry-After."""
    await asyncio.sleep(latency)
    wait, form = values["retry_after"], values["retry_after_as"]
    headers: dict[str, str] = {}
    if form == "header":
        headers["retry-after"] = f"{wait:g}"
    elif form == "milliseconds":
        headers["retry-after-ms"] = f"{wait * 1000:g}"
    elif form == "date":
        headers["retry-after"] = format_datetime(datetime.now(UTC) + timedelta(seconds=wait), usegmt=True)
    raise ServiceError(429, f"{call.note}Too Many Requests", wait if form == "attribute" else None, headers=headers)


async def spend_quota(call: FaultyCall, latency: float, values: Values) -> Any:
    """Answer that the quota is spent."""
    await asyncio.sleep(latency)
    text = f"{call.note}You exceeded your current quota, please check your plan and billing details"
    raise ServiceError(429, text, code="insufficient_quota")


async def refuse_credentials(call: FaultyCall, latency: float, values: Values) -> Any:
    """Refuse the credentials."""
    await asyncio.sleep(latency)
    raise ServiceError(401, f"{call.note}Unauthorized")


async def refuse_length(call: FaultyCall, latency: float, values: Values) -> Any:
    """Answer that the task is too long for the model."""
    await asyncio.sleep(latency)
    text = f"{call.note}The prompt exceeds the model's context window"
    raise ServiceError(400, text, code="context_length_exceeded")


async def refuse_content(call: FaultyCall, latency: float, values: Values) -> Any:
    """Answer that the content policy refuses the task."""
    await asyncio.sleep(latency)
    text = f"{call.note}The response was filtered by the content policy"
    raise ServiceError(400, text, code="content_policy_violation")


async def report_failure(call: FaultyCall, latency: float, values: Values) -> Any:
    """Answer with a result that reports its own failure."""
    await asyncio.sleep(latency)
    return {"success": False, "error": f"{call.note}the model returned nothing usable"}


async def garble(call: FaultyCall, latency: float, values: Values) -> Any:
    """Answer with JSON that ends early."""
    await asyncio.sleep(latency)
    answer = '{"success": true, "answer": "The first of'
    raise json.JSONDecodeError(f"{call.note}Unterminated string", answer, len(answer))


async def say_nothing(call: FaultyCall, latency: float, values: Values) -> Any:
    """Answer with an empty body, which a client reads as JSON."""
    await asyncio.sleep(latency)
    raise json.JSONDecodeError(f"{call.note}Expecting value", "", 0)


async def use_wrong_charset(call: FaultyCall, latency: float, values: Values) -> Any:
    """Answer in another charset than the one that is declared."""
    await asyncio.sleep(latency)
    raise UnicodeDecodeError("utf-8", b"caf\xe9", 3, 4, f"{call.note}invalid continuation byte")


async def break_off(call: FaultyCall, latency: float, values: Values) -> Any:
    """Reset the connection in the middle of an answer."""
    await asyncio.sleep(latency)
    raise ConnectionResetError(104, f"{call.note}Connection reset by {call.name}")


async def break_stream(call: FaultyCall, items: AsyncIterator[Any], values: Values) -> AsyncGenerator[Any, None]:
    """Yield some items; then reset the connection."""
    async for item in _first(items, int(values["after_items"])):
        yield item
    raise ConnectionResetError(104, f"{call.note}Connection reset by {call.name}")


async def stall_stream(call: FaultyCall, items: AsyncIterator[Any], values: Values) -> AsyncGenerator[Any, None]:
    """Yield some items; then nothing more until the fault ends."""
    async for item in _first(items, int(values["after_items"])):
        yield item
    await call.hang()
    async for item in items:
        yield item


async def _first(items: AsyncIterator[Any], count: int) -> AsyncGenerator[Any, None]:
    for _ in range(count):
        try:
            yield await anext(items)
        except StopAsyncIteration:
            return
