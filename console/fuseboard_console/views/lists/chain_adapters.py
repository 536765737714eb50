"""The adapters of a chain: which of them take calls, and why the others take none."""

from __future__ import annotations

from functools import cached_property
from typing import Final, NamedTuple

from fuseboard_console.text.formatting import SECOND, clock
from fuseboard_console.text.glyphs import APPEARANCES
from fuseboard_console.text.safe_text import safe_text
from fuseboard_console.views.adapters.adapter_view import breaker_condition, condition_of
from fuseboard_storage.board.board import AdapterKey, AdapterRow, Board
from fuseboard_storage.board.presence import last_sign, presence

_TAKES_NO_CALL: Final = ("open", "held", "down", "silent", "ended")
_ONLY_PROBED: Final = (*_TAKES_NO_CALL, "ready", "probing")


class Unavailable(NamedTuple):
    """An adapter of a chain that takes no call, with the reason."""

    adapter: str
    why: str


class EngineAdapters:
    """The adapters of an engine at one moment. Each is looked at once at the most."""

    def __init__(self, board: Board, engine: str, now: int) -> None:
        self._board = board
        self._instances = [instance for instance in board.instances.values() if instance.name == engine]
        self._live = any(presence(instance, now) == "live" for instance in self._instances)
        self.now = now
        if self._instances and not self._live:  # the second in which it ended is complete
            self.now = min(now, max(map(last_sign, self._instances)) + SECOND)
        self._known: dict[str, tuple[str, bool]] = {}

    def unavailable(self, adapter: str) -> str:
        """Return why no process of the engine calls an adapter; empty if one does."""
        return self._of(adapter)[0]

    def works(self, adapter: str) -> bool:
        """Return whether a process of the engine calls an adapter, and not only to probe it."""
        return self._of(adapter)[1]

    def _of(self, adapter: str) -> tuple[str, bool]:
        known = self._known.get(adapter)
        if known is None:
            known = self._known[adapter] = self._look_at(adapter)
        return known

    def _look_at(self, adapter: str) -> tuple[str, bool]:
        reasons: dict[str, list[str]] = {"live": [], "lost": []}
        called = works = False
        for instance in self._instances:
            row = self._board.adapters.get(AdapterKey(instance.id, adapter))
            if row is not None:
                condition = condition_of(row, instance, self.now) if self._live else breaker_condition(row, self.now)
                called = called or condition not in _TAKES_NO_CALL
                works = works or condition not in _ONLY_PROBED
                lost = condition in ("silent", "ended")
                reasons["lost" if lost else "live"].append(_reason(row, APPEARANCES[condition].word, lost=lost))
        # Of what a process that is gone was told last nothing holds any more.
        return ("" if called else min(reasons["live"] or reasons["lost"], default="")), works


class ChainAdapters:
    """The order of the adapters of one or more chains. Only as many are looked at as the views need."""

    def __init__(self, order: tuple[str, ...], adapters: EngineAdapters) -> None:
        self.length = len(order)
        self._order = order
        self._adapters = adapters
        self._found: dict[int, tuple[Unavailable, ...]] = {}

    @cached_property
    def _places(self) -> dict[str, int]:
        return {adapter: place for place, adapter in reversed(list(enumerate(self._order, start=1)))}

    def place_of(self, adapter: str) -> int | None:
        """Return the position of an adapter, from 1; None if it is not in the chain."""
        return self._places.get(adapter)

    def none_can(self) -> bool:
        """Return whether there are adapters, and none takes calls."""
        return self._none_can

    def none_works(self) -> bool:
        """Return whether there are adapters, and none takes calls that are not probes."""
        return bool(self._order) and not any(map(self._adapters.works, self._order))

    def refuses(self, adapter: str) -> bool:
        """Return whether no process of the engine calls an adapter."""
        return bool(self._adapters.unavailable(adapter))

    @cached_property
    def _none_can(self) -> bool:
        return bool(self._order) and all(map(self._adapters.unavailable, self._order))

    def unavailable(self, most: int) -> tuple[Unavailable, ...]:
        """Return which of the first adapters take no call."""
        found = self._found.get(most)
        if found is None:
            whys = [(adapter, self._adapters.unavailable(adapter)) for adapter in self._order[:most]]
            found = self._found[most] = tuple(Unavailable(safe_text(adapter, 60), why) for adapter, why in whys if why)
        return found


def _reason(row: AdapterRow, word: str, *, lost: bool) -> str:
    if row.state == "open" and row.reason == "rate_limited" and not lost:
        return f"limited until {clock(row.until)}" if row.until is not None else "limited"
    return word.lower()
