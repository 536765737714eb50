"""How much CPU time a scenario takes in virtual time: an hour at 50 tasks a second over three adapters.

The first adapter fails for one of each five minutes. The goal is 20 s of CPU time.
"""

from __future__ import annotations

import gc
from time import process_time

from report import Report, Table, Target, figure
from timing import Scale

from fuseboard_engine.documents.loader import parse
from fuseboard_engine.scenario.model import Scenario
from fuseboard_engine.scenario.player import Player
from fuseboard_engine.scenario_outcome.verdict import Verdict
from fuseboard_engine.virtual_time import run as run_in_virtual_time

HOUR = 3_600
GOAL = 20.0  # seconds
LEAST = 5  # seconds of the scenario
SCENARIO = """
scenario: hour
title: An hour
duration: {duration}
breaker: {{failure_threshold: 5, recovery_timeout: 5}}
retry: {{max_attempts: 2, base_delay: 0.05}}
adapters: {{gpt: {{failure_rate: 0.01}}, claude: {{}}, mistral: {{}}}}
traffic: [{{per_second: 50}}]
timeline: [{{at: {at}, every: {every}, adapter: gpt, fault: error, for: {lasts}}}]
"""


def run(scale: Scale) -> Report:
    """Play the scenario once."""
    seconds = scale.of(HOUR, LEAST)
    every = min(300, seconds / 2)
    text = SCENARIO.format(duration=seconds, at=every / 2, every=every, lasts=every / 5)
    scenario = parse(text, Scenario, "hour.yaml")

    async def play() -> Verdict:
        return await Player(scenario).play()

    gc.collect()
    began = process_time()
    tasks = run_in_virtual_time(play()).tasks
    took = process_time() - began
    table = Table(
        "A scenario in virtual time",
        ("seconds of the scenario", "tasks", "seconds of CPU", "µs a task"),
        ((f"{seconds:,}", f"{tasks:,}", figure(took), figure(took / tasks * 1e6)),),
    )
    hour = took * HOUR / seconds
    return Report((table,), (Target(f"at most {GOAL:g} s of CPU time for an hour", figure(hour), hour <= GOAL),))
