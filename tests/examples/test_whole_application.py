"""The whole application with nothing simulated: killed with SIGKILL during its work, and started again."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from fuseboard_storage.board.rows import AdapterRow
from fuseboard_storage.recording.recording import Recording
from support.paths import PROGRAMS
from support.waiting import PATIENCE, until

RUN = "nightly-1"


class Orders(ThreadingHTTPServer):
    """A service that fails every request, and counts them."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Refuses)
        self.asked = 0


class Refuses(BaseHTTPRequestHandler):
    server: Orders

    def do_POST(self) -> None:
        self.server.asked += 1
        self.rfile.read(int(self.headers.get("content-length") or 0))
        self.send_error(503)

    def log_message(self, format: str, *args: Any) -> None:
        """Suppress the request log."""


@pytest.fixture
def orders() -> Iterator[Orders]:
    service = Orders()
    thread = threading.Thread(target=service.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    yield service
    service.shutdown()
    service.server_close()
    thread.join()


def configure(folder: Path, url: str) -> Path:
    path = folder / "fuseboard.toml"
    path.write_text(f"""
name = "shop"

[breaker]
failure_threshold = 2
recovery_timeout = 600
max_recovery_timeout = 600

[retry]
max_attempts = 1

[adapters.remote]
url = "{url}"

[adapters.sums]
call = "whole_parts:Sums"

[adapters.words]
call = "whole_parts:words"

[preferences]
order = ["remote"]
sum = ["sums"]
story = ["words"]

[health_monitoring]
enabled = true
check_interval = 1.0
timeout = 1.0

[dead_letters]
automatic_retry = false

[recording]
path = "shop.db"
restore = true

[logging]
enabled = false
""")
    return path


def start(config: Path, notes: Path) -> subprocess.Popen[str]:
    command = [sys.executable, str(PROGRAMS / "whole_application.py"), str(config), str(notes)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def lines(notes: Path) -> list[str]:
    return notes.read_text().splitlines() if notes.exists() else []


def until_while_it_runs(condition: Callable[[], bool], process: subprocess.Popen[str]) -> None:
    """Return once the condition holds; fail when the process ends before."""

    def holds() -> bool:
        assert process.poll() is None, process.communicate()
        return condition()

    until(holds)


def recorded(file: Path) -> dict[str, AdapterRow]:
    async def read() -> dict[str, AdapterRow]:
        async with Recording.open(file) as recording:
            return {row.name: row for row in (await recording.board()).rows()}

    return asyncio.run(read()) if file.exists() else {}


def status(file: Path) -> dict[str, Any]:
    command = [sys.executable, "-m", "fuseboard_console", "status", str(file), "--json"]
    shown: dict[str, Any] = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    return shown


def test_after_a_kill_and_a_restart_everything_adds_up(orders: Orders, tmp_path: Path) -> None:
    config = configure(tmp_path, f"http://127.0.0.1:{orders.server_port}/orders")
    file, notes = tmp_path / "shop.db", tmp_path / "notes"
    with start(config, notes) as process:
        until_while_it_runs(lambda: lines(notes).count("summed") > 50 and "began clean" in lines(notes), process)
        seen = lines(notes).count("summed")
        until_while_it_runs(lambda: recorded(file)["sums"].successes >= seen and recorded(file)["sums"].health, process)
        process.kill()
    before, left = recorded(file), lines(notes)
    assert before["sums"].successes >= seen
    assert before["sums"].health == "degraded"
    assert before["words"].successes == 1
    assert (before["remote"].state, before["remote"].failed, orders.asked) == ("open", 2, 2)
    letters = json.loads(next(line for line in left if line.startswith("letters")).partition(" ")[2])
    assert len(letters) >= 2

    with start(config, notes) as process:
        out, errors = process.communicate(timeout=PATIENCE)
    assert (process.returncode, errors) == (0, "")
    reported = json.loads(out)
    figures = reported["statistics"]
    for name in ("sums", "words", "remote"):
        row = before[name]
        counted = (figures[name]["successes"], figures[name]["total_attempts"])
        assert counted == (row.successes, row.successes + row.failed), name
    assert reported["remote"] == "open"
    assert 0 < reported["retry_after"] <= 600 * 1.1
    assert "remote" in reported["order"], "an open breaker is not asked"
    assert orders.asked == 2, "a restart does not hammer what is known to be down"
    assert reported["letters"] == letters
    assert (reported["run"], reported["output"]) == ("done", {"n": 3})
    steps = Counter(line for line in lines(notes) if line.startswith(("began", "ended")))
    assert steps == {
        "began fetch": 1,
        "ended fetch": 1,
        "began clean": 2,
        "ended clean": 1,
        "began store": 1,
        "ended store": 1,
    }

    shown = status(file)
    adapters = {adapter["adapter"]: adapter for adapter in shown["adapters"]}
    assert adapters["remote"]["state"] == "open"
    assert adapters["sums"]["successes"] == before["sums"].successes
    assert adapters["sums"]["health"]["status"] == "degraded"
    assert [(run["run"], run["state"], run["resumed"]) for run in shown["workflows"]] == [(RUN, "done", 1)]
    assert shown["workflows"][0]["nodes"] == {"done": 3}
    assert shown["dead_letters"]["pending"] >= len(letters)
    assert [engine["name"] for engine in shown["engines"]] == ["shop"]
