"""Context ids: which request, trace, user, session and correlation a call belongs to.

They are given once, where a request comes in, and are there for whoever needs them: each adapter (also one that runs
in a thread), each event and each result. They travel in a context variable, so what an adapter starts has them too.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from types import MappingProxyType

IDS = ("request", "trace", "user", "session", "correlation")
"""The ids operators know; others may stand beside them."""

_NOTHING: Mapping[str, str] = MappingProxyType({})

CURRENT: ContextVar[dict[str, str] | None] = ContextVar("fuseboard_context", default=None)
"""The ids of the call under way; None outside of any. Read it with `current()`."""

_numbers = itertools.count((time.time_ns() & 0xFFFF_FFFF_FFFF) << 8)


def current() -> Mapping[str, str]:
    """Return the ids of the call under way, by name; empty when none were given."""
    ids = CURRENT.get()
    return _NOTHING if ids is None else MappingProxyType(ids)


def complete(given: Mapping[str, str], outer: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return ids as they go with a call: those given, those of the call around it, and a request id in any case.

    A name may end in `_id`, as in `request_id`; it is kept without. An id that is None is left out.
    """
    ids = dict(outer) if outer else {}
    for name, value in given.items():
        if value is not None:
            ids[str(name).removesuffix("_id")] = str(value)
    if not ids.get("request"):
        ids["request"] = f"{next(_numbers):x}"
    return ids


@contextmanager
def use(**ids: str) -> Iterator[Mapping[str, str]]:
    """Give ids to all that is executed inside: `with use(request="r-1", user="ann"): ...`."""
    token = CURRENT.set(complete(ids, CURRENT.get()))
    try:
        yield current()
    finally:
        CURRENT.reset(token)
