"""`fuseboard`: finds the command that was named, imports that one only, and runs it."""

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
from fuseboard_console.cli.output import CantWrite, complain, flush_out, print_out, write_no_more

_WELCOME = """Fuseboard shows the circuit breakers of an application, live, and lets you put them back.

An application that embeds the engine records to a file. Every command but demo, scenario, config and preferences
takes that file:

{commands}

try it:
  fuseboard demo                          see it at work; needs nothing
  fuseboard watch checkout.db             the console: what is down, since when, when it comes back
  fuseboard status checkout.db            the same as a table, for a script or a log
  fuseboard reset checkout.db prefect     close the breaker of prefect

`fuseboard COMMAND --help` explains one command, with examples.
"""


class Command(Protocol):
    """What a module in `commands/` gives. Its name is the command's; adding one is adding a file."""

    SUMMARY: str
    """One line: what it does."""
    DESCRIPTION: str
    """What it does, for someone who has never seen it."""
    EXAMPLES: str
    """Command lines, each with what it is for."""
    ORDER: int
    """Its place in the list of commands."""
    add_arguments: Callable[[ArgumentParser], None]
    """Says what the command takes."""
    run: Callable[[Namespace], int]
    """Does it and returns the exit code."""


def command_names() -> list[str]:
    """Return the names of all commands."""
    folder = Path(__file__).parents[1] / "commands"
    return sorted(file.stem.replace("_", "-") for file in folder.glob("*.py") if not file.stem.startswith("_"))


def load(name: str) -> Command:
    """Import a command by its name."""
    return cast(Command, import_module(f"fuseboard_console.commands.{name.replace('-', '_')}"))


class Parser(ArgumentParser):
    """Reads arguments; what is wrong with them it says in a sentence, without all that could have been written."""

    def error(self, message: str) -> NoReturn:
        """Say what is wrong and where it is explained, and end."""
        said = message[:1].upper() + message[1:].rstrip(".")
        said += "" if said.endswith("?") else "."
        complain(f"{said}{_nearest(message) or self._nearest_option(message)}")
        complain(f"`{self.prog.split(' FILE')[0]} --help` explains it.")
        sys.exit(exit_codes.BAD_INPUT)

    def print_help(self, file: Any = None) -> None:
        """Print the help; left to itself argparse keeps silent when it can't."""
        print_out(self.format_help(), end="")

    def _nearest_option(self, message: str) -> str:
        """Return which option was meant by the first that there is none of; nothing if none is near."""
        found = re.search(r"unrecognized arguments:.*? (--[^\s=]+)", message)
        if found is None:
            return ""
        from fuseboard_console.text.suggestions import did_you_mean

        return did_you_mean(found[1], self._options())

    def _options(self) -> list[str]:
        """Return the options that this takes, and those of the actions below it."""
        options = [option for action in self._actions for option in action.option_strings]
        below = [action.choices.values() for action in self._actions if isinstance(action.choices, dict)]
        return options + [option for parsers in below for parser in parsers for option in parser._options()]


def _nearest(message: str) -> str:
    """Return what was meant by a word that is none of the choices that argparse lists; nothing if none is near."""
    found = re.search(r"invalid choice: '(.*)' \(choose from (.*)\)", message)
    if found is None:
        return ""
    from fuseboard_console.text.suggestions import did_you_mean

    return did_you_mean(found[1], [choice.strip(" '") for choice in found[2].split(",")])


def parser_of(name: str, command: Command) -> ArgumentParser:
    """Return the parser of one command, its help with examples and exit codes."""
    parser = Parser(
        prog=f"fuseboard {name}",
        description=command.DESCRIPTION,
        epilog=f"examples:\n{command.EXAMPLES}\n\n{exit_codes.TABLE}",
        formatter_class=_help_formatter,
    )
    command.add_arguments(parser)
    return parser


def _help_formatter(prog: str) -> RawDescriptionHelpFormatter:
    # Left to itself it asks for the terminal's width by a module that takes longer to import than all of argparse.
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
    """Return the help for someone who has never seen it."""
    commands = sorted(((load(name), name) for name in command_names()), key=lambda pair: pair[0].ORDER)
    width = max(len(name) for _, name in commands)
    return _WELCOME.format(commands="\n".join(f"  {name:<{width}}  {command.SUMMARY}" for command, name in commands))


def run(arguments: Sequence[str]) -> int:
    """Run a command line (without the program's name) and return its exit code."""
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
        complain("`fuseboard` alone lists them all.")
        return exit_codes.BAD_INPUT
    command = load(name)
    return command.run(_read(parser_of(name, command), arguments[1:]))


def _read(parser: ArgumentParser, arguments: Sequence[str]) -> Namespace:
    try:
        return parser.parse_intermixed_args(arguments)  # options may stand between what has no name
    except TypeError:  # which is not offered where there are actions
        return parser.parse_args(arguments)


def main() -> NoReturn:
    """Run the command line of this process and end it."""
    # What is imported at start stays: looking through it for garbage again and again would find none.
    gc.set_threshold(50_000, 10, 10)
    # Whoever began us may have closed one: what nobody reads goes nowhere.
    sys.stdout = sys.stdout or Path(os.devnull).open("w")  # noqa: SIM115
    sys.stderr = sys.stderr or Path(os.devnull).open("w")  # noqa: SIM115
    try:
        code = _run_to_its_end(sys.argv[1:])
    except KeyboardInterrupt:
        code = exit_codes.INTERRUPTED
    except BrokenPipeError:
        write_no_more()
        code = exit_codes.BROKEN_PIPE
    except CantWrite as error:
        write_no_more()
        complain(f"The output could not be written: {error}. Free the disk, or write elsewhere.")
        code = exit_codes.CANT_WRITE
    sys.exit(code)


def _run_to_its_end(arguments: Sequence[str]) -> int | str | None:
    try:
        code: int | str | None = run(arguments)
    except SystemExit as end:  # as after a help
        code = end.code
    flush_out()
    return code


if __name__ == "__main__":
    main()
