"""Which adapter is the same as one that is gone: that of its name, in a later run of the same engine."""

from __future__ import annotations

from collections.abc import Iterable

from fuseboard_storage.board.board import AdapterKey, Board


class Successors:
    """Remembers what engines were called whose instances a Board lets go when they are started anew."""

    def __init__(self) -> None:
        self._names: dict[int, str] = {}

    def note(self, board: Board) -> None:
        """Take in which engines there are."""
        self._names |= {row.id: row.name for row in board.instances.values()}

    def of(self, board: Board, key: AdapterKey) -> AdapterKey | None:
        """Return the adapter that took the place of one that is gone; None: none has, or not yet."""
        name = self._names.get(key.instance)
        runs = sorted((row.id for row in board.instances.values() if row.name == name), reverse=True)
        return next((heir for run in runs if (heir := AdapterKey(run, key.adapter)) in board.adapters), None)

    def followed(self, board: Board, keys: Iterable[AdapterKey]) -> tuple[set[AdapterKey], set[AdapterKey]]:
        """Return adapters with their heirs in place of those that are gone; and those that have none yet."""
        there: set[AdapterKey] = set()
        missing: set[AdapterKey] = set()
        for key in keys:
            heir = key if key in board.adapters else self.of(board, key)
            (missing if heir is None else there).add(key if heir is None else heir)
        return there, missing
