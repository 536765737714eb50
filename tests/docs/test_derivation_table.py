"""The table of docs/scenarios.md that says how well derived scenarios repeat recordings."""

from __future__ import annotations

import re
from pathlib import Path

from fuseboard_engine.scenario.model import load
from fuseboard_engine.scenario_derivation.repetition import can_be_repeated
from fuseboard_scenarios import shipped

PAGE = Path(__file__).parent.parent.parent / "docs" / "scenarios.md"


def rows() -> dict[str, list[str]]:
    """Return the cells of each row by the name of its scenario."""
    table = PAGE.read_text(encoding="utf-8").split("<!-- derived -->")[1].split("<!-- /derived -->")[0]
    found = re.findall(r"^\| `([a-z0-9, -]+)` \| (.*) \|$", table, re.MULTILINE)
    return {name: [cell.strip() for cell in cells.split("|")] for name, cells in found}


def test_it_names_every_scenario_that_can_be_repeated() -> None:
    repeated = [
        f"{name}, {engine}" if engine else name
        for name, file in shipped().items()
        for engine in load(file).engines or ("",)
        if can_be_repeated(load(file))
    ]
    assert list(rows()) == repeated, "run python docs/derivation_table.py"


def test_every_scenario_is_repeated_within_the_limits_that_the_page_names() -> None:
    for name, (_, _, order, _, answered, repeated) in rows().items():
        assert order == "same", name
        assert abs(float(answered.removesuffix(" %")) - float(repeated.removesuffix(" %"))) <= 1.0, name
