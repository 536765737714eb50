"""Divides the overview into panes, from its size, its layout and its content."""

from __future__ import annotations

from typing import Final, Literal, NamedTuple

_LEAST_TABLE: Final = 5  # lines of a table above another pane, without its frame
_LOG: Final = 14  # lines of the pane below the table, from this height on
_LARGE: Final = 30


class Layout(NamedTuple):
    """A way to divide the overview. `share` is the percentage of the height that a long table may take above another
    pane. `log` is that pane, if there is one; `log_first` says that it has lines before the table has all of its own.
    """

    about: str
    share: int
    chains: bool
    log: Literal["", "routes", "failures"]
    log_first: bool = False


LAYOUTS: dict[str, Layout] = {
    "balanced": Layout("chains, breakers and failures", 60, True, "failures"),
    "breakers": Layout("breakers alone", 100, False, ""),
    "routes": Layout("chains and breakers, and below them the routes", 40, True, "routes", log_first=True),
    "failures": Layout("breakers, and below them more of the failures", 40, False, "failures", log_first=True),
}
"""The layouts by name; the first is that of a new console."""


class Plan(NamedTuple):
    """Heights in lines from top to bottom, borders included. One of `routes` and `failures` is 0."""

    chains: int
    table: int
    routes: int
    failures: int
    frames: bool


def plan(
    width: int, height: int, adapters: int, layout: str = "balanced", compact: bool = False, *, chains: int = 0
) -> Plan:
    """Return how the `width` by `height` cells between header and footer are divided.

    The chains take a line each, up to a third of the height. The table takes the lines its rows need, up to a share
    that leaves the pane below useful. On a small screen panes leave: the lowest first, then the chains.

    Args:
        width: Cells.
        height: Lines.
        adapters: The lines that the table has to show.
        layout: One of `LAYOUTS`.
        compact: Whether there are no frames.
        chains: The number of chains.
    """
    chosen = LAYOUTS[layout]
    frames = not compact and has_frames(width, height)
    edge = 2 if frames else 0
    room = max(0, height)
    top = 0
    if chosen.chains and chains and width >= 30 and room >= _LEAST_TABLE + 2 * edge + 2:
        top = min(chains + edge, max(1 + edge, room // 3))
        room -= top
    below = 3 + edge
    if not chosen.log or width < 30 or room < _LEAST_TABLE + edge + below:
        return Plan(top, room, 0, 0, frames)
    wanted = max(3, adapters) + 1 + edge
    kept = room - _LEAST_TABLE - edge if chosen.log_first else below if room < _LARGE else _LOG
    table = min(wanted, max(room * chosen.share // 100, room - max(kept, below)))
    rest = room - table
    return Plan(top, table, *((rest, 0) if chosen.log == "routes" else (0, rest)), frames)


def has_frames(width: int, height: int) -> bool:
    """Return whether the cells between header and footer leave room for frames."""
    return width >= 40 and height >= 12


def next_layout(layout: str) -> str:
    """Return the layout after this one, or the first after the last."""
    names = list(LAYOUTS)
    return names[(names.index(layout) + 1) % len(names)]
