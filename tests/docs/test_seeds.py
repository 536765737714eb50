"""The seeds table names existing tests, and every pinned behaviour has a test that carries its id."""

from __future__ import annotations

import re

import pytest
import yaml

from support.paths import ROOT

CASES = yaml.safe_load((ROOT / "tests" / "cases" / "seed_behaviours.yaml").read_text())
SOURCES = "\n".join(file.read_text() for file in (ROOT / "tests").rglob("test_*.py"))
PLAYED_AS_DATA = {
    "FB01",
    "FB02",
    "FB03",
    "FB04",
}  # by test_engine_seeds.py; the breaker cases are played by the breaker's tests
OTHERS = [
    case["id"]
    for case in [*CASES["cases"], *CASES["regressions"]]
    if case.get("kind") != "breaker" and case["id"] not in PLAYED_AS_DATA
]


def test_every_test_named_in_the_table_exists() -> None:
    table = (ROOT / "docs" / "seeds.md").read_text()
    named = re.findall(r"`((?:engine|storage|console|architecture|examples)/[\w/]*test_\w+\.py)`", table)
    assert len(named) > 40
    assert [name for name in named if not (ROOT / "tests" / name).exists()] == []


@pytest.mark.parametrize("case", OTHERS)
def test_every_pinned_behaviour_has_a_test_that_carries_its_id(case: str) -> None:
    assert re.search(rf"def test_\w*{case}(_|\b)", SOURCES, re.IGNORECASE), f"no test is named after {case}"
