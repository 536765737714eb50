"""Keeps the clocks of virtual time to the tests of this folder."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from fuseboard_engine.runtime import clock
from fuseboard_engine.testing import clocks

_HOST = clock.engine_clocks()

import fuseboard.testing  # noqa: E402, F401  # it gives engines clocks that follow virtual time

clock.set_engine_clocks(_HOST)


@pytest.fixture(autouse=True)
def following_clocks(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Give the engines of a test clocks that follow virtual time, and those of other tests the host's."""
    clocks.install()
    yield
    clock.set_engine_clocks(_HOST)
    clocks.CLOCKS.__init__()  # type: ignore[misc]  # as new
