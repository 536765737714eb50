"""Whether an engine writes to the recording: the text for the header, and whether the shown states are current."""

from __future__ import annotations

from typing import Literal, NamedTuple

from fuseboard_console.text.formatting import clock, whole_span
from fuseboard_console.text.safe_text import safe_text
from fuseboard_storage.board.board import Board, InstanceRow
from fuseboard_storage.board.presence import Presence, age_of, killed, presence


class Connection(NamedTuple):
    """The instances of a recording as a whole.

    `state` is the best state of any instance, `empty` if there never was one. `age` is the seconds since the newest
    sign of life, `since` its time (UTC microseconds). `silent` are the labels of instances that stopped without saying
    so. `gone`: that instance's process is known to have ended.
    """

    state: Literal["empty", "live", "silent", "ended"]
    age: float = 0.0
    since: int = 0
    silent: tuple[str, ...] = ()
    gone: bool = False

    @property
    def over(self) -> bool:
        """Whether no instance can take a command, for certain."""
        return self.gone or self.state == "ended"


def connection_of(board: Board, now: int) -> Connection:
    """Return the connection of a Board at `now`."""
    if not board.instances:
        return Connection("empty")
    by: dict[Presence, list[InstanceRow]] = {"live": [], "silent": [], "ended": []}
    for instance in board.instances.values():
        by[presence(instance, now)].append(instance)
    state: Presence = "live" if by["live"] else "silent" if by["silent"] else "ended"
    newest = min(by[state], key=lambda instance: age_of(instance, now))
    since = newest.ended_at if newest.ended_at is not None else newest.heartbeat_at
    silent = tuple(safe_text(instance.label, 80) for instance in by["silent"])
    return Connection(state, age_of(newest, now), since, silent, killed(newest))


def connection_to(board: Board, instance: int, now: int) -> Connection:
    """Return the connection of one instance at `now`, or of the whole Board if the instance is not in it."""
    row = board.instances.get(instance)
    if row is None:
        return connection_of(board, now)
    alone = Board()
    alone.instances[instance] = row
    return connection_of(alone, now)


def header_text(connection: Connection) -> tuple[str, str]:
    """Return what the header says about a connection, and in which style."""
    if connection.state == "empty":
        return "waiting for an engine", "info"
    if connection.state == "live":
        return f"live {connection.age:.1f} s", "ok"
    if connection.state == "silent":
        return f"{'killed' if connection.gone else 'silent'} {whole_span(connection.age)}", "bad"
    return f"ended {clock(connection.since)}", "muted"
