"""The mutator for contributors, run on a small checkout."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from support.paths import ROOT

MODULE = """
def total(first, second):
    return first + second
"""
TESTS = """
import time
from pathlib import Path
from tiny.sums import total

def test_total():
{0}
"""
NOTICES = "    assert total(2, 3) == 5\n"
HANGS = "    while total(2, 3) != 5: time.sleep(0.1)\n"
HANGS_ONCE = """    if total(2, 3) != 5 and not Path('{marker}').exists():
        Path('{marker}').touch()
        time.sleep(600)
    assert total(2, 3) == 5
"""


def _mutate(checkout: Path, test: str, *options: str) -> tuple[str, list[str]]:
    """Run the mutator on a checkout whose only test has this body; return what it prints, and all verdicts."""
    (checkout / "tools").mkdir()
    shutil.copy(ROOT / "tools" / "mutate.py", checkout / "tools")
    for folder, name, text in (("engine/tiny", "sums.py", MODULE), ("tests", "test_sums.py", TESTS.format(test))):
        (checkout / folder).mkdir(parents=True)
        (checkout / folder / name).write_text(text)
    out = checkout / "out.jsonl"
    command = [sys.executable, "tools/mutate.py", "engine/tiny/sums.py", "--out", str(out), "--jobs", "1", *options]
    done = subprocess.run(command, cwd=checkout, capture_output=True, text=True, timeout=240, check=False)
    verdicts = [json.loads(line)["verdict"] for line in out.read_text().splitlines()] if out.exists() else []
    return done.stdout + done.stderr, verdicts


@pytest.mark.parametrize(("test", "verdict"), [(NOTICES, "noticed"), ("    total(2, 3)\n", "survived")])
def test_a_change_is_noticed_if_a_test_fails_and_survives_otherwise(tmp_path: Path, test: str, verdict: str) -> None:
    printed, verdicts = _mutate(tmp_path, test)
    assert set(verdicts) == {verdict}
    share = "100%" if verdict == "noticed" else "0%"
    assert f"{share}  {verdicts.count('noticed')} of {len(verdicts)}  all files" in printed


def test_a_change_whose_tests_hang_is_a_timeout_and_in_no_share(tmp_path: Path) -> None:
    printed, verdicts = _mutate(tmp_path, HANGS, "--least-limit", "1", "--slowdown", "4", "--per-file", "1")
    assert verdicts == ["timeout"]
    assert "timeout: engine/tiny/sums.py:3" in printed
    assert "0%  0 of 0, 1 timed out  all files" in printed


def test_a_timeout_is_tried_once_more_before_it_counts(tmp_path: Path) -> None:
    test = HANGS_ONCE.format(marker=tmp_path / "hung")
    printed, verdicts = _mutate(tmp_path, test, "--least-limit", "15", "--per-file", "1")
    assert (tmp_path / "hung").exists()
    assert verdicts == ["noticed"]
    assert "timeout: " not in printed


def test_the_limit_follows_from_an_unchanged_run(tmp_path: Path) -> None:
    slow = "    time.sleep(0.4)\n    if total(2, 3) != 5: time.sleep(1.6)\n    assert total(2, 3) == 5\n"
    _, verdicts = _mutate(tmp_path, slow, "--least-limit", "0", "--per-file", "1")
    assert verdicts == ["noticed"]


def test_tests_that_fail_without_a_change_are_refused(tmp_path: Path) -> None:
    printed, verdicts = _mutate(tmp_path, "    assert False\n")
    assert verdicts == []
    assert "test_total fails without a change" in printed
