"""Ids of tasks and requests that have none of their own, unique over processes, restarts and forks."""

from __future__ import annotations

import itertools
import os
import re
from collections.abc import Callable
from typing import Final

_MADE: Final = re.compile(r"[0-9a-f]{16}-[0-9a-f]{4,}", re.ASCII)
_FIRST: Final = 0x1000  # so that the short form has four digits
_SHORT_FROM: Final = 12  # the last four digits of the prefix distinguish a handful of processes

_prefix = ""
_next: Callable[[], int] = int


def new_id() -> str:
    """Return an id that no other call returns, in this process or another one.

    It consists of 16 random hexadecimal digits, which all ids of the process share and a forked child draws again, and
    the number of the id. The end of an id distinguishes neighbours, so screens show the end.
    """
    return _prefix + hex(_next())[2:]


def short_id(id: str) -> str:
    """Return the short form of an id made by `new_id`, such as `d6e7-001f`; any other id unchanged. For screens."""
    return id[_SHORT_FROM:] if _MADE.fullmatch(id) else id


def _renew() -> None:
    """Draw another prefix: at start, and in a forked child, which would otherwise continue its parent's ids."""
    global _prefix, _next
    _prefix = f"{os.urandom(8).hex()}-"
    _next = itertools.count(_FIRST).__next__


_renew()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew)
