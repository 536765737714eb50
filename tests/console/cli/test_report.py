"""`fuseboard report`: an incident as Markdown and as one HTML file."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from html.parser import HTMLParser
from pathlib import Path

import pytest

from fuseboard_console.cli import exit_codes
from fuseboard_console.cli.main import run
from fuseboard_engine.events import (
    Attempt,
    AttemptFailed,
    CommandDone,
    DeadLettered,
    EngineStarted,
    Event,
    RouteFinished,
)
from support.console_story import added, answered, at, changed, failed, opened, started
from support.replays import recorded

HOSTILE = "\x1b]0;owned\x07\x1b[2J\u202egnp\u2066x\u200b\r\nFORGED\ttab\u2028z & <b>"
VOID = {"meta", "br"}


def unanswered(task_type: str, user: str, when: float) -> RouteFinished:
    return RouteFinished(
        at=at(when), task=f"u{when}", task_type=task_type, success=False, error="all refused", duration=0.1,
        attempts=(Attempt(adapter="gpt", outcome="rejected", why="gpt is open"),), context={"user": user},
    )  # fmt: skip


def failed_over(when: float) -> RouteFinished:
    attempts = (
        Attempt(adapter="gpt", outcome="rejected", why="gpt is open"),
        Attempt(adapter="claude", outcome="success", number=1, duration=0.2),
    )
    return RouteFinished(
        at=at(when), task=f"o{when}", task_type="chat", success=True, adapter="claude", attempts=attempts, duration=0.2
    )


EVENTS: list[Event] = [
    started(), added("gpt"), added("claude"),
    *(answered("gpt", 1 + number) for number in range(5)),
    *(failed("gpt", 10 + number / 10, error="connection refused") for number in range(5)),
    opened("gpt", 11),
    *(failed_over(12 + number) for number in range(4)),
    unanswered("chat", "ann", 17), unanswered("chat", "ann", 18), unanswered("rag", "bob", 19),
    DeadLettered(at=at(19), letter=1, task="u19", task_type="rag", category="unavailable"),
    CommandDone(at=at(20), command=1, verb="reset", adapter="gpt", actor="ada", ok=True, requested_at=at(19.9),
                detail="gpt went from open to closed"),
    changed("gpt", "closed", 20, before="open", reason="reset", actor="ada"),
    *(answered("gpt", 21 + number) for number in range(5)),
]  # fmt: skip


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return recorded(tmp_path / "a.db", EVENTS)


def written(file: Path, folder: Path, *arguments: str) -> tuple[str, str]:
    assert run(["report", str(file), "-o", str(folder), *arguments]) == exit_codes.OK
    name = f"{file.stem}-report"
    return (folder / f"{name}.md").read_text(), (folder / f"{name}.html").read_text()


class Reader(HTMLParser):
    """Reads a page: its texts, its tags, and whether each tag is closed."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.texts: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


def test_a_report_says_what_failed_who_suffered_what_took_over_and_what_operators_did(
    file: Path, tmp_path: Path
) -> None:
    text, page = written(file, tmp_path / "reports")
    for said in (
        "- gpt was out from ",
        "connection refused",
        "| chat | 6 | 0 | 4 | 0 | 2 | 0 |",
        "| ann | 2 | 0 |",
        "| gpt | claude | 4 |",
        "| ada | reset gpt | done: gpt went from open to closed |",
        "| rag | unavailable | 1 |",
        "## With other policies",
        "3 failed, 1 became dead letters",
    ):
        assert said in text
    texts = " ".join(Reader(page).texts)
    for said in ("gpt was out from ", "connection refused", "ann", "gpt went from open to closed"):
        assert said in texts


