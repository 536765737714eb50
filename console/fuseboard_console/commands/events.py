"""`fuseboard events`: what an engine decided, line by line."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import TYPE_CHECKING

from fuseboard_console.cli import exit_codes
from fuseboard_console.cli.arguments import ALL, limit_or_all

if TYPE_CHECKING:
    from collections.abc import Iterable

    from fuseboard_storage.board.board import Entry

SUMMARY = "print what was recorded, and follow it"
DESCRIPTION = """Print the newest events of a recording, oldest first, one a line: every state change, failure, route
and operator's command, with its reason."""
EXAMPLES = """  fuseboard events checkout.db                              the newest hundred
  fuseboard events checkout.db --follow                     and each that comes, until Ctrl-C
  fuseboard events checkout.db --kind state_changed         only state changes
  fuseboard events checkout.db --adapter prefect --limit 0  all that concern prefect
  fuseboard events checkout.db --json --follow              a JSON object a line, for a program"""
ORDER = 40

_UNASKED = ("adapters_gauged",)  # told every second: shown only when it is asked for by name


def add_arguments(parser: ArgumentParser) -> None:
    """Say what the command takes."""
    parser.add_argument("file", metavar="FILE", help="the recording, such as checkout.db")
    parser.add_argument("--adapter", metavar="ADAPTER", help="only events that concern this adapter")
    parser.add_argument("--kind", metavar="KIND", action="append", default=[], help="only this kind; may be repeated")
    parser.add_argument(
        "--limit", type=limit_or_all, default=100, metavar="N", help="the newest N (default: 100; 0: all)"
    )
    parser.add_argument("--follow", action="store_true", help="go on with what comes, until Ctrl-C")
    parser.add_argument("--json", action="store_true", help="a JSON object a line; times are UTC microseconds")


def run(args: Namespace) -> int:
    """Print the events and return the exit code."""
    import asyncio

    from fuseboard_console.cli.output import complain
    from fuseboard_console.text.suggestions import did_you_mean
    from fuseboard_storage.errors import RecordingError

    kinds = _kinds()
    for kind in args.kind:
        if kind not in kinds:
            complain(f"There is no kind of event {kind!r}.{did_you_mean(kind, kinds)}\nThere are: {', '.join(kinds)}.")
            return exit_codes.BAD_INPUT
    args.chosen = bool(args.kind) or args.adapter is not None
    if not args.kind:
        args.kind = [kind for kind in kinds if kind not in _UNASKED]
    try:
        return asyncio.run(_events(args))
    except RecordingError as error:
        complain(str(error))
        return exit_codes.BAD_INPUT


def _kinds() -> list[str]:
    from typing import get_args

    from fuseboard_engine.events import AnyEvent

    return sorted(str(kind.__struct_config__.tag) for kind in get_args(AnyEvent))


async def _events(args: Namespace) -> int:
    if args.follow:
        await _follow(args)
        return exit_codes.OK
    from fuseboard_console.cli.output import complain, print_out
    from fuseboard_console.text.safe_text import safe_text
    from fuseboard_console.text.suggestions import unknown_adapter
    from fuseboard_storage.recording.recording import Recording

    async with Recording.open(args.file) as recording:
        found = await recording.newest(args.limit or ALL, adapter=args.adapter, kinds=args.kind)
        if args.adapter is not None and not found:
            board = await recording.board()
            if not board.find(args.adapter):
                complain(unknown_adapter(board, safe_text(Path(args.file).name, 200), args.adapter))
                return exit_codes.BAD_INPUT
    _print(found, args)
    if not (found or args.json):
        print_out(f"No {'such ' if args.chosen else ''}event was recorded.")
    return exit_codes.OK


async def _follow(args: Namespace) -> None:
    """Print what there is and what comes, until cancelled; that nothing can come just now is said beside it."""
    from contextlib import aclosing

    from fuseboard_console.cli.output import complain
    from fuseboard_console.sources.follow import follow
    from fuseboard_storage.recording.recording import Recording

    async with aclosing(follow(args.file)) as news:
        board = (await anext(news)).board  # nothing that comes from here on is missed
        async with Recording.open(args.file) as recording:
            found = await recording.newest(args.limit or ALL, adapter=args.adapter, kinds=args.kind)
        _print(found, args)
        last, before = found[-1].seq if found else 0, ""
        async for now, entries, trouble in news:
            if now is not board:  # another file has taken its place
                board, last = now, 0
            if trouble != before and trouble:
                complain(trouble)
            before = trouble
            _print((entry for entry in entries if entry.seq > last and _wanted(entry, args)), args)


def _wanted(entry: Entry, args: Namespace) -> bool:
    from fuseboard_console.views.events.text import kind_of

    event = entry.event
    if args.kind and kind_of(event) not in args.kind:
        return False
    concerned = getattr(getattr(event, "attempt", event), "adapter", None)
    return args.adapter is None or concerned == args.adapter


def _print(entries: Iterable[Entry], args: Namespace) -> None:
    from fuseboard_console.cli.output import flush_out, print_out
    from fuseboard_console.views.events.text import event_json, event_line

    for entry in entries:
        print_out(event_json(entry) if args.json else event_line(entry))
    flush_out()
