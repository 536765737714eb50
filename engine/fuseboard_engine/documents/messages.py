"""The messages for validation errors: what to write instead, without the internals of any program."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

NAME_PATTERN = r"^[a-z0-9][a-z0-9-]*$"

_TEXT = 'a text, such as "eu"'
_INTEGER = "a whole number, such as 5"
_NUMBER = "a number, such as 1.5"
_BOOLEAN = "true or false"
_LIST = 'a list, such as ["eu"]'
_FIELDS = "fields with their values"

_EXPECTED = {
    "string_type": _TEXT,
    "string_unicode": _TEXT,
    "int_type": _INTEGER,
    "int_parsing": _INTEGER,
    "int_parsing_size": _INTEGER,
    "int_from_float": _INTEGER,
    "float_type": _NUMBER,
    "float_parsing": _NUMBER,
    "finite_number": "a finite number",
    "bool_type": _BOOLEAN,
    "bool_parsing": _BOOLEAN,
    "tuple_type": _LIST,
    "list_type": _LIST,
    "dict_type": _FIELDS,
    "mapping_type": _FIELDS,
    "model_type": _FIELDS,
    "model_attributes_type": _FIELDS,
    "path_type": 'a path, such as "checkout.db"',
    "is_subclass_of": 'the name of an exception type, such as "ConnectionError"',
}
"""What to write, by pydantic's error type."""

_LIMITS = {
    "greater_than": ("gt", "must be above {}"),
    "greater_than_equal": ("ge", "must be {} or more"),
    "less_than": ("lt", "must be below {}"),
    "less_than_equal": ("le", "must be {} or less"),
}

_PATTERNS = {NAME_PATTERN: "lower case letters, digits and dashes"}

_TOML = {
    "Invalid value": "the value is missing or invalid; a text needs quotes",
    "Invalid statement": "expected a field, such as name = 5, or a [section]",
    "Expected '=' after a key": "a = is missing after the field's name",
    "Expected newline or end of document": "a field ends at the end of its line; a text needs quotes",
    "Expected ']' at the end of a table": "a ] is missing",
    "Expected ']]' at the end of an array": "]] is missing",
    "Unclosed array": "a ] is missing, or a comma",
    "Unclosed inline table": "a } is missing, or a comma",
    "Unterminated string": "a quote is missing",
    "Illegal character '\\n'": "a quote is missing at the end of the line",
    "Cannot overwrite a value": "this is given twice; keep one",
    "Cannot declare": "this section is given twice; keep one",
    "maximum recursion": "it is nested too deeply",
}
"""Our messages, by the start of the standard TOML parser's."""


def expected(error: Any) -> str:
    """Return what to write where a model found the wrong type; an empty text for any other error."""
    if error["type"] == "string_pattern_mismatch":
        pattern = error["ctx"]["pattern"]
        return _PATTERNS.get(pattern, f"what fits the pattern {pattern}")
    return _EXPECTED.get(error["type"], "")


def is_limit(error: Any) -> bool:
    """Return whether a value has the right type and is beyond a limit."""
    return error["type"] in _LIMITS


def write(alternatives: Iterable[str]) -> str:
    """Return the sentence that asks for one of some alternatives."""
    return f"write {', or '.join(dict.fromkeys(alternatives))}"


def message_for(error: Any) -> str:
    """Return the message for an error in a field; the message of our own checks is returned as it is."""
    kind, context = error["type"], error.get("ctx") or {}
    if alternative := expected(error):
        return write([alternative])
    if kind == "missing":
        return "this field is required"
    if kind in _LIMITS:
        name, words = _LIMITS[kind]
        limit = context[name]
        return words.format(f"{limit:.15g}" if isinstance(limit, float) else limit)
    if kind in ("string_too_short", "too_short"):
        minimum = context["min_length"]
        if minimum > 1:
            return f"there must be at least {minimum}"
        return "must not be empty" if kind == "string_too_short" else "name at least one"
    message = str(error["msg"]).removeprefix("Value error, ")
    return message if kind == "value_error" else message[:1].lower() + message[1:]  # our own may start with a name


def toml_message(parser_message: str) -> str:
    """Return the message for a TOML syntax error, given the standard parser's."""
    known = next((text for start, text in _TOML.items() if parser_message.startswith(start)), None)
    return known or parser_message[:1].lower() + parser_message[1:]
