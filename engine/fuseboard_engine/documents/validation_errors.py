"""All validation errors of a document at once, each with its position and a readable message."""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Callable, Iterable, Mapping
from copy import deepcopy
from types import UnionType
from typing import Any, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic_core import InitErrorDetails, PydanticCustomError

from fuseboard_engine.documents.messages import expected, is_limit, message_for, write
from fuseboard_engine.documents.toml_locations import Location
from fuseboard_engine.error_text.redaction import escape_controls

MAX_MESSAGES = 200

CrossFieldChecks = Callable[[Mapping[str, Any]], Iterable[tuple[Location, str]]]
"""Finds contradictions between fields, in plain data of any shape.

Returns the location and the message of each error.
"""


def all_errors(data: Mapping[str, Any], model: type[BaseModel], error: ValidationError) -> list[Any]:
    """Return a model's errors, and those that it did not look for in sections with an invalid field.

    The checks of such a section as a whole are run without the invalid fields; only errors that do not concern them are
    added.
    """
    found = _split(error)
    rest: dict[str, Any] = deepcopy(dict(data))
    without: dict[Location, set[str]] = {}
    for one in found:
        where = location_of(one, data, model)
        while where and isinstance(where[-1], int):
            where = where[:-1]
        if where:
            section, name = where[:-1], str(where[-1])
            names = {name}
            if one["type"] == "extra_forbidden":
                names.update(difflib.get_close_matches(name, field_names_at(model, section)))
            without.setdefault(section, set()).update(names)
            _remove_field(rest, model, section, name)
    try:
        model.model_validate(rest)
    except ValidationError as more:
        found += [one for one in _split(more) if one["type"] == "value_error" and _names_valid_fields(one, without)]
    return found


def _split(error: ValidationError) -> list[Any]:
    """Return a model's errors; where one check of a section reported several, one per line, each becomes an error of
    its own.
    """
    return [{**one, "msg": text} for one in error.errors() for text in str(one["msg"]).split("\n")]


def _remove_field(data: Any, model: type[BaseModel], section: Location, name: str) -> None:
    """Remove a field; replace a required one with a valid value."""
    for part in section:
        try:
            data = data[part]
        except (KeyError, IndexError, TypeError):
            return
    if not isinstance(data, dict):
        return
    data.pop(name, None)
    here = model_at(model, section)
    field = here.model_fields.get(name) if here is not None else None
    if field is not None and field.is_required():
        data[name] = "x" if field.annotation is str else 1


def _names_valid_fields(error: Any, without: Mapping[Location, set[str]]) -> bool:
    """Return whether an error belongs to a section with invalid fields but names none of them."""
    names = without.get(tuple(error["loc"]))
    return names is not None and not any(re.search(rf"\b{re.escape(name)}\b", error["msg"]) for name in names)


def make_error(where: Location, text: str) -> dict[str, Any]:
    """Return an error that was found outside the model, in the form of the model's own errors."""
    return {"loc": where, "msg": text, "type": "value_error", "input": None}


def error_messages(
    errors: Iterable[Any], data: Mapping[str, Any], places: Mapping[Location, str], model: type[BaseModel]
) -> list[str]:
    """Return a message for each error, in the order of the lines: position, field, problem.

    Args:
        errors: as a model reports them.
        data: the content of the document.
        places: the position (`a.yaml:3`) by the location of each field.
        model: the document's model.
    """
    found = list(errors)
    by_field: dict[Location, list[Any]] = {}
    for error in found:
        if not _is_consequence(error, found):
            by_field.setdefault(location_of(error, data, model), []).append(error)
    sentences = []
    for where, here in by_field.items():
        place = next((places[where[:n]] for n in range(len(where), -1, -1) if where[:n] in places), "")
        field = ".".join(str(part) for part in where)
        if any(map(is_limit, here)):  # it is of one of the types; what the others would be is no help
            here = [error for error in here if not expected(error)]
        alternatives = [text for error in here if (text := expected(error))]
        texts = [write(alternatives)] if alternatives else []
        texts += [_message(error, where, model) for error in here if not expected(error)]
        # One line each, also if a name of a field has a line break.
        sentences += [escape_controls(": ".join(part for part in (place, field, text) if part)) for text in texts]
    return sort_by_line(sentences)


