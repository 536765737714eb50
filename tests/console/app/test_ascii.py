"""With `--ascii` nothing on the screen needs a sign beyond ASCII: no frame, no scrollbar, no notice, no palette."""

from __future__ import annotations

import pytest

from fuseboard_console.app.app import ConsoleApp
from fuseboard_console.text.glyphs import APPEARANCES, ASCII
from support.console_story import STORY_ENDS, ListFeed, ListMailbox, at, settle
from support.recorded_history import lived
from support.screen import screen_strips


@pytest.mark.parametrize(
    "pressed",
    ["", "enter", "question_mark", "o", "O", "x x o", "ctrl+p", "ctrl+p r", "T", "2", "2 enter", "3 enter", "4", "5",
     "5 down enter", "6", "7", "8", "8 enter", "9", "9 enter", "slash a", "r", "space", "left"],
)  # fmt: skip
async def test_every_ascii_glyph_is_ascii(pressed: str) -> None:
    app = ConsoleApp(
        ListFeed(alive=STORY_ENDS - 0.2, events=lived()),
        file="checkout.db",
        mailbox=ListMailbox("done"),
        glyphs=ASCII,
        now=lambda: at(STORY_ENDS),
        poll=0.01,
    )
    async with app.run_test(size=(80, 24), notifications=True) as pilot:
        await settle(pilot)
        await pilot.press(*pressed.split())
        await settle(pilot)
        shown = "\n".join(strip.text for strip in screen_strips(app))
        assert shown.isascii(), {sign for sign in shown if not sign.isascii()}


def test_no_ascii_sign_means_two_things() -> None:
    states = {look.word: look.ascii for look in APPEARANCES.values()}
    in_a_chain = [ASCII.failed, ASCII.skipped, ASCII.answered, ASCII.degraded, ASCII.dead]
    signs = [*states.values(), *in_a_chain]
    assert len(set(signs)) == len(signs)
    assert "~" not in signs, "it stands for what was cut off"
