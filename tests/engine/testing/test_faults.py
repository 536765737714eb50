"""Faults in the adapters of an application."""

from __future__ import annotations

import asyncio
import inspect
import subprocess
import sys
from pathlib import Path
from typing import get_args

import pytest

from fuseboard import BreakerPolicy, Engine, RetryPolicy, UnknownAdapter
from fuseboard.testing import Faults, virtual_time
from fuseboard_engine.events import FaultEnded, FaultInjected
from fuseboard_engine.faults.effects import EXCEPTIONS
from fuseboard_engine.faults.table import FAULTS
from fuseboard_engine.testing.fault_methods import FaultMethods
from support import fault_methods
from support.waiting import PATIENCE

ONCE = RetryPolicy(max_attempts=1)


def shop() -> Engine:
    engine = Engine("shop", breaker=BreakerPolicy(failure_threshold=3, recovery_timeout=20, jitter=0), retry=ONCE)

    async def call(task: object) -> str:
        await asyncio.sleep(0.1)
        return "answer"

    engine.add_adapter("gpt", call)
    engine.add_adapter("claude", call)
    return engine


def test_the_methods_are_those_that_the_table_of_faults_gives() -> None:
    assert fault_methods.FILE.read_text(encoding="utf-8") == fault_methods.text()


@pytest.mark.parametrize("name", FAULTS)
def test_each_fault_of_the_table_has_a_method_with_its_parameters_and_help(name: str) -> None:
    method = getattr(Faults, name)
    assert method is getattr(FaultMethods, name), "another method of this name hides it"
    parameters = inspect.signature(method).parameters
    expected = {parameter.name: parameter.default for parameter in FAULTS[name].parameters}
    assert {one: parameters[one].default for one in parameters if one in expected} == expected
    assert set(parameters) == {"self", "adapter", "for_", "share", *expected}
    assert FAULTS[name].about in (method.__doc__ or "")


def test_the_names_of_exceptions_are_those_of_the_table() -> None:
    kind = inspect.signature(FaultMethods.exception, eval_str=True).parameters["exception"].annotation
    assert get_args(kind) == tuple(EXCEPTIONS)


@pytest.mark.parametrize("name", FAULTS)
@virtual_time
async def test_each_method_injects_its_fault(name: str) -> None:
    faults = Faults(shop())
    injected = getattr(faults, name)("gpt", for_=30)
    assert (injected.adapter, injected.fault) == ("gpt", name)
    assert injected.values == {parameter.name: parameter.default for parameter in FAULTS[name].parameters}
    faults.close()


@virtual_time
async def test_values_reach_the_fault_and_wrong_ones_are_refused() -> None:
    faults = Faults(shop())
    assert faults.rate_limited("gpt", retry_after=7, share=0.5).values["retry_after"] == 7
    assert faults.slow_ramp("gpt", 3, over=10).values == {"limit": 3, "over": 10}
    with pytest.raises(ValueError, match="status"):
        faults.error("gpt", 200)
    with pytest.raises(UnknownAdapter):
        faults.refuse("gtp")
    faults.close()


@virtual_time
async def test_a_fault_ends_at_its_time_though_no_call_is_made() -> None:
    faults = Faults(shop())
    faults.refuse("gpt", for_=30)
    await asyncio.sleep(31)
    assert [(type(one), faults.moment_of(one)) for one in faults.events] == [(FaultInjected, 0), (FaultEnded, 30)]
    faults.close()


@virtual_time
async def test_two_sets_of_faults_of_an_engine_leave_it_as_it_was() -> None:
    engine = shop()
    first, second = Faults(engine), Faults(engine)
    second.close()
    first.hang("gpt")
    first.close()
    assert not engine.faults.allowed and not engine.faults.active()


def test_type_checkers_know_the_methods(tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    program.write_text(
        "from fuseboard.testing import Faults\n\n\ndef use(faults: Faults) -> None:\n"
        '    faults.rate_limited("gpt", retry_after=5, for_=30)\n'
        '    faults.exception("gpt", "OSError")\n'
        '    faults.rate_limited("gpt", retry_afer=5)\n'
        '    faults.exception("gpt", "OsError")\n'
        '    faults.refused("gpt", 3)\n'
    )
    command = [sys.executable, "-m", "mypy", "--strict", program.name]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=PATIENCE * 5, check=False)
    found = {line.split(": ")[0] for line in done.stdout.splitlines() if ": error: " in line}
    assert found == {"program.py:7", "program.py:8", "program.py:9"}, done.stdout + done.stderr
