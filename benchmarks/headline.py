"""One trace of faults, with and without the engine: how many ideas succeed, and how long an outage lasts.

An idea is a row of steps (plan, code, review, again), each done by a model of its role. Every role has three models.
Each model has outages of its own, drawn from the seed: it refuses connections, hangs, or answers with errors; and it
fails now and then without reason. Without the engine a step calls the first model once, with the same time limit; with
it, the step is a task routed over the three. Both see the very same faults at the same virtual times.
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
from fuseboard_engine.scenario.model import AdapterPart, StepPart
from fuseboard_engine.scenario.simulated_adapter import SimulatedAdapter
from fuseboard_engine.virtual_time import VirtualTimeLoop

ROLES = {
    "planner": ("gpt-5-nano", "mixtral-8x7b", "gpt-4-turbo"),
    "coder": ("codellama-7b", "codellama-13b", "gpt-5-nano"),
    "reviewer": ("gpt-5-nano", "mixtral-8x7b", "gpt-4-turbo"),
}
STEPS = {"simple": 3, "medium": 6, "complex": 12}
FLAKY = 0.035  # share of calls that fail without reason
WELL, ILL = 900.0, 45.0  # mean seconds between a model's outages, and of one
LIMIT = 10.0  # seconds a call may take
EVERY = 3.0  # seconds from one idea to the next

Step = Callable[[str], Awaitable[bool]]


def outages(rng: Random, seconds: float) -> list[tuple[float, float, str]]:
    """Return a model's outages: when each begins and ends, and what it is."""
    found, now = [], rng.expovariate(1 / WELL)
    while now < seconds:
        end = now + rng.expovariate(1 / ILL)
        found.append((now, end, rng.choice(("refused", "hang", "error"))))
        now = end + rng.expovariate(1 / WELL)
    return found


class World:
    """The models with their outages, in the time of the running loop."""

    def __init__(self, seed: int, seconds: float) -> None:
        rng = Random(seed)
        models = dict.fromkeys(model for row in ROLES.values() for model in row)
        part = AdapterPart(latency=0.8, spread=0.4, failure_rate=FLAKY)
        self.models = {name: SimulatedAdapter(name, part, Random(rng.random())) for name in models}
        self.outages = {name: outages(Random(rng.random()), seconds) for name in models}

    async def fail(self, name: str) -> None:
        """Let a model have its outages when they are due."""
        loop = asyncio.get_running_loop()
        for begin, end, kind in self.outages[name]:
            await asyncio.sleep(max(0.0, begin - loop.time()))
            self.models[name].fault = StepPart.model_validate({"at": begin, "adapter": name, "fault": kind})
            await asyncio.sleep(max(0.0, end - loop.time()))
            self.models[name].fault = None


class Lived(NamedTuple):
    """What came of a trace: which ideas succeeded, by size; and in seconds how long each outage of a role's first model
    was felt, and each role broken, from a failed step to its next good one.
    """

    ideas: dict[str, list[bool]]
    outages: list[float]
    breaks: list[float]


async def live(seed: int, ideas: int, protected: bool) -> Lived:
    """Live through a trace of faults, `protected` by the engine or not."""
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
                await world.models[ROLES[role][0]](None)
        except Exception:
            return False
        return True

    async def routed(role: str) -> bool:
        return (await engine.execute_with_fallback(Task(type=role), ROLES[role])).success

    step: Step = routed if protected else bare
    broken: dict[str, float] = {}
    breaks: list[float] = []
    good: dict[str, list[tuple[float, float]]] = {role: [] for role in ROLES}  # when its good steps began and ended
    results: dict[str, list[bool]] = {size: [] for size in STEPS}

    async def work(size: str, count: int) -> None:
        for number in range(count):
            role = tuple(ROLES)[number % 3]
            begun = loop.time()
            if not await step(role):
                broken.setdefault(role, begun)
                results[size].append(False)
                return
            good[role].append((begun, loop.time()))
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
    return Lived(results, felt, breaks)


def share(results: list[bool]) -> float:
    """Return the share of successes, 0..1."""
    return sum(results) / len(results)


def spell(seconds: list[float], part: float) -> str:
    """Return the seconds that a `part` (0..1) of all do not exceed."""
    return f"{percentile(seconds, part):.1f} s" if seconds else "none"


def compare(seed: int, ideas: int) -> tuple[Lived, Lived]:
    """Return what came of one trace without the engine, and with it."""
    found = []
    for protected in (False, True):
        with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
            found.append(runner.run(live(seed, ideas, protected)))
    return found[0], found[1]


def run(scale: Scale) -> Report:
    """Run it all."""
    both = compare(20, scale.of(3000, 60))
    rows = [(size, *(f"{share(lived.ideas[size]):.1%}" for lived in both)) for size in STEPS]
    rows.append(("all ideas", *(f"{share([*chain.from_iterable(lived.ideas.values())]):.1%}" for lived in both)))
    for name, part in (("median", 0.5), ("95 of 100", 0.95)):
        rows.append((f"an outage of a role's first model, felt for: {name}", *(spell(v.outages, part) for v in both)))
    rows.append(("times a role was broken", *(str(len(lived.breaks)) for lived in both)))
    rows.append(("seconds a role was broken, in all", *(f"{sum(lived.breaks):,.0f}" for lived in both)))
    return Report(
        (
            Table(
                "Ideas that succeed and outages that are felt, on the same faults",
                ("ideas", "without", "with the engine"),
                tuple(rows),
            ),
        ),
        notes=(
            f"Each model is out {ILL / (ILL + WELL):.1%} of the time and fails {FLAKY:.1%} of its calls besides.",
            "An idea of 3, 6 or 12 steps succeeds when every step does. No degraded answer counts as a success.",
            "An outage is felt from its beginning until a step that began meanwhile, or afterwards, was a good one.",
        ),
    )
