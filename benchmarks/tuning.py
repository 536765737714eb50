"""How many recorded attempts a replay under other policies takes a second, on one core.

Two adapters, 500 tasks a second, and an outage of the first adapter in 5 % of the time. The goal is 200,000 attempts a
second.
"""

from __future__ import annotations

import gc
import random
from collections.abc import Iterator
from time import process_time

from report import Report, Table, Target, figure
from timing import Scale

from fuseboard_engine.breaker.policy import BreakerPolicy
from fuseboard_engine.events import AdapterAdded, Attempt, Event, RouteFinished
from fuseboard_engine.policy_replay.comparison import PolicyReplay
from fuseboard_engine.policy_replay.reader import WorkloadReader
from fuseboard_engine.policy_replay.replayed_adapters import PolicyChanges
from fuseboard_storage.board.histogram import value_of

TASKS = 300_000
ROUNDS = 5
GOAL = 200_000
POLICIES = {
    "failures in a row": BreakerPolicy(),
    "a failure rate over 10 s": BreakerPolicy(failure_threshold=None, failure_rate=0.5, window_seconds=10),
}


def events(tasks: int, policy: BreakerPolicy) -> Iterator[Event]:
    """Yield the events of an engine whose first adapter is down for 5 of each 100 seconds."""
    dice, seconds = random.Random(1), 0.0
    for name in ("gpt", "claude"):
        yield AdapterAdded(at=0, adapter=name, policy=policy.model_dump(mode="json"))
    for number in range(tasks):
        seconds += dice.expovariate(500)
        took = dice.lognormvariate(-2, 0.4)
        at, by, attempts = seconds + took, "gpt", list[Attempt]()
        if seconds % 100 < 5:
            by = "claude"
            if number % 3:
                attempts.append(Attempt(adapter="gpt", outcome="rejected", why="gpt is open", retry_after=1.0))
            else:
                at += took
                attempts.append(
                    Attempt(adapter="gpt", outcome="failure", number=1, duration=took, rule="connection", limit=1)
                )
        attempts.append(Attempt(adapter=by, outcome="success", number=1, duration=took))
        yield RouteFinished(
            at=round(at * 1e6), task=f"{number}", task_type="", success=True, attempts=tuple(attempts), adapter=by,
            duration=at - seconds, left=("claude",) if by == "gpt" else (),
        )  # fmt: skip


def run(scale: Scale) -> Report:
    """Measure replays with their figures."""
    rows: list[tuple[str, float]] = []
    for name, policy in POLICIES.items():
        reader = WorkloadReader(value_of)
        for seq, event in enumerate(events(scale.of(TASKS, 1_000), policy), 1):
            reader.add(seq, 1, event)
        replay = PolicyReplay(reader.finish())
        gc.collect()
        rates = []
        for _ in range(ROUNDS):
            began = process_time()
            replay.figures({"gpt": PolicyChanges({"recovery_timeout": 5.0})})
            rates.append(replay.attempts / (process_time() - began))
        rows.append((name, max(rates)))  # noise only takes time
    table = Table(
        "Replaying recorded attempts under other policies",
        ("breakers count", "attempts/s"),
        tuple((name, figure(rate)) for name, rate in rows),
    )
    slowest = min(rate for _, rate in rows)
    return Report(
        (table,), (Target(f"at least {GOAL:,} attempts a second on one core", figure(slowest), slowest >= GOAL),)
    )
