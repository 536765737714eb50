"""Answers that a client has already, and problems."""

from __future__ import annotations

from pathlib import Path

from support.console_story import NOON
from support.fake_engine import failed
from support.replays import recorded
from support.served_api import WITH_TOKEN, api, engine_at


async def test_an_answer_that_did_not_change_is_not_sent_again(tmp_path: Path) -> None:
    async with api(recorded(tmp_path / "shop.db", [failed(at=NOON)])) as client:
        first = await client.get("/api/failures")
        tag = first.headers["etag"]
        for given in (tag, f"W/{tag}", f'"other", {tag}', "*"):
            again = await client.get("/api/failures", headers={"If-None-Match": given})
            assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", tag)
        for given in ('"other"', "", tag.strip('"')):
            again = await client.get("/api/failures", headers={"If-None-Match": given})
            assert (again.status_code, again.content) == (200, first.content)


async def test_an_answer_with_texts_is_another_answer(tmp_path: Path) -> None:
    async with api(recorded(tmp_path / "shop.db", [failed(at=NOON)])) as client:
        plain, full = await client.get("/api/failures"), await client.get("/api/failures", headers=WITH_TOKEN)
        assert plain.headers["etag"] != full.headers["etag"]
        assert full.headers["vary"] == "Authorization" and "private" in full.headers["cache-control"]


async def test_a_problem_says_what_is_wrong_in_a_document_of_its_own_type(tmp_path: Path) -> None:
    async with engine_at(tmp_path / "shop.db"), api(tmp_path / "shop.db") as client:
        for path, status, kind in (
            ("/nowhere", 404, "not-found"),
            ("/health/adapters/nobody", 404, "unknown-adapter"),
            ("/api/failures?limit=x", 422, "invalid-request"),
        ):
            answer = await client.get(path)
            assert answer.headers["content-type"] == "application/problem+json"
            document = answer.json()
            assert (answer.status_code, document["status"]) == (status, status)
            assert document["type"] == f"urn:fuseboard:problem:{kind}"
            assert document["title"] and document["detail"]
        answer = await client.delete("/health/live")
        assert (answer.status_code, answer.headers["allow"]) == (405, "GET")


async def test_a_file_that_is_gone_is_a_problem_until_it_is_back(tmp_path: Path) -> None:
    file = tmp_path / "shop.db"
    async with api(recorded(file, [failed(at=NOON)])) as client:
        assert (await client.get("/api/failures")).status_code == 200
        file.rename(tmp_path / "away.db")
        answer = await client.get("/api/failures")
        assert (answer.status_code, answer.json()["title"]) == (503, "Recording unavailable")
        (tmp_path / "away.db").rename(file)
        assert (await client.get("/api/failures")).status_code == 200
