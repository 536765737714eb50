"""Whatever comes, in whatever size, whatever is pressed: the console goes on, and shows a whole frame.

`FUSEBOARD_FUZZ=500 pytest tests/console/test_fuzz.py` plays that many stories, other ones each time.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import tempfile
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any, Literal, NamedTuple, get_args, get_origin, get_type_hints

import hypothesis.strategies as st
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from textual.pilot import Pilot

from fuseboard_console.actions.catalogue import ACTIONS
from fuseboard_console.app.app import ConsoleApp
from fuseboard_console.sources.live import LiveRecording
from fuseboard_console.sources.replay import Replay
from fuseboard_console.text.glyphs import ASCII, UNICODE
from fuseboard_console.tui.themes import THEMES
from fuseboard_engine.events import AnyEvent, Event
from fuseboard_engine.runtime.clock import wall_clock
from fuseboard_storage import Tail
from fuseboard_storage.sqlite import schema
from fuseboard_storage.sqlite.write_lock import transaction
from fuseboard_storage.tables import events as rows
from support.console_story import NOON, SECOND, ListFeed, ListMailbox, added, at, resize, started
from support.hostile_recording import be_hostile
from support.hostile_texts import HOSTILE
from support.screen import screen_strips, screen_text

pytestmark = pytest.mark.usefixtures("impatient")

EXAMPLES = int(os.environ.get("FUSEBOARD_FUZZ", "25"))
LEAVES = {"q"}
NOT_HERE = {"page_scenarios"}  # starts processes
KEYS = [
    *sorted({key for action in ACTIONS if action.id not in NOT_HERE for key in action.keys} - LEAVES),
    "ctrl+p", "f1", "backspace", "delete", "shift+tab", "y", "n", "x", "*", ":", "é", "漢", *"12345689",
]  # fmt: skip
SIZES = [(0, 0), (1, 1), (2, 30), (5, 3), (20, 5), (39, 13), (40, 14), (80, 24), (120, 40), (200, 50), (300, 80)]

names = st.sampled_from(("gpt", "agno", "prefect", "eu-search", *HOSTILE))
ENDS = (2**63 - 1, -(2**63))
moments = st.integers(-5, 400).map(lambda second: NOON + second * SECOND) | st.sampled_from((0, 1, 2**53, *ENDS))
numbers = st.integers(0, 9) | st.sampled_from((10_000, 2**40, *ENDS))
seconds = st.floats(0, 90) | st.sampled_from((0.0, 1e-9, 1e9, 1e308, -1e308))


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
    fields = {name: of(hint) for name, hint in get_type_hints(struct).items() if name in struct.__struct_fields__}
    if "at" in fields:
        fields["at"] = moments
    return st.builds(struct, **fields)


events = st.one_of(*(built(struct) for struct in get_args(AnyEvent)))
keys = st.sampled_from(KEYS)
ON_TOP = [
    ("enter",),
    ("question_mark",),
    ("ctrl+p",),
    ("slash", "e"),
    ("o",),
    ("X", "R"),
    ("O",),
    ("4", "D"),
    ("5", "enter"),
]
"""What puts a screen, a bar or a question on top."""
HEADS = ("fuseboard", "Overview", "REPLAY", "SCENARIO")
"""Words of which a header has at least one; the console's name leaves it when room is short."""
Step = tuple[str, Any]
steps: st.SearchStrategy[Step] = st.one_of(
    st.tuples(st.just("events"), st.lists(events, min_size=1, max_size=12)),
    st.tuples(st.just("keys"), st.tuples(keys)),
    st.tuples(st.just("keys"), st.tuples(keys, keys)),
    st.tuples(st.just("keys"), st.sampled_from(ON_TOP)),
    st.tuples(st.just("size"), st.sampled_from(SIZES)),
    st.tuples(st.just("time"), st.sampled_from((0.3, 5.0, 400.0, -3600.0))),
)
FEEDS = ("events", "events, read-only", "a recording", "a recording, read-only", "a replay")
feeds = st.sampled_from(FEEDS)
sizes_of_roster = st.sampled_from((0, 0, 3, 300, 1000))


class World(NamedTuple):
    """A console that is not started yet, what adds events to what it looks at, and what moves its clock on."""

    app: ConsoleApp
    add: Callable[[Sequence[Event]], None]
    wait: Callable[[float], None]
    caught_up: Callable[[], bool]


def roster(adapters: int) -> list[Event]:
    return [started(), *(added(f"adapter-{number:05}") for number in range(adapters))] if adapters else []


@asynccontextmanager
async def made_of_events(adapters: int, **how: Any) -> AsyncIterator[World]:
    feed = ListFeed(alive=1.0, events=roster(adapters))
    clock = [at(1.0)]

    def wait(seconds: float) -> None:
        clock[0] += round(seconds * SECOND)

    app = ConsoleApp(feed, file="a[/b]\x1b.db", now=lambda: clock[0], poll=0.02, **how)
    yield World(app, feed.events.extend, wait, lambda: feed.board.seq == len(feed.events))


