"""Options common to all commands with a screen; they take precedence over the operator's preferences file."""

from __future__ import annotations

from argparse import ArgumentParser, ArgumentTypeError, Namespace
from dataclasses import replace

from fuseboard_console.preferences.model import DEFAULT, Preferences
from fuseboard_console.preferences.theme_names import BUILT_IN, built_in_names


def add_preferences(parser: ArgumentParser) -> None:
    """Add the options to a parser."""
    help_text = f"colours: {', '.join(BUILT_IN)}, or a theme of Textual (key: t)"
    parser.add_argument("--theme", type=_theme, metavar="NAME", help=help_text)
    parser.add_argument("--ascii", action="store_true", help="use ASCII characters only")
    parser.add_argument("--compact", action="store_true", help="no borders, for more lines on a small screen (key: c)")
    parser.add_argument("--no-mouse", action="store_true", help="do not capture the mouse; the terminal keeps it")
    parser.add_argument("--no-preferences", action="store_true", help="ignore the preferences file")


def _theme(name: str) -> str:
    if name in built_in_names():
        return name  # without importing Textual
    from fuseboard_console.preferences.theme_names import is_theme, theme_names, themes_near
    from fuseboard_console.text.suggestions import did_you_mean

    if is_theme(name):
        return name
    hint = did_you_mean(name, themes_near(name)) or f" The themes are {', '.join(theme_names())}."
    raise ArgumentTypeError(f"unknown theme {name!r}.{hint}")


def preferences_of(args: Namespace) -> Preferences:
    """Return the preferences: the options, else the operator's file, else the defaults.

    Raises:
        DocumentError: The file has mistakes or can't be read. The text lists all mistakes and what to do.
    """
    preferences = DEFAULT if args.no_preferences else _from_file()
    if args.theme:
        preferences = replace(preferences, theme=args.theme)
    if args.ascii:
        preferences = replace(preferences, glyphs="ascii")
    if args.compact:
        preferences = replace(preferences, compact=True)
    if args.no_mouse:
        preferences = replace(preferences, mouse=False)
    return preferences


def _from_file() -> Preferences:
    from fuseboard_console.preferences.file import current_preferences
    from fuseboard_console.text.safe_text import safe_text
    from fuseboard_engine.errors import FuseboardError

    try:
        return current_preferences()
    except FuseboardError as error:
        from fuseboard_engine.documents.loader import DocumentError

        lines = [safe_text(line, 500) for line in str(error).splitlines()]
        raise DocumentError("\n".join([*lines, "Correct the file, or ignore it with --no-preferences."])) from error