def test_the_page_is_well_formed_loads_nothing_and_runs_nothing(file: Path, tmp_path: Path) -> None:
    _, page = written(file, tmp_path)
    reader = Reader(page)
    assert reader.open == []
    names = {tag for tag, _ in reader.tags}
    assert {"svg", "table", "figure"} <= names
    assert not names & {"script", "link", "img", "iframe", "object", "a"}
    assert not any(key.startswith("on") or key in ("src", "href") for _, found in reader.tags for key in found)
    assert "url(" not in page
    assert "default-src 'none'" in page
    assert "prefers-color-scheme: dark" in page
    assert "@media print" in page


def test_foreign_text_becomes_no_markup_and_secrets_are_hidden(tmp_path: Path) -> None:
    evil = "<script>alert(1)</script>|*x*|[y](http://z)`"
    events: list[Event] = [
        EngineStarted(at=at(0), name=evil, host="h", pid=1),
        added(evil),
        added(HOSTILE),
        *(failed(evil, 1 + n, error=f"{evil} Authorization: Bearer abcdef1234567890abcdef") for n in range(3)),
        opened(evil, 5),
        unanswered(evil, evil, 6),
        AttemptFailed(
            at=at(7), task=HOSTILE, task_type=HOSTILE,
            attempt=Attempt(adapter=HOSTILE, outcome="failure", error=HOSTILE, error_type=HOSTILE),
        ),
        CommandDone(at=at(8), command=1, verb="reset", adapter=evil, actor=evil, ok=False, detail=HOSTILE),
    ]  # fmt: skip
    text, page = written(recorded(tmp_path / "b.db", events), tmp_path)
    reader = Reader(page)
    assert reader.open == []
    assert not {tag for tag, _ in reader.tags} & {"script", "a", "em"}
    prose = "\n".join(line for line in text.splitlines() if not line.startswith("    "))  # the rest is literal
    assert re.search(r"(?<!\\)[<\[]", prose) is None
    assert "http://" not in prose
    assert "abcdef1234567890" not in text + page
    assert all(line.isprintable() for line in (text + page).splitlines())
    assert all(line.count("|") == line.count("\\|") or line.startswith("|") for line in prose.splitlines())


def test_only_one_format_or_standard_output(file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["report", str(file), "-o", str(tmp_path / "x.html")]) == exit_codes.OK
    assert sorted(path.name for path in tmp_path.glob("x*")) == ["x.html"]
    capsys.readouterr()
    assert run(["report", str(file), "-o", "-", "--no-tune"]) == exit_codes.OK
    text = capsys.readouterr().out
    assert text.startswith("# Incident report: a.db\n")
    assert "Other policies were not tried" in text


def test_a_file_that_exists_is_kept_without_force(
    file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    there = tmp_path / "x.md"
    there.write_text("mine")
    assert run(["report", str(file), "-o", str(there)]) == exit_codes.BAD_INPUT
    assert "x.md exists." in capsys.readouterr().err
    assert there.read_text() == "mine"
    assert run(["report", str(file), "-o", str(there), "--force"]) == exit_codes.OK
    assert there.read_text().startswith("# Incident report")


@pytest.mark.parametrize(
    ("output", "said"),
    [("x.pdf", "ends in neither .md nor .html"), ("/dev/null/x.md", "cannot be written")],
)
def test_a_target_that_cannot_be_is_refused_in_a_sentence(
    file: Path, output: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["report", str(file), "-o", output]) == exit_codes.BAD_INPUT
    assert said in capsys.readouterr().err


def test_a_time_has_the_state_at_its_beginning(file: Path, tmp_path: Path) -> None:
    since = datetime.fromtimestamp(at(15) / 1e6, UTC).isoformat()
    text, _ = written(file, tmp_path, "--from", since)
    assert "it was out before" in text
    assert "| gpt | claude | 1 |" in text
    assert "connection refused" not in text.split("## What failed")[0]


def test_a_recording_without_events_is_a_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "c.db"
    path.touch()
    assert run(["report", str(path), "-o", str(tmp_path / "out")]) == exit_codes.NOT_DONE
    assert capsys.readouterr().err == "c.db has no event in this time, so there is nothing to report.\n"
    assert not (tmp_path / "out").exists()
