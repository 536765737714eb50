"""Events, a scripted history and a feed of events, for tests of the console."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from textual.events import Resize
from textual.geometry import Size
from textual.pilot import Pilot

from fuseboard_engine.events import (
    AdapterAdded,
    Attempt,
    AttemptFailed,
    EngineStarted,
    EngineStopped,
    Event,
    PreferenceSet,
    ProbeChanged,
    RouteFinished,
    State,
    StateChanged,
)
from fuseboard_storage.board.board import AdapterKey, Board, Entry
from fuseboard_storage.recording.file_change import FileChange
from fuseboard_storage.tables.commands import CommandStatus, Status
from support.waiting import PATIENCE

SECOND = 1_000_000
NOON = 1_763_733_600 * SECOND  # 2025-11-21 14:00:00 UTC


def at(seconds: float) -> int:
    """Return the time `seconds` after the story's start, in UTC microseconds."""
    return NOON + round(seconds * SECOND)


def started(when: float = 0, name: str = "checkout") -> EngineStarted:
    return EngineStarted(at=at(when), name=name, host="web-1", pid=4242)


def stopped(when: float) -> EngineStopped:
    return EngineStopped(at=at(when))


def added(adapter: str, when: float = 0, threshold: int = 5) -> AdapterAdded:
    return AdapterAdded(at=at(when), adapter=adapter, policy={"failure_threshold": threshold})


def changed(adapter: str, after: State, when: float, *, before: State = "closed", **fields: object) -> StateChanged:
    return StateChanged(at=at(when), adapter=adapter, before=before, after=after, **{"reason": "failures", **fields})


def opened(adapter: str, when: float, wait: float = 10.0, openings: int = 1) -> StateChanged:
    return changed(
        adapter,
        "open",
        when,
        wait=wait,
        until=at(when + wait),
        openings=openings,
        failures=5,
        threshold=5,
        detail="5 failures in a row",
    )


def failed(adapter: str, when: float, error: str = "connection refused", **fields: object) -> AttemptFailed:
    attempt = Attempt(
        **{
            "adapter": adapter,
            "outcome": "failure",
            "number": 1,
            "duration": 0.1,
            "error_type": "ConnectError",
            "error": error,
            "failures": 1,
            **fields,
        }
    )
    return AttemptFailed(at=at(when), task="8f20", task_type="ai_task", attempt=attempt, threshold=5)


def answered(adapter: str, when: float, duration: float = 0.05, task: str = "8f20") -> RouteFinished:
    attempt = Attempt(adapter=adapter, outcome="success", number=1, duration=duration)
    return route(when, attempt, adapter=adapter, task=task, duration=duration)


def route(
    when: float, *attempts: Attempt, success: bool = True, task: str = "8f20", type: str = "ai_task", **fields: object
) -> RouteFinished:
    return RouteFinished(at=at(when), task=task, task_type=type, success=success, attempts=attempts, **fields)


def attempt(adapter: str, outcome: str, duration: float = 0.1, **fields: object) -> Attempt:
    return Attempt(adapter=adapter, outcome=outcome, number=1, duration=duration, **fields)


def entries(events: Sequence[Event], first: int = 1, instance: int = 1) -> list[Entry]:
    return [Entry(seq, instance, event) for seq, event in enumerate(events, first)]


def fold(events: Sequence[Event], *, alive: float | None = None) -> Board:
    """Return the Board of the events, with the engine's last heartbeat at `alive` seconds into the story."""
    board = Board()
    for entry in entries(events):
        board.apply(entry)
    if alive is not None:
        board.heartbeat(1, at(alive))
    return board


def siblings(now: float = 60) -> Board:
    """Of the name `shop` a live process, a silent, a killed and an ended one; of `search` a live one."""
    board = Board()
    told = [
        *entries([started(0, "shop"), added("gpt"), answered("gpt", 1), failed("gpt", 2)], 1, 1),
        *entries([started(1, "shop"), added("gpt"), answered("gpt", 3)], 5, 2),
        *entries([started(2, "shop")], 8, 3),
        *entries([started(3, "shop"), added("gpt"), answered("gpt", 4), stopped(20)], 10, 4),
        *entries([EngineStopped(at=at(20), reason="lost")], 14, 3),
        *entries([started(5, "search"), added("embed")], 15, 5),
    ]
    for entry in told:
        board.apply(entry)
    for live in (1, 5):
        board.heartbeat(live, at(now))
    return board


