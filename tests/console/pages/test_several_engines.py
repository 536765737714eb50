"""Two engines with adapters of one name in one recording, on the real screen at 80 columns."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from fuseboard_engine import Engine
from fuseboard_storage import record
from support.console_watching import Watching, watching


async def _refuse(task: object) -> object:
    raise ConnectionError("refused by the provider")


@asynccontextmanager
async def two_engines(path: Path, size: tuple[int, int]) -> AsyncIterator[Watching]:
    """Run the console on two engines that both have `gateway`; that of `billing` is held open."""
    checkout, billing = Engine("checkout"), Engine("billing")
    for engine in (checkout, billing):
        engine.add_adapter("gateway", _refuse)
    async with record(checkout, path), record(billing, path):
        billing.breaker("gateway").force_open()
        await checkout.execute_with_fallback({"id": "t1", "type": "charge"})
        async with watching(path, size=size) as console:
            await console.sees("HELD OPEN", "ConnectionError: refused")
            yield console


async def test_rows_failures_and_routes_of_one_name_are_told_apart_at_80_by_24(tmp_path: Path) -> None:
    async with two_engines(tmp_path / "a.db", (80, 24)) as console:
        await console.sees("gateway (checkout) ConnectionError")
        (held,) = console.lines("gateway", "HELD OPEN")
        assert " billing " in held
        assert console.lines("gateway", " checkout ")
        assert max(map(len, console.screen().splitlines())) <= 80
        await console.press("2")
        await console.sees(" checkout  gateway")
        assert max(map(len, console.screen().splitlines())) <= 80


async def test_details_prompts_notices_and_the_audit_name_the_engine(tmp_path: Path) -> None:
    async with two_engines(tmp_path / "a.db", (80, 24)) as console:
        await console.wait_for(lambda: console.app.overview.target is not None)
        await console.press("g", "enter")
        await console.sees("─ gateway (billing) ─")
        await console.press("r")
        await console.hears("gateway (billing) was reset.")
        await console.press("o")
        await console.sees("Hold gateway (billing) open?")
        await console.press("escape", "escape", "8")
        await console.sees("reset gateway (billing)")
        await console.press("3")
        await console.sees("gateway (checkout)")
        await console.press("enter")
        await console.sees("Failure of gateway (checkout)")
        await console.press("escape", "6")
        await console.sees("gateway (billing)", "gateway (checkout)")


async def test_grouped_by_engine_the_heading_tells_them_apart(tmp_path: Path) -> None:
    async with two_engines(tmp_path / "a.db", (80, 24)) as console:
        assert "engine" in console.app.overview.table.column_ids
        await console.press("b")
        await console.wait_for(lambda: "engine" not in console.app.overview.table.column_ids)
        assert console.lines("billing@")
