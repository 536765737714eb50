"""A function for a process pool, whose failure has to travel back."""

from __future__ import annotations

import asyncio
from typing import Any

from fuseboard_engine import Engine, RetryPolicy


class NeedsKeyword(Exception):
    """Like the status errors of HTTP clients: its `__init__` takes more than `args`."""

    def __init__(self, text: str, *, response: object) -> None:
        super().__init__(text)
        self.response = response


def fail() -> None:
    """Raise `AllAdaptersFailed` for an adapter's error that cannot be pickled."""
    engine = Engine("pool", retry=RetryPolicy(max_attempts=1))

    async def refuse(task: Any) -> None:
        raise NeedsKeyword("503", response=None)

    engine.add_adapter("gpt", refuse)
    asyncio.run(engine.execute_with_fallback("x")).unwrap()
