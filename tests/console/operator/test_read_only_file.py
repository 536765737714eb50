"""A recording that cannot be written: the console says so instead of offering keys that cannot work."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from fuseboard_console.app import launch
from fuseboard_console.preferences.model import DEFAULT
from support.console_story import story
from support.console_watching import watching
from support.replays import recorded


@pytest.fixture
def unwritable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = recorded(tmp_path / "a.db", story())
    access = os.access
    monkeypatch.setattr(os, "access", lambda file, mode: access(file, mode & ~os.W_OK) and not mode & os.W_OK)
    return path


async def test_it_is_opened_without_a_mailbox(unwritable: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[Any] = []

    async def show(*args: Any, mailbox: Any, **kwargs: Any) -> int:
        opened.append(mailbox)
        return 0

    monkeypatch.setattr(launch, "_show", show)
    await launch.watch(str(unwritable), read_only=False, preferences=DEFAULT)
    assert opened == [None]


async def test_the_key_of_a_command_says_that_the_file_cannot_be_written(unwritable: Path) -> None:
    async with watching(unwritable, read_only=True) as console:
        await console.sees("prefect")
        await console.press("r")
        await console.hears("a.db cannot be written, so no command can be sent.")
