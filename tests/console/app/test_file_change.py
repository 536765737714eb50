"""A file that is moved, deleted or replaced under the console: the banner says what happened and where the past is."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from fuseboard_console.text.line import text_of
from fuseboard_console.views.adapters.engine_presence import Connection
from fuseboard_console.views.frame.banner import RESTART_SHOWN, banner
from fuseboard_engine.events import RecordingRestarted
from fuseboard_storage.recording.file_change import FileChange
from support.console_show import Show
from support.console_story import added, at, started, story, until
from support.console_watching import watching
from support.dead_letter_files import add
from support.replays import recorded

LIVE = Connection("live", 0.4)
MOVED = FileChange(at(5), "moved", "checkout.old", ("checkout.db.damaged-1", "checkout.db.version-10.bak"))


def shown(change: FileChange, restarted: RecordingRestarted | None = None, seconds: float = 6) -> str:
    return text_of(banner(LIVE, "", restarted, at(seconds), change, "checkout.db"))


@pytest.mark.parametrize(
    ("what", "texts"),
    [
        ("moved", ("checkout.db was moved to checkout.old at 14:00:05.", "The past is there")),
        ("deleted", ("checkout.db was deleted at 14:00:05.", "Its past was lost with it")),
        ("replaced", ("checkout.db was replaced by another file at 14:00:05.", "the new file only")),
        ("gone", ("checkout.db was moved or deleted at 14:00:05.",)),
    ],
)
def test_the_banner_says_what_happened_and_where_the_past_is(what: str, texts: tuple[str, ...]) -> None:
    line = shown(MOVED._replace(what=what))  # type: ignore[arg-type]
    for text in texts:
        assert text in line
    assert "Kept beside it: checkout.db.damaged-1, checkout.db.version-10.bak." in line
    assert shown(MOVED, seconds=5 + RESTART_SHOWN / 1e6) == ""


def test_what_the_engine_knows_about_the_previous_file_is_said_too() -> None:
    left = RecordingRestarted(at=at(5.5), why="was moved or deleted", letters=3)
    assert "3 active dead letters stay in it." in shown(MOVED, left)
    aside = RecordingRestarted(at=at(5.5), why="is damaged", moved_to="/data/checkout.db.damaged-2")
    assert "because the previous one is damaged; it is now /data/checkout.db.damaged-2" in shown(MOVED, aside)
    assert "was moved" not in shown(MOVED, aside)


def test_trouble_and_silent_engines_are_said_before_it() -> None:
    line = text_of(banner(LIVE, "checkout.db is missing.", None, at(6), MOVED, "checkout.db"))
    assert line.startswith(" checkout.db is missing. checkout.db was moved to checkout.old")
    line = text_of(banner(Connection("silent", 9.0), "", None, at(6), MOVED, "checkout.db"))
    assert line.startswith(" No engine has written for 9 s.")
    assert "checkout.db was moved to checkout.old" in line


async def test_the_banner_of_a_file_change_is_on_the_screen() -> None:
    show = Show([started(), added("gpt")], when=4)
    async with show.app.run_test(size=(80, 24), notifications=True) as pilot:
        await until(show.sees("gpt"), pilot)
        show.feed.file_change = MOVED
        show.when += 2
        await until(show.sees("checkout.db was moved to checkout.old at 14:00:05."), pilot)
        assert "gpt" in show.screen()


async def test_a_file_that_is_moved_and_recorded_again_is_not_followed_silently(tmp_path: Path) -> None:
    path, copy = recorded(tmp_path / "checkout.db", story()), tmp_path / "other.db"
    shutil.copyfile(path, copy)
    async with watching(path, size=(120, 30)) as console:
        await console.sees("prefect")
        path.rename(tmp_path / "yesterday.db")
        await console.sees("checkout.db is missing", "checkout.db was moved to yesterday.db at ")
        copy.rename(path)
        await console.sees_no("is missing")
        await console.sees("prefect", "checkout.db was moved to yesterday.db at ")


@pytest.mark.parametrize(
    ("key", "question", "answer"),
    [
        ("o", "Hold ", "y"),
        ("i", "A fault for ", "0"),
        ("O", "for a while?", "o w n enter"),
        ("D", "Disable ", "y"),
    ],
)
async def test_a_question_about_the_previous_file_does_nothing_to_the_next(
    key: str, question: str, answer: str, tmp_path: Path
) -> None:
    path, copy = recorded(tmp_path / "checkout.db", story()), tmp_path / "other.db"
    shutil.copyfile(path, copy)
    async with watching(path, size=(120, 30)) as console:
        await console.sees("prefect")
        before = console.app.feed.recording
        await console.press(key)
        await console.sees(question)
        copy.replace(path)
        await console.wait_for(lambda: console.app.feed.recording not in (None, before))
        await console.press(*answer.split())
        await console.hears("Nothing was done: another recording is in view")
        with closing(sqlite3.connect(path)) as connection:
            assert connection.execute("SELECT count(*) FROM commands").fetchone() == (0,)


async def test_a_dead_letter_of_the_same_number_in_the_next_file_is_not_discarded(tmp_path: Path) -> None:
    await add(path := tmp_path / "checkout.db", {"task": "t1"})
    await add(copy := tmp_path / "other.db", {"task": "t2"})
    async with watching(path, size=(120, 30)) as console:
        await console.press("4")
        await console.sees("ConnectionError")
        before = console.app.feed.recording
        await console.press("D")
        await console.sees("Discard dead letter 1?")
        copy.replace(path)
        await console.wait_for(lambda: console.app.feed.recording not in (None, before))
        await console.press("y")
        await console.hears("Nothing was done: another recording is in view")
        with closing(sqlite3.connect(path)) as connection:
            assert connection.execute("SELECT status FROM dead_letters").fetchone() == ("pending",)
