"""How the screen is divided: from its size and what there is to show, to the panes and their heights."""

from __future__ import annotations

from typing import NamedTuple


class Plan(NamedTuple):
    """Heights in lines, borders included. `beside`: chains and failures stand side by side."""

    table: int
    chains: int
    failures: int
    beside: bool
    frames: bool


def plan(width: int, height: int, adapters: int) -> Plan:
    """Return how the `width` by `height` cells between header and footer are divided.

    The table takes what its rows need, up to a share that
    leaves the panes below useful; on a small screen they leave, failures first.
    """
    frames = width >= 40 and height >= 12
    edge = 2 if frames else 0
    room = max(0, height)
    wanted = max(3, adapters) + 1 + edge
    beside = width >= 100
    small = 3 + edge
    if room < 6 + 2 * edge or width < 30:
        return Plan(room, 0, 0, beside, frames)
    if beside:
        table = min(wanted, max(room * 6 // 10, room - 14))
        return Plan(table, room - table, room - table, True, frames)
    if room < wanted_least(edge) + 2 * small:
        table = max(room - small, 0)
        return Plan(table, room - table, 0, False, frames)
    table = min(wanted, room - 2 * small)
    rest = room - table
    return Plan(table, rest - rest // 2, rest // 2, False, frames)


def wanted_least(edge: int) -> int:
    """Return the lines a table needs to be of use beside two other panes."""
    return 5 + edge
