"""Context ids: the request, trace, user, session and correlation that a call belongs to.

They are set once, where a request enters, and are available to each adapter (also one that runs in a thread), event and
result. They travel in a context variable, so tasks that an adapter starts have them too.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from types import MappingProxyType

from fuseboard_engine.runtime.ids import new_id

IDS = ("request", "trace", "user", "session", "correlation")
"""The ids that operators know; others may be set in addition."""

_NOTHING: Mapping[str, str] = MappingProxyType({})

CURRENT: ContextVar[dict[str, str] | None] = ContextVar("fuseboard_context", default=None)
"""The ids of the current call; None outside of any call. Read it with `current()`."""


def current() -> Mapping[str, str]:
    """Return the ids of the current call, by name; empty if none were set."""
    ids = CURRENT.get()
    return _NOTHING if ids is None else MappingProxyType(ids)


def complete(given: Mapping[str, str], outer: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return the ids of a call: the given ones, those of the surrounding call, and always a request id.

    A name may end in `_id`, as in `request_id`; the suffix is removed. An id that is None is left out.
    """
    ids = dict(outer) if outer else {}
    for name, value in given.items():
        if value is not None:
            ids[str(name).removesuffix("_id")] = str(value)
    if not ids.get("request"):
        ids["request"] = new_id()
    return ids


@contextmanager
def use(**ids: str) -> Iterator[Mapping[str, str]]:
    """Set ids for everything executed inside the block: `with use(request="r-1", user="ann"): ...`."""
    token = CURRENT.set(complete(ids, CURRENT.get()))
    try:
        yield current()
    finally:
        CURRENT.reset(token)
