"""A workflow run as a graph: one node per line, with the connecting lines on the left.

Time runs from top to bottom. A node is in a lane. Its successors continue in its lane and in new lanes, and where
several nodes lead to one, their lanes end in it, so parallel branches are side by side.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import NamedTuple

from fuseboard_console.text.formatting import SECOND, latency
from fuseboard_console.text.glyphs import ASCII, Glyphs
from fuseboard_console.text.line import Line, Span, cut_line
from fuseboard_console.text.safe_text import safe_text
from fuseboard_console.text.width import fit, width
from fuseboard_engine.events import NodeState
from fuseboard_storage.board.workflow_runs import NodeRow

Edge = tuple[str, str]

SHARE_LANES_FROM = 6
"""The number of lanes from which a node joins a lane with the same target instead of keeping its own."""
_LANES = 24  # at most, however wide the screen
_TEXT = 22  # cells beside the lanes that a node needs at least
_NAME = 28
_UP, _DOWN, _LEFT, _RIGHT = 1, 2, 4, 8
_THROUGH, _ACROSS = _UP | _DOWN, _LEFT | _RIGHT
_UNICODE = " ╵╷│╴╯╮┤╶╰╭├─┴┬┼"  # by the sum of its directions
_ASCII = " |||-+++-+++-+++"
_STYLES: dict[NodeState, str] = {
    "pending": "muted",
    "running": "info",
    "done": "ok",
    "degraded": "warn",
    "failed": "bad",
    "skipped": "faint",
}


class Row(NamedTuple):
    """One line: the strokes of its cells (two per lane), and the lane of its node, or None."""

    strokes: tuple[int, ...]
    node: str | None = None
    lane: int = -1


def node_sign(state: NodeState, glyphs: Glyphs) -> tuple[str, str]:
    """Return the sign of a node's state, and its style."""
    sign = {
        "pending": glyphs.gap,
        "running": glyphs.of("probing"),
        "done": glyphs.answered,
        "degraded": glyphs.degraded,
        "failed": glyphs.failed,
        "skipped": glyphs.no_verdict,
    }[state]
    return sign, _STYLES[state]


# -------------------------------------------------------------------- the layout


def layers(names: Sequence[str], edges: Sequence[Edge]) -> dict[str, int]:
    """Return the nodes in an order in which each comes after its predecessors, with its depth.

    Nodes of one depth keep their order. Edges of unknown nodes are ignored. Nodes in a cycle, which no valid workflow
    has, come last.
    """
    waiting = dict.fromkeys(names, 0)
    after: dict[str, list[str]] = {name: [] for name in names}
    for source, target in dict.fromkeys(edges):
        if source in after and target in after and source != target:
            after[source].append(target)
            waiting[target] += 1
    place = {name: at for at, name in enumerate(names)}
    depth: dict[str, int] = {}
    level, layer = 0, [name for name, count in waiting.items() if not count]
    while layer:
        following: list[str] = []
        for name in layer:
            depth[name] = level
            for target in after[name]:
                waiting[target] -= 1
                if not waiting[target]:
                    following.append(target)
        level, layer = level + 1, sorted(following, key=place.__getitem__)
    return depth | {name: level for name in waiting if name not in depth}


