"""The uniform interface through which the engine calls every kind of adapter."""

from __future__ import annotations

import functools
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from fuseboard_engine.adapters.callables import StreamCall, Threads, as_async, as_stream
from fuseboard_engine.adapters.lifecycle import Lifecycle, is_adapter_object, unhealthy_reason
from fuseboard_engine.adapters.timeouts import AsyncCall
from fuseboard_engine.errors import Unhealthy


@dataclass(frozen=True, slots=True)
class Target:
    """How one adapter is called.

    Attributes:
        call: takes the task; its result is awaited.
        stream: takes the task; yields its items.
        lifecycle: initialises and closes the adapter; None if there is nothing to initialise or close.
        health: awaited for a health check; raises if the adapter is unhealthy; None if the adapter has no health check.
    """

    call: AsyncCall
    stream: StreamCall
    lifecycle: Lifecycle | None = None
    health: Callable[[], Awaitable[Any]] | None = None


def make_target(name: str, given: Any, run: Threads) -> Target:
    """Return the target for a registered adapter: a callable of any kind, or an `AdapterObject`.

    Args:
        name: the adapter's name.
        given: the object that the user registered.
        run: calls a plain function in a thread.

    Raises:
        TypeError: it is not callable and has no `call` method.
    """
    if not is_adapter_object(given):
        if not callable(given):
            raise TypeError(
                f"adapter {name!r} is of type {type(given).__name__}, which cannot be called: "
                "register a function, or an object with a `call` method"
            )
        call = as_async(given, run)
        return Target(call, as_stream(given, call, run))
    method = given.call
    call = as_async(method, run)
    stream = getattr(given, "stream", None)
    steps = {
        step: as_async(bound, run)
        for step in ("initialize", "close", "health")
        if callable(bound := getattr(given, step, None))
    }
    lifecycle = None
    if "initialize" in steps or "close" in steps:
        lifecycle = Lifecycle(name, steps.get("initialize"), steps.get("close"))
    health = steps.get("health")
    return Target(
        call,
        as_stream(stream, as_async(stream, run), run) if callable(stream) else as_stream(method, call, run),
        lifecycle,
        None if health is None else functools.partial(_check, name, health, lifecycle),
    )


async def _check(name: str, health: Callable[[], Awaitable[Any]], lifecycle: Lifecycle | None) -> Any:
    if lifecycle is not None and not lifecycle.ready:
        await lifecycle.initialize(None)
    answer = await health()
    reason = unhealthy_reason(answer)
    if reason is not None:
        raise Unhealthy(f"{name}: {reason}")
    return answer
