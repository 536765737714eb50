"""A plugin for pytest: scenario files are tests, and applications are tested with faults in virtual time.

It is loaded in every test run of an environment that has Fuseboard, so it imports the rest only where it is needed.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest

if TYPE_CHECKING:
    from fuseboard_engine.engine import Engine
    from fuseboard_engine.scenario.model import Scenario
    from fuseboard_engine.scenario_outcome.judge import Failure
    from fuseboard_engine.scenario_outcome.verdict import Verdict
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
        """Yield its only test. A mistake in the file is an error of the collection, with its line."""
        from fuseboard_engine.documents.loader import DocumentError
        from fuseboard_engine.scenario.model import load

        try:
            scenario = load(self.path)
        except DocumentError as error:
            raise self.CollectError(str(error)) from None
        yield ScenarioItem.from_parent(self, name=scenario.scenario, scenario=scenario)


class ScenarioItem(pytest.Item):
    """The test that a scenario meets its expectations, in virtual time."""

    def __init__(self, *, scenario: Scenario, **options: Any) -> None:
        super().__init__(**options)
        self._scenario = scenario

    def runtest(self) -> None:
        """Play the scenario."""
        from fuseboard_engine.scenario.played_proxies import needs_real_time
        from fuseboard_engine.scenario.player import Player
        from fuseboard_engine.virtual_time import run

        if why := needs_real_time(self._scenario):
            pytest.skip(why)

        async def play() -> Verdict:
            return await Player(self._scenario).play()

        if failures := run(play()).failures:
            raise ExpectationsFailed("\n".join(self._report(failures)))

    def _report(self, failures: Sequence[Failure]) -> Iterator[str]:
        yield f"{self.path.name}: {self._scenario.title}"
        for failure in failures:
            yield f"  {failure}"
            if failure.at is not None:
                yield f"    fuseboard scenario run {shlex.quote(str(self.path))} --replay {max(0.0, failure.at):.2f}"

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:
        """Return the expectations that failed, without a traceback."""
        if isinstance(excinfo.value, ExpectationsFailed):
            return str(excinfo.value)
        return super().repr_failure(excinfo, style)

    def reportinfo(self) -> tuple[Path, int, str]:
        """Return where the test is."""
        return self.path, 0, f"scenario {self.name}"


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