class _Lanes:
    """The lanes while nodes are placed, with the target node of each."""

    def __init__(self) -> None:
        self.ends: list[str | None] = []
        self.rows: list[Row] = []

    def lanes_to(self, node: str) -> list[int]:
        return [lane for lane, end in enumerate(self.ends) if end == node]

    @property
    def busy(self) -> int:
        return sum(end is not None for end in self.ends)

    def take(self, end: str, beside: int = -1) -> int:
        """Return a free lane and make it lead to `end`: the next one to the right of another lane, else any."""
        free = [lane for lane, known in enumerate(self.ends) if known is None]
        lane = next((lane for lane in free if lane > beside), None)
        if lane is None:
            lane = len(self.ends)
            self.ends.append(None)
        self.ends[lane] = end
        return lane

    def strokes(self) -> list[int]:
        """Return the strokes of a line on which every lane continues."""
        return [_THROUGH if not cell % 2 and self.ends[cell // 2] is not None else 0 for cell in range(self._cells)]

    @property
    def _cells(self) -> int:
        return max(0, 2 * len(self.ends) - 1)

    def draw_across(self, lane: int, others: Mapping[int, int], own: int) -> None:
        """Add a line that connects a lane with others. `own` are its strokes, `others` those of each other lane."""
        cells = self.strokes()
        first, last = min(lane, *others), max(lane, *others)
        for cell in range(2 * first + 1, 2 * last):
            if cells[cell] != _THROUGH:  # a lane that is crossed stays unbroken
                cells[cell] = _ACROSS
        for place, strokes in {**others, lane: own}.items():
            sides = (_LEFT if place > first else 0) | (_RIGHT if place < last else 0)
            cells[2 * place] = strokes | sides
        self.rows.append(Row(tuple(cells)))


@lru_cache(maxsize=32)
def layout(names: tuple[str, ...], edges: tuple[Edge, ...], most: int) -> tuple[Row, ...] | None:
    """Return the lines of a graph, top to bottom, or None if it needs more than `most` lanes."""
    order = list(layers(names, edges))
    place = {name: at for at, name in enumerate(order)}
    after: dict[str, list[str]] = {name: [] for name in order}
    for source, target in dict.fromkeys(edges):
        if source in place and target in place and place[source] < place[target]:
            after[source].append(target)
    lanes = _Lanes()
    for name in order:
        _place(lanes, name)
        _continue_lanes(lanes, name, sorted(after[name], key=place.__getitem__))
        if len(lanes.ends) > most:
            return None
    return tuple(lanes.rows)


def _place(lanes: _Lanes, name: str) -> None:
    """Place a node where the lanes that lead to it end, or in a free lane."""
    mine = lanes.lanes_to(name)
    if len(mine) > 1:
        for lane in mine[1:]:
            lanes.ends[lane] = None
        lanes.draw_across(mine[0], dict.fromkeys(mine[1:], _UP), _THROUGH)
    elif mine and lanes.rows[-1].lane == mine[0]:
        lanes.rows.append(Row(tuple(lanes.strokes())))  # else it would look like two that have nothing to do
    lane = mine[0] if mine else lanes.take(name)
    cells = lanes.strokes()
    cells[2 * lane] = 0
    lanes.rows.append(Row(tuple(cells), name, lane))


def _continue_lanes(lanes: _Lanes, name: str, targets: Sequence[str]) -> None:
    """Continue the lane of a placed node to its successors, with new lanes for all but one."""
    lane = lanes.rows[-1].lane
    lanes.ends[lane] = None
    others: dict[int, int] = {}
    kept = False
    for target in targets:
        known = lanes.lanes_to(target)
        if known and (len(targets) > 1 or lanes.busy >= SHARE_LANES_FROM):
            others[known[0]] = _THROUGH
        elif not kept:
            lanes.ends[lane], kept = target, True
        else:
            others[lanes.take(target, lane)] = _DOWN
    if others:
        lanes.draw_across(lane, others, _THROUGH if kept else _UP)


# -------------------------------------------------------------------- the drawing


class Graph(NamedTuple):
    """The content of a drawing: the nodes of a run of `workflow` with their states, and the edges."""

    workflow: str
    nodes: Mapping[str, NodeRow]
    edges: tuple[Edge, ...]


def graph_lines(graph: Graph, now: int, cells: int, glyphs: Glyphs) -> list[Line]:
    """Return the lines of a graph at `now` (UTC microseconds), none wider than `cells`.

    A graph that is too wide becomes a list, indented by depth.
    """
    nodes = graph.nodes
    names = tuple(nodes)
    most = min(_LANES, (cells - _TEXT) // 2)
    rows = layout(names, graph.edges, most) if most > 0 else None
    longest = max((width(safe_text(name, 80)) for name in names), default=0)
    if rows is None:
        return _indented_list(graph, now, cells, longest, glyphs)
    signs = _ASCII if glyphs is ASCII else _UNICODE
    wide = max((len(row.strokes) for row in rows), default=0)
    room = max(8, min(longest, _NAME, (cells - wide) // 3))
    lines: list[Line] = []
    for row in rows:
        drawn = "".join(signs[stroke] for stroke in row.strokes)
        if row.node is None:
            lines.append(cut_line((Span(drawn, "faint"),), cells))
            continue
        sign, style = node_sign(nodes[row.node].state, glyphs)
        at = 2 * row.lane
        lanes = (Span(drawn[:at], "faint"), Span(sign, style), Span(fit(drawn[at + 1 :], wide - at), "faint"))
        lines.append(cut_line((*lanes, Span(" "), *_node_line(graph, row.node, now, room, glyphs)), cells))
    return lines


def _indented_list(graph: Graph, now: int, cells: int, longest: int, glyphs: Glyphs) -> list[Line]:
    lines: list[Line] = []
    deepest = max(0, cells // 3)
    for name, depth in layers(tuple(graph.nodes), graph.edges).items():
        sign, style = node_sign(graph.nodes[name].state, glyphs)
        indent = min(2 * depth, deepest)
        room = max(8, min(longest, _NAME, cells - indent - 14))
        line = _node_line(graph, name, now, room, glyphs)
        lines.append(cut_line((Span(" " * indent), Span(f"{sign} ", style), *line), cells))
    return lines


def _node_line(graph: Graph, name: str, now: int, room: int, glyphs: Glyphs) -> Line:
    """Return what is said of a node, its name in `room` cells; who answered only where that is not the node itself."""
    node = graph.nodes[name]
    answered = node.answered.removeprefix(f"{graph.workflow}.")
    took = max(0.0, (now - node.since) / SECOND) if node.state == "running" else node.duration
    said = [
        Span(f"{fit(safe_text(name, 80), room)}  ", "muted" if node.state in ("pending", "skipped") else "text"),
        Span(f"{fit(node.state.upper(), 8)}  ", _STYLES[node.state]),
        Span(fit(latency(took) if took or node.state == "done" else "", 8), "muted"),
    ]
    if answered and answered != name:
        said.append(Span(f"by {safe_text(answered, 40)}  ", "muted"))
    if node.attempts > 1:
        said.append(Span(f"{glyphs.times}{node.attempts:,} attempts  ", "warn"))
    if node.error:
        said.append(Span(safe_text(node.error, 300), "bad-dim" if node.state == "failed" else "faint"))
    return tuple(said)
