"""Injects faults into the adapters of a live engine, for exercises under real traffic."""

from __future__ import annotations

import asyncio
import math
import os
import threading
from collections.abc import AsyncGenerator, Callable, Mapping
from typing import Any, Final

import msgspec

from fuseboard_engine.adapters.callables import StreamCall, as_stream_of_one, yields_many
from fuseboard_engine.adapters.registry import Adapter, Registry
from fuseboard_engine.adapters.timeouts import AsyncCall
from fuseboard_engine.commands import Command
from fuseboard_engine.errors import FaultsNotAllowed
from fuseboard_engine.events import Event, FaultEnded, FaultInjected
from fuseboard_engine.faults.faulty_call import ServiceError
from fuseboard_engine.faults.table import FAULTS, Fault, values_of

LONGEST: Final = 3_600.0
"""Seconds that a fault lasts at most."""

SECONDS: Final = 30.0
"""Seconds that a fault lasts unless a caller says otherwise."""

USUAL_LATENCY: Final = 0.05
"""Seconds that a call of an adapter is taken to last before its first success."""

_LOOK: Final = 0.25  # seconds between two looks of a hanging call whether its fault has ended

_STREAMED: Final = object()  # the real answer of a stream: its items follow


def faults_allowed(allowed: bool | None) -> bool:
    """Return whether an engine takes faults; None: what the environment variable `FUSEBOARD_ALLOW_FAULTS` says."""
    return os.environ.get("FUSEBOARD_ALLOW_FAULTS", "") == "1" if allowed is None else allowed


