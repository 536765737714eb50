"""Reads YAML and TOML files safely, validates them against a model, and reports every error with its line."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from fuseboard_engine.documents.messages import toml_message
from fuseboard_engine.documents.toml_locations import Location, line_numbers
from fuseboard_engine.documents.validation_errors import CrossFieldChecks, all_errors, error_messages, make_error
from fuseboard_engine.errors import FuseboardError

M = TypeVar("M", bound=BaseModel)
MAX_FIELDS = 50_000  # with aliases a few lines of YAML can expand to billions of fields


class DocumentError(FuseboardError):
    """A file that cannot be used. The message names every error with file, line and field, one per line."""


class Document(NamedTuple):
    """The content of a file and the positions of its fields.

    `places` maps the location of each field to its position (`a.yaml:3`).
    """

    data: dict[str, Any]
    places: dict[Location, str]


def read(path: Path, model: type[M]) -> M:
    """Return the validated document in a YAML or TOML file.

    Raises:
        DocumentError: the file cannot be read, is not valid YAML or TOML, or does not fit the model; all errors at
            once.
    """
    return check(load(path), model)


def parse(text: str, model: type[M], name: str) -> M:
    """Return the validated document in a text: TOML if `name` ends in .toml, else YAML. Raises DocumentError with
    `name`.
    """
    return check(load_text(text, name), model)


def load(path: Path) -> Document:
    """Return the unvalidated content of a YAML or TOML file. Raises DocumentError."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise DocumentError(f"{path}: cannot be read: {reason}") from error
    return load_text(text, str(path))


def load_text(text: str, name: str) -> Document:
    """Return the unvalidated content of a text: TOML if `name` ends in .toml, else YAML. Raises DocumentError."""
    return _toml(text, name) if name.endswith(".toml") else _yaml(text, name)


def check(document: Document, model: type[M]) -> M:
    """Return a document as an instance of its model.

    A model may have a function `cross_field_checks` (see `CrossFieldChecks`) that finds contradictions between fields.
    The model itself skips it while a field is invalid; this function runs it then, so that all errors come at once.

    Raises:
        DocumentError: the document is invalid; all errors at once, in the order of their lines.
    """
    try:
        return model.model_validate(document.data)
    except ValidationError as error:
        cross_field_checks: CrossFieldChecks = getattr(model, "cross_field_checks", lambda data: ())
        found = all_errors(document.data, model, error)
        found += [make_error(where, text) for where, text in cross_field_checks(document.data)]
        raise DocumentError("\n".join(error_messages(found, *document, model))) from error


def _toml(text: str, name: str) -> Document:
    try:
        data = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        problem, _, place = str(error).partition(" (at ")
        line = place.removeprefix("line ").split(",")[0]
        if not line.isdecimal():
            line = str(text.rstrip().count("\n") + 1) if place else ""  # the end of the file
        raise DocumentError(f"{name}{line and ':'}{line}: invalid TOML: {toml_message(problem)}") from error
    if not data:
        raise DocumentError(f"{name}: the file is empty")
    return Document(
        data, {location: f"{name}:{line}" for location, line in line_numbers(text.replace("\r\n", "\n")).items()}
    )


def _yaml(text: str, name: str) -> Document:
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise DocumentError(f"{name}:{line}: invalid YAML: {error.problem}") from error
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        character = ascii(chr(error.character))
        raise DocumentError(f"{name}:{line}: invalid YAML: it does not allow the character {character}") from error
    except RecursionError as error:
        raise DocumentError(f"{name}: invalid YAML: it is nested too deeply") from error
    if node is None:
        raise DocumentError(f"{name}: the file is empty")
    lines: dict[Location, int] = {}
    data = _construct(node, (), lines, name, 0)
    if not isinstance(data, dict):
        raise DocumentError(f"{name}:1: expected fields such as `name: value` at the top")
    return Document(data, {location: f"{name}:{line}" for location, line in lines.items()})


def _construct(node: yaml.Node, where: Location, lines: dict[Location, int], name: str, depth: int) -> Any:
    """Build plain data from YAML nodes, record the line of each field, and refuse constructs that hide mistakes."""
    lines.setdefault(where, node.start_mark.line + 1)
    if depth > 50 or len(lines) > MAX_FIELDS:
        raise DocumentError(f"{name}:{node.start_mark.line + 1}: too large or nested too deeply (aliases included)")
    if isinstance(node, yaml.MappingNode):
        result: dict[Any, Any] = {}
        for key_node, value_node in node.value:
            key = _scalar(key_node)
            line = key_node.start_mark.line + 1
            if not isinstance(key, str | int):
                raise DocumentError(f"{name}:{line}: a field name must be a string, not {key!r}")
            if key in result:
                raise DocumentError(f"{name}:{line}: {key} is given twice; keep one")
            lines[(*where, key)] = line
            result[key] = _construct(value_node, (*where, key), lines, name, depth + 1)
        return result
    if isinstance(node, yaml.SequenceNode):
        return [_construct(item, (*where, i), lines, name, depth + 1) for i, item in enumerate(node.value)]
    return _scalar(node)


class _Scalars(yaml.SafeLoader):
    """Reads scalars only."""


def _scalar(node: yaml.Node) -> Any:
    loader = _Scalars("")
    try:
        return loader.construct_object(node, deep=True)
    except yaml.constructor.ConstructorError:
        return str(node.value)
    finally:
        loader.dispose()
