"""Stored histograms: read back equal, those of earlier versions converted, and damaged ones empty."""

from __future__ import annotations

import json
import re
import sqlite3
from math import ceil, log
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fuseboard_storage.board.histogram import MAX_BUCKET, MIN_BUCKET, bucket_of, merge, percentile
from fuseboard_storage.board.metrics import SECOND, AdapterSecond
from fuseboard_storage.recorder.retention import HOUR, Retention, apply_retention
from fuseboard_storage.recording.recording import Recording
from fuseboard_storage.sqlite import schema
from fuseboard_storage.tables import histograms, metrics
from fuseboard_storage.tables.marks import Moment
from support.fake_engine import NOON
from support.paths import ROOT

BEFORE_ARRAYS = 11
"""The last schema version that stored histograms as objects."""


def old_bucket_of(seconds: float) -> int:
    """Return the bucket of a duration as earlier versions chose it."""
    return ceil(log(seconds / 1e-6) / log(1.1)) if seconds > 1e-6 else 0


def old_form(durations: list[float]) -> str:
    found: dict[int, int] = {}
    for seconds in durations:
        found[old_bucket_of(seconds)] = found.get(old_bucket_of(seconds), 0) + 1
    return json.dumps(found)


@given(st.dictionaries(st.integers(MIN_BUCKET, MAX_BUCKET), st.integers(1, 2**53)))
def test_a_histogram_is_read_back_equal(histogram: dict[int, int]) -> None:
    assert histograms.decode(histograms.encode(histogram)) == histogram


def test_the_stored_form_names_the_first_bucket_and_skips_empty_ones() -> None:
    assert histograms.encode({-34: 9, -13: 1, -35: 4}) == "[-35,4,9,-20,1]"
    assert histograms.encode({}) == "[]"


@given(st.lists(st.floats(1e-6, 1e15), min_size=1, max_size=200), st.sampled_from([0.5, 0.95, 0.99]))
def test_a_histogram_of_an_earlier_version_keeps_its_counts_and_nearly_its_percentiles(
    durations: list[float], share: float
) -> None:
    converted = histograms.decode(old_form(durations))
    assert sum(converted.values()) == len(durations)
    exact = sorted(durations)[ceil(round(share * len(durations), 6)) - 1]
    estimate = percentile(converted, share)
    assert estimate is not None
    assert abs(estimate - exact) <= 0.093 * exact


@pytest.mark.parametrize(
    ("stored", "read"),
    [
        ("", {}),
        ("null", {}),
        ("[1.5]", {}),
        ('["x", 1]', {}),
        ("[1, 2", {}),
        (None, {}),
        (b"\xff", {}),
        (7, {}),
        ("[]", {}),
        ("[5]", {}),
        ("[5,18446744073709551615]", {}),
        ("[5,0,2]", {6: 2}),
        ("[9999,2,3]", {MAX_BUCKET: 5}),
        ("[-9999,2,3]", {MIN_BUCKET: 5}),
        ("{}", {}),
        ('{"x": 1}', {}),
        ('{"0": 2, "-5": 1, "7": -3}', {MIN_BUCKET: 3}),
        ('{"99999": 2}', {MAX_BUCKET: 2}),
    ],
)
def test_a_damaged_histogram_costs_only_what_cannot_be_read(stored: object, read: dict[int, int]) -> None:
    assert histograms.decode(stored) == read


OLD = [0.02, 0.05, 0.05, 3.0]


@pytest.fixture
def old(tmp_path: Path) -> Path:
    """Write a recording of an earlier version with two seconds of one adapter."""
    path = tmp_path / "old.db"
    connection = schema.connect(path, version=BEFORE_ARRAYS)
    for second in (0, 1):
        connection.execute(
            f"""INSERT INTO metrics(resolution, instance, {metrics.COLUMNS})
                VALUES (1, 1, ?, 'agno', 4, 3, 1, 0, 0, ?, '{{}}')""",
            (NOON + second * SECOND, old_form(OLD)),
        )
    connection.commit()
    connection.close()
    return path


def check(spans: list[AdapterSecond], calls: int) -> None:
    assert sum(span.calls for span in spans) == calls
    latency = merge(span.latency for span in spans)
    assert sum(latency.values()) == calls
    assert percentile(latency, 0.5) == pytest.approx(0.05, rel=0.093)
    assert percentile(latency, 1.0) == pytest.approx(3.0, rel=0.093)


async def test_a_reader_converts_a_recording_that_no_engine_has_migrated(old: Path) -> None:
    async with Recording.open(old) as recording:
        check(await recording.spans(0, 2**62), 8)
    assert schema.connect(old, version=BEFORE_ARRAYS).execute("PRAGMA user_version").fetchone() == (BEFORE_ARRAYS,)


async def test_old_and_new_seconds_are_added_and_rolled_up_in_the_new_buckets(old: Path) -> None:
    connection = schema.connect(old)
    for second in (1, 2):
        at = NOON + second * SECOND
        latency = {bucket_of(0.05): 3, bucket_of(3.0): 1}
        metrics.add(connection, 1, {(at, "agno"): AdapterSecond(at, "agno", 4, 3, 1, latency=latency)})
    connection.commit()
    async with Recording.open(old) as recording:
        check(await recording.spans(0, 2**62), 16)
        apply_retention(connection, Retention(seconds=HOUR), Moment(NOON + 60 * SECOND, "boot", 0))
        while apply_retention(connection, Retention(seconds=HOUR), Moment(NOON, "boot", 3_700 * SECOND)):
            pass
        (span,) = await recording.spans(0, 2**62)
        check([span], 16)
    ((stored,),) = connection.execute("SELECT latency FROM metrics").fetchall()
    assert stored == histograms.encode(span.latency)
    connection.close()


latencies = st.lists(st.floats(1e-5, 100.0), min_size=1, max_size=30)


@given(st.lists(st.tuples(st.sampled_from(["agno", "gpt"]), latencies), min_size=1, max_size=5))
def test_the_documented_query_gives_the_percentile(found: list[tuple[str, list[float]]]) -> None:
    (sql,) = re.findall(r"```sql\n(WITH counts.*?)```", (ROOT / "docs" / "recording.md").read_text(), re.DOTALL)
    connection = sqlite3.connect(":memory:", isolation_level=None)
    connection.create_function("pow", 2, pow)  # not every SQLite has it
    schema.migrate(connection)
    seen: dict[str, list[dict[int, int]]] = {}
    for second, (adapter, durations) in enumerate(found):
        latency = merge({bucket_of(seconds): 1} for seconds in durations)
        at = NOON + second * SECOND
        metrics.add(connection, 1, {(at, adapter): AdapterSecond(at, adapter, len(durations), latency=latency)})
        seen.setdefault(adapter, []).append(latency)
    expected = {adapter: percentile(merge(parts), 0.95) for adapter, parts in seen.items()}
    assert dict(connection.execute(sql)) == pytest.approx(expected, rel=1e-3)
    connection.close()
