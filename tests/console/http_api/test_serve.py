"""`fuseboard serve`: reading is open to this host, changes need the token, other hosts are refused."""

from __future__ import annotations

import asyncio
import os
import re
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import pytest

from fuseboard_engine import Engine
from fuseboard_engine.events import AdapterAdded, EngineStarted, ProbeChanged
from fuseboard_storage import record
from support.console_story import NOON
from support.replays import recorded
from support.served_api import TOKEN, WITH_TOKEN, api, engine_at, succeed
from support.waiting import PATIENCE, until_async


async def test_HL01_an_application_is_ready_while_more_than_half_of_its_adapters_are_healthy(tmp_path: Path) -> None:
    file = tmp_path / "shop.db"
    async with engine_at(file) as engine, api(file) as client:
        answer = await client.get("/health/ready")
        assert (answer.status_code, answer.json()["ready"], answer.json()["ratio"]) == (200, True, 0.6667)
        engine.breaker("agno").force_open()

        async def not_ready() -> bool:
            return (await client.get("/health/ready")).status_code == 503

        await until_async(not_ready)


async def test_HL01_an_application_without_an_engine_is_not_ready(tmp_path: Path) -> None:
    file = tmp_path / "shop.db"
    file.touch()
    async with api(file) as client:
        answer = await client.get("/health/ready")
        assert (answer.status_code, answer.json()["ready"]) == (503, False)
        assert (await client.get("/health/adapters/agno")).status_code == 503


async def test_R16_an_adapter_that_was_never_used_counts_as_healthy(tmp_path: Path) -> None:
    file = tmp_path / "shop.db"
    async with engine_at(file), api(file) as client:
        assert (await client.get("/health/system")).json()["healthy_adapters"] == 2


async def test_R17_resetting_an_unknown_adapter_is_an_error_that_names_the_nearest(tmp_path: Path) -> None:
    file = tmp_path / "shop.db"
    async with engine_at(file), api(file) as client:
        answer = await client.post("/health/adapters/prefct/reset", headers=WITH_TOKEN)
        assert answer.status_code == 404
        assert "Did you mean prefect?" in answer.json()["detail"]


async def test_HL02_the_history_of_an_adapter_holds_calls_and_transitions_and_the_full_one_warns(
    tmp_path: Path,
) -> None:
    file = tmp_path / "shop.db"
    async with engine_at(file) as engine, api(file) as client:
        for _ in range(60):
            await engine.execute_with_fallback("a task", ["agno"])

        async def history(query: str = "") -> Any:
            return (await client.get(f"/health/adapters/agno/history{query}")).json()

        async def complete() -> bool:
            return len((await history("?full=1"))["calls"]) == 61

        await until_async(complete)
        short, full = await history(), await history("?full=1")
        assert len(short["calls"]) == 50
        assert short["warning"] is None
        assert full["warning"] == "this is all that is kept: 61 calls, 0 transitions"
        opened = (await client.get("/health/adapters/prefect/history", headers=WITH_TOKEN)).json()
        assert [change["state"] for change in opened["transitions"]] == ["open"]
        assert opened["calls"][0]["error"] == "nobody listens"
        assert (await client.get("/health/adapters/nobody/history")).status_code == 404


async def test_a_reset_goes_through_the_mailbox_and_returns_the_outcome(tmp_path: Path) -> None:
    file = tmp_path / "shop.db"
    async with engine_at(file) as engine, api(file) as client:
        answer = await client.post("/health/adapters/prefect/reset", headers=WITH_TOKEN)
        assert (answer.status_code, answer.json()["done"]) == (200, True)
        assert engine.breaker("prefect").state == "closed"
        engine.breaker("agno").force_open()
        assert (await client.post("/health/reset", headers=WITH_TOKEN)).status_code == 200
        assert engine.breaker("agno").state == "closed"


