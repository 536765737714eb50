"""The page of dead letters, driven by keys, on real recordings and with a real engine."""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from textual.widgets import Button

from fuseboard_console.pages.dead_letters import repository
from fuseboard_console.pages.dead_letters.page import DeadLetters
from fuseboard_console.text.glyphs import ASCII, UNICODE, Glyphs
from fuseboard_engine.dead_letters.letter import DeadLetter, LetterSelection
from fuseboard_storage.recording.recording import Recording
from fuseboard_storage.sqlite import schema
from fuseboard_storage.stores.dead_letters import SqliteDeadLetters
from support.console_show import Show
from support.console_story import settle, started
from support.console_watching import Watching, replaying, watching
from support.dead_letter_files import add, put, start_engine
from support.hostile_texts import HOSTILE
from support.waiting import PATIENCE, until_async

FORBIDDEN = set("\x1b\x9b\x07\r\t\u202e\u2066\u200b")


@pytest.fixture
def still(tmp_path: Path) -> Path:
    """A recording with four dead letters that no engine retries: three orders, and a report a week old."""
    orders = [{"task": f"t{n}", "task_type": "order", "adapter": "prefect"} for n in range(3)]
    return put(tmp_path / "checkout.db", *orders, {"age": 7, "task_type": "report", "category": "transient"})


@pytest.fixture
def live(tmp_path: Path) -> Iterator[Path]:
    """A recording with three dead letters, whose engine runs in another process."""
    engine = start_engine(tmp_path)
    try:
        yield tmp_path / "checkout.db"
    finally:
        engine.communicate("", timeout=PATIENCE)


def statuses(file: Path) -> dict[int, str]:
    """The letters of a recording by their numbers, as they stand."""
    with sqlite3.connect(file) as connection:
        return dict(connection.execute("SELECT id, status FROM dead_letters").fetchall())


def asked(file: Path) -> list[tuple[str, str]]:
    """The commands that were put into the mailbox."""
    with sqlite3.connect(file) as connection:
        return connection.execute("SELECT verb, args FROM commands").fetchall()


async def at_letters(console: Watching) -> None:
    await console.press("4")
    await console.sees("Dead letters", "id status", "PENDING")


def listed(console: Watching) -> str:
    """The numbers of the letters on the screen that wait, top to bottom."""
    return "".join(line.replace("▌", " ").split()[1] for line in console.lines("PENDING"))


# -------------------------------------------------------------------- the list


async def test_the_newest_letters_come_first_with_status_and_next_retry(still: Path) -> None:
    async with watching(still, size=(120, 30)) as console:
        await at_letters(console)
        await console.sees("Dead letters  4 pending")
        assert listed(console) == "4321"
        shown = console.lines("PENDING")
        assert all(text in shown[0] for text in ("◔ PENDING", "report", "transient", "0/3", "7 d", "by hand"))
        assert "ConnectionError: refused" in shown[1]


async def test_f_cycles_through_the_statuses(still: Path) -> None:
    async with watching(still) as console:
        await at_letters(console)
        await console.press("a", "f")
        await console.sees("› pending", "only pending")
        await console.press("f", "f")
        await console.sees("No dead letter is exhausted; f shows others.")
        await console.press("f", "f")
        await console.sees("○ ARCHIVED", "› archived", "3 pending, 1 archived")
        assert len(console.lines("ARCHIVED")) == 1
        await console.press("f", "f")
        await console.sees("› all", "ARCHIVED", "PENDING")
        await console.press("f")
        await console.sees_no("ARCHIVED")


@pytest.mark.parametrize(
    ("typed", "ids"),
    [
        ("type:report", "4"),
        ("category:network", "321"),
        ("task:t1", "2"),
        ("error:refused", "4321"),
        ("adapter:prefect id:3", "3"),
        ("engine:checkout !type:order", "4"),
        ("status:retrying", ""),
    ],
)
async def test_a_filter_matches_the_fields(still: Path, typed: str, ids: str) -> None:
    async with watching(still) as console:
        await at_letters(console)
        await console.press("slash")
        await console.type(typed)
        await console.sees(f"{len(ids)} of 4")
        assert listed(console) == ids
        if not ids:
            await console.sees("Nothing here fits the filter.")


