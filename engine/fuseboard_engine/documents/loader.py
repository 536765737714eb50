"""Reads YAML and TOML files safely, validates them against a model, and reports every error with its line."""

from __future__ import annotations

import tomllib
from collections import deque
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from fuseboard_engine.documents.messages import toml_message
from fuseboard_engine.documents.toml_locations import Location, line_numbers
from fuseboard_engine.documents.validation_errors import (
    CrossFieldChecks,
    all_errors,
    error_messages,
    join_messages,
    make_error,
)
from fuseboard_engine.error_text.redaction import escape_controls
from fuseboard_engine.errors import FuseboardError

M = TypeVar("M", bound=BaseModel)
MAX_FIELDS = 50_000  # with aliases a few lines of YAML can expand to billions of fields
MAX_BYTES = 5_000_000  # of a file
MAX_INTEGER = 2**63 - 1
SHOWN = 60  # characters of a value that a message repeats
TOO_LARGE = "too large or nested too deeply (aliases included)"
_KINDS = {"int": "whole number", "float": "number", "bool": "true or false", "timestamp": "date", "binary": "base64"}


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
    return load_text(read_text(path).replace("\r\n", "\n"), _name_of(path))


def read_text(path: Path) -> str:
    """Return the text of a file. Raises DocumentError if it cannot be read, is not UTF-8 or too large."""
    name = _name_of(path)
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
        text = data.decode("utf-8-sig")
    except (OSError, ValueError) as error:
        reason = "it is not UTF-8 text" if isinstance(error, UnicodeDecodeError) else error_reason(error)
        raise DocumentError(f"{name}: cannot be read: {reason}") from error
    if len(data) > MAX_BYTES:
        raise DocumentError(f"{name}: too large: it has more than {MAX_BYTES // 1_000_000} million bytes")
    return text


def _name_of(path: Path) -> str:
    return str(path).encode("utf-8", "backslashreplace").decode()


def error_reason(error: Exception) -> str:
    """Return why a file cannot be opened, without its name."""
    return (error.strerror if isinstance(error, OSError) else None) or str(error)


def load_text(text: str, name: str) -> Document:
    """Return the unvalidated content of a text: TOML if `name` ends in .toml, else YAML. Raises DocumentError."""
    return _toml(text, name) if name.endswith(".toml") else _yaml(text, name)


def load_value(text: str, name: str) -> Any:
    """Return the value in a line of YAML, such as that of an environment variable. Raises DocumentError with `name`."""
    node = _compose(text, name)
    return None if node is None else _construct(node, (), {}, name, 0)


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
        raise DocumentError(join_messages(error_messages(found, *document, model))) from error


def _toml(text: str, name: str) -> Document:
    try:
        data = tomllib.loads(text)
    except RecursionError as error:
        raise DocumentError(f"{name}: invalid TOML: it is nested too deeply") from error
    except ValueError as error:
        if not isinstance(error, tomllib.TOMLDecodeError):  # a number or date that Python itself refuses
            line = str(_line_of_value_error(text))
            raise DocumentError(escape_controls(f"{name}:{line}: invalid TOML: {_value_problem(error)}")) from error
        problem, _, place = str(error).partition(" (at ")
        line = place.removeprefix("line ").split(",")[0]
        if not line.isdecimal():
            line = str(text.rstrip().count("\n") + 1) if place else ""  # the end of the file
        raise DocumentError(
            escape_controls(f"{name}{line and ':'}{line}: invalid TOML: {toml_message(problem)}")
        ) from error
    if not data:
        raise DocumentError(f"{name}: the file is empty")
    locations = list(_locations(data))
    if len(locations) > MAX_FIELDS:
        raise DocumentError(f"{name}: {TOO_LARGE}")
    lines = line_numbers(text)
    for location, value in locations:
        if isinstance(value, int) and abs(value) > MAX_INTEGER:
            line = next((f":{lines[location[:n]]}" for n in range(len(location), 0, -1) if location[:n] in lines), "")
            raise DocumentError(
                escape_controls(f"{name}{line}: {'.'.join(map(str, location))}: the number is too large")
            )
    return Document(data, {location: f"{name}:{line}" for location, line in lines.items()})


def _locations(data: Any) -> Iterator[tuple[Location, Any]]:
    """Yield the location and value of each field and item, at most one more than is allowed."""
    waiting: deque[tuple[Location, Any]] = deque([((), data)])
    found = 0
    while waiting and found <= MAX_FIELDS:
        where, value = waiting.popleft()
        found += 1
        yield where, value
        parts = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
        waiting.extend(((*where, part), item) for part, item in islice(parts, MAX_FIELDS + 1))


def _line_of_value_error(text: str) -> int:
    """Return the line whose number or date the TOML parser passes on to Python and that Python refuses."""
    lines = text.split("\n")
    low, high = 0, len(lines)
    while low + 1 < high:  # the beginning up to `low` lines does not hold it, that up to `high` does
        middle = (low + high) // 2
        try:
            tomllib.loads("\n".join(lines[:middle]))
        except tomllib.TOMLDecodeError:
            low = middle
        except ValueError:
            high = middle
        else:
            low = middle
    return high


