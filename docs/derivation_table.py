"""Measures how well derived scenarios repeat recordings, and writes the table of docs/scenarios.md.

`python docs/derivation_table.py` records each scenario that comes along, derives a scenario from the recording, plays
that one too, and compares. It takes about a minute.
"""

from __future__ import annotations

import asyncio
from pathlib import Path
from tempfile import TemporaryDirectory

from fuseboard_console.scenario_actions.virtual_run import play_virtually, repetition_of
from fuseboard_console.sources.recorded_scenario import observe
from fuseboard_engine.documents.loader import parse
from fuseboard_engine.scenario.model import Scenario, load
from fuseboard_engine.scenario_derivation.document import scenario_text
from fuseboard_engine.scenario_derivation.observation import Observation
from fuseboard_engine.scenario_derivation.repetition import Repetition, can_be_repeated
from fuseboard_scenarios import shipped
from fuseboard_storage import Recording

PAGE = Path(__file__).with_name("scenarios.md")
BEGIN, END = "<!-- derived -->\n", "<!-- /derived -->"


def measured(file: Path, engine: str = "") -> Repetition:
    """Record a scenario, derive one from the recording, play it, and return how well it repeats the first.

    Args:
        file: the scenario.
        engine: the engine to observe, if it has several.
    """

    async def read(path: Path) -> Observation:
        async with Recording.open(path) as recording:
            return (await observe(recording, since=None, until=None, engine=engine)).observation

    with TemporaryDirectory() as folder:
        path = Path(folder) / "recorded.db"
        play_virtually(load(file), recording=str(path))
        observation = asyncio.run(read(path))
    return repetition_of(observation, parse(scenario_text(observation, file.stem, ""), Scenario, file.name))


def row(name: str, found: Repetition) -> str:
    """Return the row of a scenario."""
    order = "same" if found.same else "others"
    gap = f"{found.largest_gap:.2f} s" if found.changes else ""
    shares = f"{found.success:.1%} | {found.repeated_success:.1%}"
    return f"| `{name}` | {found.tasks:,} | {found.changes} | {order} | {gap} | {shares} |".replace("%", " %")


def table() -> str:
    """Return the table, with a row for each scenario."""
    head = (
        "scenario",
        "tasks",
        "changes of state",
        "their order",
        "largest difference in time",
        "answered",
        "repeated",
    )
    rows = [
        row(f"{name}, {engine}" if engine else name, measured(file, engine))
        for name, file in shipped().items()
        for engine in load(file).engines or ("",)
        if can_be_repeated(load(file))
    ]
    return "\n".join([f"| {' | '.join(head)} |", f"|{'---|' * len(head)}", *rows])


def main() -> None:
    """Replace the table between its two comments."""
    text = PAGE.read_text(encoding="utf-8")
    before, rest = text.split(BEGIN)
    PAGE.write_text(f"{before}{BEGIN}\n{table()}\n\n{END}{rest.split(END)[1]}", encoding="utf-8")


if __name__ == "__main__":
    main()
