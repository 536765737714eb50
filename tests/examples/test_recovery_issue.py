"""The hook that opens an issue for a shutdown, against a tracker on this host."""

from __future__ import annotations

import asyncio
import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from fuseboard_engine import Engine, ShutdownReport
from support.http_service import Service, serving
from support.paths import ROOT

HOOK = ROOT / "examples" / "recovery_issue.py"
TOKEN = "ghp_" + "x" * 36
OPENED = json.dumps({"html_url": "https://tracker.example/acme/checkout/issues/7"})


def example() -> ModuleType:
    spec = importlib.util.spec_from_file_location("recovery_issue", HOOK)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def environment(tracker: Service) -> dict[str, str]:
    return {"ISSUE_API": tracker.url, "ISSUE_REPOSITORY": "acme/checkout", "ISSUE_TOKEN": TOKEN}


def shut_down(tmp_path: Path, reason: str) -> ShutdownReport:
    async def play() -> ShutdownReport:
        engine = Engine("checkout")
        engine.add_adapter("gpt", lambda task: "done")
        engine.breaker("gpt").force_open()
        return await engine.shutdown(reason, instructions=tmp_path / "recovery.txt", hook=example().open_issue)

    return asyncio.run(play())


def test_a_shutdown_opens_an_issue_with_the_instructions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with serving() as tracker:
        tracker.answer(201, OPENED, content_type="application/json")
        for name, value in environment(tracker).items():
            monkeypatch.setenv(name, value)
        report = shut_down(tmp_path, "uncaught ValueError: password=hunter2 was refused")

    assert report.problems == ()
    (asked,) = tracker.asked
    assert (asked["method"], asked["path"]) == ("POST", "/repos/acme/checkout/issues")
    assert asked["headers"]["authorization"] == f"Bearer {TOKEN}"
    issue = asked["json"]
    assert issue["title"] == "checkout shut down and needs attention" and issue["labels"] == ["recovery"]
    assert "Why: uncaught ValueError: password=[hidden] was refused" in issue["body"]
    assert "Breakers that were not closed: gpt (forced_open)." in issue["body"]
    assert "hunter2" not in issue["body"] and TOKEN not in issue["body"]


def test_an_orderly_end_without_leftovers_opens_no_issue(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with serving() as tracker:
        for name, value in environment(tracker).items():
            monkeypatch.setenv(name, value)
        assert shut_down(tmp_path, "SIGTERM received").problems == ()

    assert tracker.asked == []


@pytest.mark.parametrize("status", [302, 401, 422, 503])
def test_a_tracker_that_refuses_is_named_in_the_report_without_the_token(
    status: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with serving() as tracker:
        tracker.answer(status, f"bad token {TOKEN}", location="http://127.0.0.1:1/steal")
        for name, value in environment(tracker).items():
            monkeypatch.setenv(name, value)
        (problem,) = shut_down(tmp_path, "memory: 2001 MB in use").problems

    assert f"the tracker answered {status}; no issue was opened" in problem
    assert TOKEN not in problem and len(tracker.asked) == 1


@pytest.mark.parametrize("name", ["ISSUE_TOKEN", "ISSUE_REPOSITORY"])
def test_a_missing_variable_is_named(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with serving() as tracker:
        for known, value in environment(tracker).items():
            monkeypatch.setenv(known, value)
        monkeypatch.delenv(name)
        (problem,) = shut_down(tmp_path, "memory").problems

    assert problem.endswith(f"set {name}") and tracker.asked == []


def test_a_tracker_that_is_down_does_not_stop_the_shutdown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with serving() as tracker:
        known = environment(tracker)
    for name, value in known.items():
        monkeypatch.setenv(name, value)

    (problem,) = shut_down(tmp_path, "memory").problems

    assert "the tracker could not be reached" in problem


def test_as_a_command_it_reads_the_report_from_its_standard_input(tmp_path: Path) -> None:
    instructions = tmp_path / "recovery.txt"
    instructions.write_text("Start the application again.\n")
    report: dict[str, Any] = {"engine": "checkout", "reason": "memory", "at": 1, "instructions": str(instructions)}

    def run(reason: str, status: int = 201) -> subprocess.CompletedProcess[str]:
        tracker.answer(status, OPENED, content_type="application/json")
        return subprocess.run(
            [sys.executable, HOOK],
            input=json.dumps({**report, "reason": reason}),
            env={**os.environ, **environment(tracker)},
            capture_output=True,
            text=True,
            timeout=60,
        )

    with serving() as tracker:
        opened, orderly, refused = run("memory"), run("SIGINT received"), run("memory", 403)

    assert (opened.returncode, opened.stdout.strip()) == (0, "https://tracker.example/acme/checkout/issues/7")
    assert "Start the application again." in tracker.asked[0]["json"]["body"]
    assert (orderly.returncode, orderly.stdout) == (0, "")
    assert (refused.returncode, refused.stderr.strip()) == (1, "the tracker answered 403; no issue was opened")