async def test_a_command_that_no_engine_takes_is_answered_with_504(tmp_path: Path) -> None:
    added = AdapterAdded(at=NOON, adapter="prefect", policy={})
    file = recorded(tmp_path / "shop.db", [EngineStarted(at=NOON, name="shop", host="elsewhere", pid=1), added])
    async with api(file, expires_in=0.1) as client:
        answer = await client.post("/health/adapters/prefect/reset", headers=WITH_TOKEN)
        assert answer.status_code == 504
        assert "No engine took this command" in answer.json()["outcomes"][0]["detail"]


async def test_a_command_to_an_engine_that_has_ended_is_refused_at_once(tmp_path: Path) -> None:
    file = tmp_path / "shop.db"
    async with engine_at(file):
        pass
    async with api(file) as client:
        for path in ("/health/adapters/prefect/reset", "/health/reset"):
            answer = await client.post(path, headers=WITH_TOKEN)
            assert (answer.status_code, answer.json()["title"]) == (409, "Engine ended")


@pytest.mark.parametrize("header", [{}, {"Authorization": "Bearer wrong"}, {"Authorization": f"Basic {TOKEN}"}])
@pytest.mark.parametrize("path", ["/health/adapters/prefect/reset", "/health/reset"])
async def test_nothing_is_changed_without_the_token(tmp_path: Path, path: str, header: dict[str, str]) -> None:
    file = tmp_path / "shop.db"
    async with engine_at(file) as engine, api(file) as client:
        answer = await client.post(path, headers=header)
        assert (answer.status_code, answer.headers["www-authenticate"].split()[0]) == (401, "Bearer")
        assert engine.breaker("prefect").state == "open"


async def test_a_request_with_another_host_header_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "shop.db"
    async with engine_at(file), api(file) as client:
        assert (await client.get("/health/system", headers={"Host": "evil.example"})).status_code == 400


async def test_an_adapter_with_a_slash_in_its_name_can_be_requested(tmp_path: Path) -> None:
    file = tmp_path / "shop.db"
    async with engine_at(file), api(file) as client:
        (adapter,) = (await client.get("/health/adapters/eu/search")).json()["adapters"]
        assert adapter["state"] == "closed"


@pytest.mark.parametrize("name", ["eu?search", "eu%2Fsearch", "übung 1", "a\nb", "a\n", "a/stats", "a/reset", "reset"])
async def test_an_adapter_of_any_name_can_be_requested_and_reset(name: str, tmp_path: Path) -> None:
    file = tmp_path / "shop.db"
    engine = Engine("shop")
    engine.add_adapter(name, succeed)
    async with record(engine, file) as recorder, api(file) as client:
        await recorder.flushed()
        for part in ("", "/stats"):
            answer = await client.get(f"/health/adapters/{quote(name, safe='')}{part}")
            if not (name == "a/stats" and not part):  # this is the path of the statistics of `a`
                assert [row["adapter"] for row in answer.json()["adapters"]] == [name]
        answer = await client.post(f"/health/adapters/{quote(name, safe='')}/reset", headers=WITH_TOKEN)
        assert answer.json()["done"]


async def test_failures_are_limited_and_newest_first(tmp_path: Path) -> None:
    file = tmp_path / "shop.db"
    async with engine_at(file), api(file) as client:
        (failure,) = (await client.get("/api/failures?limit=3", headers=WITH_TOKEN)).json()["failures"]
        assert (failure["adapter"], failure["error"]) == ("prefect", "nobody listens")
        for limit in ("many", "0", "1001", "-1", "1.5", "", "٣", "9" * 5000, "0" * 5000 + "2000"):
            answer = await client.get("/api/failures", params={"limit": limit})
            assert (answer.status_code, answer.json()["errors"][0]["where"]) == (422, "query.limit")


async def test_error_texts_need_the_token(tmp_path: Path) -> None:
    file = tmp_path / "shop.db"
    paths = ("/api/failures", "/health/adapters", "/health/adapters/prefect/history", "/health/system", "/metrics")
    async with engine_at(file), api(file) as client:
        for path in paths:
            assert "nobody listens" not in (await client.get(path)).text, path
            wrong = await client.get(path, headers={"Authorization": "Bearer wrong"})
            assert wrong.status_code == 401 and "nobody listens" not in wrong.text, path
        for path in paths[:3]:
            assert "nobody listens" in (await client.get(path, headers=WITH_TOKEN)).text, path
        (failure,) = (await client.get("/api/failures")).json()["failures"]
        assert (failure["error_type"], failure["error"]) == ("ConnectionRefusedError", None)
        adapters = (await client.get("/health/adapters/prefect")).json()["adapters"]
        assert adapters[0]["last_error"] == "ConnectionRefusedError"


