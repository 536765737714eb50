"""Metrics per step: counts add up exactly, also where older metrics are coarser than the step."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest

from fuseboard import AdapterMetrics, Recording
from fuseboard_storage.board.histogram import bucket_of
from fuseboard_storage.board.metrics import SECOND, AdapterSecond
from fuseboard_storage.sqlite import schema
from fuseboard_storage.tables import metrics as rows
from support.fake_engine import NOON

START = NOON - NOON % (3600 * SECOND)


def span(at: int, adapter: str = "gpt", calls: int = 10, failures: int = 1, seconds: float = 0.1) -> AdapterSecond:
    found = AdapterSecond(START + at * SECOND, adapter)
    found.calls, found.failures, found.successes, found.rejections = calls, failures, calls - failures, 2
    found.latency = {bucket_of(seconds): calls}
    return found


def record(path: Path, spans: list[AdapterSecond], resolution: int = 1) -> None:
    with closing(schema.connect(path)) as file:
        rows.add(file, 1, {(one.at, one.adapter): one for one in spans}, resolution)


async def read(path: Path, **options: object) -> list[AdapterMetrics]:
    async with Recording.open(path) as recording:
        return await recording.metrics(**options)  # type: ignore[arg-type]


async def test_steps_hold_counts_rates_and_quantiles(tmp_path: Path) -> None:
    slow = [span(90 + second, seconds=2.0) for second in range(30)]
    record(tmp_path / "a.db", [span(second) for second in range(90)] + slow + [span(70, "agno", calls=0, failures=0)])
    first, agno, second = await read(tmp_path / "a.db", step=60)
    assert (first.at, first.seconds, first.adapter, first.calls) == (START, 60.0, "gpt", 600)
    assert (first.successes, first.failures, first.rejections) == (540, 60, 120)
    assert first.rate == pytest.approx(10.0)
    assert first.success_rate == pytest.approx(0.9)
    assert first.p50 == first.p99 == pytest.approx(0.1, rel=0.06)
    assert (second.at, second.calls) == (START + 60 * SECOND, 600)
    assert second.p50 == pytest.approx(0.1, rel=0.06)
    assert second.p95 == second.quantile(1.0) == pytest.approx(2.0, rel=0.06)
    assert (agno.adapter, agno.success_rate, agno.p95, agno.rate) == ("agno", None, None, 0.0)
    with pytest.raises(ValueError, match="between 0 and 1"):
        first.quantile(95)


async def test_without_a_step_there_is_one_result_for_each_adapter(tmp_path: Path) -> None:
    record(tmp_path / "a.db", [span(second) for second in range(50, 90)] + [span(10, "agno")])
    agno, gpt = await read(tmp_path / "a.db")
    assert (agno.adapter, agno.at, agno.seconds, agno.calls) == ("agno", START + 10 * SECOND, 1.0, 10)
    assert (gpt.at, gpt.seconds, gpt.calls, gpt.rate) == (START + 50 * SECOND, 40.0, 400, 10.0)
    assert [row.adapter for row in await read(tmp_path / "a.db", adapter="agno")] == ["agno"]
    assert (await read(tmp_path / "a.db", since=START + 80 * SECOND, until=START + 85 * SECOND))[0].calls == 50
    assert await read(tmp_path / "a.db", instances=[2]) == []


async def test_coarse_spans_are_returned_whole_and_never_twice(tmp_path: Path) -> None:
    record(tmp_path / "a.db", [span(0, calls=600), span(60, calls=500)], resolution=60)
    record(tmp_path / "a.db", [span(110, calls=50)], resolution=10)  # its minute was rolled up in part
    record(tmp_path / "a.db", [span(second, calls=1) for second in range(115, 130)])
    found = await read(tmp_path / "a.db", step=10)
    assert [((row.at - START) // SECOND, row.seconds, row.calls) for row in found] == [
        (0, 60.0, 600),
        (60, 60.0, 555),
        (120, 10.0, 10),
    ]
    assert sum(row.calls for row in await read(tmp_path / "a.db", step=3600)) == 1_165


@pytest.mark.parametrize("step", [0, 0.5, -1, float("nan"), float("inf")])
async def test_an_impossible_step_is_refused(tmp_path: Path, step: float) -> None:
    record(tmp_path / "a.db", [span(0)])
    with pytest.raises(ValueError, match="1 or more"):
        await read(tmp_path / "a.db", step=step)
