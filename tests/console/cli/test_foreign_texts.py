"""Whatever the texts of a recording hold, no command, page or HTTP answer controls a terminal or shows a secret."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from urllib.parse import quote

import pytest

from fuseboard_console.cli import main
from fuseboard_console.views.events.narrator import EventNarrator
from fuseboard_engine.events import Event
from support.any_events import KINDS, event_with
from support.console_watching import watching
from support.older_recordings import SECRET, SECRETS, WITH_SECRETS, unpack
from support.served_api import WITH_TOKEN, api
from support.texts_everywhere import record_texts

CONTROLS = "\x1b]0;owned\x07\x1b[2J\x9b31m\u202egnp\u2066x\u2069\u200e\u200b\ufeff\x7f\r\nFORGED\ttab\u2028z"
LONG = f"{CONTROLS}{'x' * 100_000}{CONTROLS}"
HIDDEN = set("\x1b\x07\x9b\u202e\u2066\u2069\u200e\u200b\ufeff\x7f\r\t\u2028")
LONGEST_LINE = 15_000

COMMANDS = (
    "status FILE",
    "status FILE --json",
    "events FILE --limit 0",
    "events FILE --limit 0 --json",
    "events FILE --adapter TEXT --task TEXT",
    "events FILE --adapter unknown",
    "failures FILE",
    "failures FILE --json",
    "audit FILE",
    "audit FILE --json",
    "tune FILE --suggest",
    "tune FILE --suggest --json",
    "tune FILE --set TEXT.failure_threshold=2,3",
    "tune FILE --set nope.failure_threshold=2",
    "report FILE -o -",
    "workflows FILE",
    "workflows FILE --json",
    "workflows FILE --resume TEXT",
    "reset FILE TEXT",
    "reset FILE unknown",
    "reset FILE --all",
    "dlq FILE list --status all",
    "dlq FILE list --status all --json",
    "dlq FILE show 1",
    "dlq FILE show 2",
    "dlq FILE show 3",
    "dlq FILE show 3 --json",
    "dlq FILE show 999",
    "dlq FILE retry --all",
    "dlq FILE stop",
    "dlq FILE discard 2 --dry-run",
    "db info FILE",
    "db info FILE --json",
    "db check FILE",
    "db export FILE",
    "db export FILE --format csv",
    "db forget FILE --task-id TEXT --dry-run",
    "db salvage FILE NEW",
    "db backup FILE NEW",
)
REVEALING = ("dlq FILE list --status all --reveal", "dlq FILE show 2 --reveal", "dlq FILE show 3 --reveal --json")
PATHS = (
    "/health/live", "/health/ready", "/health/system", "/health/adapters", "/health/adapters/NAME",
    "/health/adapters/NAME/stats", "/health/adapters/NAME/history?full=1", "/metrics",
    "/health/adapters/unknown", "/api/failures?limit=1000", "/api/failures?adapter=NAME", "/api/routes?limit=1000",
    "/api/events?limit=1000", "/api/chains", "/api/engines", "/api/audit", "/api/metrics", "/api/metrics?step=60",
    "/api/dead-letters?status=pending&status=exhausted&status=archived", "/api/runs", "/api/circuit-breaker/health",
    "/api/circuit-breaker/failures", "/api/events?kind=NAME", "/openapi.json",
)  # fmt: skip


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A recording with hostile texts, in a file with a hostile name."""
    return record_texts(tmp_path_factory.mktemp("hostile") / "a\x1b[31m\n\u202eFORGED.db", [CONTROLS], LONG)


