"""Files that people write, in YAML or TOML: read safely, checked by a model, and every mistake told with its line."""

from __future__ import annotations

import difflib
import re
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import UnionType
from typing import Any, NamedTuple, TypeVar, Union, get_args, get_origin

import yaml
from pydantic import BaseModel, ValidationError
from pydantic_core import InitErrorDetails, PydanticCustomError

from fuseboard_engine.errors import FuseboardError
from fuseboard_engine.toml_lines import Where, lines_of

M = TypeVar("M", bound=BaseModel)
MOST_FIELDS = 50_000  # a few lines of YAML can stand for billions of fields


class DocumentError(FuseboardError):
    """A file that cannot be used as it is. The text names each mistake with file, line and field."""


class Document(NamedTuple):
    """What a file says, and where: `places` has, for the way to each field, where that stands (`a.yaml:3`)."""

    data: dict[str, Any]
    places: dict[Where, str]


def read(path: Path, model: type[M]) -> M:
    """Return the document in a YAML or TOML file.

    Raises:
        DocumentError: the file cannot be read, is no YAML or TOML, or does not fit the model; all mistakes at once.
    """
    return check(load(path), model)


def parse(text: str, model: type[M], name: str) -> M:
    """Return the document in a YAML text (TOML when the name ends so); the name stands in errors. DocumentError."""
    return check(load_text(text, name), model)


