"""Metrics read back from a recording."""

from __future__ import annotations

from pathlib import Path

import pytest

from fuseboard_storage.board.metrics import SECOND, Spans, count
from fuseboard_storage.recorder.retention import HOUR, Retention, apply_retention
from fuseboard_storage.recording.recording import Recording
from fuseboard_storage.sqlite import schema
from fuseboard_storage.tables import instances, metrics
from fuseboard_storage.tables.marks import Moment
from support.fake_engine import NOON, answered

NAMES = ("prefect", "agno", "gpt")


@pytest.fixture
def recorded(tmp_path: Path) -> Path:
    """Write two hours of two engines, partly rolled up; each adapter is called in some of the seconds."""
    path = tmp_path / "a.db"
    connection = schema.connect(path)
    for name in ("checkout", "billing"):
        spans: Spans = {}
        for second in range(0, 7_200, 7):
            count(spans, answered(adapter=NAMES[second % 3], at=NOON + second * SECOND))
        metrics.add(connection, instances.register(connection, name, "web-1", NOON), spans)
    connection.commit()
    for second in (3_600, 7_200):
        while apply_retention(
            connection, Retention(seconds=HOUR), Moment(NOON + second * SECOND, "boot", second * SECOND)
        ):
            pass
    connection.close()
    return path


@pytest.mark.parametrize("these", [(), (1,), (2,), (1, 2), (3,)])
@pytest.mark.parametrize(("since", "until"), [(0, 7_200), (3_000, 4_000), (7_100, 9_000), (8_000, 9_000)])
async def test_the_metrics_of_one_adapter_equal_its_part_of_all_metrics(
    recorded: Path, these: tuple[int, ...], since: int, until: int
) -> None:
    first, end = NOON + since * SECOND, NOON + until * SECOND
    async with Recording.open(recorded) as recording:
        everything = await recording.spans(first, end, instances=these)
        for name in (*NAMES, "nonesuch"):
            alone = await recording.spans(first, end, name, these)
            theirs = [span for span in everything if span.adapter == name]
            assert [(span.at, span.calls) for span in alone] == [(span.at, span.calls) for span in theirs]


def test_damaged_counts_do_not_stop_the_roll_up(tmp_path: Path) -> None:
    connection = schema.connect(tmp_path / "a.db")
    for second, (calls, latency) in enumerate([(2**63 - 1, f"[1,{2**53}]"), (7, f"[1,{2**53}]"), (5, f"[1,{2**64}]")]):
        connection.execute(
            f"""INSERT INTO metrics(resolution, instance, {metrics.COLUMNS})
                VALUES (1, 1, ?, 'agno', ?, 0, 0, 0, 0, ?, '[]')""",
            (NOON + second * SECOND, calls, latency),
        )
    apply_retention(connection, Retention(), Moment(NOON + 60 * SECOND, "boot", 0))
    while apply_retention(connection, Retention(), Moment(NOON, "boot", 3_700 * SECOND)):
        pass
    found = connection.execute("SELECT resolution, calls, latency FROM metrics").fetchall()
    assert found == [(10, 2**63 - 1, f"[1,{2**53}]")]
    connection.close()