@asynccontextmanager
async def made_of_a_file(file: Path, adapters: int, *, replay: bool, mailbox: bool, **how: Any) -> AsyncIterator[World]:
    """The same on a copy of a recording, which grows."""
    offset = [0]
    with tempfile.TemporaryDirectory() as folder, closing(schema.connect(shutil.copy(file, folder))) as connection:
        path = Path(folder) / file.name

        def add(more: Sequence[Event]) -> None:
            with transaction(connection):
                rows.insert(connection, 1, more)

        def wait(seconds: float) -> None:
            offset[0] += round(seconds * SECOND)

        def newest() -> int:
            return int(connection.execute("SELECT max(seq) FROM events").fetchone()[0])

        add(roster(adapters))
        if replay:
            async with Replay.open(path) as past:
                yield World(ConsoleApp(past, file=path.name, replay=past, poll=0.02, **how), add, wait, lambda: True)
        else:
            async with Tail.open(path) as tail:
                live = LiveRecording(tail)
                box = live if mailbox else None
                now = lambda: wall_clock() + offset[0]  # noqa: E731
                app = ConsoleApp(live, file=path.name, mailbox=box, now=now, poll=0.02, **how)
                yield World(app, add, wait, lambda: live.board.seq == newest())


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A real recording with a hostile text wherever one can be: letters, runs, deeds."""
    file = tmp_path_factory.mktemp("fuzz") / "hostile.db"
    asyncio.run(be_hostile(file))
    return file


def world(feed: str, file: Path, adapters: int, **how: Any) -> Any:
    if feed.startswith("events"):
        return made_of_events(adapters, mailbox=None if "read-only" in feed else ListMailbox(), **how)
    return made_of_a_file(file, adapters, replay="replay" in feed, mailbox="read-only" not in feed, **how)


def screen(app: ConsoleApp) -> str:
    return screen_text(app)


async def play(world: World, script: Sequence[Step]) -> None:
    """Do what the script says, one step after the other, and look at the screen after each."""
    app = world.app
    async with app.run_test(size=(80, 24), notifications=True) as pilot:
        for kind, what in script:
            if kind == "events":
                world.add(what)
            elif kind == "keys":
                await pilot.press(*what)
            elif kind == "size":
                await resize(pilot, *what)
            else:
                world.wait(what)
            await pilot.pause()
            strips = screen_strips(app)
            assert all("\x1b" not in strip.text and "\n" not in strip.text for strip in strips)
            assert {strip.cell_length for strip in strips} <= {app.screen._compositor.size.width}
        await find_home(world, pilot)


async def find_home(world: World, pilot: Pilot[None]) -> None:
    """See that the console is neither stuck nor gone: the way home works, and the newest of what came is folded in."""
    app = world.app
    await resize(pilot, 120, 40)
    await pilot.press("escape", "escape", "escape", "escape")
    app.go_to("overview")
    for _ in range(1000):
        shown = screen(app)
        if (world.caught_up() or app.sessions.past) and any(map(shown.__contains__, HEADS)) and "quit" in shown:
            break
        await pilot.pause(0.01)
    else:
        raise AssertionError(f"the console is stuck:\n{screen(app)}")
    assert app.return_code in (None, 0), app.return_code


@settings(
    max_examples=EXAMPLES,
    deadline=None,
    phases=(Phase.explicit, Phase.generate),  # shrinking would start hundreds of consoles
    derandomize=EXAMPLES == 25,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.large_base_example],
)
@given(
    script=st.lists(steps, min_size=5, max_size=40),
    feed=feeds,
    adapters=sizes_of_roster,
    ascii_only=st.booleans(),
    theme=st.sampled_from([theme.name for theme in THEMES]),
)
def test_random_events_keys_and_sizes_do_not_crash_the_console(
    recording: Path, script: list[Step], feed: str, adapters: int, ascii_only: bool, theme: str
) -> None:
    async def run() -> None:
        glyphs = ASCII if ascii_only else UNICODE
        async with world(feed, recording, adapters, glyphs=glyphs, theme=theme) as made:
            await play(made, script)

    asyncio.run(run())


WALK: list[Step] = [
    *(("keys", tuple(keys)) for keys in ("jjk", ["end"], ["pageup"], "n", "x", "X", "b", "b", "b", "f", "f", "v", "v")),
    *(("keys", (key,)) for key in ("s", "s", "s", "S", "s", "s", "s", "s", "S")),
    ("events", roster(3)),
    ("keys", ("slash", *"0004", "enter")),
    ("keys", ("enter",)),
    ("size", (20, 5)),
    ("keys", ("escape", "escape")),
    *(("keys", (page, "end", "enter", "escape")) for page in "2345689"),
    ("size", (0, 0)),
    ("time", 400.0),
    ("size", (300, 80)),
    ("keys", ("1", "home")),
]
"""A walk over all of the console."""


@pytest.mark.parametrize("feed", ["events", "a recording", "a replay"])
def test_ten_thousand_adapters_behave_like_a_few(recording: Path, feed: str) -> None:
    async def run() -> None:
        async with world(feed, recording, 10_000) as made:
            await play(made, WALK)

    asyncio.run(run())
