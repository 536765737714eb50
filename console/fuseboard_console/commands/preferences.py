"""`fuseboard preferences`: prints the preferences file, its path, a file with all defaults, or the file's mistakes."""

from __future__ import annotations

import os
from argparse import ArgumentParser, Namespace
from pathlib import Path

from fuseboard_console.cli import exit_codes

SUMMARY = "show, create or check your file of colours, keys, columns and layout"
DESCRIPTION = """The console reads your preferences from one TOML file: $FUSEBOARD_CONSOLE, else fuseboard/console.toml
in $XDG_CONFIG_HOME or ~/.config. Without options, print that file. Options of `watch` override it."""
EXAMPLES = """  fuseboard preferences                        the file in use
  fuseboard preferences --path                 its path
  fuseboard preferences --default              a file with every setting, commented out; redirect it to the path
  fuseboard preferences --check                every mistake with its line; exit code 2 if there is any"""
ORDER = 75


def add_arguments(parser: ArgumentParser) -> None:
    """Add the command's arguments to a parser."""
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--path", action="store_true", help="print the path of the file, whether or not it exists")
    what.add_argument("--default", action="store_true", help="print a file with every setting, commented out")
    what.add_argument("--check", action="store_true", help="list every mistake with file, line and field")


def run(args: Namespace) -> int:
    """Print what the options ask for and return the exit code."""
    from fuseboard_console.cli.output import complain, complain_of_document, print_out
    from fuseboard_console.preferences.file import VARIABLE, default_file, preferences_path, read_preferences
    from fuseboard_console.text.safe_text import safe_text
    from fuseboard_engine.documents.loader import DocumentError

    path = preferences_path()
    shown = safe_text(str(path), 500)
    if args.path:
        print_out(shown)
        return exit_codes.OK
    if args.default:
        print_out(default_file(), end="")
        return exit_codes.OK
    if not path.exists() and not os.environ.get(VARIABLE):
        complain(f"{shown} does not exist, so the defaults apply. To create it:")
        complain(f"  mkdir -p {_quoted(path.parent)} && fuseboard preferences --default > {_quoted(path)}")
        return exit_codes.OK
    try:
        read_preferences(path)
        if args.check:
            print_out(f"{shown}: OK")
        else:
            for line in path.read_text(encoding="utf-8").splitlines():
                print_out(safe_text(line.expandtabs(), 10_000))
    except DocumentError as error:
        complain_of_document(error, str(path))
        return exit_codes.BAD_INPUT
    return exit_codes.OK


def _quoted(path: Path) -> str:
    """Return a path quoted for a shell, on one line."""
    from shlex import quote

    from fuseboard_console.text.safe_text import safe_text

    return safe_text(quote(str(path)), 500)
