"""A recording in which every foreign text is hostile: names, errors, payloads, actors, runs, steps."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from fuseboard_engine import Engine, RetryPolicy
from fuseboard_engine.dead_letters.policy import DeadLetterPolicy
from fuseboard_engine.events import (
    CommandDone,
    Event,
    HealthChecked,
    NodeChanged,
    PreferenceSet,
    ScenarioStep,
    StateChanged,
    WorkflowStarted,
)
from fuseboard_engine.runtime.clock import wall_clock
from fuseboard_storage import record
from support.hostile_texts import HOSTILE


async def be_hostile(file: Path) -> None:
    """Record a task, a dead letter, a run and an operator's command for each hostile text."""
    engine = Engine(
        name="".join(HOSTILE[:3]),
        dead_letters=DeadLetterPolicy(automatic_retry=False),
        retry=RetryPolicy(max_attempts=2, strategy="immediate"),
    )

    async def fail(task: object) -> object:
        raise ConnectionError(text)

    async with record(engine, file) as recorder:
        for number, text in enumerate(HOSTILE):
            name = f"{text}{number}"
            engine.add_adapter(name, fail, tags=(text,))
            task = {"id": f"{number}{text}", "task_type": text or "none", text: text}
            await engine.execute_with_fallback(task, preference_order=[name])
            for event in _hostile_events(name, text, number):
                engine.emit(event)
        await recorder.flushed()


def _hostile_events(name: str, text: str, number: int) -> Iterator[Event]:
    at, run = wall_clock(), f"{number}{text}"
    after = "forced_open" if number % 2 else "half_open"
    yield PreferenceSet(at=at, task_type=text, order=(name, *HOSTILE[:2]))
    yield StateChanged(
        at=at, adapter=name, before="closed", after=after, reason="by_hand", detail=text, actor=text
    )  # fmt: skip
    yield HealthChecked(at=at, adapter=name, status="unhealthy", detail=text)
    yield CommandDone(
        at=at, command=number, verb="reset", actor=text, ok=False, adapter=name, detail=text, requested_at=at
    )  # fmt: skip
    yield WorkflowStarted(
        at=at, run=run, workflow=text, name=text, nodes=(text, f"{text}2"), edges=((text, f"{text}2"),)
    )  # fmt: skip
    yield NodeChanged(at=at, run=run, workflow=text, node=text, state="failed", error=text)
    yield ScenarioStep(at=at, scenario=text, text=text)
