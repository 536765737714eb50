"""The questions of an operator at 3 a.m., answered within three keys on 80x24 without colours.

The incident: `claude`, the first of `ai`, is down; `gpt` is rate limited; `elastic-eu` is too slow; every adapter of
`payment` is out, so that its tasks become dead letters; and the process of the engine `worker` was killed.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from textual.pilot import Pilot

from fuseboard_console.app.app import ConsoleApp
from fuseboard_engine.events import CommandDone, DeadLettered, EngineStopped, Event, PreferenceSet, ProbeChanged
from fuseboard_storage.board.board import Entry
from support.console_story import (
    ListFeed,
    ListMailbox,
    added,
    answered,
    at,
    attempt,
    changed,
    failed,
    opened,
    route,
    settle,
    started,
    until,
)
from support.paths import ROOT
from support.screen import screen_text

NOW = 300.0
CHAINS = {
    "ai": ("claude", "gpt", "gemini"),
    "payment": ("stripe", "adyen"),
    "search": ("elastic-eu", "elastic-us"),
}


def incident() -> Iterator[tuple[int, Event]]:
    """Yield the instance and the event, until five minutes after the start."""
    yield 1, started(0, "shop")
    yield 2, started(0, "worker")
    for names in CHAINS.values():
        for name in names:
            yield 1, added(name)
    yield 2, added("mail")
    for kind, names in CHAINS.items():
        yield 1, PreferenceSet(at=at(0), order=names, task_type=kind)
    told: list[tuple[int, Event]] = []
    for second in range(1, 300):
        for kind, names in CHAINS.items():
            first = names[0]
            if kind == "ai" and second >= 100:
                skipped = [attempt(name, "rejected", 0, why="circuit open") for name in names[: 2 - (second < 110)]]
                told.append((1, route(second, *skipped, attempt("gemini", "success"), adapter="gemini", type=kind)))
            elif kind == "payment" and second >= 180:
                skipped = [attempt(name, "rejected", 0, why="circuit open") for name in names]
                end = route(second, *skipped, success=False, type=kind, dead_letter=second, error="no adapter answered")
                told.append((1, end))
                letter: dict[str, Any] = {"task": f"p{second}", "task_type": kind, "category": "connection"}
                told.append((1, DeadLettered(at=at(second), letter=second, error="refused", **letter)))
            else:
                duration = 1.4 if first == "elastic-eu" and second >= 150 else 0.05
                told.append((1, route(second, attempt(first, "success", duration), adapter=first, type=kind)))
        if second < 240:
            told.append((2, answered("mail", second)))
    told += [(1, failed("claude", 100 + place / 10, "Connection refused by api.example")) for place in range(5)]
    told += [(1, opened("claude", 100.5, wait=60, openings=1)), (1, opened("claude", 290, wait=40, openings=5))]
    told.append((1, changed("gpt", "open", 110, reason="rate_limited", wait=400, until=at(510), detail="429")))
    for name, when in (("stripe", 175.0), ("adyen", 180.0)):
        told += [(1, failed(name, when, "503 Service Unavailable")), (1, opened(name, when + 0.5, wait=200))]
    told.append((1, changed("elastic-eu", "open", 200, reason="slow_call_rate", detail="8 of 10 calls took over 1 s")))
    told.append((1, changed("elastic-eu", "half_open", 295, before="open", reason="probe_due", needed=2)))
    told.append((1, ProbeChanged(at=at(296), adapter="elastic-eu", what="success", needed=2, slow=True)))
    told.append((1, CommandDone(at=at(260), command=1, verb="reset", actor="ana", ok=True, adapter="claude")))
    told.append((2, EngineStopped(at=at(245), reason="lost")))
    yield from sorted(told, key=lambda pair: pair[1].at)


@dataclass
class IncidentFeed(ListFeed):
    """The incident, whose engine `shop` is alive."""

    instances: list[int] = field(default_factory=list)

    async def advance(self) -> bool:
        new = self.events[self.taken :]
        for number, event in enumerate(new, self.taken):
            self.board.apply(Entry(number + 1, self.instances[number], event))
        self.taken += len(new)
        self.board.heartbeat(1, at(self.alive))
        return bool(new)


@dataclass
class Desk:
    """The console that the operator sits at."""

    pilot: Pilot[None]

    def screen(self) -> str:
        return screen_text(self.pilot.app)  # type: ignore[arg-type]

    def line(self, *texts: str) -> str:
        return next((line for line in self.screen().splitlines() if all(text in line for text in texts)), "")


@pytest.fixture
async def desk(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Desk]:
    monkeypatch.setenv("NO_COLOR", "1")
    pairs = list(incident())
    feed = IncidentFeed(alive=NOW, events=[event for _, event in pairs], instances=[id for id, _ in pairs])
    app = ConsoleApp(feed, file="shop.db", mailbox=ListMailbox(), now=lambda: at(NOW), poll=0.01)
    async with app.run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        yield Desk(pilot)


QUESTIONS: dict[str, tuple[tuple[str, ...], tuple[tuple[str, ...], ...]]] = {
    "What is down?": ((), (("claude", "OPEN"), ("stripe", "OPEN"), ("adyen", "OPEN"), ("gpt", "OPEN"))),
    "Since when?": ((), (("claude", "14:01:40"), ("adyen", "14:03:00"))),
    "What did users notice?": ((), (("payment", "0.0 %", "since 14:03:00 (2 min)"), ("66.7 %", "120 ↑"))),
    "What took over?": ((), (("ai", "100 %", "gemini, 3rd of 3"),)),
    "When does it come back?": ((), (("claude", "30 s"), ("adyen", "80 s"))),
    "Is it spreading?": (("l",), (("4 ✖",), ("claude", "✖✖✖"), ("elastic-eu", "●●●✖✖✖"), ("gemini", "●●●●●●"))),
    "Why is it down?": (("enter",), (("last error", "503 Service Unavailable, 2 min ago"), ("5 failures in a row",))),
    "What may I do?": (
        ("enter", "end"),
        (("r   Close the selected breaker",), ("o   Hold the selected",)),
    ),
    "Who did something?": (("8",), (("ana", "reset", "claude"),)),
    "Are all processes alive?": (("9",), (("worker", "KILLED", "55 s ago"), ("shop", "LIVE"))),
}
"""The keys that each question takes, and texts that each stand on one line of the screen then."""


@pytest.mark.parametrize("question", QUESTIONS)
async def test_a_question_is_answered_within_three_keys(question: str, desk: Desk) -> None:
    keys, answers = QUESTIONS[question]
    assert len(keys) <= 3
    await desk.pilot.press(*keys)
    for texts in answers:
        try:
            await until(lambda texts=texts: desk.line(*texts) != "", desk.pilot)  # type: ignore[misc]
        except AssertionError:
            raise AssertionError(f"{texts} on no line of\n{desk.screen()}") from None


def test_the_page_lists_the_questions_with_their_keys() -> None:
    page = (ROOT / "docs" / "console.md").read_text(encoding="utf-8")
    listed = dict(re.findall(r"^\| ([A-Z][^|]*\?) \| ([^|]*) \|", page, re.MULTILINE))
    shown = {"enter": "Enter", "end": "End"}
    assert listed == {
        question: " ".join(f"`{shown.get(key, key)}`" for key in keys) or "none"
        for question, (keys, _) in QUESTIONS.items()
    }
