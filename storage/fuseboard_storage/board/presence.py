"""Whether an engine is alive: the one judgement that every reader of a recording uses."""

from __future__ import annotations

from typing import Final, Literal

from fuseboard_engine.events import LOST
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
