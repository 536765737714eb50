"""Every list sorts, by key and by a click on its titles."""

from __future__ import annotations

import pytest

from fuseboard_console.views.selection.list_order import field_of_title, natural_order
from fuseboard_engine.events import Event, HealthChecked
from support.console_show import Show
from support.console_story import added, at, started, until
from support.recorded_history import lived

CHECKS: list[Event] = [
    started(),
    *(added(name) for name in ("a10", "a2", "B1")),
    HealthChecked(at=at(2), adapter="a2", status="healthy"),
    HealthChecked(at=at(9), adapter="a10", status="unhealthy", detail="gone"),
    HealthChecked(at=at(5), adapter="B1", status="degraded"),
]


def listed(show: Show) -> list[str]:
    lines = show.screen().splitlines()
    return [name for line in lines[2:] for name in ("a10", "a2", "B1") if f" {name} " in line]


async def test_a_key_sorts_by_the_next_field_and_another_reverses() -> None:
    show = Show(CHECKS, when=10)
    async with show.app.run_test(size=(100, 20), notifications=True) as pilot:
        await pilot.press("6")
        await until(lambda: listed(show) == ["a10", "B1", "a2"], pilot)  # the least healthy first
        await pilot.press("s")
        await until(show.sees("by name ▴"), pilot)
        assert listed(show) == ["a2", "a10", "B1"]
        await pilot.press("S")
        await until(show.sees("by name ▾"), pilot)
        assert listed(show) == ["B1", "a10", "a2"]
        await pilot.press(*"ssss")  # health, tag, detail, since
        await until(show.sees("by since ▴"), pilot)
        assert listed(show) == ["a10", "B1", "a2"]
        await pilot.press("s")
        await until(lambda: " by " not in show.screen(), pilot)
        await pilot.press("S")
        await until(show.sees("by own order ▾"), pilot)
        assert listed(show) == ["a2", "B1", "a10"]


async def test_a_click_on_a_title_sorts_by_it_and_another_reverses() -> None:
    show = Show(CHECKS, when=10)
    async with show.app.run_test(size=(100, 20), notifications=True) as pilot:
        await pilot.press("6")
        await until(show.sees("what it said"), pilot)
        line = next(n for n, text in enumerate(show.screen().splitlines()) if "what it said" in text)
        cell = show.screen().splitlines()[line].index("health") + 2
        await pilot.click(offset=(cell, line))
        await until(lambda: listed(show) == ["B1", "a2", "a10"], pilot)
        await pilot.click(offset=(cell, line))
        await until(lambda: listed(show) == ["a10", "a2", "B1"], pilot)


@pytest.mark.parametrize("page", ["2", "3", "4", "5", "6", "7", "8", "9", "l"])
async def test_every_list_sorts(page: str) -> None:
    show = Show(lived())
    async with show.app.run_test(size=(120, 40), notifications=True) as pilot:
        await pilot.press(page)
        await until(lambda: show.app.page.PAGE != "overview" and show.app.page.is_attached, pilot)
        await until(lambda: "are being read" not in show.screen(), pilot)
        fields = show.app.page.FIELDS + show.app.page.FIGURES  # type: ignore[attr-defined]
        for field in fields:
            await pilot.press("s")
            await until(show.sees(f"by {field} ▴"), pilot)


def test_texts_are_sorted_as_people_do() -> None:
    assert sorted(["a10", "A2", "", "b", "a", "7"], key=natural_order) == ["", "7", "a", "A2", "a10", "b"]


def test_titles_stand_for_fields() -> None:
    fields = ("name", "health", "detail")
    assert [field_of_title(title, fields) for title in ("adapter", "Health", "said", "when", "nodes", "")] == [
        "name", "health", "detail", "", None, None,
    ]  # fmt: skip
