"""`fuseboard audit`: prints operators' commands, their outcomes, and what followed."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from pathlib import Path

from fuseboard_console.cli import exit_codes
from fuseboard_console.cli.arguments import limit_or_all
from fuseboard_console.cli.moments import add_time_filters, time_filters

SUMMARY = "print operators' commands: who, when, what, and what followed"
DESCRIPTION = """Print operators' commands, newest first: when, who, what, the outcome, and what followed it, such as
`5 of 5 calls since then succeeded`. Commands that no engine took are among them."""
EXAMPLES = """  fuseboard audit checkout.db                         the latest fifty commands
  fuseboard audit checkout.db --adapter prefect       only those on prefect
  fuseboard audit checkout.db --actor ada --since 2h  what ada did in the last two hours
  fuseboard audit checkout.db --limit 0 --json        all, one JSON object a line"""
ORDER = 52


def add_arguments(parser: ArgumentParser) -> None:
    """Add the command's arguments to a parser."""
    parser.add_argument("file", metavar="FILE", help="the recording, such as checkout.db")
    parser.add_argument("--adapter", metavar="ADAPTER", help="only commands on this adapter")
    parser.add_argument("--actor", metavar="NAME", help="only commands of this operator")
    add_time_filters(parser)
    parser.add_argument("--limit", type=limit_or_all, default=50, metavar="N", help="at most N (default: 50; 0: all)")
    parser.add_argument("--json", action="store_true", help="print one JSON object a line; times are UTC microseconds")


def run(args: Namespace) -> int:
    """Print the commands and return the exit code."""
    import asyncio

    from fuseboard_console.cli.output import complain_of
    from fuseboard_storage.errors import RecordingError

    try:
        return asyncio.run(_audit(args))
    except RecordingError as error:
        return complain_of(error)


async def _audit(args: Namespace) -> int:
    from fuseboard_console.cli.output import complain, print_out
    from fuseboard_console.operator.audit import recorded_audit
    from fuseboard_console.operator.follow_up import followed_of
    from fuseboard_console.text.safe_text import safe_text
    from fuseboard_console.text.suggestions import unknown_adapter
    from fuseboard_console.views.adapters.engine_names import engine_names, with_recorded
    from fuseboard_console.views.events.audit import audit_json, audit_text
    from fuseboard_storage.recording.recording import Recording

    async with Recording.open(args.file) as recording:
        board = await recording.board()
        found = await recorded_audit(recording, board, adapter=args.adapter, actor=args.actor, **time_filters(args))
        if not found and args.adapter is not None and not board.find(args.adapter):
            complain(*unknown_adapter(board, safe_text(Path(args.file).name, 200), args.adapter))
            return exit_codes.BAD_INPUT
        engines = with_recorded(engine_names(board), await recording.instances())
    followed = followed_of(board)
    for entry in found[: args.limit or None]:
        then = followed.get((entry.key[0], entry.done_at or 0), ())
        print_out(audit_json(entry, then) if args.json else audit_text(entry, then, engines))
    if not found and not args.json:
        filtered = any(value is not None for value in (args.adapter, args.actor, args.since, args.until))
        print_out(f"No {'matching ' if filtered else ''}command of an operator was recorded.")
    return exit_codes.OK
