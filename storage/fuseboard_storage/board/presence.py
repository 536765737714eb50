"""Whether an engine is alive, which every reader of a recording judges alike, and the time of a scenario that plays."""

from __future__ import annotations

from typing import Final, Literal

from fuseboard_engine.events import LOST
from fuseboard_storage.board.board import Board
from fuseboard_storage.board.metrics import SECOND
from fuseboard_storage.board.rows import InstanceRow

Presence = Literal["live", "silent", "ended"]
"""`live`: gives signs of life. `silent`: stopped without recording its end. `ended`: ended in an orderly way."""

SILENT_AFTER: Final = 3_000_000
"""Microseconds that a heartbeat may be away from now, in either direction, before its engine counts as silent.

After the clock was set back, an engine that lives writes heartbeats of the new time; those of a dead one stay ahead.
"""


def presence(instance: InstanceRow, now: int) -> Presence:
    """Return the presence of an engine at `now` (UTC microseconds)."""
    if instance.ended_at is not None:
        return "silent" if instance.reason == LOST else "ended"
    if instance.gone:
        return "silent"
    return "live" if abs(now - instance.heartbeat_at) <= SILENT_AFTER else "silent"


def killed(instance: InstanceRow) -> bool:
    """Return whether an engine's process is known to have ended without recording its end."""
    return instance.gone or instance.reason == LOST


def last_sign(instance: InstanceRow) -> int:
    """Return the time of an engine's last sign of life, UTC microseconds."""
    return max(instance.heartbeat_at, instance.ended_at or 0)


def age_of(instance: InstanceRow, now: int) -> float:
    """Return the seconds since an engine's last sign of life."""
    return max(0.0, (now - last_sign(instance)) / SECOND)


def known_until(instance: InstanceRow | None, now: int) -> int:
    """Return until when an engine is known to run: `now` (UTC microseconds) while it gives signs of life."""
    return now if instance is None or presence(instance, now) == "live" else last_sign(instance)


FASTEST: Final = 64.0
"""The highest pace of a scenario."""
AHEAD: Final = 2 * SECOND
"""Microseconds that the time of a scenario may be ahead of its engine's last sign of life: a busy host delays it."""


def player_of(board: Board) -> InstanceRow | None:
    """Return the engine that plays a scenario at a pace of its own; None if there is none, or it has ended."""
    scenario = board.scenario
    if scenario is None or not scenario.clock_at:
        return None
    engines = (row for row in board.instances.values() if row.name == scenario.scenario)
    return next((row for row in engines if row.ended_at is None and not row.gone), None)


def time_of(board: Board, now: int) -> int:
    """Return the time in the scenario that plays in a recording, or `now` if there is none. UTC microseconds.

    Args:
        board: The Board of the recording.
        now: The time of the host's clock.
    """
    player, scenario = player_of(board), board.scenario
    if player is None or scenario is None:
        return now
    pace = min(max(scenario.pace, 0.0), FASTEST)  # a damaged file may contain anything
    paced = scenario.paced_at + round((now - scenario.clock_at) * pace)
    alive = max(board.at, player.heartbeat_at, scenario.paced_at)
    return max(alive, min(paced, alive + AHEAD))


def note_life(board: Board) -> None:
    """Count the newest event as a sign of life of the engine that plays a scenario.

    Heartbeats come once a second of the host's clock, which may be a minute of the scenario.
    """
    player = player_of(board)
    if player is not None and player.heartbeat_at < board.at:
        board.heartbeat(player.id, board.at)
