"""Random workflow graphs with random failures, compared with a simple model of a run."""

from __future__ import annotations

import asyncio
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from fuseboard_engine import MemoryCheckpoints, RetryPolicy, Workflow
from fuseboard_engine.virtual_time import run
from fuseboard_engine.workflow.checkpoints import SavedRun
from support.engine_world import NEVER_TRIPS, World


@dataclass(frozen=True)
class Plan:
    """A graph of numbered nodes; every edge leads from a lower to a higher number."""

    size: int
    edges: frozenset[tuple[int, int]]
    failing: frozenset[int]
    seconds: tuple[int, ...]
    side_by_side: int


@st.composite
def plans(draw: st.DrawFn) -> Plan:
    size = draw(st.integers(1, 9))
    pairs = [(a, b) for b in range(size) for a in range(b)]
    return Plan(
        size,
        draw(st.frozensets(st.sampled_from(pairs))) if pairs else frozenset(),
        draw(st.frozensets(st.integers(0, size - 1), max_size=2)),
        tuple(draw(st.lists(st.integers(0, 5), min_size=size, max_size=size))),
        draw(st.integers(1, 4)),
    )


def model(plan: Plan) -> dict[int, tuple[str, int | None]]:
    """Return the expected state and result of every node, in order."""
    ends: dict[int, tuple[str, int | None]] = {}
    for number in range(plan.size):
        before = [ends[a] for a, b in plan.edges if b == number]
        if any(state != "done" for state, _ in before):
            ends[number] = ("skipped", None)
        elif number in plan.failing:
            ends[number] = ("failed", None)
        else:
            ends[number] = ("done", number + sum(result or 0 for _, result in before))
    return ends


class Killed(BaseException):
    """Simulates the end of the process."""


class Mortal(MemoryCheckpoints):
    """Checkpoints of a process that is killed just before or after its n-th commit; later ones are not stored."""

    def __init__(self) -> None:
        super().__init__()
        self.left = 0
        self.commits_last = False

    def _keep(self, run: SavedRun) -> None:
        self.left -= 1
        if self.left > 0 or (self.left == 0 and self.commits_last):
            super()._keep(run)
        if self.left <= 0:
            raise Killed

    def begin_anew(self, left: int, commits_last: bool) -> None:
        """Let another process take over: no run is in use."""
        self.left, self.commits_last = left, commits_last
        self.runs = {name: replace(run, alive=False) for name, run in self.runs.items()}


class Application:
    """A series of processes that run the same plan and share its checkpoints."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.calls: list[int] = []
        self.ended: list[int] = []
        self.failing = plan.failing
        self.kept: MemoryCheckpoints = MemoryCheckpoints()

    def workflow(self) -> Workflow:
        world = World(breaker=NEVER_TRIPS, retry=RetryPolicy(max_attempts=1))
        workflow = Workflow("plan", engine=world)
        for number in range(self.plan.size):
            workflow.add_node(str(number), self.node(number))
        for a, b in sorted(self.plan.edges):
            workflow.connect(str(a), str(b), {"value": f"from_{a}"})
        return workflow

    def node(self, number: int) -> Any:
        async def work(inputs: dict[str, int]) -> dict[str, int]:
            self.calls.append(number)
            await asyncio.sleep(self.plan.seconds[number])
            if number in self.failing:
                raise ConnectionError(f"{number} is down")
            self.ended.append(number)
            return {"value": number + sum(inputs.values())}

        return work

    def ends_as(self, result: Any) -> dict[int, tuple[str, int | None]]:
        return {
            int(name): (node.state, node.result["value"] if node.state == "done" else None)
            for name, node in result.nodes.items()
        }


@settings(max_examples=150, deadline=None)
@given(plans())
def test_a_run_agrees_with_the_model_and_no_node_starts_before_its_dependencies(plan: Plan) -> None:
    async def scene() -> None:
        app = Application(plan)
        result = await app.workflow().execute(max_concurrent=plan.side_by_side)
        assert app.ends_as(result) == model(plan)
        assert max(Counter(app.calls).values()) == 1
        for a, b in plan.edges:
            if b in app.calls:
                assert app.calls.index(a) < app.calls.index(b)

    run(scene())


@settings(max_examples=150, deadline=None)
@given(plans())
def test_a_failed_run_that_is_resumed_runs_only_unfinished_nodes(plan: Plan) -> None:
    async def scene() -> None:
        app = Application(plan)
        first = await app.workflow().execute(run="r", max_concurrent=plan.side_by_side, checkpoints=app.kept)
        done = [int(name) for name, node in first.nodes.items() if node.state == "done"]
        app.failing = frozenset()
        result = await app.workflow().execute(resume="r", checkpoints=app.kept)
        assert result.success
        assert app.ends_as(result) == model(Plan(plan.size, plan.edges, frozenset(), plan.seconds, 1))
        assert sorted(app.ended) == list(range(plan.size))
        assert all(app.calls.count(number) == 1 for number in done)

    run(scene())


@settings(max_examples=200, deadline=None)
@given(plans(), st.lists(st.tuples(st.integers(1, 12), st.booleans()), max_size=4))
def test_a_run_killed_at_any_commit_and_resumed_runs_no_saved_node_twice(
    plan: Plan, kills: list[tuple[int, bool]]
) -> None:
    app = Application(plan)
    app.failing = frozenset()
    kept = app.kept = Mortal()
    saved: dict[str, int] = {}
    resume = ""

    async def part() -> Any:
        return await app.workflow().execute(
            run="" if resume else "r", resume=resume, max_concurrent=plan.side_by_side, checkpoints=kept
        )

    for left, commits_last in [*kills, (10**6, True)]:
        kept.begin_anew(left, commits_last)
        result = None
        with suppress(Killed):
            result = run(part())
        resume = "r" if "r" in kept.runs else ""
        assert {name: app.calls.count(int(name)) for name in saved} == saved
        saved = {name: app.calls.count(int(name)) for name in kept.runs["r"].nodes} if resume else {}
    assert result is not None
    assert result.success
    assert app.ends_as(result) == model(Plan(plan.size, plan.edges, frozenset(), plan.seconds, 1))
