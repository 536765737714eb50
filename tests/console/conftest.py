"""Fixtures for console tests: UTC as the time zone, and preferences apart from those of the user."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from textual import _wait

from fuseboard_console.app.first_start import SHOWN
from fuseboard_console.operator import dispatcher
from support.waiting import PATIENCE


@pytest.fixture(autouse=True)
def _utc(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TZ", "UTC")
    monkeypatch.delenv("NO_COLOR", raising=False)
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.fixture(scope="session")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home of someone who has no preferences and has seen the hints."""
    folder = tmp_path_factory.mktemp("home")
    (folder / "state" / "fuseboard").mkdir(parents=True)
    (folder / "state" / "fuseboard" / SHOWN).touch()
    return folder


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """The pilot waits after each key until the process has been idle for a while; here for a shorter one."""
    monkeypatch.setattr(_wait, "SLEEP_GRANULARITY", 0.003)
    monkeypatch.setattr(_wait, "SLEEP_IDLE", 0.0015)


@pytest.fixture(autouse=True)
def _patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """The engine of another process has a minute to take a command: a busy machine may keep it from running."""
    monkeypatch.setattr(dispatcher, "COMMAND_TIMEOUT", PATIENCE)


@pytest.fixture(autouse=True)
def _at_home(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(home / "config"))
    monkeypatch.setenv("XDG_STATE_HOME", str(home / "state"))
    for name in ("FUSEBOARD_CONSOLE", "TMUX", "STY"):
        monkeypatch.delenv(name, raising=False)