def load(path: Path) -> Document:
    """Return what a YAML or TOML file says, unchecked. Raises DocumentError."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise DocumentError(f"{path}: cannot be read: {reason}") from error
    return load_text(text, str(path))


def load_text(text: str, name: str) -> Document:
    """Return what a text says, unchecked: TOML when `name` ends in .toml, else YAML. Raises DocumentError."""
    return _toml(text, name) if name.endswith(".toml") else _yaml(text, name)


def check(document: Document, model: type[M]) -> M:
    """Return a document as a value of its model. Raises DocumentError, with all mistakes at once."""
    try:
        return model.model_validate(document.data)
    except ValidationError as error:
        raise DocumentError("\n".join(mistakes(error.errors(), document, model))) from error


def mistakes(errors: Iterable[Any], document: Document, model: type[BaseModel]) -> list[str]:
    """Return a sentence for each error that a model found in a document: where, which field, what is wrong."""
    found = list(errors)
    told = [error for error in found if not _follows(error, found)]
    return list(dict.fromkeys(_sentence(error, document.places, model) for error in told))


def wrong(title: str, found: Iterable[tuple[Where, str]]) -> None:
    """For a model's own check of the whole: refuse it where it found mistakes, each with the way to its field.

    Args:
        title: the model's name.
        found: for each mistake the way to the field, and what is wrong with it.

    Raises:
        ValidationError: there are mistakes.
    """
    errors = [
        InitErrorDetails(type=PydanticCustomError("value_error", "{text}", {"text": text}), loc=where, input=None)
        for where, text in found
    ]
    if errors:
        raise ValidationError.from_exception_data(title, errors)


def meant(name: object, known: Iterable[str]) -> str:
    """Return which of the known names was meant, else all of them."""
    names = [str(one) for one in known]
    close = difflib.get_close_matches(str(name), names, n=1)
    return f"did you mean {close[0]}?" if close else f"there are {', '.join(names)}"


def _follows(error: Any, found: Iterable[Any]) -> bool:
    """Say whether a list is called too short only because what stands in it was refused."""
    where = error["loc"]
    return error["type"] == "too_short" and any(
        other["loc"][: len(where)] == where and len(other["loc"]) > len(where) for other in found
    )


def _toml(text: str, name: str) -> Document:
    try:
        data = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        words, _, place = str(error).partition(" (at ")
        line = place.removeprefix("line ").split(",")[0]
        where = f"{name}:{line}" if line.isdecimal() else name
        raise DocumentError(f"{where}: this is no TOML: {words[:1].lower()}{words[1:]}") from error
    if not data:
        raise DocumentError(f"{name}: the file is empty")
    return Document(data, {way: f"{name}:{line}" for way, line in lines_of(text.replace("\r\n", "\n")).items()})


def _yaml(text: str, name: str) -> Document:
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise DocumentError(f"{name}:{line}: this is no YAML: {error.problem}") from error
    except yaml.YAMLError as error:  # such as a character that YAML does not allow
        raise DocumentError(f"{name}: this is no YAML: {error}") from error
    if node is None:
        raise DocumentError(f"{name}: the file is empty")
    lines: dict[Where, int] = {}
    data = _construct(node, (), lines, name, 0)
    if not isinstance(data, dict):
        raise DocumentError(f"{name}:1: expected fields such as `name: value` at the top")
    return Document(data, {way: f"{name}:{line}" for way, line in lines.items()})


def _construct(node: yaml.Node, where: Where, lines: dict[Where, int], name: str, depth: int) -> Any:
    """Build plain data from YAML nodes, noting the line of each field, and refusing what hides mistakes."""
    lines.setdefault(where, node.start_mark.line + 1)
    if depth > 50 or len(lines) > MOST_FIELDS:
        raise DocumentError(f"{name}:{node.start_mark.line + 1}: too large or nested too deeply (aliases included)")
    if isinstance(node, yaml.MappingNode):
        result: dict[Any, Any] = {}
        for key_node, value_node in node.value:
            key = _scalar(key_node)
            line = key_node.start_mark.line + 1
            if not isinstance(key, str | int):
                raise DocumentError(f"{name}:{line}: a field's name must be a word, not {key!r}")
            if key in result:
                raise DocumentError(f"{name}:{line}: {key} is given twice; keep one")
            lines[(*where, key)] = line
            result[key] = _construct(value_node, (*where, key), lines, name, depth + 1)
        return result
    if isinstance(node, yaml.SequenceNode):
        return [_construct(item, (*where, i), lines, name, depth + 1) for i, item in enumerate(node.value)]
    return _scalar(node)


class _Scalars(yaml.SafeLoader):
    """Only used to read scalars."""


def _scalar(node: yaml.Node) -> Any:
    loader = _Scalars("")
    try:
        return loader.construct_object(node, deep=True)
    except yaml.constructor.ConstructorError:
        return str(node.value)
    finally:
        loader.dispose()


def _sentence(error: Any, places: Mapping[Where, str], model: type[BaseModel]) -> str:
    where: Where = tuple(part for part in error["loc"] if not (isinstance(part, str) and "[" in part))
    place = next((places[where[:n]] for n in range(len(where), -1, -1) if where[:n] in places), "")
    field = ".".join(str(part) for part in where)
    message = str(error["msg"]).removeprefix("Value error, ")
    if error["type"] == "extra_forbidden":
        known = fields_at(model, where[:-1])
        close = difflib.get_close_matches(str(where[-1]), known, n=1)
        hint = f"did you mean {close[0]}?" if close else f"known here: {', '.join(sorted(known))}"
        message = f"there is no such field; {hint}"
    elif error["type"] == "missing":
        message = "this field is needed"
    elif error["type"] == "literal_error" and isinstance(error["input"], str):
        known = re.findall(r"'([^']*)'", error["ctx"]["expected"])
        message = f"there is no {error['input']!r} here; {meant(error['input'], known)}"
    elif error["type"] != "value_error":  # those are our own, and may begin with a name
        message = message[:1].lower() + message[1:]
    return ": ".join(part for part in (place, field, message) if part)


def fields_at(model: type[BaseModel], where: Where) -> list[str]:
    """Return the field names of the model that stands at a place of a document."""
    here: Any = model
    for part in where:
        if isinstance(here, type) and issubclass(here, BaseModel):
            field = next((f for n, f in here.model_fields.items() if part in (n, f.alias)), None)
            here = field.annotation if field else None
        else:
            here = next((a for a in reversed(get_args(here)) if a is not Ellipsis), None)
        while get_origin(here) in (Union, UnionType):
            here = next((a for a in get_args(here) if a is not type(None)), None)
    if isinstance(here, type) and issubclass(here, BaseModel):
        return [f.alias or n for n, f in here.model_fields.items()]
    return []
