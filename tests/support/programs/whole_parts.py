"""The adapters that the configuration of the whole application refers to."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any


class Sums:
    """Plain code, in an object that can be asked how it is."""

    def call(self, task: Any) -> int:
        return int(sum(task["numbers"]))

    async def health(self) -> str:
        return "degraded"


async def words(task: Any) -> AsyncIterator[str]:
    for word in str(task["text"]).split():
        yield word
