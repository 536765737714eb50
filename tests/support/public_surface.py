"""The public surface as text: every public name with its signature, one line each.

`python tests/support/public_surface.py` rewrites tests/architecture/public_surface.txt after an intended change; the
difference is reviewed like code.
"""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

FILE = Path(__file__).resolve().parents[1] / "architecture" / "public_surface.txt"


def lines() -> Iterator[str]:
    """Yield the lines of the surface, sorted by name."""
    import fuseboard

    for name in sorted(fuseboard.__all__):
        yield from _of(name, getattr(fuseboard, name))


def _of(name: str, value: Any) -> Iterator[str]:
    if inspect.ismodule(value):
        for member in sorted(getattr(value, "__all__", ())):
            yield from _of(f"{name}.{member}", getattr(value, member))
    elif inspect.isclass(value):
        bases = ", ".join(base.__name__ for base in value.__bases__ if base is not object)
        yield f"class {name}({bases})"
        if _has_own_signature(value):
            yield f"{name}.__init__{_signature(value)}"
        for member in sorted(_members(value)):
            yield from _member(f"{name}.{member}", inspect.getattr_static(value, member))
    elif callable(value):
        yield f"{name}{_signature(value)}"
    else:
        yield f"{name}: {type(value).__name__}"


def _has_own_signature(value: type) -> bool:
    return not issubclass(value, dict)


def _members(value: type) -> set[str]:
    """Return the public members that this project defines."""
    ours = [base for base in value.__mro__ if base.__module__.startswith("fuseboard")]
    return {name for base in ours for name in vars(base) if not name.startswith("_") and not name.startswith("model_")}


def _member(name: str, value: Any) -> Iterator[str]:
    if isinstance(value, (staticmethod, classmethod)):
        yield f"{name}{_signature(value.__func__)}  [{type(value).__name__}]"
    elif isinstance(value, property):
        yield f"{name}  [property]"
    elif inspect.isfunction(value):
        prefix = "async " if inspect.iscoroutinefunction(value) else ""
        yield f"{prefix}{name}{_signature(value)}"
    else:
        yield f"{name}  [attribute]"


def _signature(value: Any) -> str:
    fields = getattr(value, "__struct_fields__", None)
    if fields is not None:
        return f"({', '.join(fields)})"
    try:
        text = str(inspect.signature(value))
    except (TypeError, ValueError):
        return "(...)"
    named = re.sub(r"<(?:function|built-in function|built-in method) ([\w.]+)[^>]*>", r"\1", text)
    return " ".join(re.sub(r"<object object at 0x[0-9a-f]+>|<([\w.]+) object at 0x[0-9a-f]+>", r"\1", named).split())


if __name__ == "__main__":
    FILE.write_text("\n".join(lines()) + "\n", encoding="utf-8")
    sys.stdout.write(f"{FILE.name}: {len(FILE.read_text(encoding='utf-8').splitlines())} lines\n")