def story() -> list[Event]:
    """Return the events of two minutes of a checkout service. At its end, at 131 s, every state occurs."""
    names = [
        "prefect",
        "agno",
        "llamaindex",
        "gpt",
        "eu-search",
        "us-search",
        "rerank",
        "embed",
        "billing",
        "ocr",
        "mail",
        "vision",
    ]
    events: list[Event] = [started(0)]
    events += [added(name) for name in names]
    events.append(PreferenceSet(at=at(0), order=("prefect", "agno")))
    for second in range(5, 131):
        for place, name in enumerate(("gpt", "llamaindex", "us-search", "embed", "agno")):
            for call in range(1 + (second * (place + 3) + second * second // 7) % (7 - place)):
                duration = (0.3, 0.12, 0.07, 0.012, 0.04)[place] * (1 + (second * 7 + call * 13) % 10 / 10)
                events.append(answered(name, second + call / 10, duration, task=f"8e{second:02x}{call}"))
        if second < 60:
            events.append(answered("prefect", second + 0.5, 0.09))
        elif second < 65:
            events.append(failed("prefect", second + 0.5, failures=second - 59))
    events.append(opened("prefect", 65, wait=1.5))
    events += [failed("llamaindex", 130.92 + i / 100, "server overloaded", failures=i + 1) for i in range(2)]
    late = {"error": "timed out", "rule": "timeout", "error_type": "AttemptTimeout", "duration": 2.0}
    events += [failed("eu-search", 90 + i, **late) for i in range(4)]
    events.append(opened("eu-search", 103.4, wait=55, openings=6))
    events += [failed("prefect", 128.0 + i / 100) for i in range(37)]
    events.append(opened("prefect", 129.1, wait=6.0, openings=2))
    events.append(opened("rerank", 119.0, wait=4.0))
    events.append(changed("agno", "half_open", 128.5, before="open", reason="probe_due", needed=3))
    events.append(ProbeChanged(at=at(129), adapter="agno", what="admitted", in_flight=1, successes=1, needed=3))
    events.append(changed("billing", "forced_open", 20, reason="by_hand", actor="ana"))
    events.append(changed("ocr", "disabled", 30, reason="by_hand", actor="ana"))
    events.append(changed("mail", "metrics_only", 31, reason="by_hand", actor="ana"))
    events.append(changed("vision", "closed", 124, before="open", reason="reset", actor="ana"))
    events += [
        route(
            130.2,
            attempt("eu-search", "rejected", 0, why="circuit open"),
            attempt("us-search", "failure", 0.07),
            success=True,
            degraded=True,
            adapter="template",
            type="rag",
            task="8f1f",
        ),
        route(
            130.4,
            attempt("prefect", "failure"),
            attempt("prefect", "failure"),
            attempt("prefect", "failure", 0.11),
            attempt("agno", "success", 0.051),
            task="8f20",
        ),
        route(
            130.6,
            attempt("prefect", "rejected", 0, why="circuit open"),
            attempt("agno", "success", 0.042),
            task="8f21",
        ),
        route(
            130.7,
            attempt("billing", "rejected", 0, why="held open"),
            success=False,
            dead_letter=12,
            type="invoice",
            task="8f22",
        ),
        route(
            130.8,
            attempt("prefect", "rejected", 0),
            attempt("rerank", "failure", 0.02, error_type="HTTPStatusError"),
            success=False,
            error="HTTPStatusError: 503",
            task="8f23",
        ),
    ]
    return sorted(events, key=lambda event: event.at)


STORY_ENDS = 131.0


@dataclass
class ListFeed:
    """A feed of events that a test adds to; its engine's last heartbeat is at `alive` seconds of the story."""

    alive: float = 0.0
    events: list[Event] = field(default_factory=list)
    board: Board = field(default_factory=Board)
    taken: int = 0
    trouble: str = ""
    file_change: FileChange | None = None
    recording: None = None

    async def advance(self) -> bool:
        new = self.events[self.taken :]
        for entry in entries(new, self.taken + 1):
            self.board.apply(entry)
        self.taken += len(new)
        self.board.heartbeat(1, at(self.alive))
        return bool(new)

    async def behind(self) -> int:
        return len(self.events) - self.taken


@dataclass
class ListMailbox:
    """A mailbox that keeps the commands it gets; the test sets their status, which is `pending` at first."""

    status: Status = "pending"
    detail: str = ""
    asked: list[tuple[str, str, int | None]] = field(default_factory=list)
    args: list[dict[str, Any] | None] = field(default_factory=list)

    async def ask_many(
        self,
        verb: str,
        targets: Sequence[AdapterKey],
        *,
        actor: str,
        args: dict[str, Any] | None = None,
        expires_in: float = 10.0,
    ) -> list[int]:
        for instance, adapter in targets:
            self.asked.append((verb, adapter, instance))
            self.args.append(args)
        return list(range(len(self.asked) - len(targets) + 1, len(self.asked) + 1))

    async def statuses(self, ids: Sequence[int]) -> dict[int, CommandStatus]:
        found = {id: self.asked[id - 1] for id in ids}
        return {
            id: CommandStatus(id, verb, adapter, "ana@web-1", self.status, self.detail)
            for id, (verb, adapter, _) in found.items()
        }


async def resize(pilot: Pilot[None], width: int, height: int) -> None:
    """Resize the terminal as a window manager would; the size can be zero."""
    size = Size(width, height)
    pilot.app._driver._size = (width, height)  # type: ignore[union-attr]
    pilot.app.post_message(Resize(size, size))
    await pilot.pause(0.01)


async def until(condition: Callable[[], bool], pilot: object, within: float = PATIENCE) -> None:
    """Return once the condition holds; fail when it does not within so many seconds."""
    deadline, delay = asyncio.get_running_loop().time() + within, 0.01
    while not condition():
        assert asyncio.get_running_loop().time() < deadline, f"the condition did not hold within {within:g} s"
        await pilot.pause(delay)  # type: ignore[attr-defined]
        delay = min(0.1, 1.2 * delay)  # to read the screen costs as much as to paint it


async def settle(pilot: Pilot[Any], polls: int = 3) -> None:
    """Return once the console has polled its recording so many more times, and has handled all messages until then."""
    sessions, rounds = pilot.app.sessions, 0  # type: ignore[attr-defined]
    close_popped = sessions.close_popped

    async def counted() -> None:
        nonlocal rounds
        rounds += 1
        await close_popped()

    sessions.close_popped = counted
    try:
        await until(lambda: rounds > polls, pilot)
    finally:
        sessions.close_popped = close_popped
    await pilot.pause()
