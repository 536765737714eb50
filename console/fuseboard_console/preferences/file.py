"""The preferences file: its location, reading it, and a default file with every setting.

Validation is imported only if the file has settings, because it is slow to import.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import MISSING, fields
from pathlib import Path
from typing import Any, Literal, get_args, get_origin, get_type_hints

from fuseboard_console.preferences.model import Preferences
from fuseboard_console.preferences.paths import expand_home, home

VARIABLE = "FUSEBOARD_CONSOLE"
"""The environment variable with the path of another file."""
ABOUT = """# The console's preferences. Settings that are commented out show their defaults.
# Command-line options override this file. `fuseboard preferences --check` checks it."""


def preferences_path(environment: Mapping[str, str] = os.environ) -> Path:
    """Return the path of the preferences file, whether or not it exists."""
    if named := environment.get(VARIABLE):
        return expand_home(named, environment)
    base = environment.get("XDG_CONFIG_HOME", "")
    folder = Path(base) if base.startswith("/") else home(environment) / ".config"
    return folder / "fuseboard" / "console.toml"


def current_preferences(environment: Mapping[str, str] = os.environ) -> Preferences:
    """Return the operator's preferences; the defaults if there is no file.

    Raises:
        DocumentError: The file cannot be read or is invalid, or the file that the environment names is missing.
    """
    path = preferences_path(environment)
    if not os.path.exists(path) and not environment.get(VARIABLE):  # noqa: PTH110 - Path.exists raises in a home without access
        return Preferences()
    return read_preferences(path)


def read_preferences(path: Path) -> Preferences:
    """Return the preferences in a file.

    Raises:
        DocumentError: The file cannot be read, is not TOML, or is invalid; lists all errors with their lines.
    """
    from fuseboard_engine.documents.loader import DocumentError

    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not UTF-8 text"
        raise DocumentError(f"{path}: cannot be read: {reason}") from error
    return parse_preferences(text, str(path))


def parse_preferences(text: str, name: str) -> Preferences:
    """Return the preferences in a text, called `name` in errors. Raises DocumentError."""
    if not any(line.strip() and not line.lstrip().startswith("#") for line in text.splitlines()):
        return Preferences()  # everything is commented out
    from fuseboard_console.preferences.validation import validate

    return validate(text, name)


# ---------------------------------------------------------------- a new file


def default_file() -> str:
    """Return a file with every setting, commented out (`#word = ...`) and described (`# word`)."""
    hints = get_type_hints(Preferences)
    lines = [ABOUT, ""]
    tables = []
    for field in fields(Preferences):
        if field.default is MISSING:
            tables.append((field.name, field.metadata["about"]))
            continue
        lines.append(f"# {field.metadata['about']}")
        if choices := _choices(field.name, hints[field.name]):
            lines += _wrapped(choices)
        lines += [f"#{field.name} = {toml_value(field.default)}", ""]
    for name, about in tables:
        lines += [f"# {about}", f"[{name}]"]
        lines += _columns() if name == "columns" else _keys()
        lines.append("")
    return "\n".join(lines)


def _choices(name: str, hint: Any) -> tuple[str, ...]:
    if get_origin(hint) is Literal:
        return tuple(get_args(hint))
    if name == "theme":
        from fuseboard_console.preferences.theme_names import theme_names

        return theme_names()
    if name == "layout":
        from fuseboard_console.views.selection.layout import LAYOUTS

        return tuple(LAYOUTS)
    return ()


def _wrapped(words: Iterable[str]) -> list[str]:
    from textwrap import wrap

    return wrap(", ".join(words), 96, initial_indent="#   ", subsequent_indent="#   ", break_on_hyphens=False)


def _columns() -> list[str]:
    from fuseboard_console.views.adapters.columns import COLUMNS

    return [*_wrapped(column.id for column in COLUMNS), "#breakers = []"]


def _keys() -> list[str]:
    from fuseboard_console.actions.catalogue import ACTIONS
    from fuseboard_console.actions.key_names import shown_key

    lines = []
    for action in ACTIONS:
        keys = [shown_key(key) for key in action.keys]
        lines += [f"# {action.description}", f"#{action.id} = {toml_value(keys if len(keys) > 1 else keys[0])}"]
    return lines


def toml_value(value: object) -> str:
    """Return a string, number, boolean or list of strings as TOML."""
    import json

    return json.dumps(value)
