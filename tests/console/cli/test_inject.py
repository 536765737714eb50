"""`fuseboard inject` and `fuseboard heal`, against an engine in this process."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from fuseboard_console.cli.output import complain_of
from fuseboard_engine import Engine
from fuseboard_engine.events import FaultEnded, FaultInjected
from fuseboard_storage import record
from fuseboard_storage.errors import RecordingError, RecordingNotWritable
from fuseboard_storage.recording.recording import Recording
from support.command_line import fuseboard
from support.waiting import until_async


async def cli(*arguments: str) -> tuple[int, str, str]:
    done = await asyncio.to_thread(fuseboard, *arguments)
    return done.returncode, done.stdout, done.stderr


@pytest.fixture
async def engine(tmp_path: Path) -> AsyncIterator[Engine]:
    engine = Engine("shop", allow_faults=True)
    engine.add_adapter("claude", lambda task: "an answer")
    async with engine, record(engine, tmp_path / "staging.db"):
        yield engine


@pytest.fixture
def path(tmp_path: Path) -> str:
    return str(tmp_path / "staging.db")


async def test_the_values_of_a_fault_are_given_by_name(path: str, engine: Engine) -> None:
    options = ("--engine", "shop", "--set", "down_for=5", "--set", "up_for=20.5")
    assert (await cli("inject", path, "claude", "flapping", *options))[0] == 0
    (fault,) = engine.faults.active()
    assert fault.values == {"down_for": 5, "up_for": 20.5}
    code, _, err = await cli("inject", path, "claude", "flapping", "--engine", "shop", "--set", "downfor=5")
    assert code == 1
    assert "the fault flapping has no value 'downfor'; did you mean down_for?" in err
    code, _, err = await cli("inject", path, "claude", "rate_limited", "--engine", "shop", "--set", "retry_after_as")
    assert (code, "'retry_after_as' is not NAME=VALUE" in err) == (2, True)
    _, out, _ = await cli("audit", path)
    assert "down_for 5, up_for 20.5" in out


async def test_a_fault_is_injected_recorded_shown_and_healed(path: str, engine: Engine) -> None:
    options = ("--for", "5m", "--share", "0.5", "--value", "3", "--engine", "shop")
    code, out, err = await cli("inject", path, "claude", "slow", *options)
    assert (code, out, err) == (0, "slow 3 in 50 % of the calls injected into claude for 300 s.\n", "")
    assert [fault.fault for fault in engine.faults.active()] == ["slow"]

    async def shown() -> bool:  # an engine on a busy host may be silent for a moment
        _, out, _ = await cli("status", path)
        return "FAULT slow 3, 50 % of the calls, " in out

    await until_async(shown)
    assert await cli("heal", path, "claude") == (0, "the fault of claude ended.\n", "")
    assert await cli("heal", path, "claude") == (0, "claude has no injected fault.\n", "")
    assert engine.faults.active() == ()
    _, out, _ = await cli("status", path)
    assert "FAULT" not in out
    async with Recording.open(path) as recording:
        events: list[Any] = [entry.event for entry in await recording.events()]
    assert [type(event) for event in events if isinstance(event, FaultInjected | FaultEnded)] == [
        FaultInjected,
        FaultEnded,
    ]


@pytest.mark.parametrize(
    "arguments, text",
    [
        (("nope", "error", "--engine", "shop"), "nope"),
        (
            ("claude", "error", "--engine", "checkout"),
            "'checkout' is not the engine of claude, which is shop. Nothing was done.",
        ),
        (("claude", "error"), "Give the name of the engine with --engine"),
        (("claude", "explode"), "explode"),
        (("claude", "error", "--for", "2h"), "at most 60 minutes"),
        (("claude", "error", "--for", "soon"), "soon"),
        (("claude", "error", "--for", "nan"), "'nan' is not a time; write 30s or 5m"),
        (("claude", "error", "--share", "0"), "not a share above 0"),
        (("claude", "error", "--share", "nan"), "not a share above 0"),
        (("claude", "slow", "--value", "nan"), "'nan' is not a number"),
        (("claude", "slow", "--value=-inf"), "'-inf' is not a number"),
        (("claude", "slow", "--value", "ten"), "'ten' is not a number"),
    ],
)
async def test_what_is_wrong_is_refused_before_anything_happens(
    arguments: tuple[str, ...], text: str, path: str, engine: Engine
) -> None:
    code, out, err = await cli("inject", path, *arguments)
    assert (code, out) == (2, "")
    assert text in err
    assert engine.faults.active() == ()


async def test_an_engine_that_takes_no_faults_refuses(path: str, engine: Engine) -> None:
    engine.faults.allow(False)
    code, out, err = await cli("inject", path, "claude", "error", "--engine", "shop")
    assert (code, out) == (1, "")
    assert "this engine takes no faults; make it with allow_faults=True" in err


async def test_a_number_out_of_range_is_refused_by_the_engine(path: str, engine: Engine) -> None:
    code, _, err = await cli("inject", path, "claude", "flaky", "--value", "7", "--engine", "shop")
    assert code == 1
    assert "rate (share of failing calls) cannot be 7" in err


@pytest.mark.parametrize("kind, code", [(RecordingNotWritable, 1), (RecordingError, 2)])
def test_a_file_that_can_be_read_but_not_written_has_a_code_of_its_own(
    kind: type[RecordingError], code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    assert complain_of(kind("a.db cannot be used.", "Check it.")) == code
    assert capsys.readouterr().err == "a.db cannot be used. Check it.\n"
