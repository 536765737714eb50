"""Divides the overview into panes, from its size, its layout and its content."""

from __future__ import annotations

from typing import NamedTuple


class Layout(NamedTuple):
    """A way to divide the overview. `share` is the percentage of the height that a long table may take above other
    panes.
    """

    about: str
    share: int
    chains: bool
    failures: bool


LAYOUTS: dict[str, Layout] = {
    "balanced": Layout("breakers, chains and failures", 60, True, True),
    "breakers": Layout("breakers alone", 100, False, False),
    "routes": Layout("breakers, and below them more of the chains", 40, True, False),
    "failures": Layout("breakers, and below them more of the failures", 40, False, True),
}
"""The layouts by name; the first is that of a new console."""


class Plan(NamedTuple):
    """Heights in lines, borders included. `beside`: chains and failures are side by side."""

    table: int
    chains: int
    failures: int
    beside: bool
    frames: bool


def plan(width: int, height: int, adapters: int, layout: str = "balanced", compact: bool = False) -> Plan:
    """Return how the `width` by `height` cells between header and footer are divided.

    The table takes the lines its rows need, up to a share that leaves the panes below useful. On a small screen panes
    leave, failures first. `layout` is one of `LAYOUTS`. `compact` means no frames.
    """
    chosen = LAYOUTS[layout]
    frames = not compact and has_frames(width, height)
    edge = 2 if frames else 0
    room = max(0, height)
    wanted = max(3, adapters) + 1 + edge
    beside = width >= 100
    small = 3 + edge
    if room < 6 + 2 * edge or width < 30 or not (chosen.chains or chosen.failures):
        return Plan(room, 0, 0, beside, frames)
    if not (chosen.chains and chosen.failures):
        table = min(wanted, max(room * chosen.share // 100, min(room - small, _minimum_lines(edge))))
        rest = room - table
        return Plan(table, rest if chosen.chains else 0, rest if chosen.failures else 0, beside, frames)
    if beside:
        table = min(wanted, max(room * chosen.share // 100, room - 14))
        return Plan(table, room - table, room - table, True, frames)
    if room < _minimum_lines(edge) + 2 * small:
        table = max(room - small, 0)
        return Plan(table, room - table, 0, False, frames)
    table = min(wanted, room - 2 * small)
    rest = room - table
    return Plan(table, rest - rest // 2, rest // 2, False, frames)


def has_frames(width: int, height: int) -> bool:
    """Return whether the cells between header and footer leave room for frames."""
    return width >= 40 and height >= 12


def next_layout(layout: str) -> str:
    """Return the layout after this one, or the first after the last."""
    names = list(LAYOUTS)
    return names[(names.index(layout) + 1) % len(names)]


def _minimum_lines(edge: int) -> int:
    """Return the minimum of lines for a table beside two other panes."""
    return 5 + edge
