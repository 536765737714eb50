"""The file with an operator's preferences: where it is, what is wrong with it, and a new one with everything in it.

The checks are made from `Preferences`: only a file that says something costs the time to load them.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import MISSING, fields
from pathlib import Path
from typing import Any, Literal, get_args, get_origin, get_type_hints

from fuseboard_console.preferences.home import at_home, home
from fuseboard_console.preferences.model import Preferences

VARIABLE = "FUSEBOARD_CONSOLE"
"""The environment variable that names another file."""
ABOUT = """# The console's preferences. What is commented out is as it is without this file.
# Options of the command line win over it. `fuseboard preferences --check` looks for mistakes."""


def preferences_path(environment: Mapping[str, str] = os.environ) -> Path:
    """Return where the preferences are, whether or not there is a file."""
    if named := environment.get(VARIABLE):
        return at_home(named, environment)
    base = environment.get("XDG_CONFIG_HOME", "")
    folder = Path(base) if base.startswith("/") else home(environment) / ".config"
    return folder / "fuseboard" / "console.toml"


def preferences_in_force(environment: Mapping[str, str] = os.environ) -> Preferences:
    """Return the operator's preferences; those by default when there is no file.

    Raises:
        DocumentError: the file can't be read or has mistakes, or the one that the environment names is missing.
    """
    path = preferences_path(environment)
    if not os.path.exists(path) and not environment.get(VARIABLE):  # noqa: PTH110 - or in a home that is not ours
        return Preferences()
    return read_preferences(path)


def read_preferences(path: Path) -> Preferences:
    """Return the preferences in a file.

    Raises:
        DocumentError: it can't be read, is no TOML, or has mistakes: all of them, each with its line.
    """
    from fuseboard_engine.documents.loader import DocumentError

    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise DocumentError(f"{path}: cannot be read: {reason}") from error
    return parse_preferences(text, str(path))


def parse_preferences(text: str, name: str) -> Preferences:
    """Return the preferences in a text; `name` stands in errors. Raises DocumentError."""
    if not any(line.strip() and not line.lstrip().startswith("#") for line in text.splitlines()):
        return Preferences()  # all of it is commented out
    from fuseboard_console.preferences.validation import checked

    return checked(text, name)


# ---------------------------------------------------------------- a new file


def default_file() -> str:
    """Return a file with every setting, commented out and explained: `#word` is a setting, `# word` a remark."""
    hints = get_type_hints(Preferences)
    said = [ABOUT, ""]
    tables = []
    for field in fields(Preferences):
        if field.default is MISSING:
            tables.append((field.name, field.metadata["about"]))
            continue
        said.append(f"# {field.metadata['about']}")
        if choices := _choices(field.name, hints[field.name]):
            said += _wrapped(choices)
        said += [f"#{field.name} = {written(field.default)}", ""]
    for name, about in tables:
        said += [f"# {about}", f"[{name}]"]
        said += _columns() if name == "columns" else _keys()
        said.append("")
    return "\n".join(said)


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
        lines += [f"# {action.description}", f"#{action.id} = {written(keys if len(keys) > 1 else keys[0])}"]
    return lines


def written(value: object) -> str:
    """Return a text, a number, a truth or a list of texts as TOML has it."""
    import json

    return json.dumps(value)
