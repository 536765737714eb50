"""Maps adapters of an ended instance to the same adapters in a later instance of the same engine."""

from __future__ import annotations

from collections.abc import Iterable

from fuseboard_storage.board.board import AdapterKey, Board


class Successors:
    """Remembers the names of instances that a Board removes when their engine starts again."""

    def __init__(self) -> None:
        self._names: dict[int, str] = {}

    def note(self, board: Board) -> None:
        """Record which instances there are."""
        self._names |= {row.id: row.name for row in board.instances.values()}

    def of(self, board: Board, key: AdapterKey) -> AdapterKey | None:
        """Return the adapter that replaced one that is gone, or None if there is none yet."""
        name = self._names.get(key.instance)
        runs = sorted((row.id for row in board.instances.values() if row.name == name), reverse=True)
        return next((successor for run in runs if (successor := AdapterKey(run, key.adapter)) in board.adapters), None)

    def followed(self, board: Board, keys: Iterable[AdapterKey]) -> tuple[set[AdapterKey], set[AdapterKey]]:
        """Return the adapters with gone ones replaced by their successors, and those that have no successor yet."""
        present: set[AdapterKey] = set()
        missing: set[AdapterKey] = set()
        for key in keys:
            successor = key if key in board.adapters else self.of(board, key)
            (missing if successor is None else present).add(key if successor is None else successor)
        return present, missing
