"""The `fuseboard` program: finds the named command, imports only that one, and runs it."""

from __future__ import annotations

import gc
import os
import re
import sys
from argparse import ArgumentParser, Namespace, RawDescriptionHelpFormatter
from collections.abc import Callable, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any, NoReturn, Protocol, cast

from fuseboard_console.cli import exit_codes
from fuseboard_console.cli.output import CantWrite, complain, discard_output, flush_out, print_out

_WELCOME = """Fuseboard shows the circuit breakers of an application live and lets you reset them.

An application that embeds the engine records to a file, such as checkout.db. Every command except demo, scenario,
config and preferences reads that file:

{commands}

try it:
  fuseboard demo                          see it at work; needs no application
  fuseboard watch checkout.db             the console: what is down, since when, when it is tried again
  fuseboard status checkout.db            the same as a table, for a script or a log
  fuseboard reset checkout.db prefect     close the breaker of prefect

`fuseboard COMMAND --help` explains a command, with examples. `fuseboard --version` prints the version.
"""


class Command(Protocol):
    """The protocol of a module in `commands/`. The module's name is the command's name."""

    SUMMARY: str
    """One line: what the command does."""
    DESCRIPTION: str
    """The effect of the command, for a first-time reader."""
    EXAMPLES: str
    """Command lines, each with its purpose."""
    ORDER: int
    """Its position in the list of commands."""
    add_arguments: Callable[[ArgumentParser], None]
    """Adds the command's arguments to a parser."""
    run: Callable[[Namespace], int]
    """Runs the command and returns the exit code."""


def command_names() -> list[str]:
    """Return the names of all commands: those of the modules in `commands/`."""
    folder = Path(__file__).parents[1] / "commands"
    return sorted(file.stem.replace("_", "-") for file in folder.glob("*.py") if not file.stem.startswith("_"))


def load(name: str) -> Command:
    """Import a command by its name."""
    return cast(Command, import_module(f"fuseboard_console.commands.{name.replace('-', '_')}"))


class Parser(ArgumentParser):
    """An argument parser that reports a mistake in one sentence, without the usage text."""

    def error(self, message: str) -> NoReturn:
        """Print the mistake and where the arguments are explained, and exit."""
        sentence = message[:1].upper() + message[1:].rstrip(".")
        sentence += "" if sentence.endswith("?") else "."
        complain(f"{sentence}{_choice_hint(message) or self._option_hint(message)}")
        complain(f"`{self.prog.split(' FILE')[0]} --help` explains the arguments.")
        sys.exit(exit_codes.BAD_INPUT)

    def print_help(self, file: Any = None) -> None:
        """Print the help. Unlike argparse's own method, this reports output that can't be written."""
        print_out(self.format_help(), end="")

    def _option_hint(self, message: str) -> str:
        """Return the option most similar to the first unrecognized one; empty when none is similar."""
        found = re.search(r"unrecognized arguments:.*? (--[^\s=]+)", message)
        if found is None:
            return ""
        from fuseboard_console.text.suggestions import did_you_mean

        return did_you_mean(found[1], self._options())

    def _options(self) -> list[str]:
        """Return the options of this parser and of its subparsers."""
        options = [option for action in self._actions for option in action.option_strings]
        subparsers = [action.choices.values() for action in self._actions if isinstance(action.choices, dict)]
        return options + [option for parsers in subparsers for parser in parsers for option in parser._options()]


def _choice_hint(message: str) -> str:
    """Return the choice in argparse's message that is most similar to the invalid one; empty when none is similar."""
    found = re.search(r"invalid choice: '(.*)' \(choose from (.*)\)", message)
    if found is None:
        return ""
    from fuseboard_console.text.suggestions import did_you_mean

    return did_you_mean(found[1], [choice.strip(" '") for choice in found[2].split(",")])


def parser_of(name: str, command: Command) -> ArgumentParser:
    """Return the parser of a command; its help includes examples and exit codes."""
    parser = Parser(
        prog=f"fuseboard {name}",
        description=command.DESCRIPTION,
        epilog=f"examples:\n{command.EXAMPLES}\n\n{exit_codes.TABLE}",
        formatter_class=_help_formatter,
    )
    command.add_arguments(parser)
    return parser


def _help_formatter(prog: str) -> RawDescriptionHelpFormatter:
    # Without a width, argparse imports shutil to find it, which takes longer than importing all of argparse.
    return RawDescriptionHelpFormatter(prog, width=_columns() - 2)


def _columns() -> int:
    try:
        return int(os.environ.get("COLUMNS", "")) or 80
    except ValueError:
        pass
    try:
        return os.get_terminal_size(sys.__stdout__.fileno()).columns or 80  # type: ignore[union-attr]
    except (AttributeError, ValueError, OSError):
        return 80


def welcome() -> str:
    """Return the overview that `fuseboard` prints without arguments."""
    commands = sorted(((load(name), name) for name in command_names()), key=lambda pair: pair[0].ORDER)
    width = max(len(name) for _, name in commands)
    return _WELCOME.format(commands="\n".join(f"  {name:<{width}}  {command.SUMMARY}" for command, name in commands))


def run(arguments: Sequence[str]) -> int:
    """Run a command line, given without the program's name, and return the exit code."""
    if not arguments or arguments[0] in ("-h", "--help", "help"):
        print_out(welcome(), end="")
        return exit_codes.OK
    if arguments[0] == "--version":
        from importlib.metadata import version

        print_out(f"fuseboard {version('fuseboard')}")
        return exit_codes.OK
    name = arguments[0]
    if name not in command_names():
        from fuseboard_console.text.suggestions import did_you_mean

        complain(f"There is no command {name!r}.{did_you_mean(name, command_names())}")
        complain("`fuseboard` without arguments lists all commands.")
        return exit_codes.BAD_INPUT
    command = load(name)
    in_order = getattr(command, "in_order", list)
    return command.run(_read(parser_of(name, command), in_order(arguments[1:])))


def _read(parser: ArgumentParser, arguments: Sequence[str]) -> Namespace:
    try:
        return parser.parse_intermixed_args(arguments)  # allows options between positional arguments
    except TypeError:  # not supported by a parser with subparsers
        return parser.parse_args(arguments)


def main() -> NoReturn:
    """Run this process's command line and exit."""
    # Imported modules stay alive, so frequent collections at the start would find nothing.
    gc.set_threshold(50_000, 10, 10)
    # The parent process may have closed either stream: discard what is written to it.
    sys.stdout = sys.stdout or Path(os.devnull).open("w")  # noqa: SIM115
    sys.stderr = sys.stderr or Path(os.devnull).open("w")  # noqa: SIM115
    try:
        code = _run_and_flush(sys.argv[1:])
    except KeyboardInterrupt:
        code = exit_codes.INTERRUPTED
    except BrokenPipeError:
        discard_output()
        code = exit_codes.BROKEN_PIPE
    except CantWrite as error:
        discard_output()
        complain(f"The output could not be written: {error}. Free disk space, or write elsewhere.")
        code = exit_codes.CANT_WRITE
    sys.exit(code)


def _run_and_flush(arguments: Sequence[str]) -> int | str | None:
    try:
        code: int | str | None = run(arguments)
    except SystemExit as error:  # raised by argparse after printing help
        code = error.code
    flush_out()
    return code


if __name__ == "__main__":
    main()
