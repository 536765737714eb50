"""Recordings with dead letters, and an engine that retries them."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from fuseboard_engine.dead_letters.letter import Capacity, NewLetter
from fuseboard_storage.stores.dead_letters import SqliteDeadLetters
from support.paths import PROGRAMS

ENGINE = PROGRAMS / "letters_engine.py"


DAY = 86_400_000_000


def start_engine(folder: Path) -> subprocess.Popen[str]:
    engine = subprocess.Popen(
        [sys.executable, str(ENGINE), str(folder / "checkout.db"), str(folder / "mended")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert engine.stdout is not None
    assert engine.stdout.readline() == "recording\n"
    return engine


async def add(path: Path, *letters: dict[str, Any]) -> None:
    """Put letters into a recording as an engine would; `age` is in days."""
    now = time.time_ns() // 1000
    store = SqliteDeadLetters(path)
    for fields in letters:
        at = now - fields.pop("age", 0) * DAY
        new = {
            "engine": "checkout",
            "task": "t",
            "task_type": "",
            "form": "payload",
            "payload": '{"n":1}',
            "category": "network",
            "created_at": at,
            "due_at": None,
            "error": "refused",
            "error_type": "ConnectionError",
            "max_retries": 3,
        }
        await store.add(NewLetter(**{**new, **fields}), Capacity(1000, False))
    await store.close()


def put(path: Path, *letters: dict[str, Any]) -> Path:
    """Put letters into a recording as `add` does; return its path."""
    asyncio.run(add(path, *letters))
    return path
