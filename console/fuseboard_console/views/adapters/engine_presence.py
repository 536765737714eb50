"""Whether anybody is writing to the recording: what the header says, and what the states below are worth."""

from __future__ import annotations

from typing import Literal, NamedTuple

from fuseboard_console.text.formatting import clock, whole
from fuseboard_console.text.safe_text import safe_text
from fuseboard_storage.board.board import Board, InstanceRow
from fuseboard_storage.board.presence import Presence, age_of, killed, presence


class Connection(NamedTuple):
    """How the engines of a recording stand, as a whole.

    `state` is that of the best of them, `empty` when there never was one. `age` is seconds since the newest sign of
    life, `since` its time (UTC microseconds). `silent` are the labels of engines that stopped without a word.
    `gone`: the process of that engine is known to be no more.
    """

    state: Literal["empty", "live", "silent", "ended"]
    age: float = 0.0
    since: int = 0
    silent: tuple[str, ...] = ()
    gone: bool = False

    @property
    def over(self) -> bool:
        """Whether it is known that nobody can take a command."""
        return self.gone or self.state == "ended"


def connection_of(board: Board, now: int) -> Connection:
    """Return how the engines of a Board stand at `now`."""
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
    """Return how one engine of a Board stands at `now`; how they all do, if it is not there any more."""
    row = board.instances.get(instance)
    if row is None:
        return connection_of(board, now)
    alone = Board()
    alone.instances[instance] = row
    return connection_of(alone, now)


def says(connection: Connection) -> tuple[str, str]:
    """Return what the header says about a connection, and in which style."""
    if connection.state == "empty":
        return "waiting for an engine", "info"
    if connection.state == "live":
        return f"live {connection.age:.1f} s", "ok"
    if connection.state == "silent":
        return f"{'killed' if connection.gone else 'silent'} {whole(connection.age)}", "bad"
    return f"ended {clock(connection.since)}", "muted"
