"""One trace of faults with and without the engine: how many ideas succeed, and how long outages are felt.

An idea is a sequence of steps (plan, code, review, again), each done by a model of its role. Every role has three
models. Each model has its own outages, drawn from the seed: it refuses connections, hangs, or answers with errors. It
also fails at random. Without the engine, a step calls the first model once, with the same time limit; with it, the
step is a task routed over the three models. Both see the same faults at the same virtual times.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from itertools import chain
from random import Random
from typing import NamedTuple

from report import Report, Table
from timing import Scale, percentile

from fuseboard_engine import Engine, RetryPolicy, Task
from fuseboard_engine.scenario_file.adapter import AdapterPart
from fuseboard_engine.scenario_file.step import StepPart
from fuseboard_engine.simulation.adapter import SimulatedAdapter
from fuseboard_engine.virtual_time import VirtualTimeLoop

ROLES = {
    "planner": ("gpt-5-nano", "mixtral-8x7b", "gpt-4-turbo"),
    "coder": ("codellama-7b", "codellama-13b", "gpt-5-nano"),
    "reviewer": ("gpt-5-nano", "mixtral-8x7b", "gpt-4-turbo"),
}
STEPS = {"simple": 3, "medium": 6, "complex": 12}
FLAKY = 0.035  # share of calls that fail at random
UP, DOWN = 900.0, 45.0  # mean seconds between two outages of a model, and of an outage
LIMIT = 10.0  # seconds that a call may take
EVERY = 3.0  # seconds from one idea to the next

Step = Callable[[str], Awaitable[bool]]


def outages(rng: Random, seconds: float) -> list[tuple[float, float, str]]:
    """Return a model's outages: the start, end and kind of each."""
    found, now = [], rng.expovariate(1 / UP)
    while now < seconds:
        end = now + rng.expovariate(1 / DOWN)
        found.append((now, end, rng.choice(("refused", "hang", "error"))))
        now = end + rng.expovariate(1 / UP)
    return found


class World:
    """The models with their outages, in the time of the running loop."""

    def __init__(self, seed: int, seconds: float) -> None:
        rng = Random(seed)
        models = dict.fromkeys(model for row in ROLES.values() for model in row)
        part = AdapterPart(latency=0.8, spread=0.4, failure_rate=FLAKY)
        self.models = {name: SimulatedAdapter(name, part, Random(rng.random()), lambda: 0.0) for name in models}
        self.outages = {name: outages(Random(rng.random()), seconds) for name in models}

    async def fail(self, name: str) -> None:
        """Apply a model's outages when they are due."""
        loop = asyncio.get_running_loop()
        for begin, end, kind in self.outages[name]:
            await asyncio.sleep(max(0.0, begin - loop.time()))
            self.models[name].begin(StepPart.model_validate({"at": begin, "adapter": name, "fault": kind}))
            await asyncio.sleep(max(0.0, end - loop.time()))
            self.models[name].begin(None)


class Outcome(NamedTuple):
    """The results of a trace.

    `ideas`: whether each idea succeeded, by size. `outages`: seconds for which each outage of a role's first model was
    felt. `breaks`: seconds for which a role was broken, from a failed step to the next successful one.
    """

    ideas: dict[str, list[bool]]
    outages: list[float]
    breaks: list[float]


async def play(seed: int, ideas: int, protected: bool) -> Outcome:
    """Play a trace of faults, `protected` by the engine or not."""
    loop = asyncio.get_running_loop()
    world = World(seed, ideas * EVERY + 600)
    engine = Engine(
        "headline",
        retry=RetryPolicy(max_attempts=2, base_delay=0.2, attempt_timeout=LIMIT),
        clock=loop.time,
        rng=Random(seed).random,
    )
    for name, model in world.models.items():
        engine.add_adapter(name, model)

    async def bare(role: str) -> bool:
        try:
            async with asyncio.timeout(LIMIT):
                await world.models[ROLES[role][0]].call(None)
        except Exception:
            return False
        return True

    async def routed(role: str) -> bool:
        return (await engine.execute_with_fallback(Task(type=role), ROLES[role])).success

    step: Step = routed if protected else bare
    broken: dict[str, float] = {}
    breaks: list[float] = []
    good: dict[str, list[tuple[float, float]]] = {role: [] for role in ROLES}  # when successful steps began and ended
    results: dict[str, list[bool]] = {size: [] for size in STEPS}

    async def work(size: str, count: int) -> None:
        for number in range(count):
            role = tuple(ROLES)[number % 3]
            started = loop.time()
            if not await step(role):
                broken.setdefault(role, started)
                results[size].append(False)
                return
            good[role].append((started, loop.time()))
            if role in broken:
                breaks.append(loop.time() - broken.pop(role))
        results[size].append(True)

    faults = [asyncio.create_task(world.fail(name)) for name in world.models]
    running = []
    for number in range(ideas):
        size = tuple(STEPS)[number % 3]
        running.append(asyncio.create_task(work(size, STEPS[size])))
        await asyncio.sleep(EVERY)
    await asyncio.gather(*running)
    for fault in faults:
        fault.cancel()
    felt = [
        min(ended - begin for began, ended in good[role] if began >= begin)
        for role, models in ROLES.items()
        for begin, _, _ in world.outages[models[0]]
        if any(began >= begin for began, _ in good[role])
    ]
    return Outcome(results, felt, breaks)


def share(results: list[bool]) -> float:
    """Return the share of successes, 0..1."""
    return sum(results) / len(results)


def format_percentile(seconds: list[float], part: float) -> str:
    """Return the duration that a `part` (0..1) of all durations do not exceed."""
    return f"{percentile(seconds, part):.1f} s" if seconds else "none"


def compare(seed: int, ideas: int) -> tuple[Outcome, Outcome]:
    """Return the outcome of one trace without the engine, and with it."""
    found = []
    for protected in (False, True):
        with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
            found.append(runner.run(play(seed, ideas, protected)))
    return found[0], found[1]


def run(scale: Scale) -> Report:
    """Measure everything and return the report."""
    both = compare(20, scale.of(3000, 60))
    rows = [(size, *(f"{share(outcome.ideas[size]):.1%}" for outcome in both)) for size in STEPS]
    rows.append(("all ideas", *(f"{share([*chain.from_iterable(outcome.ideas.values())]):.1%}" for outcome in both)))
    for name, part in (("median", 0.5), ("95 of 100", 0.95)):
        rows.append(
            (
                f"an outage of a role's first model, felt for: {name}",
                *(format_percentile(v.outages, part) for v in both),
            )
        )
    rows.append(("times a role was broken", *(str(len(outcome.breaks)) for outcome in both)))
    rows.append(("seconds a role was broken, in all", *(f"{sum(outcome.breaks):,.0f}" for outcome in both)))
    return Report(
        (
            Table(
                "Ideas that succeed and outages that are felt, on the same faults",
                ("ideas", "without", "with the engine"),
                tuple(rows),
            ),
        ),
        notes=(
            f"Each model is out {DOWN / (DOWN + UP):.1%} of the time and fails {FLAKY:.1%} of its calls besides.",
            "An idea of 3, 6 or 12 steps succeeds when every step does. No degraded answer counts as a success.",
            "An outage is felt from its beginning until a step that began meanwhile, or afterwards, was a good one.",
        ),
    )
