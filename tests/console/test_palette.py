"""The palette finds every action that works here, and every adapter."""

from __future__ import annotations

from console_support import added, started, until
from hostile_texts import HOSTILE
from test_app import Show

from fuseboard_console.adapter_commands import MOST, near
from fuseboard_console.pages.catalogue import PAGES
from fuseboard_storage.board import AdapterKey


async def test_an_adapter_is_found_by_some_of_its_letters_and_opened() -> None:
    show = Show()
    async with show.app.run_test(size=(120, 40), notifications=True) as pilot:
        await until(show.sees("prefect"), pilot)
        await pilot.press("ctrl+p", *"llmx")
        await until(show.sees("llmx"), pilot)
        await pilot.press(*["backspace"] * 4, *"lmin")
        await until(show.sees("llamaindex", "Adapter, CLOSED."), pilot)
        await pilot.press("enter")
        await until(show.sees("─ llamaindex ─", "policy"), pilot)


async def test_before_anything_is_typed_the_adapters_that_need_a_person_stand_there() -> None:
    show = Show()
    async with show.app.run_test(size=(120, 60), notifications=True) as pilot:
        await until(show.sees("prefect"), pilot)
        await pilot.press("ctrl+p")
        await until(show.sees("Adapter, OPEN. Show all that is known of it."), pilot)


async def test_every_page_is_found_by_its_name() -> None:
    show = Show()
    async with show.app.run_test(size=(120, 40), notifications=True) as pilot:
        await until(show.sees("prefect"), pilot)
        await pilot.press("ctrl+p", *"engines")
        await until(lambda: show.sees("🔎 engines")() and show.screen().count("Go to the ") == 1, pilot)
        await pilot.press("enter")
        await until(show.sees("› Engines", "LIVE"), pilot)
    pages = {action.id.removeprefix("page_") for action in show.app.actions if action.group == "Pages"}
    assert pages == {entry.id for entry in PAGES}


async def test_hostile_names_are_shown_as_text() -> None:
    show = Show([started(), *(added(name) for name in HOSTILE if name)], when=1)
    async with show.app.run_test(size=(120, 60), notifications=True) as pilot:
        await until(show.sees("Breakers"), pilot)
        for typed, name in (("foo", "[/foo]"), ("click", "[@click=app.quit]click me[/]"), ("red", "[bold red]not red")):
            await pilot.press("ctrl+p", *typed)
            await until(show.sees(f"  {name}\n  Adapter, CLOSED."), pilot)
            await pilot.press("escape")
        assert show.app.return_code is None


def test_ten_thousand_adapters_are_looked_through_and_the_best_are_kept() -> None:
    keys = [AdapterKey(1, f"search-{number}") for number in range(10_000)]
    assert near("search-77", keys)[0] == AdapterKey(1, "search-77")
    assert len(near("s", keys)) == MOST
    assert near("srch9999", keys) == [AdapterKey(1, "search-9999")]
    assert near("nothing like it", keys) == []
