"""Adapters in the palette: typed by name, found in any order of letters, opened in their detail."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from typing import cast

from textual.command import Hit, Hits, Provider
from textual.content import Content

from fuseboard_console.glyphs import LOOKS, Condition
from fuseboard_console.host import Host
from fuseboard_console.safe_text import safe_text
from fuseboard_console.screens.detail import show_detail
from fuseboard_console.views.adapters import condition
from fuseboard_console.views.ordering import PROBLEMS
from fuseboard_storage.board import AdapterKey

MOST = 100
"""Adapters that are looked at closely for one word; which of them fits best is not cheap to say."""
DISCOVERED = 8
"""Adapters that need a person, which stand there before anything is typed."""


class AdapterCommands(Provider):
    """Finds adapters by their names."""

    @property
    def _host(self) -> Host:
        return cast(Host, self.app)

    async def discover(self) -> Hits:
        """Yield the adapters that need a person."""
        troubled = (key for key in self._host.scene.board.adapters if self._stands(key) in PROBLEMS)
        for key, _ in zip(troubled, range(DISCOVERED), strict=False):
            name = self._name(key)
            yield Hit(1.0, Content(name), self._open(key), name, self._help(key))  # before all else

    async def search(self, query: str) -> Hits:
        """Yield the adapters whose names have these letters, in this order."""
        matcher = self.matcher(query)
        for key in near(query, self._host.scene.board.adapters):
            name = self._name(key)
            score, places = matcher.fuzzy_search.match(matcher.query, name)
            if score > 0:
                shown = Content(name)  # the matcher's own highlight would read a name as markup
                for place in places:
                    shown = shown.stylize(matcher.match_style, place, place + 1)
                yield Hit(score, shown, self._open(key), name, self._help(key))

    def _name(self, key: AdapterKey) -> str:
        board = self._host.scene.board
        engine = board.instances.get(key.instance) if len(board.instances) > 1 else None
        return safe_text(key.adapter, 60) + (f"  {safe_text(engine.label, 60)}" if engine is not None else "")

    def _stands(self, key: AdapterKey) -> Condition:
        scene = self._host.scene
        return condition(scene.board.adapters[key], scene.board.instances.get(key.instance), scene.now)

    def _help(self, key: AdapterKey) -> str:
        return f"Adapter, {LOOKS[self._stands(key)].word}. Show all that is known of it."

    def _open(self, key: AdapterKey) -> partial[None]:
        return partial(show_detail, self._host, key)


def near(query: str, keys: Iterable[AdapterKey]) -> list[AdapterKey]:
    """Return the adapters whose names hold the query, then those that hold its letters in this order."""
    wanted = query.casefold().replace(" ", "")
    named = [(key.adapter.casefold(), key) for key in keys]
    found = [key for name, key in named if wanted in name]
    if len(found) < MOST:
        found += [key for name, key in named if wanted not in name and _within(wanted, name)]
    return found[:MOST]


def _within(letters: str, text: str) -> bool:
    rest = iter(text)
    return all(letter in rest for letter in letters)
