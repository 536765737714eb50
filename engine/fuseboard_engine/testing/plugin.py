"""A plugin for pytest: scenario files are tests, and applications are tested with faults in virtual time.

It is loaded in every test run of an environment that has Fuseboard, so it imports the rest only where it is needed.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest

if TYPE_CHECKING:
    from fuseboard_engine.engine import Engine
    from fuseboard_engine.testing.faults import Faults
    from fuseboard_engine.testing.world import World

_SCENARIO: Final = re.compile(rb"^scenario[ \t]*:[ \t]*[^\s#]", re.MULTILINE)
_HEAD: Final = 65_536  # bytes of a file in which its key `scenario` is looked for


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> pytest.Collector | None:
    """Collect a YAML file that has a text under the key `scenario` at its top level."""
    if file_path.suffix in (".yaml", ".yml") and _is_scenario(file_path):
        return ScenarioFile.from_parent(parent, path=file_path)
    return None


def _is_scenario(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            return _SCENARIO.search(file.read(_HEAD)) is not None
    except OSError:
        return False


class ScenarioFile(pytest.File):
    """A scenario file."""

    def collect(self) -> Iterator[pytest.Item]:
        """Yield its only test."""
        yield ScenarioItem.from_parent(self, name="scenario")


class ScenarioItem(pytest.Item):
    """The test that a scenario meets its expectations, in virtual time."""

    def runtest(self) -> None:
        """Play the scenario."""
        import asyncio

        from fuseboard_engine.scenario.model import load
        from fuseboard_engine.scenario.played_proxies import needs_real_time
        from fuseboard_engine.scenario.player import Player
        from fuseboard_engine.virtual_time import VirtualTimeLoop

        scenario, loop = load(self.path), VirtualTimeLoop()
        if why := needs_real_time(scenario):
            pytest.skip(why)

        async def play() -> list[str]:
            return list((await Player(scenario, wall=loop.wall).play()).broken)

        with asyncio.Runner(loop_factory=lambda: loop) as runner:
            broken = runner.run(play())
        if broken:
            raise ExpectationsFailed("\n".join([f"{scenario.title}:", *(f"  {line}" for line in broken)]))

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:
        """Return the failed expectations, or the mistakes in the file, without a traceback."""
        from fuseboard_engine.documents.loader import DocumentError

        if isinstance(excinfo.value, ExpectationsFailed | DocumentError):
            return str(excinfo.value)
        return super().repr_failure(excinfo, style)

    def reportinfo(self) -> tuple[Path, int, str]:
        """Return where the test is."""
        return self.path, 0, f"scenario {self.path.name}"


class ExpectationsFailed(Exception):
    """A scenario did not meet its expectations. The text has one line for each."""


@pytest.fixture
def faults_of() -> Iterator[Callable[[Engine], Faults]]:
    """A function that puts faults into the adapters of an engine: `faults = faults_of(engine)`.

    At the end of the test the faults end.
    """
    from fuseboard_engine.testing.faults import Faults

    made: list[Faults] = []

    def faults(engine: Engine) -> Faults:
        made.append(Faults(engine))
        return made[-1]

    yield faults
    for one in reversed(made):
        one.close()


@pytest.fixture
def world() -> Iterator[World]:
    """An engine without adapters in virtual time, to which a test adds simulated ones: `world.adapter("gpt")`.

    For policies of its own a test makes one itself: `World(breaker=...)`, from `fuseboard.testing`.
    """
    from fuseboard_engine.testing.world import World

    world = World()
    yield world
    world.close()


def pytest_configure(config: pytest.Config) -> None:
    """Let the clocks of engines follow virtual time, also of those that an application makes at import."""
    from fuseboard_engine.testing.clocks import install

    install()
