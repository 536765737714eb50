"""`fuseboard preferences`: prints the console's preferences, a new file with all, or what is wrong with one."""

from __future__ import annotations

import os
from argparse import ArgumentParser, Namespace
from pathlib import Path

from fuseboard_console.cli import exit_codes

SUMMARY = "your colours, keys, columns and layout: show, begin or check the file"
DESCRIPTION = """What you prefer stands in one TOML file: $FUSEBOARD_CONSOLE, else fuseboard/console.toml in
$XDG_CONFIG_HOME or ~/.config. Without options this prints the file. Options of `watch` win over it."""
EXAMPLES = """  fuseboard preferences                        the file that is in force
  fuseboard preferences --path                 where it is
  fuseboard preferences --default              a file with everything, commented out; redirect it to the path
  fuseboard preferences --check                every mistake with its line; ends with 2 when there is one"""
ORDER = 75


def add_arguments(parser: ArgumentParser) -> None:
    """Say what the command takes."""
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--path", action="store_true", help="print where the file is, whether or not there is one")
    what.add_argument("--default", action="store_true", help="print a file with every setting, commented out")
    what.add_argument("--check", action="store_true", help="name every mistake with file, line and field")


def run(args: Namespace) -> int:
    """Do it, and return the exit code."""
    from fuseboard_console.cli.output import complain, print_out
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
        complain(f"There is no {shown}: everything is as by default. To begin one:")
        complain(f"  mkdir -p {_word(path.parent)} && fuseboard preferences --default > {_word(path)}")
        return exit_codes.OK
    try:
        read_preferences(path)
        if args.check:
            print_out(f"{shown}: all right")
        else:
            for line in path.read_text(encoding="utf-8").splitlines():
                print_out(safe_text(line.expandtabs(), 10_000))
    except DocumentError as error:
        for line in str(error).splitlines():
            complain(safe_text(line, 500))
        return exit_codes.BAD_INPUT
    return exit_codes.OK


def _word(path: Path) -> str:
    """Return a path as a shell takes it, on one line."""
    from shlex import quote

    from fuseboard_console.text.safe_text import safe_text

    return safe_text(quote(str(path)), 500)
