"""`fuseboard events`: prints recorded events, one a line, and follows new ones."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import TYPE_CHECKING

from fuseboard_console.cli import exit_codes
from fuseboard_console.cli.arguments import limit_or_all
from fuseboard_console.cli.event_filters import add_event_filters, event_filters, event_kinds, unknown_kind

if TYPE_CHECKING:
    from collections.abc import Iterable

    from fuseboard_console.views.adapters.engine_names import EngineNames
    from fuseboard_storage.board.board import Entry
    from fuseboard_storage.recording.file_change import FileChange

SUMMARY = "print recorded events, and follow new ones"
DESCRIPTION = """Print the newest events of a recording, one a line, the latest last: every state change, failure, route
and operator command, with its reason."""
EXAMPLES = """  fuseboard events checkout.db                              the newest hundred events
  fuseboard events checkout.db --follow                     then each new one, until Ctrl-C
  fuseboard events checkout.db --kind state_changed         only state changes
  fuseboard events checkout.db --adapter prefect --limit 0  all that concern prefect
  fuseboard events checkout.db --task 9f3c01a2b4c5d6e7-001f all of one task
  fuseboard events checkout.db --since 03:10 --until 03:20  those of ten minutes; or --since 15m
  fuseboard events checkout.db --json --follow              one JSON object a line"""
ORDER = 40

_HIDDEN_BY_DEFAULT = ("adapters_gauged", "routes_counted")  # up to one a second: shown only with --kind


def add_arguments(parser: ArgumentParser) -> None:
    """Add the command's arguments to a parser."""
    parser.add_argument("file", metavar="FILE", help="the recording, such as checkout.db")
    add_event_filters(parser)
    parser.add_argument(
        "--limit", type=limit_or_all, default=100, metavar="N", help="at most the newest N (default: 100; 0: all)"
    )
    parser.add_argument("--follow", action="store_true", help="continue with new events, until Ctrl-C")
    parser.add_argument("--json", action="store_true", help="print one JSON object a line; times are UTC microseconds")


def run(args: Namespace) -> int:
    """Print the events and return the exit code."""
    import asyncio

    from fuseboard_console.cli.output import complain, complain_of
    from fuseboard_storage.errors import RecordingError

    if (complaint := unknown_kind(args.kind)) is not None:
        complain(*complaint)
        return exit_codes.BAD_INPUT
    if args.follow and args.until is not None:
        complain("--follow and --until exclude each other.")
        return exit_codes.BAD_INPUT
    wanted = (args.adapter, args.task, args.since, args.until)
    args.filtered = bool(args.kind) or any(value is not None for value in wanted)
    if not args.kind:
        args.kind = [kind for kind in event_kinds() if kind not in _HIDDEN_BY_DEFAULT]
    try:
        return asyncio.run(_events(args))
    except RecordingError as error:
        return complain_of(error)


async def _events(args: Namespace) -> int:
    if args.follow:
        await _follow(args)
        return exit_codes.OK
    from contextlib import aclosing

    from fuseboard_console.cli.command_results import recorded_engine_names
    from fuseboard_console.cli.output import complain, flush_out, print_out
    from fuseboard_console.text.safe_text import safe_text
    from fuseboard_console.text.suggestions import unknown_adapter
    from fuseboard_console.views.adapters.engine_names import NO_ENGINES
    from fuseboard_storage.recording.recording import Recording

    wanted = event_filters(args)
    found = False
    async with Recording.open(args.file) as recording:
        engines = NO_ENGINES if args.json else await recorded_engine_names(recording)
        if args.limit:
            newest = await recording.events(**wanted, limit=args.limit, newest_first=True)
            found = bool(newest)
            _print(reversed(newest), args, engines)
        else:
            async with aclosing(recording.stream_events(**wanted)) as entries:
                async for entry in entries:
                    found = True
                    _print((entry,), args, engines)
        if args.adapter is not None and not found:
            board = await recording.board()
            if not board.find(args.adapter):
                complain(*unknown_adapter(board, safe_text(Path(args.file).name, 200), args.adapter))
                return exit_codes.BAD_INPUT
    flush_out()
    if not (found or args.json):
        print_out(f"No {'matching ' if args.filtered else ''}event was recorded.")
    return exit_codes.OK


async def _follow(args: Namespace) -> None:
    """Print recorded and new events until cancelled; report on standard error when the file can't be read."""
    from contextlib import aclosing

    from fuseboard_console.cli.command_results import recorded_engine_names
    from fuseboard_console.cli.output import complain, flush_out
    from fuseboard_console.sources.follow import follow
    from fuseboard_console.text.line import text_of
    from fuseboard_console.text.safe_text import safe_text
    from fuseboard_console.views.adapters.engine_names import NO_ENGINES, engine_names
    from fuseboard_console.views.frame.banner import file_change_line
    from fuseboard_storage.recording.recording import Recording

    async with aclosing(follow(args.file)) as updates:
        board = (await anext(updates)).board  # from here on, no event is missed
        async with Recording.open(args.file) as recording:
            found = await recording.events(**event_filters(args), limit=args.limit or None, newest_first=True)
            engines = NO_ENGINES if args.json else await recorded_engine_names(recording)
        found.reverse()
        _print(found, args, engines)
        flush_out()
        last, reported = found[-1].seq if found else 0, ""
        changed: FileChange | None = None
        async for current, entries, trouble, file_change in updates:
            if current is not board:  # the file was replaced by another
                board, last = current, 0
            if trouble and trouble != reported:
                complain(trouble)
            reported = trouble
            if file_change is not None and file_change != changed:
                complain(text_of(file_change_line(file_change, safe_text(Path(args.file).name, 200))).strip())
            changed = file_change
            new = (entry for entry in entries if entry.seq > last and _matches(entry, args))
            _print(new, args, engine_names(current))
            flush_out()


def _matches(entry: Entry, args: Namespace) -> bool:
    """Return whether an event is of the wanted kinds and concerns the wanted adapter and task."""
    from fuseboard_console.views.events.text import kind_of

    event = entry.event
    if args.kind and kind_of(event) not in args.kind:
        return False
    adapter = getattr(getattr(event, "attempt", event), "adapter", None)
    if args.task is not None and getattr(event, "task", None) != args.task:
        return False
    return args.adapter is None or adapter == args.adapter


def _print(entries: Iterable[Entry], args: Namespace, engines: EngineNames) -> None:
    from fuseboard_console.cli.output import print_out
    from fuseboard_console.views.events.text import event_json, event_line

    for entry in entries:
        print_out(event_json(entry) if args.json else event_line(entry, engines))
