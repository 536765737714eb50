"""The same seed gives the same events, to the byte, in every process."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from support.paths import CASES, PROGRAMS
from support.waiting import PATIENCE

EVERYTHING = CASES / "scenarios" / "everything.yaml"
NAMES = ("rate-limit-storm", "region-failover", "half-open-herd", str(EVERYTHING))
"""They retry, fail over and wait in a herd, so that the order of tasks at the same moment matters."""

EVERYTHING = """
scenario: everything
title: Every kind of traffic, and what an operator and a kill do
duration: 20
adapters: {gpt: {failure_rate: 0.2}, claude: {items: 3}}
dead_letters: {first_retry: at_once}
workflows: {order: {a: {adapter: gpt}, b: {type: x, after: [a]}}}
traffic:
  - {per_second: 3, arrivals: poisson}
  - {per_second: 1, batch: {tasks: 3, rollback: true}}
  - {per_second: 1, fan_out: {strategy: first_success}}
  - {per_second: 1, workflow: order}
  - {per_second: 1, stream: true}
timeline:
  - {at: 0, command: dlq_retry, args: {all: true}}
  - {at: 4, adapter: gpt, fault: hang, for: 3}
  - {at: 5, kill: true, down: 2}
  - {at: 12, command: dlq_retry, args: {all: true}}
"""


def digests(hash_seed: str, *names: str) -> str:
    done = subprocess.run(
        [sys.executable, PROGRAMS / "scenario_digests.py", *names],
        env={**os.environ, "PYTHONHASHSEED": hash_seed},
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_scenario_has_the_same_events_whatever_the_seed_of_hashes(tmp_path: Path) -> None:
    everything = tmp_path / "everything.yaml"
    everything.write_text(EVERYTHING, encoding="utf-8")
    names = (*NAMES, str(everything))
    first = digests("0", *names)
    assert [line.split()[0] for line in first.splitlines()] == list(names)
    assert digests("1", *names) == first
    assert digests("4242", *names) == first
