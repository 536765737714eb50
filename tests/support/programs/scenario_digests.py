"""Plays scenarios, and prints a digest of all events of each: `scenario_digests.py NAME ...`.

A name is that of a scenario that comes along, or the path of a file.
"""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path

import msgspec

from fuseboard_engine.events import Event
from fuseboard_engine.scenario.model import Scenario, load
from fuseboard_engine.scenario.player import Player
from fuseboard_engine.virtual_time import run
from fuseboard_scenarios import shipped


def digest_of(scenario: Scenario) -> str:
    """Return the digest of the events of a scenario."""
    digest = hashlib.sha256()

    def add(event: Event) -> None:
        digest.update(msgspec.json.encode(event))

    async def play() -> None:
        await Player(scenario, on_event=add).play()

    run(play())
    return digest.hexdigest()


if __name__ == "__main__":
    for name in sys.argv[1:]:
        print(name, digest_of(load(shipped().get(name, Path(name)))))
