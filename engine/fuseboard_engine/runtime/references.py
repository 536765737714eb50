"""Python objects that a configuration names: exception types, functions, classes, any attribute."""

from __future__ import annotations

import builtins
import difflib
import importlib
from types import ModuleType
from typing import Any


def resolve_exception(name: Any) -> Any:
    """Return the exception type of a dotted name, such as `httpx.ConnectError`, or `ConnectionError` for a built-in.

    A value that is not a string is returned as it is.

    Raises:
        ValueError: there is no such type; the message suggests a known one.
    """
    if not isinstance(name, str):
        return name
    module_name, _, attribute = name.rpartition(".")
    if module_name:
        try:
            module: ModuleType = importlib.import_module(module_name)
        except ImportError as error:
            raise ValueError(f"{name}: module {module_name!r} cannot be imported: {error}") from error
    else:
        module = builtins
        if not hasattr(module, attribute):
            module = importlib.import_module("fuseboard_engine.errors")
    found = getattr(module, attribute, None)
    if isinstance(found, type) and issubclass(found, Exception):
        return found
    kinds = [key for key, value in vars(module).items() if isinstance(value, type) and issubclass(value, Exception)]
    if not module_name:
        kinds += [
            key for key, value in vars(builtins).items() if isinstance(value, type) and issubclass(value, Exception)
        ]
    close = difflib.get_close_matches(attribute, kinds, n=1)
    hint = f"; did you mean {close[0]}?" if close else "; write it as module.Name, such as httpx.ConnectError"
    raise ValueError(f"{name} is not an exception type{hint}")


def check_reference(text: str) -> str:
    """Return a reference, `package.module:attribute`, unchanged. Raises ValueError when it has another form."""
    module, _, attribute = text.partition(":")
    if not (module.strip() and attribute.strip()):
        raise ValueError(f"write {text!r} as package.module:attribute")
    return text


def resolve_attribute(text: str) -> Any:
    """Return the object that a reference names; its attribute may be dotted.

    Raises:
        ValueError: it does not exist; the message says which part is missing.
    """
    module, _, attribute = check_reference(text).partition(":")
    try:
        found: Any = importlib.import_module(module)
    except ImportError as error:
        raise ValueError(f"module {module!r} cannot be imported: {error}") from error
    for name in attribute.split("."):
        if not hasattr(found, name):
            raise ValueError(f"{getattr(found, '__name__', found)!r} has no attribute {name!r}")
        found = getattr(found, name)
    return found


def dotted_name(kind: type) -> str:
    """Return the name by which `resolve_exception` finds a type."""
    return kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"
