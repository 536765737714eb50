"""Highlights cells whose content changed a moment ago. A change that only the passing of time causes is not
highlighted.
"""

from __future__ import annotations

from collections.abc import Iterable

from fuseboard_console.views.adapters.adapter_view import AdapterView
from fuseboard_console.views.adapters.columns import ChangeProbe, Column
from fuseboard_storage.board.board import AdapterKey

HIGHLIGHT_SECONDS = 0.6
"""Seconds for which a cell is highlighted."""

_NONE: frozenset[str] = frozenset()


class ChangeHighlight:
    """Compares visible rows with their content at the previous comparison.

    A row that was not visible then has nothing to compare with. So scrolling, sorting and the first frame highlight
    nothing.
    """

    def __init__(self) -> None:
        self._before: dict[AdapterKey, dict[str, object]] = {}
        self._rows: dict[AdapterKey, AdapterView] = {}
        self._watched: list[tuple[str, ChangeProbe]] = []
        self._until: dict[AdapterKey, dict[str, float]] = {}
        self._highlighted: dict[AdapterKey, frozenset[str]] = {}

    def forget(self) -> None:
        """Discard the remembered content: the rows show another time, or were not visible."""
        self._before.clear()
        self._rows.clear()
        self._until.clear()
        self._highlighted.clear()

    def take(self, rows: Iterable[AdapterView], columns: Iterable[Column], now: float) -> None:
        """Compare the visible rows. Changed cells are highlighted from `now` (seconds of any clock)."""
        watched = [(column.id, column.watch) for column in columns if column.watch is not None]
        compared = self._rows if watched == self._watched else {}
        self._rows, self._watched = {}, watched
        said: dict[AdapterKey, dict[str, object]] = {}
        for row in rows:
            before = self._before.get(row.key, {})
            self._rows[row.key] = row
            if compared.get(row.key) is row:
                said[row.key] = before
                continue
            said[row.key] = current = {}
            for id, watch in watched:
                value = watch.value(row)
                if id not in before:
                    current[id] = value
                elif _moved(before[id], value, watch):
                    current[id] = value
                    self._until.setdefault(row.key, {})[id] = now + HIGHLIGHT_SECONDS
                    self._highlighted[row.key] = frozenset(self._until[row.key])
                else:  # many small steps are a large one
                    current[id] = before[id]
        self._before = said

    def of(self, key: AdapterKey) -> frozenset[str]:
        """Return the highlighted columns of an adapter."""
        return self._highlighted.get(key, _NONE)

    def fade(self, now: float) -> float | None:
        """End the highlights whose time is over. Return the seconds until the next one ends, or None if there is
        none.
        """
        for key, columns in list(self._until.items()):
            left = {id: until for id, until in columns.items() if until > now}
            if left:
                self._until[key], self._highlighted[key] = left, frozenset(left)
            else:
                del self._until[key], self._highlighted[key]
        ends = [until for columns in self._until.values() for until in columns.values()]
        return min(ends) - now if ends else None


def _moved(before: object, after: object, watch: ChangeProbe) -> bool:
    if isinstance(before, int | float) and isinstance(after, int | float):
        difference = abs(after - before)
        return difference > 0 and difference >= max(watch.step, watch.share * max(abs(before), abs(after)))
    return before != after