async def test_a_huge_name_is_refused_with_a_short_message(tmp_path: Path) -> None:
    file = tmp_path / "shop.db"
    async with engine_at(file), api(file) as client:
        answer = await client.get(f"/health/adapters/{'prefec' * 2000}")
        assert answer.status_code == 404
        assert len(answer.text) < 1000


async def test_counters_can_be_scraped(tmp_path: Path) -> None:
    file = tmp_path / "shop.db"
    async with engine_at(file), api(file) as client:
        text = (await client.get("/metrics")).text
        assert re.search(r'fuseboard_calls_total\{engine="\w+",adapter="prefect",outcome="failure"\} 1\n', text)
        assert re.search(r'fuseboard_breaker_open\{engine="\w+",adapter="prefect",instance="\d+"\} 1\n', text)
        assert 'fuseboard_tasks_total{outcome="success"} 1\n' in text
        assert "fuseboard_failovers_total 1\n" in text
        assert re.search(r'fuseboard_attempt_duration_seconds_count\{engine="\w+",adapter="prefect"\} 1\n', text)


def serve(*words: str, **environment: str) -> subprocess.Popen[str]:
    """Start `fuseboard serve` in a process of its own."""
    command = [sys.executable, "-m", "fuseboard_console", "serve", *words]
    return subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env={**os.environ, **environment})


async def test_the_command_serves_on_the_loopback_interface_until_it_is_stopped(tmp_path: Path) -> None:
    file = tmp_path / "shop.db"
    async with engine_at(file):
        with serve(str(file), "--port", "0", FUSEBOARD_TOKEN=TOKEN) as process:
            assert process.stderr is not None
            address = re.search(r"http://127\.0\.0\.1:\d+", await asyncio.to_thread(process.stderr.readline))
            assert address is not None
            async with httpx.AsyncClient(base_url=address[0]) as client:

                async def reset() -> bool:
                    try:
                        answer = await client.post("/health/adapters/prefect/reset", headers=WITH_TOKEN)
                    except httpx.TransportError:  # the address is announced just before it is listened on
                        return False
                    assert answer.json()["done"] is True
                    return True

                await until_async(reset)
            process.terminate()
            await asyncio.to_thread(process.wait, PATIENCE)


def test_a_file_that_is_not_a_recording_and_a_port_in_use_are_reported(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("hello " * 100)
    for words, said in (
        ((str(tmp_path / "notes.txt"),), "not a recording"),
        ((str(tmp_path / "nowhere.db"),), "does not exist"),
    ):
        with serve(*words) as process:
            _, errors = process.communicate(timeout=PATIENCE)
        assert process.returncode == 2
        assert said in errors
    (tmp_path / "empty.db").touch()
    with socket.create_server(("127.0.0.1", 0)) as taken:
        number = str(taken.getsockname()[1])
        with serve(str(tmp_path / "empty.db"), "--port", number) as process:
            _, errors = process.communicate(timeout=PATIENCE)
    assert process.returncode == 2
    assert errors.startswith(f"127.0.0.1 port {number} cannot be used: Address already in use")
    assert "Choose another with --port" in errors and ".." not in errors


async def test_failures_have_probes_that_were_too_slow(tmp_path: Path) -> None:
    probe = ProbeChanged(at=NOON, adapter="agno", what="success", slow=True, duration=1.4, limit=0.5)
    async with api(recorded(tmp_path / "shop.db", [probe])) as client:
        (found,) = (await client.get("/api/failures", headers=WITH_TOKEN)).json()["failures"]
        assert (found["adapter"], found["rule"], found["then"]) == ("agno", "slow_call_seconds", None)
        assert found["error"] == "probe took 1.4 s, limit 0.5 s"