class InjectedFault(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A fault that is injected into an adapter.

    `fault` is a name in `FAULTS` and `value` its number (None if it takes none), `values` those of all its parameters,
    `share` the share of the calls, 0..1, that meet it, `until` when it ends by itself (the engine's clock), and `actor`
    who injected it.
    """

    adapter: str
    fault: str
    until: float
    share: float = 1.0
    value: float | None = None
    actor: str = ""
    values: dict[str, Any] = {}

    def __str__(self) -> str:
        number = "" if self.value is None else f" {self.value:g}"
        part = "" if self.share == 1 else f" in {100 * self.share:.3g} % of the calls"
        return f"{self.fault}{number}{part}"


class FaultInjector:
    """Injects faults into adapters and ends them.

    A fault takes the place of the adapter's calls, so that an adapter without one costs nothing. It ends by itself: the
    first call after its end goes to the service.

    Args:
        allowed: whether faults may be injected; None: what the environment variable `FUSEBOARD_ALLOW_FAULTS` says.
        registry: the adapters.
        emit: publishes the beginning and the end of each fault.
        clock: monotonic seconds.
        wall: UTC microseconds.
        rng: a function like `random.random`, which decides which calls meet a fault.
    """

    def __init__(
        self,
        allowed: bool | None,
        registry: Registry,
        emit: Callable[[Event], None],
        clock: Callable[[], float],
        wall: Callable[[], int],
        rng: Callable[[], float],
    ) -> None:
        self._allowed = faults_allowed(allowed)
        self._registry = registry
        self._emit = emit
        self.clock = clock
        self._wall = wall
        self.rng = rng
        self._lock = threading.RLock()
        self._active: dict[str, _FaultyCalls] = {}
        self._added: dict[str, float] = {}  # seconds that faults have added to the calls that adapters answered

    @property
    def allowed(self) -> bool:
        """Whether faults may be injected."""
        return self._allowed

    def allow(self, allowed: bool | None) -> None:
        """Allow faults from now on, or refuse them; then those that last are ended."""
        self._allowed = faults_allowed(allowed)
        if not self._allowed:
            with self._lock:
                for name in list(self._active):
                    self._end(name, "refused")

    def inject(
        self,
        adapter: str,
        fault: str,
        seconds: float = SECONDS,
        *,
        share: float = 1.0,
        value: float | None = None,
        values: Mapping[str, Any] | None = None,
        actor: str = "",
    ) -> InjectedFault:
        """Inject a fault into an adapter, in place of the one that it may have; see `Engine.inject_fault`."""
        target = self._registry[adapter]
        if not self._allowed:
            raise FaultsNotAllowed
        kind = FAULTS.get(fault) if isinstance(fault, str) else None
        if kind is None:
            raise ValueError(f"there is no fault {fault!r:.100}; choose from {', '.join(FAULTS)}")
        seconds = _number("the duration of a fault", seconds, LONGEST)
        share = _number("the share of the calls", share, 1.0)
        checked = values_of(fault, values, value)
        injected = InjectedFault(
            adapter=adapter,
            fault=fault,
            until=self.clock() + seconds,
            share=share,
            value=kind.value_of(checked),
            values=checked,
            actor=actor,
        )
        with self._lock:
            target = self._registry[adapter]  # it may have been removed meanwhile
            self._end(adapter, "replaced", actor)
            self._active[adapter] = _FaultyCalls(self, injected, kind, target)
            self._emit(self._begun(injected, seconds))
        return injected

    def heal(self, adapter: str, *, actor: str = "") -> bool:
        """End the fault of an adapter. Return whether it had one. Raises UnknownAdapter."""
        name = self._registry[adapter].name
        with self._lock:
            return self._end(name, "healed", actor)

    def active(self) -> tuple[InjectedFault, ...]:
        """Return the faults that last."""
        with self._lock:
            self.end_due()
            return tuple(calls.injected for calls in self._active.values())

    def end_due(self) -> None:
        """End the faults whose time is over. Called once a second where an engine is recorded; without a fault free."""
        if self._active:
            with self._lock:
                for name in [name for name, calls in self._active.items() if calls.over]:
                    self._end(name, "over")

    def describe(self) -> list[Event]:
        """Return the faults that last as events."""
        now = self.clock()
        return [self._begun(injected, injected.until - now) for injected in self.active()]

    def remove(self, adapter: str) -> None:
        """End the fault of an adapter that was removed from the registry."""
        with self._lock:
            self._end(adapter, "removed")
            self._added.pop(adapter, None)

    def carry_out_inject(self, command: Command, _: object) -> str:
        """Carry out an operator's command.

        Its `args` are `fault`, and those of `seconds`, `share`, `value` and `values` that are given.
        """
        given = {name: command.args[name] for name in ("seconds", "share", "value", "values") if name in command.args}
        injected = self.inject(command.adapter, command.args.get("fault", ""), **given, actor=command.actor)
        return f"{injected} injected into {command.adapter} for {given.get('seconds', SECONDS):.3g} s"

    def carry_out_heal(self, command: Command, _: object) -> str:
        """Carry out an operator's command to end a fault."""
        ended = self.heal(command.adapter, actor=command.actor)
        return f"the fault of {command.adapter} ended" if ended else f"{command.adapter} has no injected fault"

    def end_over(self, calls: _FaultyCalls) -> None:
        """End a fault whose time is over."""
        with self._lock:
            if self._active.get(calls.injected.adapter) is calls:
                self._end(calls.injected.adapter, "over")

    def after_fork(self) -> None:
        """Continue in a forked child, whose calls meet the same faults."""
        self._lock = threading.RLock()
        self._added.clear()

    def _begun(self, injected: InjectedFault, seconds: float) -> FaultInjected:
        wall = self._wall()
        return FaultInjected(
            at=wall,
            adapter=injected.adapter,
            fault=injected.fault,
            until=wall + round(seconds * 1e6),
            share=injected.share,
            value=injected.value,
            actor=injected.actor,
        )

    def _end(self, adapter: str, reason: str, actor: str = "") -> bool:
        """End the fault of an adapter; return whether it had one whose time was not over."""
        calls = self._active.pop(adapter, None)
        if calls is None:
            return False
        lasted = not calls.over
        if not lasted:
            reason, actor = "over", ""
        calls.restore()
        fault = calls.injected.fault
        self._emit(FaultEnded(at=self._wall(), adapter=adapter, fault=fault, reason=reason, actor=actor))
        return lasted

    def usual_latency(self, adapter: Adapter) -> float:
        """Return the mean seconds in which an adapter answered, without the waits that faults added."""
        seconds = adapter.seconds - self._added.get(adapter.name, 0.0)
        return seconds / adapter.successes if adapter.successes and seconds > 0 else USUAL_LATENCY

    def note_wait(self, adapter: str, seconds: float) -> None:
        """Note that a fault added a wait to a call that was answered."""
        self._added[adapter] = self._added.get(adapter, 0.0) + seconds


class _FaultyCalls:
    """The calls of an adapter while it has a fault, in place of its own."""

    def __init__(self, injector: FaultInjector, injected: InjectedFault, fault: Fault, adapter: Adapter) -> None:
        self.injected = injected
        self.meeting = 0
        """How many calls meet the fault at this moment."""
        self._began = injector.clock()
        self._injector = injector
        self._fault = fault
        self._adapter = adapter
        self._ended = False
        self._own_call: AsyncCall = adapter.call
        self._own_stream: StreamCall = adapter.stream
        adapter.call = self._call
        adapter.stream = self._stream if yields_many(adapter.stream) else as_stream_of_one(self._call)

    @property
    def elapsed(self) -> float:
        """The seconds since the fault began."""
        return self._injector.clock() - self._began

    @property
    def left(self) -> float:
        """The seconds that the fault still lasts; 0.0 once it has ended."""
        return 0.0 if self._ended else max(0.0, self.injected.until - self._injector.clock())

    @property
    def over(self) -> bool:
        """Whether the fault has ended, or its time is over."""
        return not self.left

    def restore(self) -> None:
        """Give the adapter its own calls back."""
        self._ended = True
        self._adapter.call, self._adapter.stream = self._own_call, self._own_stream

    def _meets(self) -> bool:
        """Return whether a call that begins now meets the fault."""
        if self.over:
            self._injector.end_over(self)
            return False
        return self.injected.share >= 1 or self._injector.rng() < self.injected.share

    async def _call(self, task: Any) -> Any:
        if not self._meets():
            return await self._own_call(task)
        return await self._apply(lambda: self._own_call(task))

    async def _stream(self, task: Any) -> AsyncGenerator[Any, None]:
        meets, effect = self._meets(), self._fault.stream
        if meets and effect is None:
            answer = await self._apply(_streamed)
            if answer is not _STREAMED:
                yield answer
                return
        own = self._own_stream(task)
        call = _InjectedCall(self, _streamed, 0.0)
        items = own if effect is None or not meets else effect(call, own, self.injected.values)
        try:
            async for item in items:
                yield item
        finally:
            for stream in (items, own) if items is not own else (own,):
                close = getattr(stream, "aclose", None)
                if close is not None:
                    await close()

    async def _apply(self, own: Callable[[], Any]) -> Any:
        usual = self._injector.usual_latency(self._adapter)
        self.meeting += 1
        try:
            return await self._fault.apply(_InjectedCall(self, own, usual), usual, self.injected.values)
        finally:
            self.meeting -= 1

    async def answer_after(self, seconds: float, own: Callable[[], Any]) -> Any:
        """Wait, at most until the fault ends; then return the service's own answer."""
        clock = self._injector.clock
        began = clock()
        await self._wait(seconds)
        waited = clock() - began
        answer = await own()
        self._injector.note_wait(self.name, waited)
        return answer

    async def _wait(self, seconds: float) -> None:
        while seconds > 0 and (left := min(seconds, self.left, _LOOK)):
            await asyncio.sleep(left)
            seconds -= left

    @property
    def name(self) -> str:
        """The adapter's name."""
        return self._adapter.name

    @property
    def rng(self) -> Callable[[], float]:
        """The source of chance."""
        return self._injector.rng


class _InjectedCall:
    """One call that meets an injected fault."""

    note = "injected fault: "

    def __init__(self, calls: _FaultyCalls, own: Callable[[], Any], usual: float) -> None:
        self.name = calls.name
        self.concurrent = calls.meeting
        self.elapsed = calls.elapsed
        self._calls = calls
        self._own = own
        self._usual = usual

    async def answer(self, latency: float, failure_rate: float | None = None) -> Any:
        if failure_rate and self._calls.rng() < failure_rate:
            raise ServiceError(500, f"{self.note}Internal Server Error")
        return await self._calls.answer_after(latency - self._usual, self._own)

    async def hang(self) -> Any:
        return await self._calls.answer_after(math.inf, self._own)


async def _streamed() -> object:
    return _STREAMED


def _number(what: str, value: object, most: float) -> float:
    """Return a number above 0, and at most `most`. Raises ValueError for anything else."""
    if isinstance(value, int | float) and not isinstance(value, bool) and 0 < value <= most:
        return float(value)
    raise ValueError(f"{what} is a number above 0, at most {most:g}, not {value!r}")
