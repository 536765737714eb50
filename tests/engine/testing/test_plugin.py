"""The plugin for pytest, in test runs of its own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

from support.waiting import PATIENCE

PASSES = """
scenario: quiet
title: Nothing happens
duration: 2
adapters: {a: {}}
traffic: [{per_second: 5}]
expect: {success_rate: 1}
"""
FAILS = PASSES.replace("quiet", "down").replace("expect:", "timeline: [{at: 0, adapter: a, fault: refused}]\nexpect:")
BROKEN = PASSES.replace("duration: 2", "duration: soon")
OTHERS = {
    "molecule.yml": "scenario:\n  name: default\n",
    "compose.yaml": "services: {web: {image: nginx}}\n",
    "junk.yaml": "\x00\xff: [",
}
APPLICATION = """
import asyncio
import urllib.request

import pytest

from fuseboard import BreakerPolicy, Engine
from fuseboard.testing import RealIO, virtual_time

engine = Engine("shop", breaker=BreakerPolicy(failure_threshold=3, recovery_timeout=60))
engine.add_adapter("gpt", lambda task: "gpt")


async def answer(task):
    return "claude"


engine.add_adapter("claude", answer)


@virtual_time
async def test_virtual(faults_of):
    faults = faults_of(engine)
    faults.refuse("gpt", for_=30)
    for _ in range(5):
        await engine.execute_with_fallback("task", ["gpt", "claude"])
    assert faults.answered_by() == ["claude"] * 5
    assert faults.states("gpt") == ["closed", "open"]
    await asyncio.sleep(3_600)
    assert (await engine.execute_with_fallback("task", ["gpt", "claude"])).adapter == "gpt"


def test_plain_in_real_time():
    assert not engine.faults.allowed  # the faults of the other test have ended

    async def main():
        return (await engine.execute_with_fallback("task", ["claude"])).adapter

    assert asyncio.run(main()) == "claude"


def test_real_io():
    @virtual_time
    async def connects():
        await asyncio.open_connection("127.0.0.1", 9)

    with pytest.raises(RealIO, match="A connection was opened in virtual time"):
        connects()


def test_real_io_in_an_adapter():
    other = Engine("other")

    async def connect(task):
        await asyncio.open_connection("127.0.0.1", 9)

    other.add_adapter("http", connect)

    @virtual_time
    async def routes():
        await other.execute_with_fallback("task")

    with pytest.raises(RealIO, match="test in real time"):
        routes()
"""


def pytest_run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run pytest in a folder, as a project that has no configuration."""
    (folder / "pytest.ini").write_text("[pytest]\n")
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=PATIENCE, check=False)


def test_scenario_files_are_tests_and_other_files_are_left_alone(tmp_path: Path) -> None:
    for name, text in {"passes.yaml": PASSES, "fails.yml": FAILS, **OTHERS}.items():
        (tmp_path / name).write_text(text, encoding="latin-1")
    done = pytest_run(tmp_path)
    assert "1 failed, 1 passed" in done.stdout, done.stdout
    assert "success_rate: 0.0% of" in done.stdout
    assert f"fuseboard scenario run {tmp_path}/fails.yml --replay " in done.stdout
    assert "Traceback" not in done.stdout and "runtest" not in done.stdout


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (BROKEN, "broken.yaml:4: duration"),
        (PASSES + "expect: [\n", "broken.yaml:"),
        (PASSES.replace("traffic:", "trafic:"), "broken.yaml:6: trafic"),
    ],
    ids=["value", "yaml", "field"],
)
@pytest.mark.parametrize("options", [(), ("--collect-only",)], ids=["run", "collect"])
def test_a_mistake_in_a_scenario_is_an_error_of_the_collection(
    tmp_path: Path, text: str, says: str, options: tuple[str, ...]
) -> None:
    (tmp_path / "broken.yaml").write_text(text)
    (tmp_path / "passes.yaml").write_text(PASSES)
    done = pytest_run(tmp_path, *options)
    assert done.returncode == pytest.ExitCode.INTERRUPTED
    assert says in done.stdout and "1 error" in done.stdout, done.stdout
    assert "Traceback" not in done.stdout


