"""Notices about what followed an operator's command."""

from __future__ import annotations

from fuseboard_console.operator.followed_commands import FIRST_WORD, FOLLOWED, FollowedCommands
from fuseboard_engine.events import CommandDone, Event
from fuseboard_storage.board.board import Board, Entry
from support.console_show import Show
from support.console_story import added, answered, at, changed, failed, opened, started, until


def reset(adapter: str = "gpt", command: int = 1, when: float = 5) -> list[Event]:
    return [
        changed(adapter, "closed", when, before="open", reason="reset", actor="ana"),
        CommandDone(at=at(when), command=command, verb="reset", adapter=adapter, actor="ana", ok=True),
    ]


class Desk:
    """Followed commands on a Board, with a clock that the test sets."""

    def __init__(self, *adapters: str) -> None:
        self.now = at(5)
        self.board = Board()
        self.told: list[tuple[str, str]] = []
        self.followed = FollowedCommands(lambda: self.board, lambda: self.now, self._notify)
        self.happens(started(), *(added(name) for name in adapters or ("gpt",)))

    def _notify(self, text: str, severity: str = "information") -> None:
        self.told.append((text, severity))

    def happens(self, *events: Event, instance: int = 1) -> None:
        for event in events:
            self.board.apply(Entry(self.board.seq + 1, instance, event))
        self.followed.report()

    def passes(self, microseconds: int) -> None:
        self.now += microseconds
        self.followed.report()


def test_enough_calls_are_reported_once() -> None:
    desk = Desk()
    desk.followed.add("reset", [1])
    desk.happens(*reset(), *(answered("gpt", 6) for _ in range(4)))
    assert not desk.told
    desk.happens(*(answered("gpt", 7) for _ in range(3)))
    desk.happens(answered("gpt", 8))
    assert desk.told == [("gpt: reset; 7 of 7 calls since then succeeded.", "information")]


def test_a_breaker_that_opens_again_is_reported_even_after_good_calls() -> None:
    desk = Desk()
    desk.followed.add("reset", [1])
    desk.happens(*reset(), *(answered("gpt", 6) for _ in range(5)))
    desk.happens(opened("gpt", 7), failed("gpt", 7.001, "refused"))
    desk.passes(FOLLOWED)
    assert desk.told[1:] == [("gpt opened again after 2 s: ConnectError: refused.", "warning")]


def test_few_calls_are_reported_after_a_while() -> None:
    desk = Desk()
    desk.followed.add("reset", [1])
    desk.happens(*reset(), answered("gpt", 6))
    desk.passes(FIRST_WORD)
    assert [text for text, _ in desk.told] == ["gpt: reset; 1 of 1 call since then succeeded."]


def test_a_command_without_calls_is_not_followed_for_ever() -> None:
    desk = Desk()
    desk.followed.add("reset", [1])
    desk.happens(*reset())
    desk.passes(FOLLOWED + 1)
    desk.happens(*(answered("gpt", 300) for _ in range(9)))
    assert not desk.told


def test_what_an_operator_does_next_is_not_reported_again() -> None:
    desk = Desk()
    desk.followed.add("reset", [1])
    desk.happens(*reset(), changed("gpt", "forced_open", 6, reason="by_hand", actor="ben"))
    assert not desk.told


def test_commands_that_were_sent_together_are_summed_up() -> None:
    desk = Desk("gpt", "agno")
    desk.followed.add("reset", [1, 2])
    desk.happens(*reset("gpt", 1), *reset("agno", 2), *(answered(name, 6) for name in ("gpt", "agno") * 5))
    assert [text for text, _ in desk.told] == ["2 breakers reset: 10 of 10 calls since then succeeded."]


def test_the_engine_is_named_where_two_have_an_adapter_of_the_name() -> None:
    desk = Desk()
    desk.happens(started(0, "billing"), added("gpt"), instance=2)
    desk.followed.add("reset", [1])
    desk.happens(*reset(), *(answered("gpt", 6) for _ in range(5)), instance=2)
    assert [text for text, _ in desk.told] == ["gpt (billing): reset; 5 of 5 calls since then succeeded."]


def test_a_retry_of_many_dead_letters_says_that_it_ended() -> None:
    desk = Desk()
    desk.followed.add_retry(7)
    told = {"command": 7, "verb": "dlq_retry", "actor": "ana"}
    desk.happens(CommandDone(at=at(6), ok=True, detail="the retry continues", **told))
    assert not desk.told
    ended = "the retry ended: 2 dead letters retried: 2 failed again"
    desk.happens(CommandDone(at=at(60), ok=False, detail=ended, **told))
    desk.passes(1)
    assert desk.told == [("The retry ended: 2 dead letters retried: 2 failed again.", "warning")]


async def test_the_notice_replaces_the_first_and_the_audit_says_the_same() -> None:
    show = Show([started(), added("gpt"), opened("gpt", 1, wait=60)], when=10)
    async with show.app.run_test(size=(120, 30), notifications=True) as pilot:
        await until(show.sees("gpt", "OPEN"), pilot)
        await pilot.press("r")
        await until(lambda: bool(show.mailbox.asked), pilot)
        show.mailbox.status = "done"
        await until(show.sees("gpt was reset."), pilot)
        show.feed.events += [*reset(when=10), *(answered("gpt", 10) for _ in range(5))]
        await until(show.sees("gpt: reset; 5 of 5 calls since then"), pilot)
        assert "gpt was reset." not in show.screen()
        await pilot.press("8")
        await until(show.sees("reset gpt", "5 of 5 calls since then succeeded"), pilot)
