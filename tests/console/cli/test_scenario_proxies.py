"""`fuseboard scenario play` with proxies on real sockets, and the commands in virtual time that refuse them."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from fuseboard_console.cli import exit_codes
from support.command_line import fuseboard
from support.waiting import PATIENCE

FUSEBOARD = (sys.executable, "-m", "fuseboard_console")

SCENARIO = """
scenario: bad-network
title: The network before a server
duration: 600
proxies: {payments: {upstream: "127.0.0.1:9"}}
timeline: [{at: 0, proxy: payments, fault: black_hole, say: Nothing comes back}]
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A scenario with a proxy."""
    (tmp_path / "mine.yaml").write_text(SCENARIO)
    return tmp_path / "mine.yaml"


def _heed_interrupts() -> None:
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def test_a_proxy_is_announced_with_its_port_and_ends_with_an_interrupt(file: Path) -> None:
    command = [*FUSEBOARD, "scenario", "play", str(file)]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, preexec_fn=_heed_interrupts
    ) as playing:
        assert playing.stdout is not None
        listening, step = playing.stdout.readline(), playing.stdout.readline()
        address, _, upstream = listening.partition("listening on ")[2].strip().partition(" -> ")
        assert upstream == "127.0.0.1:9" and step.endswith("s  ── Nothing comes back\n")
        host, _, port = address.rpartition(":")
        with socket.create_connection((host, int(port)), timeout=PATIENCE) as client:
            playing.send_signal(signal.SIGINT)
            assert client.recv(1) == b""
        _, complaint = playing.communicate(timeout=PATIENCE)
    assert (playing.returncode, complaint) == (exit_codes.INTERRUPTED, "")


def test_a_scenario_with_only_proxies_ends_without_figures_of_tasks(file: Path) -> None:
    file.write_text(SCENARIO.replace("600", "0.01"))
    done = fuseboard("scenario", "play", file)
    assert (done.returncode, done.stderr) == (exit_codes.OK, "")
    assert done.stdout.endswith("\n\nThe scenario has ended.\n")


@pytest.mark.parametrize("words", [["check"], ["run", "--record", "kept.db"]], ids=lambda words: words[0])
def test_virtual_time_refuses_proxies_before_anything_is_played(words: list[str], file: Path, tmp_path: Path) -> None:
    done = fuseboard("scenario", *words, file, cwd=tmp_path)
    assert (done.returncode, done.stdout) == (exit_codes.BAD_INPUT, "")
    assert done.stderr == (
        f"{file}: The proxies of bad-network are real sockets, which need real time. Play it with "
        "`fuseboard scenario play`; the file has no mistakes.\n"
    )
    assert not (tmp_path / "kept.db").exists()


def test_an_address_in_use_is_a_sentence(file: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        file.write_text(SCENARIO.replace("{upstream", f'{{listen: "{address}", upstream'))
        done = fuseboard("scenario", "play", file)
    assert done.returncode == exit_codes.BAD_INPUT
    assert f"the proxy payments cannot listen on {address}: Address already in use. Write another" in done.stderr