def test_what_would_run_can_be_listed_and_chosen(tmp_path: Path) -> None:
    (tmp_path / "fails.yaml").write_text(FAILS)
    (tmp_path / "passes.yaml").write_text(PASSES)
    listed = pytest_run(tmp_path, "--collect-only", "-q").stdout
    assert "fails.yaml::down" in listed and "passes.yaml::quiet" in listed
    assert "1 passed" in pytest_run(tmp_path, "passes.yaml::quiet").stdout
    assert "1 passed, 1 deselected" in pytest_run(tmp_path, "-k", "quiet").stdout


def test_a_folder_is_tested_from_another_one_in_parallel_and_with_a_report_for_ci(tmp_path: Path) -> None:
    project, elsewhere, report = tmp_path / "project", tmp_path / "elsewhere", tmp_path / "report.xml"
    (project / "scenarios").mkdir(parents=True)
    elsewhere.mkdir()
    (project / "scenarios" / "passes.yaml").write_text(PASSES)
    (project / "scenarios" / "fails.yaml").write_text(FAILS)
    (project / "test_shop.py").write_text(APPLICATION)
    done = pytest_run(elsewhere, str(project), "-n", "2", f"--junitxml={report}")
    assert "1 failed, 5 passed" in done.stdout, done.stdout
    cases = {case.get("name"): case for case in ElementTree.parse(report).iter("testcase")}
    failure = cases["down"].find("failure")
    assert failure is not None and "success_rate: 0.0% of" in (failure.text or "")
    assert cases["quiet"].find("failure") is None


TAVERN = """
import pytest


def pytest_collect_file(file_path, parent):
    if file_path.name.endswith(".tavern.yaml"):
        return TavernFile.from_parent(parent, path=file_path)


class TavernFile(pytest.File):
    def collect(self):
        yield TavernItem.from_parent(self, name="tavern")


class TavernItem(pytest.Item):
    def runtest(self):
        pass
"""


def test_files_of_other_plugins_are_left_to_them(tmp_path: Path) -> None:
    (tmp_path / "conftest.py").write_text(TAVERN)
    (tmp_path / "test_shop.tavern.yaml").write_text("test_name: shop\nstages: []\n")
    (tmp_path / "passes.yaml").write_text(PASSES)
    listed = pytest_run(tmp_path, "--collect-only", "-q").stdout
    assert "passes.yaml::quiet" in listed and "test_shop.tavern.yaml::tavern" in listed and "2 tests" in listed


def test_a_test_without_virtual_time_is_told_to_use_it(tmp_path: Path) -> None:
    (tmp_path / "test_world.py").write_text(
        "async def test_world(world):\n    world.adapter('a')\n    await world.run(per_second=1, for_=10)\n"
    )
    assert "put @virtual_time" in pytest_run(tmp_path, "-o", "asyncio_mode=auto").stdout


def test_the_plugin_can_be_turned_off(tmp_path: Path) -> None:
    (tmp_path / "fails.yml").write_text(FAILS)
    assert "no tests ran" in pytest_run(tmp_path, "-p", "no:fuseboard").stdout


@pytest.mark.parametrize(
    "options",
    [(), ("-n", "2"), ("-o", "asyncio_mode=auto"), ("-o", "asyncio_mode=strict"), ("-p", "no:asyncio")],
    ids=lambda options: " ".join(options) or "plain",
)
def test_an_application_is_tested_in_virtual_time(tmp_path: Path, options: tuple[str, ...]) -> None:
    (tmp_path / "test_shop.py").write_text(APPLICATION)
    done = pytest_run(tmp_path, *options)
    assert "4 passed" in done.stdout, done.stdout


def test_an_unused_plugin_imports_little(tmp_path: Path) -> None:
    (tmp_path / "test_nothing.py").write_text(
        "import sys\n\n\ndef test_nothing():\n"
        "    names = [name for name in sys.modules if name.startswith('fuseboard')]\n"
        "    assert len(names) < 12, names\n"
        "    assert 'pydantic' not in sys.modules\n"
    )
    done = pytest_run(tmp_path)
    assert "1 passed" in done.stdout, done.stdout
