"""What a recording holds, over HTTP: filters, parts of lists, and what is not shown without a token."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx
import pytest

from fuseboard_engine import DeadLetterPolicy, Engine, RetryPolicy, Workflow
from fuseboard_engine.events import AttemptFailed, CommandDone
from fuseboard_storage import record
from support.console_story import NOON
from support.fake_engine import failed
from support.replays import recorded
from support.served_api import WITH_READING, WITH_TOKEN, api, engine_at, fail, succeed
from support.waiting import until_async

SECOND = 1_000_000


def failures(count: int, adapter: str = "agno") -> list[AttemptFailed]:
    return [failed(adapter=adapter, task=f"t{number}", at=NOON + number * SECOND) for number in range(count)]


async def whole(client: httpx.AsyncClient, path: str, name: str, **parameters: Any) -> list[list[Any]]:
    """Return all parts of a list."""
    parts, cursor = [], ""
    while True:
        answer = (await client.get(path, params={**parameters, "cursor": cursor}, headers=WITH_TOKEN)).json()
        parts.append(answer[name])
        if answer["next"] is None:
            return parts
        cursor = answer["next"]


async def test_failures_come_in_parts_without_a_gap_or_a_double(tmp_path: Path) -> None:
    async with api(recorded(tmp_path / "shop.db", failures(25))) as client:
        parts = await whole(client, "/api/failures", "failures", limit=10)
    assert [len(part) for part in parts] == [10, 10, 5]
    assert [one["task"] for part in parts for one in part] == [f"t{number}" for number in reversed(range(25))]


async def test_failures_are_filtered_by_adapter_task_and_time(tmp_path: Path) -> None:
    async with api(recorded(tmp_path / "shop.db", [*failures(3), *failures(2, "gpt")])) as client:

        async def tasks(**parameters: Any) -> list[str]:
            answer = await client.get("/api/failures", params=parameters)
            return [one["task"] for one in answer.json()["failures"]]

        assert await tasks(adapter="gpt") == ["t1", "t0"]
        assert await tasks(task="t2") == ["t2"]
        assert await tasks(adapter="agno", since=NOON + SECOND, until=NOON + 2 * SECOND) == ["t1"]


async def test_an_unknown_adapter_in_a_filter_is_not_found_with_a_suggestion(tmp_path: Path) -> None:
    async with engine_at(tmp_path / "shop.db"), api(tmp_path / "shop.db") as client:
        for path in ("/api/failures", "/api/audit", "/api/metrics"):
            answer = await client.get(path, params={"adapter": "prefct"})
            assert (answer.status_code, answer.headers["content-type"]) == (404, "application/problem+json"), path
            assert "Did you mean prefect?" in answer.json()["detail"]


async def test_times_have_a_zone_or_are_microseconds(tmp_path: Path) -> None:
    async with api(recorded(tmp_path / "shop.db", failures(1))) as client:
        for time in ("2020-01-01T00:00:00Z", "2020-01-01T00:00:00+02:00", "1", "-1"):
            answer = await client.get("/api/failures", params={"since": time})
            assert len(answer.json()["failures"]) == 1, time
        for time in ("2020-01-01T00:00:00", "yesterday", "", "1e400", "9" * 30):
            answer = await client.get("/api/failures", params={"since": time})
            assert (answer.status_code, answer.json()["errors"][0]["where"]) == (422, "query.since"), time
            assert "a time is UTC microseconds" in answer.json()["detail"]


async def test_events_are_filtered_by_kind_and_an_unknown_kind_is_refused(tmp_path: Path) -> None:
    async with engine_at(tmp_path / "shop.db"), api(tmp_path / "shop.db") as client:
        answer = await client.get("/api/events?kind=attempt_failed&kind=state_changed", headers=WITH_TOKEN)
        assert {one["kind"] for one in answer.json()["events"]} == {"attempt_failed", "state_changed"}
        answer = await client.get("/api/events?kind=atempt_failed")
        assert (answer.status_code, "did you mean 'attempt_failed'?" in answer.json()["detail"]) == (422, True)


async def test_routes_have_their_attempts_and_texts_only_for_a_token(tmp_path: Path) -> None:
    async with engine_at(tmp_path / "shop.db"), api(tmp_path / "shop.db") as client:
        (route,) = (await client.get("/api/routes", headers=WITH_READING)).json()["routes"]
        assert [one["adapter"] for one in route["attempts"]] == ["prefect", "agno"]
        assert route["attempts"][0]["error"] == "nobody listens"
        assert "nobody listens" not in (await client.get("/api/routes")).text


async def test_the_audit_comes_in_parts_while_commands_are_given(tmp_path: Path) -> None:
    done = [
        CommandDone(at=NOON + n * SECOND, command=0, verb="reset", actor="ada", ok=True, adapter=f"a{n}")
        for n in range(5)
    ]
    async with api(recorded(tmp_path / "shop.db", done)) as client:
        parts = await whole(client, "/api/audit", "commands", limit=2)
        assert [one["adapter"] for part in parts for one in part] == ["a4", "a3", "a2", "a1", "a0"]
        answer = await client.get("/api/audit", params={"actor": "bo"})
        assert answer.json() == {"commands": [], "next": None}


async def test_a_command_is_recorded_with_the_name_of_its_token(tmp_path: Path) -> None:
    async with engine_at(tmp_path / "shop.db"), api(tmp_path / "shop.db") as client:
        body = {"verb": "open_for", "adapter": "agno", "args": {"seconds": 60}}
        answer = await client.post("/api/commands", json=body, headers=WITH_TOKEN)
        assert (answer.status_code, answer.json()["done"]) == (200, True)
        (found,) = (await client.get("/api/audit", headers=WITH_TOKEN)).json()["commands"]
        assert (found["actor"], found["verb"], found["adapter"]) == ("ada", "open_for", "agno")


async def test_a_command_that_the_engine_refuses_says_why(tmp_path: Path) -> None:
    async with engine_at(tmp_path / "shop.db"), api(tmp_path / "shop.db") as client:
        body = {"verb": "open_for", "adapter": "agno", "args": {"seconds": "long"}}
        answer = await client.post("/api/commands", json=body, headers=WITH_TOKEN)
        assert (answer.status_code, answer.json()["title"]) == (409, "Command refused")
        assert answer.json()["outcomes"][0]["status"] == "failed"


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"verb": "explode", "adapter": "agno"}, 422),
        ({"verb": "reset"}, 422),
        ({"verb": "reset", "adapter": "agno", "seconds": 3}, 422),
        ({"verb": "reset", "adapter": "nobody"}, 404),
        ({"verb": "reset", "adapter": "agno", "engine": "other"}, 404),
        ({"verb": "reset", "adapter": "agno", "instance": 99}, 404),
    ],
)
async def test_a_command_that_means_nothing_changes_nothing(tmp_path: Path, body: Any, status: int) -> None:
    async with engine_at(tmp_path / "shop.db"), api(tmp_path / "shop.db") as client:
        answer = await client.post("/api/commands", json=body, headers=WITH_TOKEN)
        assert answer.status_code == status
        assert (await client.get("/api/audit")).json()["commands"] == []


async def test_dead_letters_are_listed_and_discarded_and_payloads_need_a_token(tmp_path: Path) -> None:
    file = tmp_path / "shop.db"
    engine = Engine("shop", retry=RetryPolicy(max_attempts=1), dead_letters=DeadLetterPolicy())
    engine.add_adapter("gpt", fail)
    async with record(engine, file) as recorder, api(file) as client:
        for number in range(3):
            await engine.execute_with_fallback({"task_type": "ai", "prompt": f"poem {number}"}, ["gpt"])
        await recorder.flushed()
        parts = await whole(client, "/api/dead-letters", "letters", limit=2)
        ids = [one["id"] for part in parts for one in part]
        assert len(ids) == 3 and ids == sorted(ids, reverse=True)
        assert parts[0][0]["payload"]["prompt"] == "poem 2"
        assert "poem" not in (await client.get("/api/dead-letters")).text
        assert (await client.get("/api/dead-letters?text=poem")).status_code == 401
        body = {"ids": [ids[0], 999]}
        assert (await client.post("/api/dead-letters/discard", json=body, headers=WITH_READING)).status_code == 403
        answer = await client.post("/api/dead-letters/discard", json=body, headers=WITH_TOKEN)
        assert (answer.status_code, answer.json()) == (200, {"done": False, "changed": 1})
        (left,) = (await client.get("/api/dead-letters?status=discarded", headers=WITH_TOKEN)).json()["letters"]
        assert (left["id"], left["actor"]) == (ids[0], "ada")


async def test_workflow_runs_come_in_parts(tmp_path: Path) -> None:
    file = tmp_path / "shop.db"
    engine = Engine("shop")
    engine.add_adapter("gpt", succeed)
    workflow = Workflow("report")
    workflow.add_node("text", "gpt")
    engine.add_workflow(workflow)
    async with record(engine, file) as recorder, api(file) as client:
        runs = [(await workflow.execute({"prompt": "secret prompt"})).run for _ in range(5)]
        await recorder.flushed()
        parts = await whole(client, "/api/runs", "runs", limit=2)
        assert sorted(one["run"] for part in parts for one in part) == sorted(runs)
        assert [len(part) for part in parts] == [2, 2, 1]
        assert "fine" not in (await client.get("/api/runs")).text


async def test_metrics_have_steps_and_too_many_are_refused(tmp_path: Path) -> None:
    async with engine_at(tmp_path / "shop.db"), api(tmp_path / "shop.db") as client:

        async def counted() -> bool:
            found = (await client.get("/api/metrics?step=60&adapter=prefect")).json()["metrics"]
            return sum(one["calls"] for one in found) == 1

        await until_async(counted)
        assert (await client.get("/api/metrics?step=0.5")).status_code == 422