def join_messages(messages: Iterable[str]) -> str:
    """Return messages as lines, at most `MAX_MESSAGES` of them; the last line counts the others."""
    lines = list(messages)
    more = len(lines) - MAX_MESSAGES
    return "\n".join([*lines[:MAX_MESSAGES], f"and {more:,} more"] if more > 0 else lines)


def sort_by_line(sentences: Iterable[str]) -> list[str]:
    """Return messages in the order of their lines, without duplicates; those without a line come last."""

    def line(sentence: str) -> float:
        found = re.match(r".*?:(\d+): ", sentence)
        return int(found[1]) if found else math.inf

    return sorted(dict.fromkeys(sentences), key=line)


def location_of(error: Any, data: Any, model: type[BaseModel]) -> Location:
    """Return the location of the field that an error is about, without what pydantic adds for the types it tried.

    It is that in the document, where a model reads a value as the only item of a list, or as the field of a section.
    """
    location: Location = ()
    here = data
    for part in error["loc"]:
        inside = (isinstance(here, Mapping) and part in here) or (
            isinstance(here, list | tuple) and isinstance(part, int) and part < len(here)
        )
        if inside:
            here = here[part]
        elif not isinstance(here, list | tuple if isinstance(part, int) else Mapping):
            continue
        if inside or isinstance(part, int) or part in field_names_at(model, location):
            location = (*location, part)
    return location


def raise_errors(title: str, found: Iterable[tuple[Location, str]]) -> None:
    """Raise the errors that a model's own check of the whole has found, if any.

    Args:
        title: the model's name.
        found: the location and the message of each error.

    Raises:
        ValidationError: there are errors.
    """
    errors = [
        InitErrorDetails(
            type=PydanticCustomError("value_error", "{text}", {"text": _encodable(text)}), loc=where, input=None
        )
        for where, text in found
    ]
    if errors:
        raise ValidationError.from_exception_data(title, errors)


def did_you_mean(name: object, known: Iterable[str], all: str = "there are") -> str:
    """Return a suggestion of the closest known name, else all known names after the words `all`."""
    names = [str(one) for one in known]
    close = difflib.get_close_matches(str(name), names, n=1)
    return _encodable(f"did you mean {close[0]}?" if close else f"{all} {', '.join(names)}")


def _encodable(text: str) -> str:
    """Return a text with lone surrogates as escapes: pydantic cannot report others."""
    return text.encode("utf-8", "backslashreplace").decode()


def _is_consequence(error: Any, found: Iterable[Any]) -> bool:
    """Return whether a list is reported as too short only because its items were refused."""
    where = error["loc"]
    return error["type"] == "too_short" and any(
        other["loc"][: len(where)] == where and len(other["loc"]) > len(where) for other in found
    )


def _message(error: Any, where: Location, model: type[BaseModel]) -> str:
    if error["type"] == "extra_forbidden":
        known = sorted(field_names_at(model, where[:-1]))
        return f"there is no such field; {did_you_mean(where[-1], known, 'known here:')}"
    if error["type"] == "literal_error":
        known = re.findall(r"'([^']*)'", error["ctx"]["expected"])
        given = error["input"]
        return (
            f"there is no {given!r} here; {did_you_mean(given, known)}"
            if isinstance(given, str)
            else f"write one of {', '.join(known)}"
        )
    return message_for(error)


def field_names_at(model: type[BaseModel], where: Location) -> list[str]:
    """Return the field names of the model at a location of a document."""
    here = model_at(model, where)
    return [] if here is None else [field.alias or name for name, field in here.model_fields.items()]


def model_at(model: type[BaseModel], where: Location) -> type[BaseModel] | None:
    """Return the model at a location of a document, or None if there is none."""
    here: Any = model
    for part in where:
        if isinstance(part, str) and get_origin(here) is tuple:  # its only item stands for the list
            here = _item_type(here)
        if isinstance(here, type) and issubclass(here, BaseModel):
            field = next((f for n, f in here.model_fields.items() if part in (n, f.alias)), None)
            here = field.annotation if field else None
        else:
            here = _item_type(here)
        while get_origin(here) in (Union, UnionType):
            here = next((a for a in get_args(here) if a is not type(None)), None)
    if get_origin(here) is tuple:
        here = _item_type(here)
    return here if isinstance(here, type) and issubclass(here, BaseModel) else None


def _item_type(here: Any) -> Any:
    return next((part for part in reversed(get_args(here)) if part is not Ellipsis), None)
