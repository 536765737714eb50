"""What is wrong with something in a file, in words that name no program's inside: what to write instead."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

NAME_PATTERN = r"^[a-z0-9][a-z0-9-]*$"

_TEXT = 'a text, such as "eu"'
_WHOLE = "a whole number, such as 5"
_NUMBER = "a number, such as 1.5"
_TRUTH = "true or false"
_LIST = 'a list, such as ["eu"]'
_FIELDS = "fields with their values"

_WANTED = {
    "string_type": _TEXT,
    "string_unicode": _TEXT,
    "int_type": _WHOLE,
    "int_parsing": _WHOLE,
    "int_parsing_size": _WHOLE,
    "int_from_float": _WHOLE,
    "float_type": _NUMBER,
    "float_parsing": _NUMBER,
    "finite_number": "a finite number",
    "bool_type": _TRUTH,
    "bool_parsing": _TRUTH,
    "tuple_type": _LIST,
    "list_type": _LIST,
    "dict_type": _FIELDS,
    "mapping_type": _FIELDS,
    "model_type": _FIELDS,
    "model_attributes_type": _FIELDS,
    "path_type": 'a path, such as "checkout.db"',
    "is_subclass_of": 'the name of an exception type, such as "ConnectionError"',
}
"""By the kind of a mistake: what is to be written there."""

_LIMITS = {
    "greater_than": ("gt", "it has to be above {}"),
    "greater_than_equal": ("ge", "it has to be {} or more"),
    "less_than": ("lt", "it has to be below {}"),
    "less_than_equal": ("le", "it has to be {} or less"),
}

_PATTERNS = {NAME_PATTERN: "lower case letters, digits and dashes"}

_TOML = {
    "Invalid value": "a value is missing or none that TOML knows; a text stands in quotes",
    "Invalid statement": "here stands neither a field, such as name = 5, nor a [section]",
    "Expected '=' after a key": "a = is missing after the field's name",
    "Expected newline or end of document": "a field ends with its line; a text stands in quotes",
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
"""By how the standard reader begins to say it."""


def expected(error: Any) -> str:
    """Return what is to be written where a model found something of another kind; empty: the error is none of these."""
    if error["type"] == "string_pattern_mismatch":
        pattern = error["ctx"]["pattern"]
        return _PATTERNS.get(pattern, f"what fits the pattern {pattern}")
    return _WANTED.get(error["type"], "")


def write(things: Iterable[str]) -> str:
    """Return the sentence that asks for one of some things."""
    return f"write {', or '.join(dict.fromkeys(things))}"


def message_for(error: Any) -> str:
    """Return what a model found wrong with a field, in words; a mistake's own words where a check of ours wrote it."""
    kind, context = error["type"], error.get("ctx") or {}
    if thing := expected(error):
        return write([thing])
    if kind == "missing":
        return "this field is needed"
    if kind in _LIMITS:
        name, words = _LIMITS[kind]
        limit = context[name]
        return words.format(f"{limit:g}" if isinstance(limit, float) else limit)
    if kind in ("string_too_short", "too_short"):
        least = context["min_length"]
        if least > 1:
            return f"there have to be at least {least}"
        return "it may not be empty" if kind == "string_too_short" else "name at least one"
    message = str(error["msg"]).removeprefix("Value error, ")
    return message if kind == "value_error" else message[:1].lower() + message[1:]  # ours may begin with a name


def toml_message(said: str) -> str:
    """Return what is wrong with a TOML text in words, from those of the standard reader."""
    known = next((words for begin, words in _TOML.items() if said.startswith(begin)), None)
    return known or said[:1].lower() + said[1:]
