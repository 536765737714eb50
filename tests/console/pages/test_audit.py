"""The audit page: when, who, what, and the outcome."""

from __future__ import annotations

from pathlib import Path

import pytest

from fuseboard_console.app.app import ConsoleApp
from fuseboard_console.operator.audit import AuditEntry, audit_entries
from fuseboard_console.sources.live import LiveRecording
from fuseboard_console.text.glyphs import ASCII, UNICODE
from fuseboard_console.text.line import line_width, text_of
from fuseboard_console.views.events.audit import audit_columns, audit_line, audit_lines
from fuseboard_engine import Engine
from fuseboard_engine.events import CommandDone
from fuseboard_storage import Recording, Tail, record
from fuseboard_storage.tables.commands import CommandStatus
from support.console_show import Show
from support.console_story import at, story, until
from support.console_watching import watching
from support.hostile_texts import HOSTILE
from support.screen import screen_text


def done(command: int, verb: str, adapter: str, when: float, *, ok: bool = True, detail: str = "") -> CommandDone:
    return CommandDone(
        at=at(when), command=command, verb=verb, adapter=adapter, actor="ana@web-1", ok=ok, detail=detail,
        requested_at=at(when - 0.25),
    )  # fmt: skip


def test_the_audit_joins_the_mailbox_and_the_board() -> None:
    told = done(4, "reset", "prefect", 10)
    waits = CommandStatus(5, "disable", "gpt", "ben@web-2", "pending", requested_at=at(11))
    known = CommandStatus(4, "reset", "prefect", "ana@web-1", "done", "", 1, at(9.75), at(10))
    old = CommandStatus(1, "force_open", "mail", "ben@web-2", "expired", "Nobody took it", None, at(2), at(12))
    rows = list(audit_entries([told], [waits, known, old]).values())
    assert [(row.verb, row.status) for row in rows] == [
        ("disable", "pending"),
        ("reset", "done"),
        ("force_open", "expired"),
    ]


def test_a_change_made_without_the_mailbox_has_its_own_audit_line() -> None:
    purged = [done(0, "dlq_purge", "", when, detail="3 dead letters purged") for when in (5, 6)]
    assert len(audit_entries(purged)) == 2


async def test_the_page_lists_and_opens_entries_and_links_to_the_adapter() -> None:
    show = Show(
        [
            *story(),
            done(1, "force_open", "billing", 20),
            done(2, "reset", "nonesuch", 130, ok=False, detail="There is no adapter nonesuch."),
        ]
    )
    async with show.app.run_test(size=(120, 40), notifications=True) as pilot:
        await pilot.press("8")
        await until(show.sees("› Audit", "✗ 14:02:09", "not done: There is no adapter nonesuch."), pilot)
        await until(show.sees("✓ 14:00:19", "ana@web-1", "hold open billing"), pilot)
        await pilot.press("j", "enter")
        await until(show.sees("Hold open billing", "250 ms", "no. 1 in the mailbox", "a adapter"), pilot)
        await pilot.press("a")
        await until(show.sees("policy", "HELD OPEN"), pilot)


async def test_the_filter_matches_actor_and_outcome() -> None:
    show = Show([*story(), done(1, "reset", "gpt", 20), done(2, "reset", "agno", 30, ok=False, detail="busy")])
    async with show.app.run_test(size=(120, 40), notifications=True) as pilot:
        await pilot.press("8", "slash", *"outcome:failed who:ana*", "enter")
        await until(show.sees("1 of 2", "reset agno"), pilot)


async def test_waiting_and_expired_commands_are_shown_from_a_recording(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    engine = Engine("checkout")
    engine.add_adapter("prefect", lambda task: task)
    async with record(engine, path):
        pass
    async with Tail.open(path) as tail, Recording.open(path) as recording:
        live = LiveRecording(tail)
        await recording.ask("disable", "prefect", actor="ben@web-2", expires_in=60)
        await recording.ask("reset", "prefect", actor="ana@web-1", expires_in=-1)
        app = ConsoleApp(live, file="a.db", mailbox=live, poll=0.01)
        async with app.run_test(size=(120, 40), notifications=True) as pilot:
            await pilot.press("8")

            def seen() -> bool:
                screen = screen_text(app)
                return all(text in screen for text in ("waiting for its engine", "no engine took it", "ben@web-2"))

            await until(seen, pilot)


async def test_commands_from_elsewhere_appear_and_expire_without_events(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    engine = Engine("checkout")
    engine.add_adapter("prefect", lambda task: task)
    async with record(engine, path):
        pass
    async with watching(path) as console, Recording.open(path) as recording:
        await console.press("8")
        await console.sees("No operator has sent a command")
        await recording.ask("disable", "prefect", actor="ben@web-2", expires_in=3)
        await console.sees("ben@web-2", "waiting for its engine")
        await console.sees("no engine took it")


async def test_an_audit_entry_links_to_the_adapter_of_its_engine(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    for name in ("alpha", "beta"):
        engine = Engine(name)
        engine.add_adapter("gpt", lambda task: task)
        async with record(engine, path):
            if name == "beta":
                engine.breaker("gpt").force_open()
    async with watching(path) as console, Recording.open(path) as recording:
        beta = next(row.id for row in await recording.instances() if row.name == "beta")
        await recording.ask("reset", "gpt", instance=beta, actor="ben@web-2", expires_in=-1)
        await console.press("8")
        await console.sees("no engine took it")
        await console.press("enter")
        await console.sees("a adapter")
        await console.press("a")
        await console.sees("─ gpt (beta) ─", "held open by hand")


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_texts_do_not_break_the_layout_of_lines(text: str) -> None:
    asked = AuditEntry((1, 0, text), at(1), at(2), text, text, text, "failed", text)
    for cells in (20, 80, 200):
        for glyphs in (UNICODE, ASCII):
            assert line_width(audit_line(asked, audit_columns([asked]), cells, glyphs)) <= cells
        for line in (audit_line(asked, audit_columns([asked]), cells, UNICODE), *audit_lines(asked, cells)):
            assert text_of(line).isprintable()
            assert line_width(line) <= max(cells, 20)
