"""What a file of preferences may say. The model is made from `Preferences`, so that nothing is listed twice."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import MISSING, fields
from typing import Any, cast, get_type_hints

from pydantic import BaseModel, ConfigDict, create_model, field_validator, model_validator

from fuseboard_console.actions import ACTIONS
from fuseboard_console.key_names import key_of
from fuseboard_console.keymap import clashes
from fuseboard_console.preferences import Preferences
from fuseboard_console.theme_names import theme_names
from fuseboard_console.views.columns import columns_of
from fuseboard_console.views.plan import LAYOUTS
from fuseboard_engine.documents import DocumentError, check, load_text, meant, wrong
from fuseboard_engine.toml_lines import Where

Found = Iterator[tuple[Where, str]]

TABLES = ("breakers",)
"""The tables whose columns can be chosen."""


class _Checks(BaseModel):
    """What the fields' types don't say."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    @field_validator("keys", mode="before", check_fields=False)
    @classmethod
    def _one_or_many(cls, value: object) -> object:
        if isinstance(value, dict):
            return {action: [keys] if isinstance(keys, str) else keys for action, keys in value.items()}
        return value

    @field_validator("keys", check_fields=False)
    @classmethod
    def _keys_are_keys(cls, value: dict[str, tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
        known: dict[str, tuple[str, ...]] = {}
        mistakes: list[tuple[Where, str]] = []
        for action, texts in value.items():
            try:
                known[action] = tuple(key_of(text) for text in texts)
            except ValueError as error:
                mistakes.append(((action,), str(error)))
        wrong("keys", mistakes)
        return known

    @model_validator(mode="after")
    def _names_are_known(self) -> _Checks:
        wrong("preferences", _mistakes(cast(Any, self)))
        return self


def _mistakes(said: Preferences) -> Found:
    if said.theme not in theme_names():
        yield ("theme",), f"there is no theme {said.theme!r}; {meant(said.theme, theme_names())}"
    if said.layout not in LAYOUTS:
        yield ("layout",), f"there is no layout {said.layout!r}; {meant(said.layout, LAYOUTS)}"
    for table, columns in said.columns.items():
        yield from _columns(table, columns)
    actions = {action.id: action for action in ACTIONS}
    for id in said.keys:
        if id not in actions:
            yield ("keys", id), f"there is no such action; {meant(id, actions)}"
        elif actions[id].group == "Move" and not said.keys[id]:
            yield ("keys", id), "lists need a key for it; name one"
    known = {id: keys for id, keys in said.keys.items() if id in actions}
    for id, text in clashes(ACTIONS, known):
        yield ("keys", id), text


def _columns(table: str, columns: tuple[str, ...]) -> Found:
    if table not in TABLES:
        yield ("columns", table), f"there is no such table; {meant(table, TABLES)}"
        return
    try:
        columns_of(columns)
    except ValueError as error:
        yield ("columns", table), f"{str(error)[:1].lower()}{str(error)[1:]}"


def _model() -> type[BaseModel]:
    hints = get_type_hints(Preferences)
    known: dict[str, Any] = {
        field.name: (hints[field.name], {} if field.default is MISSING else field.default)
        for field in fields(Preferences)
    }
    return create_model("Preferences", __base__=_Checks, **known)


MODEL = _model()
"""The model of the file."""


def checked(text: str, name: str) -> Preferences:
    """Return the preferences that a TOML text says; `name` stands in errors.

    Raises:
        DocumentError: it is no TOML, or has mistakes: all of them, each with its line.
    """
    if not name.endswith(".toml"):
        raise DocumentError(f"{name}: preferences are TOML; let the name end in .toml")
    said = check(load_text(text, name), MODEL)
    return Preferences(**{field.name: getattr(said, field.name) for field in fields(Preferences)})
