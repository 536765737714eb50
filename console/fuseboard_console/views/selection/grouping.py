"""Groups adapters by instance or by first tag, each group under a heading."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence, Set
from typing import Literal, NamedTuple

from fuseboard_console.text.glyphs import APPEARANCES, Condition, Glyphs
from fuseboard_console.text.line import Line, Span, line_width
from fuseboard_console.text.safe_text import safe_text
from fuseboard_console.text.width import cut
from fuseboard_console.views.adapters.state_counts import counts_line
from fuseboard_storage.board.board import AdapterKey, AdapterRow, InstanceRow

Grouping = Literal["", "instance", "tag"]
"""The property that groups adapters; empty for no groups."""
GROUPINGS: tuple[Grouping, ...] = ("", "instance", "tag")
"""All of them, in the order a key goes through them."""

UNTAGGED = "no tag"


class GroupHead(NamedTuple):
    """The heading of a group: its name, the number of adapters shown, and the counts by condition."""

    name: str
    size: int
    counts: tuple[tuple[Condition, int], ...]


def group_name(row: AdapterRow, instance: InstanceRow | None, grouping: Grouping) -> str:
    """Return the name of an adapter's group: its instance's label or its first tag. Empty if it has none."""
    if grouping == "tag":
        return row.tags[0] if row.tags else ""
    return instance.label if instance is not None else ""


def grouped(members: Iterable[tuple[str, AdapterKey, Condition]]) -> tuple[AdapterKey | GroupHead, ...]:
    """Return adapters with a heading before each group. Groups are sorted by name, and adapters keep their order within
    a group.

    Adapters without a group come last.
    """
    groups: dict[str, list[tuple[AdapterKey, Condition]]] = {}
    for group, key, condition in members:
        groups.setdefault(group, []).append((key, condition))
    lines: list[AdapterKey | GroupHead] = []
    for group in sorted(groups, key=lambda name: (not name, name.casefold(), name)):
        found = Counter(condition for _, condition in groups[group])
        counts = tuple(sorted(found.items(), key=lambda count: APPEARANCES[count[0]].severity))
        lines.append(GroupHead(group or UNTAGGED, len(groups[group]), counts))
        lines.extend(key for key, _ in groups[group])
    return tuple(lines)


def nearest_adapter(lines: Sequence[AdapterKey | GroupHead], index: int, step: int) -> int:
    """Return the line nearest to `index` that is not a heading, preferably in the direction of `step` (1 or -1)."""
    index = max(0, min(index, len(lines) - 1))
    for way in (step, -step):
        at = index
        while 0 <= at < len(lines):
            if isinstance(lines[at], AdapterKey):
                return at
            at += way
    return 0


def members_of(lines: Sequence[AdapterKey | GroupHead], head: int) -> list[AdapterKey]:
    """Return the adapters under the heading at line `head`."""
    members: list[AdapterKey] = []
    for line in lines[head + 1 :]:
        if not isinstance(line, AdapterKey):
            break
        members.append(line)
    return members


def marked_group(lines: Sequence[AdapterKey | GroupHead], marked: Set[AdapterKey]) -> str:
    """Return the name of the group whose adapters are all marked while no other adapter is, or an empty string."""
    if not marked:
        return ""
    for at, line in enumerate(lines):
        if isinstance(line, GroupHead) and line.size == len(marked) and marked == set(members_of(lines, at)):
            return line.name
    return ""


def head_line(head: GroupHead, cells: int, glyphs: Glyphs) -> Line:
    """Return a heading as a line: `eu  12   2 ✖  1 ◐  9 ●`."""
    counts = counts_line(dict(head.counts), glyphs)
    room = max(4, cells - line_width(counts) - 12)
    return (Span(cut(safe_text(head.name, 80), room), "head"), Span(f"  {head.size:,}   ", "muted"), *counts)
