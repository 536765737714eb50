"""The plugin for pytest, in test runs of its own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

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
    for name, text in {"passes.yaml": PASSES, "fails.yml": FAILS, "broken.yaml": BROKEN, **OTHERS}.items():
        (tmp_path / name).write_text(text, encoding="latin-1")
    done = pytest_run(tmp_path)
    assert "2 failed, 1 passed" in done.stdout, done.stdout
    assert "success_rate: 0.0% of" in done.stdout
    assert "broken.yaml:4: duration" in done.stdout
    assert "Traceback" not in done.stdout and "runtest" not in done.stdout


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
