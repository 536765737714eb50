"""Adapters in the palette: found by name, opened in their detail, or given a command."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from heapq import nsmallest
from typing import cast

from textual.command import Hit, Hits, Provider
from textual.content import Content

from fuseboard_console.actions.model import Action
from fuseboard_console.screens.adapter_detail import show_detail
from fuseboard_console.text.glyphs import PROBLEMS, Condition
from fuseboard_console.text.safe_text import safe_text
from fuseboard_console.tui.protocols import ConsoleHost
from fuseboard_console.views.adapters.adapter_view import condition_of, condition_word
from fuseboard_storage.board.board import AdapterKey

MAX_RESULTS = 100
"""The most adapters that are scored for one query, since scoring is not cheap."""
DISCOVERED = 8
"""The number of adapters in need of attention that are listed before anything is typed, and of adapters per action."""


class AdapterCommands(Provider):
    """Finds adapters by their names."""

    @property
    def _host(self) -> ConsoleHost:
        return cast(ConsoleHost, self.app)

    async def discover(self) -> Hits:
        """Yield the adapters that need attention."""
        troubled = (key for key in self._host.frame.board.adapters if self._condition(key) in PROBLEMS)
        for key, _ in zip(troubled, range(DISCOVERED), strict=False):
            name = self._name(key)
            yield Hit(1.0, Content(name), self._open(key), name, self._help(key))  # before all else

    async def search(self, query: str) -> Hits:
        """Yield the adapters whose names have these letters, in this order, or what is done to one: `reset pre`."""
        matcher = self.matcher(query)
        for key in near(query, self._host.frame.board.adapters):
            name = self._name(key)
            score, places = matcher.fuzzy_search.match(matcher.query, name)
            if score > 0:
                shown = Content(name)  # the matcher's own highlight would read a name as markup
                for place in places:
                    shown = shown.stylize(matcher.match_style, place, place + 1)
                yield Hit(score, shown, self._open(key), name, self._help(key))

        for action, rest in actions_asked_for(query, self._host.actions):
            if self._host.dispatcher.read_only:
                return
            matcher = self.matcher(rest)
            for key in named(rest, self._host.frame.board.adapters):
                name = self._name(key)
                if (score := matcher.match(name)) > 0:
                    does = f"{_action_text(action)} {name}"
                    yield Hit(score, Content(does), partial(self._host.act_on, action, key), does, action.description)

        if not self._host.dispatcher.read_only:
            for hit in self._faults(query):
                yield hit

    def _faults(self, query: str) -> Iterator[Hit]:
        """Yield the faults of a scenario's adapters: `hang pre`."""
        board = self._host.frame.board
        first, _, rest = query.casefold().strip().partition(" ")
        if board.scenario is None or len(first) < 2:
            return
        from fuseboard_console.screens.fault_menu import choices

        players = {row.id for row in board.instances.values() if row.name == board.scenario.scenario}
        keys = [key for key in board.adapters if key.instance in players]
        for choice in choices():
            words = f"{choice.fault} {choice.label}".casefold().replace("_", " ").split()
            if any(word.startswith(first) for word in words):
                for key in named(rest.strip(), keys):
                    name = self._name(key)
                    text = f"{name}: {choice.label}"
                    inject = partial(self._host.operator.send_fault, choice.fault, choice.args, [key])
                    yield Hit(1.0, Content(text), inject, text, "A fault of the scenario.")

    def _name(self, key: AdapterKey) -> str:
        board = self._host.frame.board
        engine = board.instances.get(key.instance) if len(board.instances) > 1 else None
        return safe_text(key.adapter, 60) + (f"  {safe_text(engine.label, 60)}" if engine is not None else "")

    def _condition(self, key: AdapterKey) -> Condition:
        frame = self._host.frame
        return condition_of(frame.board.adapters[key], frame.board.instances.get(key.instance), frame.now)

    def _help(self, key: AdapterKey) -> str:
        word = condition_word(self._condition(key), self._host.frame.board.instances.get(key.instance))
        return f"Adapter, {word}. Show its details."

    def _open(self, key: AdapterKey) -> partial[None]:
        return partial(show_detail, self._host, key)


def actions_asked_for(query: str, actions: Sequence[Action]) -> Iterator[tuple[Action, str]]:
    """Yield the actions on an adapter that the query begins with, each with the rest of it, which is a name's part."""
    first, *others = query.casefold().split() or [""]
    if len(first) < 2:
        return
    for action in actions:
        label, *more = action.label.casefold().split()
        if "detail" in action.pages and action.verb and action.needs_selection and label.startswith(first):
            rest = list(others)
            while rest and more and rest[0] == more.pop(0):
                rest.pop(0)
            if rest:
                yield action, " ".join(rest)


def _action_text(action: Action) -> str:
    return action.label.removesuffix(" for ...").capitalize()


def named(part: str, keys: Iterable[AdapterKey]) -> list[AdapterKey]:
    """Return the adapters whose names contain a part, those with the shortest names; a few of them, in a few ms."""
    return nsmallest(DISCOVERED, (key for key in keys if part in key.adapter.casefold()), lambda key: len(key.adapter))


def near(query: str, keys: Iterable[AdapterKey]) -> list[AdapterKey]:
    """Return the adapters whose names contain the query, then those that contain its letters in this order."""
    wanted = query.casefold().replace(" ", "")
    named = [(key.adapter.casefold(), key) for key in keys]
    found = [key for name, key in named if wanted in name]
    if len(found) < MAX_RESULTS:
        found += [key for name, key in named if wanted not in name and _is_subsequence(wanted, name)]
    return found[:MAX_RESULTS]


def _is_subsequence(letters: str, text: str) -> bool:
    rest = iter(text)
    return all(letter in rest for letter in letters)
