"""Simulated adapters, which behave as a scenario's fault says."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import asynccontextmanager
from random import Random
from typing import TYPE_CHECKING, Any

from fuseboard_engine.faults.faulty_call import ServiceError
from fuseboard_engine.faults.table import FAULTS, values_of
from fuseboard_engine.simulation.latencies import latency_of
from fuseboard_engine.simulation.recorded_calls import RecordedCalls

if TYPE_CHECKING:
    from fuseboard_engine.scenario_file.adapter import AdapterPart
    from fuseboard_engine.scenario_file.step import StepPart


class SimulatedAdapter:
    """An adapter that takes about its latency and then answers, or behaves as its current fault says.

    Args:
        name: the adapter's name, for its answers and errors.
        part: how it behaves without a fault.
        rng: the source of all its randomness.
        position: returns the seconds of the scenario that have passed.
    """

    def __init__(self, name: str, part: AdapterPart, rng: Random, position: Callable[[], float]) -> None:
        self.name = name
        self.fault: StepPart | None = None
        """The step whose fault is in effect; None without a fault."""
        self.meeting = 0
        """How many calls meet the fault at this moment."""
        self.began = 0.0
        """When the fault began, in seconds of the scenario."""
        self.position = position
        self._part = part
        self._rng = rng
        self._latency = latency_of(part, rng)
        self._recorded = RecordedCalls(name, part.recorded, position, rng) if part.recorded else None
        self._places = None if part.capacity is None else asyncio.Semaphore(part.capacity)

    def begin(self, step: StepPart | None) -> StepPart | None:
        """Begin the fault of a step; None ends the fault. Return the step of the fault before."""
        before, self.fault = self.fault, step
        self.began = self.position()
        return before

    async def call(self, task: Any) -> Any:
        """Do a task."""
        async with self._place():
            answer = await self._do(task)
            if self._part.items:
                await asyncio.sleep(self._part.gap * (self._part.items - 1))
            return answer

    async def check_health(self) -> bool:
        """Check the health: a call of a twin that has the same fault, so that checks leave the randomness as it is."""
        twin = SimulatedAdapter(self.name, self._part, Random(1), self.position)
        twin.fault, twin.began = self.fault, self.began
        return bool((await twin.call(None)).get("success"))

    async def stream(self, task: Any) -> AsyncGenerator[Any, None]:
        """Yield the items of an answer: as many as the scenario says, else the answer itself."""
        async with self._place():
            step = self.fault
            effect = None if step is None or step.fault is None else FAULTS[step.fault].stream
            if step is not None and effect is not None:
                await asyncio.sleep(self._latency())
                items = effect(_Call(self, step), self._items(), step.values)
            elif self._recorded is not None and step is None:
                items = self._recorded.stream(task)
            else:
                answer = await self._do(task)
                if not self._part.items or answer.get("success") is False:
                    yield answer
                    return
                items = self._items()
            async for item in items:
                yield item

    async def _items(self) -> AsyncGenerator[str, None]:
        for number in range(1, self._part.items + 1):
            yield f"item {number}"
            if number < self._part.items:
                await asyncio.sleep(self._part.gap)

    @asynccontextmanager
    async def _place(self) -> AsyncIterator[None]:
        """Hold a place for a call, if the adapter serves only so many at a time."""
        if self._places is None:
            yield
            return
        if self._part.overload == "refuse" and self._places.locked():
            raise ServiceError(503, "Service Unavailable: all places are taken")
        async with self._places:
            yield

    async def _do(self, task: Any) -> Any:
        step, latency = self.fault, self._latency()
        if step is None or step.fault is None:
            return await (self._answer(latency) if self._recorded is None else self._recorded(task))
        self.meeting += 1
        try:
            return await FAULTS[step.fault].apply(_Call(self, step), latency, step.values)
        finally:
            self.meeting -= 1

    async def _answer(self, latency: float) -> Any:
        """Answer as the adapter does without a fault: also with one of the errors of its mix, if it has one."""
        chance = self._rng.random() if self._part.errors else 1.0
        for name, share in self._part.errors.items():
            if chance < share:
                return await FAULTS[name].apply(_Call(self, None), latency, values_of(name, None))
            chance -= share
        return await self.answer(latency, self._part.failure_rate)

    async def answer(self, latency: float, failure_rate: float) -> dict[str, Any]:
        """Answer after `latency` seconds; fail with `failure_rate`, 0..1."""
        await asyncio.sleep(latency)
        if failure_rate and self._rng.random() < failure_rate:
            raise ServiceError(500, "Internal Server Error")
        return {"success": True, "adapter": self.name}

    @property
    def failure_rate(self) -> float:
        """The share of calls that fail without a fault."""
        return self._part.failure_rate


class _Call:
    """One call of a simulated adapter that meets a fault."""

    note = ""

    def __init__(self, adapter: SimulatedAdapter, step: StepPart | None) -> None:
        self.name = adapter.name
        self.concurrent = adapter.meeting
        self.elapsed = adapter.position() - (adapter.began if step is not None else 0.0)
        self._adapter = adapter

    async def answer(self, latency: float, failure_rate: float | None = None) -> dict[str, Any]:
        """Answer after `latency` seconds; fail with `failure_rate`, 0..1 (default: the adapter's own)."""
        rate = self._adapter.failure_rate if failure_rate is None else failure_rate
        return await self._adapter.answer(latency, rate)

    async def hang(self) -> Any:
        """Never answer: the caller has a limit, or is cancelled at the end."""
        return await asyncio.Event().wait()
