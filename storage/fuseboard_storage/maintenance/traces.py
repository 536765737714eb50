"""What identifies the traces of a task or of a person in events, Boards and texts, and how they are made anonymous."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterable, Mapping
from typing import Any, Final

import msgspec
from msgspec.structs import replace

from fuseboard_engine.events import Attempt, Event, RouteFinished
from fuseboard_storage.board.board import Board
from fuseboard_storage.board.rows import Entry
from fuseboard_storage.tables.storable import stored_name, stored_text

REMOVED: Final = "[removed]"
"""What stands in place of a text that was removed."""
SHORTEST: Final = 4
"""The number of characters from which an id or a value is also removed where it is part of a longer text."""

MOST_SEARCHED: Final = 100
"""The number of tasks of one context whose ids are also searched in the texts of other events."""
_STRUCTURE: Final = frozenset(
    ("kind", "adapter", "outcome", "then", "before", "after", "verb", "state", "status", "strategy")
)
"""The fields of events whose texts are never changed."""


class Traces:
    """The traces of one task, or of all tasks with one value in their context.

    Args:
        task: The id of the task; None: look for the context.
        context: Key and value that tasks have in their context.
    """

    def __init__(self, task: str | None = None, context: tuple[str, str] | None = None) -> None:
        self.tasks: set[str] = set()
        """The ids of the tasks, as they are stored."""
        if task is not None:
            self.tasks.update((task, stored_name(task)))
        self._names: frozenset[str] = frozenset()
        self._context = context
        text = context[1] if context is not None else task or ""
        self._texts = {form for form in (text, stored_name(text), stored_text(text)) if form}
        self._pattern = _pattern_of(self._texts)

    @property
    def written(self) -> list[str]:
        """The forms in which the id or the value can occur in a text or in JSON."""
        return _forms(self._texts)

    @property
    def context_forms(self) -> list[str]:
        """The forms of the value of the context in JSON; empty if a task is looked for."""
        return [] if self._context is None else _forms((self._context[1], stored_text(self._context[1])))

    def keep_names(self, names: Iterable[str]) -> None:
        """Never change these names. If the id or the value is one of them, look for the tasks only, not for texts."""
        self._names = frozenset(names)
        if not self._names.isdisjoint(self._texts):
            self._texts, self._pattern = set(), None

    @property
    def in_texts(self) -> bool:
        """Whether texts are searched too."""
        return bool(self._texts)

    def add_tasks(self, tasks: Collection[str]) -> None:
        """Add the tasks that have the context. If they are few, texts are searched for their ids too."""
        self.tasks.update(tasks)
        if self.in_texts and len(tasks) <= MOST_SEARCHED:
            self._texts.update(set(tasks) - self._names)
            self._pattern = _pattern_of(self._texts)

    def in_context(self, context: Mapping[str, Any] | None) -> bool:
        """Return whether a context has the key and the value that are looked for."""
        if self._context is None or not context:
            return False
        key, value = self._context
        return any(stored_text(str(found)) == stored_text(value) for name, found in context.items() if name == key)

    def owns(self, event: Any) -> bool:
        """Return whether an event is one of the tasks."""
        return getattr(event, "task", None) in self.tasks or self.in_context(getattr(event, "context", None))

    def mentioned_in(self, text: str) -> bool:
        """Return whether a text, or JSON, mentions what is looked for."""
        try:
            value = json.loads(text)
        except (ValueError, RecursionError):
            value = text
        return bool(self.without(value) != value)

    def without(self, value: Any) -> Any:
        """Return a text, or a value of JSON, without mentions of what is looked for."""
        if isinstance(value, str):
            if value in self._texts or (value in self.tasks and value not in self._names):
                return REMOVED
            return value if self._pattern is None else self._pattern.sub(REMOVED, value)
        if isinstance(value, Mapping):
            return {self.without(key): item if key in _STRUCTURE else self.without(item) for key, item in value.items()}
        if isinstance(value, (list, tuple)):
            return [self.without(item) for item in value]
        return value

    def without_in_text(self, text: str) -> str:
        """Return a text without mentions. Of JSON, only the texts in it are changed."""
        try:
            value = msgspec.json.decode(text)
        except (msgspec.DecodeError, UnicodeError, RecursionError):
            return str(self.without(text))
        found = self.without(value)
        return text if found == value else msgspec.json.encode(found).decode()

    # ------------------------------------------------------------------ events and Boards

    def anonymous(self, event: Any) -> Event:
        """Return an event of one of the tasks without its id, context and error texts, so that it still counts."""
        fields = event.__struct_fields__
        changes: dict[str, Any] = {"task": ""}
        for name in ("error", "reason", "detail"):
            if name in fields and isinstance(getattr(event, name), str):
                changes[name] = ""
        if "context" in fields:
            changes["context"] = None
        if type(event) is RouteFinished:
            changes.update(attempts=tuple(map(_without_error, event.attempts)), letter=None, dead_letter=None)
        elif "attempt" in fields:
            changes["attempt"] = _without_error(event.attempt)
        found: Event = replace(event, **changes)
        before = msgspec.to_builtins(found)
        after = self.without(before)
        return found if after == before else msgspec.convert(after, type(found))

    def clean_board(self, board: Board) -> None:
        """Make the events of the tasks anonymous in a Board."""
        routes = [
            Entry(entry.seq, entry.instance, self.anonymous(entry.event)) if self.owns(entry.event) else entry
            for entry in board.routes
        ]
        board.routes.clear()
        board.routes.extend(routes)
        errors: set[str] = set()
        for row in board.failures:
            if row.task in self.tasks or self.in_context(row.context):
                errors.add(row.attempt.error)
                row.task, row.context, row.attempt = "", None, _without_error(row.attempt)
        left = (row for rows in board.left.values() for row in rows.values())
        for adapter in (*board.adapters.values(), *left):
            if adapter.last_error in errors:
                adapter.last_error = ""


def _without_error(attempt: Attempt) -> Attempt:
    return replace(attempt, error="")


def _pattern_of(texts: Iterable[str]) -> re.Pattern[str] | None:
    longer = sorted((text for text in texts if len(text) >= SHORTEST), key=len, reverse=True)
    return re.compile("|".join(rf"(?<!\w){re.escape(text)}(?![\w-])" for text in longer)) if longer else None


def _forms(texts: Iterable[str]) -> list[str]:
    """Return texts and how JSON writes them."""
    forms = dict.fromkeys(texts)
    for form in list(forms):
        forms[json.dumps(form)[1:-1]] = forms[json.dumps(form, ensure_ascii=False)[1:-1]] = None
    return list(forms)


def context_of(text: str | None) -> Mapping[str, Any] | None:
    """Return a context that is stored as JSON; None if there is none."""
    if not text:
        return None
    try:
        found = msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def as_json(texts: Iterable[str]) -> str:
    """Return texts as a JSON array, for `json_each`."""
    return json.dumps(list(texts))
