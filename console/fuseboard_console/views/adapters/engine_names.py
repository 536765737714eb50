"""The names of adapters, with their engine where more than one engine has an adapter of that name."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping
from typing import Final, NamedTuple
from weakref import WeakKeyDictionary

from fuseboard_console.text.safe_text import safe_text
from fuseboard_console.text.width import ELLIPSIS, cut, fit, width
from fuseboard_storage.board.board import AdapterKey, Board, InstanceRow

ENDED: Final = "ended"
"""The name of an engine that has left the Board."""
_LEAST_NAME: Final = 4


class EngineNames(NamedTuple):
    """The engines of a Board, and the adapter names that more than one of them has.

    `short` has the shortest text that tells each instance from the others: `billing`, `checkout:4711`, or
    `checkout@web-1:1`. It is safe text.
    """

    short: Mapping[int, str] = {}
    repeated: frozenset[str] = frozenset()

    def of(self, instance: int | None, adapters: Collection[str]) -> str:
        """Return the short name of an instance if one of these adapter names is repeated, else an empty text."""
        if instance is None or self.repeated.isdisjoint(adapters):
            return ""
        return self.short.get(instance, ENDED)

    def of_key(self, key: AdapterKey) -> str:
        """Return the short name of an adapter's instance if the adapter's name is repeated, else an empty text."""
        return self.short.get(key.instance, ENDED) if key.adapter in self.repeated else ""

    def adapter(self, key: AdapterKey, limit: int = 60) -> str:
        """Return an adapter's name in at most `limit` characters, with its engine if the name is repeated."""
        return with_engine(safe_text(key.adapter, limit), self.of_key(key))

    def command(self, instance: int | None, adapter: str) -> str:
        """Return the engine to name with a command: as for `of`; without an adapter if there are several engines."""
        if adapter:
            return self.of(instance, (adapter,))
        return self.short.get(instance, ENDED) if instance is not None and len(self.short) > 1 else ""

    @property
    def cells(self) -> int:
        """The width of the widest short name if a name is repeated, else 0."""
        return max(map(width, self.short.values()), default=0) if self.repeated else 0


NO_ENGINES: Final = EngineNames()
"""Names without engines."""

_named: WeakKeyDictionary[Board, tuple[int, EngineNames]] = WeakKeyDictionary()


def engine_names(board: Board) -> EngineNames:
    """Return the engine names of a Board. They are computed again only when its adapters or engines change."""
    kept = _named.get(board)
    if kept is None or kept[0] != board.roster_version:
        kept = _named[board] = (board.roster_version, _names_of(board))
    return kept[1]


def with_recorded(names: EngineNames, rows: Collection[InstanceRow]) -> EngineNames:
    """Return names that include engines that have left the Board; `rows` are all engines of the recording."""
    return names._replace(short=_short_names(rows)) if names.repeated else names


def _names_of(board: Board) -> EngineNames:
    if len(board.instances) < 2:
        return NO_ENGINES
    counts = Counter(key.adapter for key in board.adapters)
    repeated = frozenset(name for name, count in counts.items() if count > 1)
    return EngineNames(_short_names(board.instances.values()), repeated)


def _short_names(rows: Collection[InstanceRow]) -> dict[int, str]:
    """Return for each instance the first of three texts that no other instance has; the last one in any case."""
    short = {row.id: safe_text(row.label, 80) for row in rows}
    for text_of in (lambda row: f"{row.name}:{row.pid}", lambda row: row.name):
        texts = {row.id: safe_text(text_of(row), 80) for row in rows}
        counts = Counter(texts.values())
        short |= {id: text for id, text in texts.items() if counts[text] == 1}
    return short


def with_engine(adapter: str, engine: str) -> str:
    """Return an adapter's name with its engine's, if that is not empty: `gpt (billing)`."""
    return f"{adapter} ({engine})" if engine else adapter


def cut_with_engine(adapter: str, engine: str, cells: int) -> str:
    """Return a name and its engine in at most `cells`. The adapter's name is cut before the engine is."""
    whole = with_engine(adapter, engine)
    if not engine or width(whole) <= cells:
        return cut(whole, cells)
    room = cells - width(engine) - 3
    if room >= _LEAST_NAME:
        return with_engine(cut(adapter, room), engine)
    name = cut(adapter, max(1, cells // 3))
    return cut(with_engine(name, cut_start(engine, max(1, cells - width(name) - 3))), cells)


def fit_with_engine(adapter: str, engine: str, cells: int) -> str:
    """Return a name and its engine in exactly `cells`."""
    return fit(cut_with_engine(adapter, engine, cells), cells)


def cut_start(text: str, cells: int) -> str:
    """Return the end of a text in at most `cells`, after a `…` if something is left out."""
    while width(text) > max(1, cells):
        text = ELLIPSIS + text.removeprefix(ELLIPSIS)[1:]
    return text
