"""Options that every command with a screen has in common; they win over the operator's file of preferences."""

from __future__ import annotations

from argparse import ArgumentParser, ArgumentTypeError, Namespace
from dataclasses import replace

from fuseboard_console.preferences.model import DEFAULT, Preferences
from fuseboard_console.preferences.theme_names import OWN, own_names


def add_preferences(parser: ArgumentParser) -> None:
    """Say what may be preferred."""
    looks = f"colours: {', '.join(OWN)}, or one of Textual's (key: t)"
    parser.add_argument("--theme", type=_theme, metavar="NAME", help=looks)
    parser.add_argument("--ascii", action="store_true", help="use ASCII signs only")
    parser.add_argument("--compact", action="store_true", help="no frames: more lines on a small screen (key: c)")
    parser.add_argument("--no-mouse", action="store_true", help="leave the mouse to the terminal")
    parser.add_argument("--no-preferences", action="store_true", help="as if there were no file of preferences")


def _theme(name: str) -> str:
    if name in own_names():
        return name  # and the library that draws the screen is not loaded for it
    from fuseboard_console.preferences.theme_names import is_theme, theme_names, themes_near
    from fuseboard_console.text.suggestions import did_you_mean

    if is_theme(name):
        return name
    hint = did_you_mean(name, themes_near(name)) or f" There are {', '.join(theme_names())}."
    raise ArgumentTypeError(f"there is no theme {name!r}.{hint}")


def preferences_of(args: Namespace) -> Preferences:
    """Return what is preferred: what the options say, else the operator's file, else what it is without.

    Raises:
        DocumentError: the file has mistakes, or can't be read. The text names them all and what to do.
    """
    told = DEFAULT if args.no_preferences else _from_file()
    if args.theme:
        told = replace(told, theme=args.theme)
    if args.ascii:
        told = replace(told, glyphs="ascii")
    if args.compact:
        told = replace(told, compact=True)
    if args.no_mouse:
        told = replace(told, mouse=False)
    return told


def _from_file() -> Preferences:
    from fuseboard_console.preferences.file import preferences_in_force
    from fuseboard_console.text.safe_text import safe_text
    from fuseboard_engine.errors import FuseboardError

    try:
        return preferences_in_force()
    except FuseboardError as error:
        from fuseboard_engine.documents.loader import DocumentError

        lines = [safe_text(line, 500) for line in str(error).splitlines()]
        raise DocumentError("\n".join([*lines, "Mend the file, or go on without it: --no-preferences."])) from error
