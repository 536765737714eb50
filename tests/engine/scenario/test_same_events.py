"""The same seed gives the same events, to the byte, in every process."""

from __future__ import annotations

import os
import subprocess
import sys

from support.paths import CASES, PROGRAMS
from support.waiting import PATIENCE

EVERYTHING = CASES / "scenarios" / "everything.yaml"
NAMES = ("rate-limit-storm", "region-failover", "half-open-herd", str(EVERYTHING))
"""They retry, fail over and wait in a herd, so that the order of tasks at the same moment matters."""


def digests(hash_seed: str) -> str:
    done = subprocess.run(
        [sys.executable, PROGRAMS / "scenario_digests.py", *NAMES],
        env={**os.environ, "PYTHONHASHSEED": hash_seed},
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_scenario_has_the_same_events_whatever_the_seed_of_hashes() -> None:
    first = digests("0")
    assert [line.rsplit(maxsplit=1)[0] for line in first.splitlines()] == list(NAMES)
    assert digests("1") == first
    assert digests("4242") == first
