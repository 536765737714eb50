"""The benchmarks run. What they measure is not judged here: a test machine is no place for figures."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from support.paths import ROOT
from support.waiting import PATIENCE

FOLDER = ROOT / "benchmarks"

SUBJECTS = [
    "breaker_cost",
    "memory",
    "routing",
    "parallel",
    "dead_letters",
    "recorder",
    "recording_cost",
    "retention",
    "writers",
    "scenarios",
    "latency",
    "startup",
    "console_frames",
    "seeds",
    "headline",
]


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *arguments], cwd=ROOT, capture_output=True, text=True, timeout=4 * PATIENCE, check=False
    )


@pytest.mark.parametrize("subject", SUBJECTS)
def test_a_benchmark_runs_and_prints_a_table(subject: str) -> None:
    if subject in ("startup", "console_frames") and os.name != "posix":
        pytest.skip("it needs a pseudo-terminal")
    done = run("benchmarks/run.py", "--smoke", subject)
    assert done.returncode == 0, done.stderr
    assert f"== {subject}:" in done.stdout
    assert "\n  " in done.stdout


def test_every_benchmark_is_run_here_and_has_a_place_in_the_document() -> None:
    listed = run("benchmarks/run.py", "--help").stdout
    document = (ROOT / "docs" / "performance.md").read_text(encoding="utf-8")
    for subject in SUBJECTS:
        assert subject in listed
        assert f"<!-- {subject} -->" in document
        assert f"<!-- /{subject} -->" in document


def test_an_unknown_benchmark_is_named_in_the_error() -> None:
    done = run("benchmarks/run.py", "nonesuch")
    assert done.returncode == 2
    assert "no benchmark is called nonesuch" in done.stderr


def test_memory_is_watched_over_a_long_run() -> None:
    done = run("benchmarks/soak.py", "--adapters", "20", "--tasks", "2000")
    assert "after the warm-up, memory grew to" in done.stdout, done.stderr


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the campaigns need Linux")
@pytest.mark.parametrize("name", ["kills", "writers", "flips", "clock_jumps"])
def test_a_short_campaign_loses_and_duplicates_nothing_and_never_hangs(name: str) -> None:
    done = run("benchmarks/campaign.py", "--quick", name)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f'{name}: {{"tried": ' in done.stdout
