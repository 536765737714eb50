"""After an engine restarts, cursor, marks and an open detail stay with their adapters."""

from __future__ import annotations

from fuseboard_console.views.adapters.successors import Successors
from fuseboard_engine.events import Event, HealthChecked
from fuseboard_storage.board.board import AdapterKey, Board, Entry
from support.console_show import Show
from support.console_story import added, at, entries, opened, started, stopped, until


class Restarted(Show):
    """A console on an engine of three adapters, which ends and is started anew as its second instance."""

    def __init__(self) -> None:
        super().__init__([started(0), added("a"), added("b"), added("c"), opened("c", 1, wait=600)], when=2)

    def run_on(self, *events: Event) -> None:
        """Let the second run tell something."""
        for event in events:
            self.feed.board.apply(Entry(self.feed.board.seq + 1, 2, event))
        self.app.show()


async def test_the_cursor_is_on_the_same_adapter_again_as_soon_as_it_is_there() -> None:
    show = Restarted()
    async with show.app.run_test(size=(120, 40), notifications=True) as pilot:
        await until(show.sees("c"), pilot)
        await pilot.press("j", "j")
        assert show.selected() == "b"
        show.feed.events.append(stopped(3))
        await until(lambda: show.feed.board.instances[1].ended_at is not None, pilot)
        show.run_on(started(4), added("a", 4))
        await until(lambda: show.selected() == "a", pilot)
        show.run_on(added("c", 4), added("b", 4))
        await until(lambda: show.app.overview.table.selected == AdapterKey(2, "b"), pilot)


async def test_a_cursor_that_was_moved_meanwhile_stays_where_it_was_put() -> None:
    show = Restarted()
    async with show.app.run_test(size=(120, 40), notifications=True) as pilot:
        await until(show.sees("c"), pilot)
        await pilot.press("j", "j")
        show.feed.events.append(stopped(3))
        await until(lambda: show.feed.board.instances[1].ended_at is not None, pilot)
        show.run_on(started(4), added("a", 4), added("c", 4))
        await until(lambda: show.app.overview.table.selected in show.feed.board.adapters, pilot)
        await pilot.press("G")
        chosen = show.app.overview.table.selected
        show.run_on(added("b", 4))
        await until(lambda: len(show.app.overview.order.keys) == 3, pilot)
        assert show.app.overview.table.selected == chosen


async def test_marks_and_an_open_detail_follow_their_adapters_to_the_next_run() -> None:
    show = Restarted()
    async with show.app.run_test(size=(120, 40), notifications=True) as pilot:
        await until(show.sees("c"), pilot)
        await pilot.press("g", "x", "x", "enter")
        await until(show.sees("─ b ─"), pilot)
        show.feed.events.append(stopped(3))
        await until(lambda: show.feed.board.instances[1].ended_at is not None, pilot)
        show.run_on(started(4), added("a", 4), added("b", 4), added("c", 4))
        await until(lambda: show.app.overview.table.marked == {AdapterKey(2, "a"), AdapterKey(2, "c")}, pilot)
        await pilot.press("r")
        await until(lambda: show.mailbox.asked == [("reset", "b", 2)], pilot)


async def test_the_cursor_follows_its_adapter_to_the_next_run_on_the_health_page() -> None:
    show = Restarted()
    async with show.app.run_test(size=(120, 40), notifications=True) as pilot:
        await pilot.press("6", "j")
        await until(lambda: show.app.page.target == AdapterKey(1, "b"), pilot)
        show.feed.events.append(stopped(3))
        await until(lambda: show.feed.board.instances[1].ended_at is not None, pilot)
        bad = HealthChecked(at=at(4), adapter="c", status="unhealthy")
        show.run_on(started(4), added("a", 4), added("b", 4), added("c", 4), bad)
        show.when = 5
        await until(lambda: show.app.page.target == AdapterKey(2, "b"), pilot)


def test_a_successor_comes_only_from_a_later_instance_of_the_same_engine() -> None:
    board = Board()
    told = [*entries([started(0, "shop"), added("a")], 1, 1), *entries([started(0, "other"), added("a")], 3, 2)]
    for entry in told:
        board.apply(entry)
    successors = Successors()
    successors.note(board)
    assert successors.of(board, AdapterKey(1, "gone")) is None
    assert successors.followed(board, {AdapterKey(1, "a")}) == ({AdapterKey(1, "a")}, set())
    for entry in entries([started(9, "shop"), added("a"), added("z")], 9, 3):
        board.apply(entry)
    assert successors.of(board, AdapterKey(1, "a")) == AdapterKey(3, "a")
    assert successors.of(board, AdapterKey(7, "a")) is None