async def test_a_filter_without_a_field_also_searches_the_payload(still: Path) -> None:
    await add(still, {"payload": json.dumps({"order": "A-4711"}), "context": {"customer": "Ana"}})
    async with watching(still) as console:
        await at_letters(console)
        await console.press("slash")
        await console.type("a-4711")
        await console.sees("1 of 5")


@pytest.mark.parametrize("reveal", [False, True])
async def test_secrets_in_a_payload_are_hidden_unless_asked_for(still: Path, reveal: bool) -> None:
    await add(still, {"payload": json.dumps({"api_key": "Zq7RtY88pLmN3vKx"})})
    async with watching(still, size=(120, 40), reveal=reveal) as console:
        await at_letters(console)
        await console.press("enter")
        await console.sees("Payload", "Zq7RtY88pLmN3vKx" if reveal else "[hidden]")
        assert ("Zq7RtY88pLmN3vKx" in console.screen()) is reveal


async def test_an_unknown_field_is_reported_in_the_filter_bar(still: Path) -> None:
    async with watching(still) as console:
        await at_letters(console)
        await console.press("slash", *"categry:x")
        await console.sees("There is no field categry.", "category", "0 of 4")


async def test_new_and_changed_dead_letters_appear_without_a_key(live: Path) -> None:
    async with watching(live) as console:
        await at_letters(console)
        await console.sees("3 pending")
        async with SqliteDeadLetters.open(live, reading=False) as store:
            await store.change("discard", LetterSelection(ids=(2,)), time.time_ns() // 1000, "bo")
        await console.sees("2 pending, 1 discarded")
        assert listed(console) == "31"


async def test_of_very_many_letters_the_newest_are_listed_and_the_others_counted(tmp_path: Path) -> None:
    file = tmp_path / "checkout.db"
    await add(file, {})
    with sqlite3.connect(file) as connection:
        columns = [row[1] for row in connection.execute("PRAGMA table_info(dead_letters)")][1:]
        names = ", ".join(columns)
        for _ in range(13):  # 8,192 of them
            connection.execute(f"INSERT INTO dead_letters({names}) SELECT {names} FROM dead_letters")
    async with watching(file) as console:
        await at_letters(console)
        await console.sees("8,192 pending", "the newest 5,000 of 8,192", "of 5,000")
        await console.press("G")
        await console.sees("3193 ")


# -------------------------------------------------------------------- one of them


async def test_one_dead_letter_is_shown_in_full_with_its_operators(live: Path) -> None:
    async with SqliteDeadLetters.open(live, reading=False) as store:
        now = time.time_ns() // 1000
        await store.change("archive", LetterSelection(ids=(2,)), now, "bo@web-1")
        await store.change("unarchive", LetterSelection(ids=(2,)), now, "ana@web-1")
    async with watching(live, size=(120, 50)) as console:
        await at_letters(console)
        await console.press("j", "enter")
        await console.sees("Dead letter 2", "◔ PENDING", "next retry by hand", "ConnectionError: refused", "connection")
        await console.sees('  "task_type": "order",', '  "n": 1', "failed at", "prefect, after 1 attempt", "t1  order")
        await console.sees("History", "came", "archived    by bo@web-1: archived by hand", "by ana@web-1")


async def test_the_keys_of_a_detail_lead_to_its_routes_and_its_adapters(live: Path) -> None:
    async with watching(live, size=(120, 40)) as console:
        await at_letters(console)
        await console.press("enter")
        await console.sees("Dead letter 3", "v its routes", "1 prefect")
        await console.press("v")
        await console.sees("› Routes", '/ task:"t2"', "1 of 3")
        await console.press("4", "enter")
        await console.sees("Dead letter 3", "1 prefect")
        await console.press("1")
        await console.sees("prefect", "policy")


async def test_the_keys_of_the_list_act_on_the_letter_of_the_detail(live: Path) -> None:
    (live.parent / "mended").touch()
    async with watching(live, size=(120, 40)) as console:
        await at_letters(console)
        await console.press("j", "enter")
        await console.sees("Dead letter 2", "History", "came", "r retry", "D discard")
        await console.press("a")
        await console.hears("Dead letter 2 archived. u puts it back.")
        await console.sees("○ ARCHIVED")
        await console.press("u")
        await console.hears("Dead letter 2 put back.")
        await console.sees("◔ PENDING")
        await console.press("r")
        await console.hears("Dead letter 2 succeeded: prefect did it.")
        await console.sees("✓ SUCCEEDED")
        await console.press("r")
        await console.hears("Dead letter 2 is succeeded: it can't be retried.")
        assert statuses(live) == {1: "pending", 2: "succeeded", 3: "pending"}


async def test_a_letter_purged_while_its_detail_is_open_stays_shown(live: Path) -> None:
    async with watching(live, size=(120, 40)) as console:
        await at_letters(console)
        await console.press("enter")
        await console.sees("Dead letter 3", "came")
        async with SqliteDeadLetters.open(live, reading=False) as store:
            await store.purge(LetterSelection(ids=(3,)), time.time_ns() // 1000, "bo")
        await console.sees("It is gone: purged", "t2  report")


async def test_a_letter_whose_detail_was_closed_is_read_no_more(live: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[int] = []
    whole = repository.read_one

    async def noted(path: Path, id: int, now: int) -> DeadLetter | None:
        read.append(id)
        return await whole(path, id, now)

    monkeypatch.setattr(repository, "read_one", noted)
    async with watching(live) as console:
        await at_letters(console)
        await console.press("enter")
        await console.sees("Dead letter 3", "History", "came  ")
        assert read
        await console.press("escape", "j", "a")
        await console.sees("1 archived")
        before = len(read)
        await console.press("u")
        await console.sees("3 pending")
        assert len(read) == before


async def test_a_whole_letter_is_copied(still: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[str] = []
    async with watching(still, size=(60, 20)) as console:
        monkeypatch.setattr(console.app, "to_terminal", sent.append)
        await at_letters(console)
        await console.press("enter")
        await console.sees("Dead letter 4")
        pane = console.app.screen.focused
        assert pane is not None
        text = pane.copied()  # type: ignore[attr-defined]
        assert '  "n": 1' in text
        await console.press("y")
        await console.wait_for(lambda: bool(sent))


# -------------------------------------------------------------------- what is done to one


async def test_an_archived_dead_letter_leaves_the_list_and_u_restores_it(still: Path) -> None:
    async with watching(still) as console:
        await at_letters(console)
        await console.press("j", "a")
        await console.hears("Dead letter 3 archived. u puts it back.")
        await console.sees("3 pending, 1 archived")
        assert statuses(still)[3] == "archived"
        await console.press("u")
        await console.hears("Dead letter 3 put back.")
        await console.sees("4 pending")
        await console.press("u")
        await console.hears("is pending: it can't be put back.")
        async with Recording.open(still) as recording:
            done = [action.verb for action in (await recording.board()).actions if "@" in action.actor]
    assert done == ["dlq_unarchive", "dlq_archive"]


async def test_discarding_asks_with_cancel_in_focus(still: Path) -> None:
    async with watching(still) as console:
        await at_letters(console)
        await console.press("j", "D")
        await console.sees("Discard dead letter 3?", "order t2", "ConnectionError: refused", "never retried")
        assert isinstance(console.app.focused, Button)
        assert console.app.focused.id == "cancel"
        await console.press("enter")
        await console.sees_no("Discard dead letter 3?")
        assert set(statuses(still).values()) == {"pending"}
        await console.press("D")
        await console.sees("Discard dead letter 3?")
        await console.press("y")
        await console.hears("Dead letter 3 discarded.")
        await console.sees("3 pending, 1 discarded")
        assert statuses(still)[3] == "discarded"


async def test_no_notice_covers_the_answers_of_a_prompt(still: Path) -> None:
    async with watching(still, size=(80, 24)) as console:
        await at_letters(console)
        await console.press("a")
        await console.sees("Dead letter 4 archived.")
        await console.press("D")
        await console.sees("Discard dead letter 3?", "Cancel", "n or esc cancel", "Dead letter 4 archived.")
        await console.press("n", "X", "a")
        await console.sees("Archive 3 dead letters?", "Cancel", "Archive 3", "Dead letter 4 archived.")


async def test_the_engine_of_a_letter_retries_it_and_reports_the_outcome(live: Path) -> None:
    async with watching(live) as console:
        await at_letters(console)
        await console.press("r")
        await console.hears("Dead letter 3 failed again: retry 1 of 3 failed: refused.")
        await console.sees("1/3")
        (live.parent / "mended").touch()
        await console.press("r")
        await console.hears("Dead letter 3 succeeded: prefect did it.")
        await console.sees("2 pending, 1 succeeded")
        assert asked(live) == [("dlq_retry", '{"ids":[3]}')] * 2


async def test_no_command_is_sent_to_an_ended_engine(tmp_path: Path) -> None:
    start_engine(tmp_path).communicate("", timeout=PATIENCE)
    async with watching(tmp_path / "checkout.db", size=(140, 30)) as console:
        await at_letters(console)
        await console.press("r")
        await console.hears(
            "No engine can take this command: the engine of", "ended at", "Dead letter 3 stays as it is."
        )
        await console.press("X", "r")
        await console.hears("They stay as they are.")
        assert "Retry 3" not in console.screen()
    assert asked(tmp_path / "checkout.db") == []


async def test_an_engine_that_never_recorded_is_named(live: Path) -> None:
    await add(live, {"engine": "billing"})
    async with watching(live, size=(140, 30)) as console:
        await at_letters(console)
        await console.press("r")
        await console.hears("no engine called billing writes to")


# -------------------------------------------------------------------- what is done to many


async def test_an_action_applies_to_marked_dead_letters_after_their_type_is_typed(still: Path) -> None:
    async with watching(still) as console:
        await at_letters(console)
        await console.press("j", "x", "x", "x")
        await console.sees("3 marked")
        await console.press("a")
        await console.sees("Archive 3 dead letters?", "3, 2, 1", "order 3", "Type order to go on:")
        await console.press("enter")
        assert set(statuses(still).values()) == {"pending"}
        await console.type("order")
        await console.hears("3 dead letters archived. u puts them back.")
        await console.sees("1 pending, 3 archived")
        assert "marked" not in console.screen()
        await console.press("u")
        await console.hears("3 dead letters put back.")
        await console.sees("4 pending")


async def test_one_marked_letter_that_the_cursor_is_not_on_is_named_before_anything_is_done_to_it(still: Path) -> None:
    async with watching(still) as console:
        await at_letters(console)
        await console.press("j", "x", "a")
        await console.sees("Archive 1 dead letter?", "Type order to go on:")
        assert set(statuses(still).values()) == {"pending"}
        await console.type("order")
        await console.hears("Dead letter 3 archived. u puts it back.")
        await console.sees("3 pending, 1 archived")


async def test_the_footer_of_a_dead_letter_names_the_actions_available_now(still: Path) -> None:
    async with watching(still) as console:
        await at_letters(console)
        await console.press("enter")
        await console.sees("a archive", "D discard", "esc close")
        assert "u unarchive" not in console.screen()
        await console.press("a")
        await console.sees("u unarchive")
        assert "a archive" not in console.screen()


async def test_for_several_types_the_number_is_typed_and_refusing_ones_are_named(still: Path) -> None:
    async with watching(still) as console:
        await at_letters(console)
        await console.press("a")
        await console.sees("3 pending, 1 archived")
        await console.press("f", "f", "f", "f", "f", "f", "f", "X", "a")
        await console.sees("Archive 3 dead letters?", "Not 4: archived.", "Type order")
        await console.press("escape")
        await console.press("D")
        await console.sees("Discard 4 dead letters?", "order 3, report 1", "Type 4 to go on:")
        await console.type("4")
        await console.hears("4 dead letters discarded.")
        await console.press("X", "r")
        await console.hears("None of them can be retried; 4, 3, 2 and 1 more: discarded.")
    assert set(statuses(still).values()) == {"discarded"}


async def test_the_outcomes_of_many_retries_are_one_sentence(live: Path) -> None:
    (live.parent / "mended").touch()
    await add(
        live, {"task": "x", "task_type": "odd", "order": ("nonesuch",)}, {"engine": "billing", "task_type": "odd"}
    )
    async with watching(live, size=(140, 40)) as console:
        await at_letters(console)
        await console.press("X", "r")
        await console.sees("Retry 5 dead letters?", "Type 5 to go on:")
        await console.type("5")
        await console.hears("3 of 5 retried; ", "5: no engine called billing runs", "4: retry 1 of 3 failed:")
        await console.sees("2 pending, 3 succeeded")


async def test_escape_removes_the_marks_and_then_the_filter(still: Path) -> None:
    async with watching(still) as console:
        await at_letters(console)
        await console.press("slash")
        await console.type("order")
        await console.press("x")
        await console.sees("1 marked", "3 of 4")
        await console.press("escape")
        await console.sees_no("marked")
        await console.sees("3 of 4")
        await console.press("escape")
        await console.sees_no("3 of 4")


# -------------------------------------------------------------------- what can't be


async def test_a_read_only_console_has_no_keys_for_dead_letters(still: Path) -> None:
    async with watching(still, read_only=True) as console:
        await at_letters(console)
        await console.press("a", "D", "r", "u", "X", "a", "enter")
        await console.sees("Dead letter 4", "read-only")
        assert "archive" not in console.screen()
        await console.press("a", "D", "r")
        await settle(console.pilot)
        assert "Discard dead letter" not in console.screen()
    assert set(statuses(still).values()) == {"pending"}


async def test_a_replay_shows_the_present_dead_letters_with_a_note(live: Path) -> None:
    async with replaying(live) as console:
        await console.press("4")
        await console.sees("as they are now, at ", "the past of dead letters is not kept", "PENDING", "read-only")
        await console.press("enter")
        await console.sees("This is the dead letter as it is now")


async def test_no_action_changes_a_letter_while_the_past_is_shown(live: Path) -> None:
    async with watching(live) as console:
        await at_letters(console)
        await console.press("left_square_bracket")
        await console.sees("REPLAY", "as they are now")
        await console.press("a")
        await console.hears("This is a replay")
        await console.press("L")
        await console.sees("id status")
    assert set(statuses(live).values()) == {"pending"}


async def test_the_cursor_stays_on_its_letter_while_the_past_is_shown(live: Path) -> None:
    async with watching(live) as console:
        await at_letters(console)
        await console.press("j", "left_square_bracket")
        await console.sees("REPLAY", "as they are now")
        assert console.lines("▌  2 ")


async def test_letters_in_a_paused_view_state_their_time(still: Path) -> None:
    async with watching(still) as console:
        await at_letters(console)
        await console.press("space")
        await console.sees("PAUSED", "as they are now, at ")


async def test_a_file_of_an_older_version_or_without_dead_letters_is_explained(tmp_path: Path) -> None:
    start_engine(tmp_path).communicate("", timeout=PATIENCE)
    file = tmp_path / "checkout.db"
    with sqlite3.connect(file) as connection:
        connection.execute("DELETE FROM dead_letters")
    async with watching(file) as console:
        await console.press("4")
        await console.sees("No dead letters.")
    older = tmp_path / "older.db"
    connection = schema.connect(older, version=1)  # before there were dead letters
    instance = "INSERT INTO instances(name, host, pid, started_at, heartbeat_at) VALUES ('checkout', 'h', 1, 1, 1)"
    connection.execute(instance)
    connection.close()
    async with watching(older) as console:
        await console.press("4")
        await console.sees("No engine that keeps dead letters has written to this file yet.")


async def test_the_page_continues_when_its_file_is_deleted_or_damaged(still: Path) -> None:
    async with watching(still) as console:
        await at_letters(console)
        still.rename(still.with_name("moved.db"))
        await console.sees("is missing")
        await console.press("a")
        await console.hears("The file is gone just now: nothing was changed.")
        still.with_name("moved.db").rename(still)
        await console.wait_for(lambda: console.app.feed.recording is not None)
        await console.press("a")
        await console.sees("3 pending, 1 archived")


async def test_an_unwritable_store_changes_nothing_and_is_reported(still: Path) -> None:
    async with watching(still, size=(140, 30)) as console:
        await at_letters(console)
        with sqlite3.connect(still, isolation_level=None) as other:
            other.execute("BEGIN IMMEDIATE")
            await console.press("a")
            await console.press("j", "j")  # the screen answers meanwhile
            await console.hears("Nothing was changed: checkout.db cannot be used", "database is locked")
            other.execute("ROLLBACK")
        assert set(statuses(still).values()) == {"pending"}


async def test_unreadable_letters_are_replaced_by_the_last_known_ones_with_a_note(
    still: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with watching(still) as console:
        await at_letters(console)

        async def spoilt(*_: Any) -> Any:
            raise sqlite3.DatabaseError("disk I/O error")

        monkeypatch.setattr(repository, "listed", spoilt)
        await console.press("f", "f")
        await console.sees("They cannot be read again: disk I/O error", "PENDING")
        monkeypatch.undo()
        await console.sees("No dead letter is retrying")


async def test_without_a_file_there_is_nothing_to_read() -> None:
    show = Show([started()])
    async with show.app.run_test(size=(80, 24), notifications=True) as pilot:
        await pilot.press("4")
        console = Watching(show.app, pilot)
        await console.sees("There is no file to read dead letters from.")
        await pilot.press("r", "a", "u", "D", "x", "X", "f", "enter")
        await console.sees("There is no file")


# -------------------------------------------------------------------- what comes from outside


@pytest.mark.parametrize("glyphs", [UNICODE, ASCII], ids=["unicode", "ascii"])
async def test_hostile_texts_are_shown_but_not_interpreted(tmp_path: Path, glyphs: Glyphs) -> None:
    file = tmp_path / "checkout.db"
    texts = [" ".join(HOSTILE[at : at + 7]) for at in range(0, len(HOSTILE), 7)]
    named = ("task", "task_type", "error", "error_type", "adapter", "engine", "rule")
    for text in texts:
        one = dict.fromkeys(named, text)
        await add(file, {**one, "order": (text,), "payload": json.dumps({text: text}), "context": {text: text}})
    async with watching(file, size=(80, 24), glyphs=glyphs) as console:
        await at_letters(console)
        for _ in texts:
            for keys in (("enter",), ("G",), ("escape", "r"), ("D",), ("escape", "j")):
                await console.press(*keys)
                assert not FORBIDDEN & set(console.screen())
        await console.press("X", "a")
        assert not FORBIDDEN & set(console.screen())


@pytest.mark.parametrize("size", [(20, 5), (40, 10), (80, 24), (200, 50)])
async def test_every_size_is_filled(live: Path, size: tuple[int, int]) -> None:
    async with watching(live, size=size) as console:
        await console.press("4")
        await settle(console.pilot)
        for keys in (("enter",), ("pagedown",), ("escape", "D"), ("escape", "X", "a"), ("escape", "f", "f")):
            await console.press(*keys)
            await settle(console.pilot, 1)
            assert len(console.screen().split("\n")) == size[1]


async def test_a_retry_of_many_is_stopped_with_a_key_and_the_notice_says_what_is_left(live: Path) -> None:
    (live.parent / "mended").write_text("wait")
    async with watching(live) as console, Recording.open(live) as recording:
        await at_letters(console)
        await console.press("K")
        await console.hears("No retry of many dead letters is in progress.")
        retry = await recording.ask("dlq_retry", actor="ann", args={"all": True})
        await until_async(lambda: is_retrying(live))
        await console.press("K")
        await until_async(lambda: is_taken(live))
        (live.parent / "mended").write_text("")
        await console.hears("The retry was stopped: 1 dead letter retried, 2 left.")
        assert "2 left" in (await recording.outcome(retry)).detail
    assert sorted(statuses(live).values()) == ["pending", "pending", "succeeded"]


async def is_retrying(file: Path) -> bool:
    return "retrying" in statuses(file).values()


async def is_taken(file: Path) -> bool:
    with sqlite3.connect(file) as connection:
        sql = "SELECT count(*) FROM commands WHERE verb = 'dlq_stop' AND status = 'taken'"
        return connection.execute(sql).fetchone() == (1,)


async def test_the_cursor_stays_on_its_letter_when_a_new_one_comes_also_on_the_newest(still: Path) -> None:
    async with watching(still, size=(120, 30)) as console:
        await at_letters(console)
        page = console.app.page
        assert isinstance(page, DeadLetters)
        before = page.list.selected
        assert page.list.index == 0
        await add(still, {"task": "new", "task_type": "order", "adapter": "prefect"})
        page._loader.again()  # as when the event of a new letter is read
        await console.wait_for(lambda: page.list.index == 1)
        assert page.list.selected == before
