"""Things of a program that a configuration names: exception types, and anything else."""

from __future__ import annotations

import builtins
import difflib
import importlib
from types import ModuleType
from typing import Any


def resolve_exception(name: Any) -> Any:
    """Return the exception type of a dotted name, such as `httpx.ConnectError` or, built in, `ConnectionError`.

    What is no text is returned as it is.

    Raises:
        ValueError: there is none; the text says what is known instead.
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
    raise ValueError(f"{name} is no exception type{hint}")


def reference(text: str) -> str:
    """Return a reference, `package.module:attribute`, as it is. Raises ValueError when it is written otherwise."""
    module, _, attribute = text.partition(":")
    if not (module.strip() and attribute.strip()):
        raise ValueError(f"write {text!r} as package.module:attribute")
    return text


def resolve_attribute(text: str) -> Any:
    """Return what a reference leads to; the attribute may have dots, too.

    Raises:
        ValueError: it leads nowhere; the text says where it ends.
    """
    module, _, attribute = reference(text).partition(":")
    try:
        found: Any = importlib.import_module(module)
    except ImportError as error:
        raise ValueError(f"module {module!r} cannot be imported: {error}") from error
    for name in attribute.split("."):
        if not hasattr(found, name):
            raise ValueError(f"{getattr(found, '__name__', found)!r} has no attribute {name!r}")
        found = getattr(found, name)
    return found


def dotted(kind: type) -> str:
    """Return the name under which `resolve_exception` finds a type."""
    return kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"
