"""Validation of a preferences file. The model is made from `Preferences`, so that nothing is listed twice."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import MISSING, fields
from typing import Any, get_type_hints

from pydantic import BaseModel, ConfigDict, StrictBool, create_model, field_validator, model_validator

from fuseboard_console.actions.catalogue import ACTIONS, RENAMED
from fuseboard_console.actions.key_names import parse_key
from fuseboard_console.actions.keymap import key_conflicts
from fuseboard_console.preferences.model import Preferences
from fuseboard_console.preferences.theme_names import is_theme, themes_near
from fuseboard_console.views.adapters.columns import columns_of
from fuseboard_console.views.selection.layout import LAYOUTS
from fuseboard_engine.documents.loader import DocumentError, check, load_text
from fuseboard_engine.documents.toml_locations import Location
from fuseboard_engine.documents.validation_errors import did_you_mean, raise_errors

Errors = Iterator[tuple[Location, str]]

TABLES = ("breakers",)
"""The tables with columns to choose."""


class _Checks(BaseModel):
    """Checks beyond the fields' types."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    @field_validator("keys", mode="before", check_fields=False)
    @classmethod
    def _one_or_many(cls, value: object) -> object:
        if isinstance(value, dict):
            return {RENAMED.get(id, id): [keys] if isinstance(keys, str) else keys for id, keys in value.items()}
        return value

    @field_validator("keys", check_fields=False)
    @classmethod
    def _parse_keys(cls, value: dict[str, tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
        raise_errors("keys", (((action,), text) for action, text in _unknown_keys(value)))
        return {action: tuple(parse_key(text) for text in texts) for action, texts in value.items()}

    @model_validator(mode="after")
    def _check_names(self) -> _Checks:
        raise_errors(
            "preferences", self.cross_field_checks({name: getattr(self, name) for name in type(self).model_fields})
        )
        return self

    @staticmethod
    def cross_field_checks(data: Mapping[str, Any]) -> Errors:
        """Yield unknown names and contradictions between fields; `data` may be validated or raw."""
        return _cross_field_errors(data)


def _cross_field_errors(data: Mapping[str, Any]) -> Errors:
    theme, layout, columns, keys = (data.get(name) for name in ("theme", "layout", "columns", "keys"))
    if isinstance(theme, str) and not is_theme(theme):
        yield ("theme",), f"unknown theme {theme!r}; {did_you_mean(theme, themes_near(theme))}"
    if isinstance(layout, str) and layout not in LAYOUTS:
        yield ("layout",), f"unknown layout {layout!r}; {did_you_mean(layout, LAYOUTS)}"
    for table, named in columns.items() if isinstance(columns, Mapping) else ():
        yield from _columns(table, _texts(named))
    settings = {id: _texts(named) for id, named in keys.items()} if isinstance(keys, Mapping) else {}
    yield from _keys({id: texts for id, texts in settings.items() if texts is not None})


def _texts(settings: object) -> tuple[str, ...] | None:
    """Return one text or several as a tuple; None for anything else."""
    texts = [settings] if isinstance(settings, str) else settings
    if not isinstance(texts, list | tuple) or not all(isinstance(text, str) for text in texts):
        return None
    return tuple(texts)


def _keys(settings: dict[str, tuple[str, ...]]) -> Errors:
    current = {action.id: action for action in ACTIONS}
    actions = current | {old: current[new] for old, new in RENAMED.items()}
    for id in settings:
        if id not in actions:
            yield ("keys", id), f"unknown action; {did_you_mean(id, current)}"
        elif actions[id].group == "Move" and not settings[id]:
            yield ("keys", id), "lists need a key for this action; choose one"
    unknown = dict(_unknown_keys(settings))
    for id, text in unknown.items():
        yield ("keys", id), text
    known = {
        actions[id].id: tuple(parse_key(text) for text in texts)
        for id, texts in settings.items()
        if id in actions and id not in unknown
    }
    written = {actions[id].id: id for id in settings if id in actions}
    for id, text in key_conflicts(ACTIONS, known):
        yield ("keys", written[id]), text


def _unknown_keys(settings: Mapping[str, tuple[str, ...]]) -> Iterator[tuple[str, str]]:
    """Yield the actions with an unknown key, and the error."""
    for action, texts in settings.items():
        try:
            for text in texts:
                parse_key(text)
        except ValueError as error:
            yield action, str(error)


def _columns(table: str, columns: tuple[str, ...] | None) -> Errors:
    if table not in TABLES:
        yield ("columns", table), f"unknown table; {did_you_mean(table, TABLES)}"
        return
    try:
        columns_of(columns or ())
    except ValueError as error:
        yield ("columns", table), f"{str(error)[:1].lower()}{str(error)[1:]}"


def _model() -> type[BaseModel]:
    # Otherwise "no" and 1 would pass as booleans.
    hints = {name: StrictBool if hint is bool else hint for name, hint in get_type_hints(Preferences).items()}
    known: dict[str, Any] = {
        field.name: (hints[field.name], {} if field.default is MISSING else field.default)
        for field in fields(Preferences)
    }
    return create_model("Preferences", __base__=_Checks, **known)


MODEL = _model()
"""The model of a preferences file."""


def validate(text: str, name: str) -> Preferences:
    """Return the preferences in a TOML text, called `name` in errors.

    Raises:
        DocumentError: The text is not TOML, or is invalid; lists all errors with their lines.
    """
    if not name.endswith(".toml"):
        raise DocumentError(f"{name}: preferences are TOML; the name must end in .toml")
    settings = check(load_text(text, name), MODEL)
    return Preferences(**{field.name: getattr(settings, field.name) for field in fields(Preferences)})
