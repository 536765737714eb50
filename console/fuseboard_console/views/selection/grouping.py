"""Groups adapters by instance or by first tag, each group under a heading that can be folded."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence, Set
from typing import Literal, NamedTuple

from fuseboard_console.text.glyphs import APPEARANCES, PROBLEMS, Condition, Glyphs
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


class Folds(NamedTuple):
    """Which groups are folded: all of them or none, except the named ones."""

    all: bool = False
    unlike: frozenset[str] = frozenset()

    def folds(self, group: str) -> bool:
        """Return whether a group is folded."""
        return self.all is not (group in self.unlike)

    def toggled(self, group: str) -> Folds:
        """Return the folds after a group was folded or unfolded."""
        return self._replace(unlike=self.unlike ^ {group})


UNFOLDED = Folds()


class GroupHead(NamedTuple):
    """The heading of a group: its name, the number of adapters shown, and the counts by condition, worst first."""

    name: str
    size: int
    counts: tuple[tuple[Condition, int], ...]
    folded: tuple[AdapterKey, ...] = ()
    """The adapters of a folded group, which have no lines of their own. Empty if the group is unfolded."""

    @property
    def troubles(self) -> tuple[tuple[Condition, int], ...]:
        """The counts of the conditions that need an operator, worst first."""
        return tuple(count for count in self.counts if count[0] in PROBLEMS)


def group_name(row: AdapterRow, instance: InstanceRow | None, grouping: Grouping) -> str:
    """Return the name of an adapter's group: its instance's label or its first tag. Empty if it has none."""
    if grouping == "tag":
        return row.tags[0] if row.tags else ""
    return instance.label if instance is not None else ""


def grouped(
    members: Iterable[tuple[str, AdapterKey, Condition]], folds: Folds = UNFOLDED, *, problems_first: bool = False
) -> tuple[AdapterKey | GroupHead, ...]:
    """Return adapters with a heading before each group; of a folded group only the heading.

    Groups are sorted by name, those without a name last, and adapters keep their order within a group. With
    `problems_first`, groups with an adapter that needs an operator come first, by their worst condition.
    """
    groups: dict[str, list[tuple[AdapterKey, Condition]]] = {}
    for group, key, condition in members:
        groups.setdefault(group, []).append((key, condition))
    heads: list[GroupHead] = []
    for group in sorted(groups, key=lambda name: (not name, name.casefold(), name)):
        found = Counter(condition for _, condition in groups[group])
        counts = tuple(sorted(found.items(), key=lambda count: APPEARANCES[count[0]].severity))
        keys = tuple(key for key, _ in groups[group])
        heads.append(GroupHead(group, len(keys), counts, keys))
    if problems_first:
        heads.sort(key=_worst_severity)
    lines: list[AdapterKey | GroupHead] = []
    for head in heads:
        name = head.name or UNTAGGED
        if folds.folds(name):
            lines.append(head._replace(name=name))
        else:
            lines.append(head._replace(name=name, folded=()))
            lines.extend(head.folded)
    return tuple(lines)


def _worst_severity(head: GroupHead) -> int:
    """Return the severity of a group's worst condition that needs an operator, the same for all groups without one."""
    return APPEARANCES[head.troubles[0][0]].severity if head.troubles else len(APPEARANCES)


def can_have_cursor(line: AdapterKey | GroupHead) -> bool:
    """Return whether the cursor can stand on a line: an adapter, or the heading of a folded group."""
    return isinstance(line, AdapterKey) or bool(line.folded)


def nearest_selectable(lines: Sequence[AdapterKey | GroupHead], index: int, step: int) -> int:
    """Return the line nearest to `index` that can have the cursor, preferably in the direction of `step` (1 or -1)."""
    index = max(0, min(index, len(lines) - 1))
    for way in (step, -step):
        at = index
        while 0 <= at < len(lines):
            if can_have_cursor(lines[at]):
                return at
            at += way
    return 0


def members_of(lines: Sequence[AdapterKey | GroupHead], head: int) -> list[AdapterKey]:
    """Return the adapters under the heading at line `head`, also if it is folded."""
    heading = lines[head]
    members: list[AdapterKey] = list(heading.folded) if isinstance(heading, GroupHead) else []
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


def head_of(lines: Sequence[AdapterKey | GroupHead], index: int) -> GroupHead | None:
    """Return the heading of the group that the line at an index belongs to; None if there are no groups."""
    for line in reversed(lines[: index + 1]):
        if isinstance(line, GroupHead):
            return line
    return None


def trouble_text(head: GroupHead) -> str:
    """Return how many adapters of a group need an operator, in words: `3 of 8 open`. Without any, its size."""
    troubles = head.troubles
    if not troubles:
        return f"{head.size:,}"
    word = APPEARANCES[troubles[0][0]].word.lower() if len(troubles) == 1 else "in trouble"
    return f"{sum(count for _, count in troubles):,} of {head.size:,} {word}"


FOLD_CELLS = 4
"""Cells at the left of a heading that the cursor, the mark and the sign of its fold take."""


def head_line(head: GroupHead, cells: int, glyphs: Glyphs) -> Line:
    """Return a heading as a line: whether it is folded, its worst state, its name, what is in trouble, and the counts.

    `▸ ✖ eu  3 of 12 in trouble   2 ✖  1 ◐  9 ●`.
    """
    worst = head.counts[0][0] if head.counts else "closed"
    counts, trouble = counts_line(dict(head.counts), glyphs), trouble_text(head)
    room = max(4, cells - line_width(counts) - len(trouble) - 9)
    return (
        Span(glyphs.folded if head.folded else glyphs.unfolded, "muted"),
        Span(" "),
        Span(glyphs.of(worst), APPEARANCES[worst].style),
        Span(f" {cut(safe_text(head.name, 80), room)}", "head"),
        Span(f"  {trouble}   ", APPEARANCES[worst].style if head.troubles else "muted"),
        *counts,
    )
