"""`fuseboard inject`: lets the calls of an adapter meet a fault for a while, for an exercise."""

from __future__ import annotations

import math
import sys
from argparse import ArgumentParser, ArgumentTypeError, Namespace
from pathlib import Path

from fuseboard_console.cli import exit_codes
from fuseboard_console.cli.arguments import add_wait, age

SUMMARY = "inject a fault into an adapter of a live engine, for an exercise"
DESCRIPTION = """Ask the engine that writes to FILE to let the calls of ADAPTER meet a fault for a while, in place of
the service. The fault ends by itself, is recorded, and is marked wherever the adapter is shown. An engine
takes faults only if it was made with allow_faults=True or started with FUSEBOARD_ALLOW_FAULTS=1. The
command asks for the name of the engine first; --engine gives it in a script."""
EXAMPLES = """  fuseboard inject staging.db claude refused                   its calls are refused for 30 seconds
  fuseboard inject staging.db claude hang --for 5m --share 0.2   every fifth call hangs, for five minutes
  fuseboard inject staging.db claude slow --value 20           its calls take 20 times as long
  fuseboard inject staging.db claude flapping --set down_for=5 --set up_for=20
  fuseboard heal staging.db claude                             end it now"""
ORDER = 31


def add_arguments(parser: ArgumentParser) -> None:
    """Add the command's arguments to a parser."""
    from fuseboard_engine.faults.injector import SECONDS
    from fuseboard_engine.faults.table import FAULTS

    parser.add_argument("file", metavar="FILE", help="the recording, such as staging.db")
    parser.add_argument("adapter", metavar="ADAPTER", help="the name of the adapter")
    parser.add_argument(
        "fault",
        metavar="FAULT",
        choices=FAULTS,
        help="; ".join(f"{name}: {fault.about}" for name, fault in FAULTS.items()),
    )
    parser.add_argument(
        "--for", dest="seconds", type=_duration, default=SECONDS, metavar="TIME", help="how long (default: 30s)"
    )
    parser.add_argument(
        "--share", type=_share, default=1.0, metavar="SHARE", help="share of the calls, above 0 to 1 (default: 1)"
    )
    parser.add_argument(
        "--value", type=_number, metavar="NUMBER", help="the first value of the fault, such as that of slow and flaky"
    )
    parser.add_argument(
        "--set",
        dest="values",
        type=_named_value,
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="a value of the fault by its name, such as retry_after_as=date; may be repeated",
    )
    parser.add_argument("--engine", metavar="NAME", help="the name of the engine, instead of the question for it")
    add_wait(parser)


def _duration(text: str) -> float:
    from fuseboard_engine.faults.injector import LONGEST

    try:
        seconds = age(text)
    except ArgumentTypeError:
        raise ArgumentTypeError(f"{text!r} is not a time; write 30s or 5m") from None
    if not 0 < seconds <= LONGEST:
        raise ArgumentTypeError(f"{text!r} is not a time above 0 s and at most {LONGEST / 60:g} minutes")
    return seconds


def _share(text: str) -> float:
    try:
        share = float(text)
    except ValueError:
        share = 0.0
    if not 0 < share <= 1:
        raise ArgumentTypeError(f"{text!r} is not a share above 0 and at most 1")
    return share


def _number(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):  # as JSON it would be null, and the engine would take its default
        raise ArgumentTypeError(f"{text!r} is not a number")
    return number


def _named_value(text: str) -> tuple[str, float | str]:
    name, is_set, value = text.partition("=")
    if not name or not is_set:
        raise ArgumentTypeError(f"{text!r} is not NAME=VALUE, such as retry_after_as=date")
    try:
        number = _number(value)
    except ArgumentTypeError:
        return name, value
    return name, int(number) if number.is_integer() else number


def run(args: Namespace) -> int:
    """Inject the fault and return the exit code."""
    import asyncio

    from fuseboard_console.cli.output import complain_of
    from fuseboard_storage.errors import RecordingError

    try:
        return asyncio.run(_inject(args))
    except RecordingError as error:
        return complain_of(error)


async def _inject(args: Namespace) -> int:
    from fuseboard_console.cli.command_results import ask_engines, board_now, running_instances
    from fuseboard_console.cli.output import complain
    from fuseboard_console.text.safe_text import safe_text
    from fuseboard_console.text.suggestions import rows_named, unknown_adapter
    from fuseboard_storage.recording.recording import Recording

    file = safe_text(Path(args.file).name, 200)
    async with Recording.open(args.file) as recording:
        board = await board_now(recording)
        rows = rows_named(board, args.adapter)
        if not rows:
            complain(*unknown_adapter(board, file, args.adapter))
            return exit_codes.BAD_INPUT
        names = {board.instances[id].name for id in running_instances(board, rows) if id in board.instances}
        given = args.engine if args.engine is not None else _ask_name(args, sorted(names))
        if given is None:
            complain("Give the name of the engine with --engine: there is no terminal to ask for it.")
            return exit_codes.BAD_INPUT
        if given not in names:
            known = safe_text(", ".join(sorted(names)), 200) or "none"
            complain(
                f"{safe_text(given, 80)!r} is not the engine of {rows[0].name}, which is {known}. Nothing was done."
            )
            return exit_codes.BAD_INPUT
        rows = [row for row in rows if (engine := board.instances.get(row.key.instance)) and engine.name == given]
        fault = {"fault": args.fault, "seconds": args.seconds, "share": args.share}
        if args.value is not None:
            fault["value"] = args.value
        if args.values:
            fault["values"] = dict(args.values)
        done = await ask_engines(recording, board, rows, "inject", rows[0].name, args.wait, file, fault)
        return exit_codes.OK if done else exit_codes.NOT_DONE


def _ask_name(args: Namespace, names: list[str]) -> str | None:
    """Return the name that the operator types; None without a terminal."""
    from fuseboard_console.text.safe_text import safe_text

    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        return None
    known = safe_text(" or ".join(names), 200)
    sys.stderr.write(f"Real calls of {safe_text(args.adapter, 80)} will fail. Type the name of the engine ({known}): ")
    sys.stderr.flush()
    return sys.stdin.readline().strip()
