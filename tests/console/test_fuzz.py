"""Whatever comes, in whatever size, whatever is pressed: the console goes on, and shows a whole frame."""

from __future__ import annotations

import asyncio
import os
from typing import Any, Literal, get_args, get_origin, get_type_hints

import hypothesis.strategies as st
from console_support import NOON, SECOND, ListFeed, ListMailbox, at, resize
from hostile_texts import HOSTILE
from hypothesis import HealthCheck, Phase, given, settings

from fuseboard_console.actions import ACTIONS
from fuseboard_console.app import ConsoleApp
from fuseboard_console.glyphs import ASCII, UNICODE
from fuseboard_console.themes import THEMES
from fuseboard_engine.events import AnyEvent

EXAMPLES = int(os.environ.get("FUSEBOARD_FUZZ", "25"))
LEAVES = {"q"}
NOT_HERE = {"page_scenarios"}  # starts processes
KEYS = [
    *sorted({key for action in ACTIONS if action.id not in NOT_HERE for key in action.keys} - LEAVES),
    "ctrl+p", "f1", "backspace", "delete", "shift+tab", "y", "n", "x", "*", ":", "é", "漢",
]  # fmt: skip
SIZES = [(0, 0), (1, 1), (2, 30), (5, 3), (20, 5), (39, 13), (40, 14), (80, 24), (120, 40), (200, 50), (300, 80)]

names = st.sampled_from(("gpt", "agno", "prefect", "eu-search", *HOSTILE))
moments = st.integers(-5, 400).map(lambda second: NOON + second * SECOND) | st.sampled_from((0, 1, 2**53))
numbers = st.integers(0, 9) | st.sampled_from((10_000, 2**40))
seconds = st.floats(0, 90) | st.sampled_from((0.0, 1e-9, 1e9))


def of(hint: Any) -> st.SearchStrategy[Any]:
    """Values that a field of an event may have."""
    origin, inner = get_origin(hint), get_args(hint)
    if origin is Literal:
        return st.sampled_from(inner)
    if hint is type(None):
        return st.none()
    if hint is bool:
        return st.booleans()
    if hint is int:
        return numbers
    if hint is float:
        return seconds
    if hint is str or hint is Any:
        return names
    if origin in (tuple, list):
        if len(inner) == 2 and inner[1] is ...:
            return st.lists(of(inner[0]), max_size=3).map(origin)
        return st.tuples(*map(of, inner))
    if origin is dict:
        return st.dictionaries(of(inner[0]), of(inner[1]), max_size=3)
    if inner:  # a union
        return st.one_of(*map(of, inner))
    return built(hint)


def built(struct: Any) -> st.SearchStrategy[Any]:
    """Any value of an event's type, or of a struct within one."""
    fields = {name: of(hint) for name, hint in get_type_hints(struct).items() if not name.startswith("__")}
    if "at" in fields:
        fields["at"] = moments
    return st.builds(struct, **fields)


events = st.one_of(*(built(struct) for struct in get_args(AnyEvent)))
steps = st.one_of(
    st.tuples(st.just("events"), st.lists(events, min_size=1, max_size=12)),
    st.tuples(st.just("key"), st.sampled_from(KEYS)),
    st.tuples(st.just("key"), st.sampled_from(KEYS)),
    st.tuples(st.just("size"), st.sampled_from(SIZES)),
    st.tuples(st.just("time"), st.sampled_from((0.3, 5.0, 400.0, -3600.0))),
)


async def play(script: list[tuple[str, Any]], ascii_only: bool, theme: str) -> None:
    """Do what the script says, one step after the other, and look at the screen after each."""
    feed = ListFeed(alive=1.0)
    clock = [at(1.0)]
    app = ConsoleApp(
        feed,
        file="a[/b]\x1b.db",
        mailbox=ListMailbox(),
        now=lambda: clock[0],
        poll=0.005,
        glyphs=ASCII if ascii_only else UNICODE,
        theme=theme,
    )
    async with app.run_test(size=(80, 24), notifications=True) as pilot:
        for kind, what in script:
            if kind == "events":
                feed.events += what
            elif kind == "key":
                await pilot.press(what)
            elif kind == "size":
                await resize(pilot, *what)
            else:
                clock[0] += round(what * SECOND)
            await pilot.pause(0.01)
            strips = app.screen._compositor.render_strips()
            assert all("\x1b" not in strip.text and "\n" not in strip.text for strip in strips)
        # It is neither stuck nor gone: the way home works, and the newest of what came is folded in.
        await resize(pilot, 120, 40)
        await pilot.press("escape", "escape", "escape", "escape")
        app.go("overview")
        for _ in range(400):
            if (feed.board.seq == len(feed.events) and "fuseboard" in screen(app)) or app.still:
                break
            await pilot.pause(0.01)
        else:
            raise AssertionError(f"the console is stuck:\n{screen(app)}")
        assert app.return_code in (None, 0), app.return_code


def screen(app: ConsoleApp) -> str:
    return "\n".join(strip.text for strip in app.screen._compositor.render_strips())


@settings(
    max_examples=EXAMPLES,
    deadline=None,
    phases=(Phase.explicit, Phase.generate),  # shrinking would start hundreds of consoles
    derandomize=EXAMPLES == 25,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.large_base_example],
)
@given(
    script=st.lists(steps, min_size=5, max_size=40),
    ascii_only=st.booleans(),
    theme=st.sampled_from([theme.name for theme in THEMES]),
)
def test_no_events_keys_and_sizes_bring_it_down(script: list[tuple[str, Any]], ascii_only: bool, theme: str) -> None:
    asyncio.run(play(script, ascii_only, theme))