def _value_problem(error: Exception) -> str:
    """Return why Python refuses a value, without its advice for programmers."""
    return "the number has too many digits" if "digits" in str(error) else str(error)


def _yaml(text: str, name: str) -> Document:
    node = _compose(text, name)
    if node is None:
        raise DocumentError(f"{name}: the file is empty")
    lines: dict[Location, int] = {}
    data = _construct(node, (), lines, name, 0)
    if not isinstance(data, dict):
        raise DocumentError(f"{name}:1: expected fields such as `name: value` at the top")
    return Document(data, {location: f"{name}:{line}" for location, line in lines.items()})


class _Composer(yaml.SafeLoader):
    """Composes nodes, up to a limit."""

    composed = 0

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        self.composed += 1
        if self.composed > 2 * MAX_FIELDS:  # a key and a value
            raise yaml.MarkedYAMLError(problem=TOO_LARGE, problem_mark=self.get_mark())
        return super().compose_node(parent, index)


def _compose(text: str, name: str) -> yaml.Node | None:
    try:
        return yaml.compose(text, Loader=_Composer)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise DocumentError(escape_controls(f"{name}:{line}: invalid YAML: {error.problem}")) from error
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        character = ascii(chr(error.character))
        raise DocumentError(f"{name}:{line}: invalid YAML: it does not allow the character {character}") from error
    except RecursionError as error:
        raise DocumentError(f"{name}: invalid YAML: it is nested too deeply") from error
    except (ValueError, OverflowError) as error:  # the scanner's own conversions, such as a version's digits
        raise DocumentError(escape_controls(f"{name}: invalid YAML: {_value_problem(error)}")) from error


def _construct(node: yaml.Node, where: Location, lines: dict[Location, int], name: str, depth: int) -> Any:
    """Build plain data from YAML nodes, record the line of each field, and refuse constructs that hide mistakes."""
    lines.setdefault(where, node.start_mark.line + 1)
    if depth > 50 or len(lines) > MAX_FIELDS:
        raise DocumentError(f"{name}:{node.start_mark.line + 1}: {TOO_LARGE}")
    if isinstance(node, yaml.MappingNode):
        result: dict[Any, Any] = {}
        for key_node, value_node in node.value:
            line = key_node.start_mark.line + 1
            if not isinstance(key_node, yaml.ScalarNode):
                raise DocumentError(f"{name}:{line}: a field name must be a string, not a list or fields")
            key = _scalar(key_node, name)
            if not isinstance(key, str | int):
                raise DocumentError(f"{name}:{line}: a field name must be a string, not {key!r:.60}")
            if key in result:
                raise DocumentError(escape_controls(f"{name}:{line}: {str(key)[:SHOWN]} is given twice; keep one"))
            lines[(*where, key)] = line
            result[key] = _construct(value_node, (*where, key), lines, name, depth + 1)
        return result
    if isinstance(node, yaml.SequenceNode):
        return [_construct(item, (*where, i), lines, name, depth + 1) for i, item in enumerate(node.value)]
    return _scalar(node, name)


class _Scalars(yaml.SafeLoader):
    """Reads scalars only."""


def _scalar(node: yaml.Node, name: str) -> Any:
    """Return the value of a scalar; a text if its tag is unknown. Raises DocumentError if it does not fit its tag."""
    loader = _Scalars("")
    try:
        value = loader.construct_object(node, deep=True)
        if _is_misleading(node, value):
            problem = f"YAML reads {str(node.value)[:SHOWN]} as {value}; write that, or quote the text"
        elif not isinstance(value, int) or abs(value) <= MAX_INTEGER:
            return value
        else:
            problem = "the number is too large"
    except yaml.constructor.ConstructorError:
        if not node.tag.startswith("tag:yaml.org,2002:") or node.tag.removeprefix("tag:yaml.org,2002:") not in _KINDS:
            return str(node.value)
        problem = _invalid_value(node)
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
        problem = _value_problem(error) if "digits" in str(error) else _invalid_value(node)
    finally:
        loader.dispose()
    raise DocumentError(escape_controls(f"{name}:{node.start_mark.line + 1}: {problem}"))


def _is_misleading(node: yaml.Node, value: Any) -> bool:
    """Return whether a number is written to base 60 (`12:30:00`) or to base 8 (`010`), which hardly anybody means."""
    written = str(node.value).lstrip("+-")
    is_octal = written[:1] == "0" and written.replace("_", "").isdigit() and written.strip("0_") != ""
    return isinstance(value, int | float) and not isinstance(value, bool) and (":" in written or is_octal)


def _invalid_value(node: yaml.Node) -> str:
    kind = node.tag.rpartition(":")[2]
    return f"{str(node.value)[:SHOWN]!r} is not a valid {_KINDS.get(kind, kind)}"
