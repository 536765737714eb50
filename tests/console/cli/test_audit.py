"""`fuseboard audit`: operators' commands as plain lines and as JSON."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from fuseboard_console.cli import exit_codes
from fuseboard_console.cli.main import run
from fuseboard_engine.events import CommandDone, Event
from fuseboard_storage.recording.recording import Recording
from support.command_line import fuseboard
from support.console_story import added, answered, at, changed, failed, opened, started
from support.hostile_texts import HOSTILE
from support.replays import recorded


def done(number: int, when: float, verb: str, adapter: str, **fields: object) -> CommandDone:
    known = {"actor": "ada", "ok": True, "requested_at": at(when - 0.1), **fields}
    return CommandDone(at=at(when), command=number, verb=verb, adapter=adapter, **known)  # type: ignore[arg-type]


EVENTS: list[Event] = [
    started(), added("gpt"), added("claude"), opened("gpt", 1), opened("claude", 2),
    changed("gpt", "closed", 10, before="open", reason="reset", actor="ada"),
    done(1, 10, "reset", "gpt", detail="it was open"),
    *(answered("gpt", 11 + number) for number in range(5)),
    done(2, 30, "reset", "claude", actor="bob", detail="it was open"),
    changed("claude", "closed", 30.1, before="open", reason="reset", actor="bob"),
    failed("claude", 31), opened("claude", 31.1),
    done(3, 40, "open_for", "gpt", ok=False, detail="seconds must be above 0", what="for 0 s"),
]  # fmt: skip


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return recorded(tmp_path / "a.db", EVENTS)


def lines(capsys: pytest.CaptureFixture[str], *arguments: str | Path) -> list[str]:
    assert run(["audit", *map(str, arguments)]) == exit_codes.OK
    return capsys.readouterr().out.splitlines()


def test_it_says_who_what_when_the_outcome_and_what_followed(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    told = [line.partition("  ")[2] for line in lines(capsys, file)]
    assert told == [
        "ada  open for a time gpt for 0 s  not done: seconds must be above 0",
        "bob  reset claude  done: it was open; opened again after 1 s: 5 failures in a row",
        "ada  reset gpt  done: it was open; 5 of 5 calls since then succeeded",
    ]


def test_in_a_pipe_it_is_plain_and_begins_with_the_time(file: Path) -> None:
    shown = fuseboard("audit", file, "--limit", "1")
    assert (shown.returncode, shown.stderr, "\x1b" in shown.stdout) == (exit_codes.OK, "", False)
    assert shown.stdout.startswith("2025-11-21 ") and shown.stdout.count("\n") == 1


@pytest.mark.parametrize(
    ("words", "commands"),
    [
        ((), [3, 2, 1]),
        (("--limit", "2"), [3, 2]),
        (("--limit", "0"), [3, 2, 1]),
        (("--adapter", "gpt"), [3, 1]),
        (("--actor", "bob"), [2]),
        (("--adapter", "gpt", "--actor", "bob"), []),
        (("--since", "2025-11-21T14:00:20+00:00"), [3, 2]),
        (("--until", "2025-11-21T14:00:20+00:00"), [1]),
        (("--since", "1h"), []),
    ],
)
def test_it_selects(
    file: Path, capsys: pytest.CaptureFixture[str], words: tuple[str, ...], commands: list[int]
) -> None:
    assert [json.loads(line)["command"] for line in lines(capsys, file, *words, "--json")] == commands


def test_json_has_what_followed(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    entry = json.loads(lines(capsys, file, "--actor", "bob", "--json")[0])
    (then,) = entry.pop("followed")
    assert (then["adapter"], then["successes"], then["until"], then["then"]) == ("claude", 0, at(31.1), "open")
    assert entry == {
        "command": 2, "requested_at": at(29.9), "done_at": at(30), "actor": "bob", "verb": "reset",
        "adapter": "claude", "what": None, "instance": 1, "status": "done", "detail": "it was open",
    }  # fmt: skip


async def test_a_command_that_no_engine_took_is_among_them(tmp_path: Path) -> None:
    path = recorded(tmp_path / "b.db", EVENTS[:2])
    async with Recording.open(path) as recording:
        await recording.ask("reset", "gpt", instance=1, actor="eve", expires_in=0.0)
    shown = fuseboard("audit", path, "--since", "1h")
    assert shown.stdout.partition("  ")[2] == "eve  reset gpt  expired: no engine took it\n"


def test_without_commands_it_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = recorded(tmp_path / "c.db", EVENTS[:3])
    assert lines(capsys, path) == ["No command of an operator was recorded."]
    assert lines(capsys, path, "--actor", "bob") == ["No matching command of an operator was recorded."]
    assert lines(capsys, path, "--json") == []


def test_an_unknown_adapter_is_answered_with_a_suggestion(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["audit", str(file), "--adapter", "claud"]) == exit_codes.BAD_INPUT
    assert "claude" in capsys.readouterr().err


@pytest.mark.parametrize("text", HOSTILE)
def test_foreign_texts_are_made_safe(tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str) -> None:
    path = recorded(tmp_path / "d.db", [started(), done(1, 1, text, text, actor=text, detail=text, what=text)])
    (line,) = lines(capsys, path)
    assert line.isprintable()
    (found,) = lines(capsys, path, "--json")
    assert found.isprintable()