@pytest.fixture(scope="module", params=["every field", *WITH_SECRETS])
def secret(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Path:
    """A recording that holds secrets in every text: one with each field filled, and those of older versions."""
    folder = tmp_path_factory.mktemp("secret")
    if request.param in WITH_SECRETS:
        return unpack(request.param, folder, "secrets")
    return record_texts(folder / "a.db", SECRETS)


def _run(command: str, file: Path, text: str, capfd: pytest.CaptureFixture[str]) -> str:
    """Run a command in this process; return what it prints."""
    words = {"FILE": str(file), "TEXT": text, "NEW": str(file.with_name("new.db"))}
    file.with_name("new.db").unlink(missing_ok=True)
    try:
        code = main.run([words.get(word, word) for word in command.split()])
    except SystemExit as error:  # of a wrong command line
        raise AssertionError(capfd.readouterr()) from error
    assert code in (0, 1, 2)
    return "".join(capfd.readouterr())


def _check_harmless(shown: str) -> None:
    assert not HIDDEN & set(shown), HIDDEN & set(shown)
    assert not re.search(r"^\W*FORGED", shown, re.MULTILINE)
    shown.encode()


@pytest.mark.parametrize("command", [*COMMANDS, *REVEALING])
def test_no_text_of_a_recording_controls_the_terminal_of_a_command(
    command: str, hostile: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    shown = _run(command, hostile, CONTROLS, capfd)
    _check_harmless(shown.replace("\r\n", "\n"))  # the ends of lines of CSV
    if "--json" not in command and "export" not in command:
        assert max(map(len, shown.splitlines()), default=0) < LONGEST_LINE


@pytest.mark.parametrize("command", COMMANDS)
def test_no_command_shows_a_secret(command: str, secret: Path, capfd: pytest.CaptureFixture[str]) -> None:
    for text in SECRETS if "TEXT" in command else SECRETS[:1]:
        assert SECRET not in _run(command, secret, text, capfd)


_QUOTED = json.dumps(CONTROLS)
DOCUMENTS = (
    ("a.yaml", f"{_QUOTED}: 1\n"),
    ("a.yaml", f"name: {_QUOTED}\nadapters: {{{_QUOTED}: {{{_QUOTED}: {_QUOTED}}}}}\n"),
    ("a.yaml", f"adapters: {{{_QUOTED}: {{errors: 3}}}}\nsteps: [{{at: 1, adapter: {_QUOTED}, {_QUOTED}: 2}}]\n"),
    ("a.yaml", f"{_QUOTED}: 1\n{_QUOTED}: 2\n"),
    ("a.yaml", "a: [\x1b\n"),
    ("a.toml", f"{_QUOTED} = 1\n"),
    ("a.toml", f"name = {_QUOTED}\n[adapters.{_QUOTED}]\nkind = {_QUOTED}\n"),
    ("a.toml", f"[adapters.a]\nfunction = {_QUOTED}\n[{_QUOTED}]\nx = 99999999999999999999999\n"),
    ("a.toml", "x = \x1b\n"),
)


@pytest.mark.parametrize("command", ["config check FILE", "config show FILE --json", "scenario check FILE"])
@pytest.mark.parametrize(("name", "text"), DOCUMENTS)
def test_no_text_of_a_document_controls_the_terminal(
    command: str, name: str, text: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / f"b\x1b[31m\n\u202eFORGED{name}"
    file.write_text(text, encoding="utf-8")
    _check_harmless(_run(command, file, "", capfd))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("text", [CONTROLS, *SECRETS])
def test_plain_lines_of_events_are_harmless_and_without_secrets(kind: type[Event], text: str) -> None:
    shown = EventNarrator(None).narrate(event_with(kind, text)) or ""
    _check_harmless(shown)
    assert SECRET not in shown


@pytest.mark.parametrize("token", [WITH_TOKEN, {}])
@pytest.mark.parametrize("path", PATHS)
async def test_no_http_answer_controls_a_terminal(path: str, token: dict[str, str], hostile: Path) -> None:
    await _ask(path, token, hostile, (CONTROLS, "unknown\x1b[31m"))


@pytest.mark.parametrize("token", [WITH_TOKEN, {}])
@pytest.mark.parametrize("path", PATHS)
async def test_no_http_answer_holds_a_secret(path: str, token: dict[str, str], secret: Path) -> None:
    await _ask(path, token, secret, SECRETS)


async def _ask(path: str, token: dict[str, str], file: Path, names: Iterable[str]) -> None:
    """Ask for a path with each of the names; the answers have to be harmless and without secrets."""
    async with api(file) as client:
        for name in names:
            answer = await client.get(path.replace("NAME", quote(name, safe="")), headers=token)
            assert answer.status_code in (200, 404, 422, 503)
            _check_harmless(answer.text)
            assert SECRET not in answer.text
            for header in answer.headers.values():
                _check_harmless(header)


def _visits() -> Iterator[tuple[str, ...]]:
    yield ("enter",)
    for page in "1234568":
        yield (page, "enter", "y", "escape")
    yield ("9", "enter", "escape")
    yield ("1", "r", "escape")
    yield ("1", "o", "escape")
    yield ("question_mark", "escape")


async def test_no_page_shows_a_control_character(hostile: Path) -> None:
    await _visit_pages(hostile)


async def test_no_page_shows_a_secret(secret: Path) -> None:
    await _visit_pages(secret)


async def _visit_pages(file: Path) -> None:
    async with watching(file, size=(300, 60)) as console:
        for visit in _visits():
            for key in visit:
                await console.press(key)
                await console.pilot.pause()
                notices = " ".join(notice.message for notice in console.app._notifications)
                for shown in (console.screen(), notices, console.app.clipboard):
                    _check_harmless(shown.replace("\n", " "))
                    assert SECRET not in shown
