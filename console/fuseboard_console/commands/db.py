"""`fuseboard db`: what is in the file of a recording, backups, compaction, and the repair of a damaged one."""

from __future__ import annotations

import re
from argparse import ArgumentParser, ArgumentTypeError, Namespace, RawDescriptionHelpFormatter
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from fuseboard_console.cli import exit_codes
from fuseboard_console.cli.event_filters import add_event_filters

if TYPE_CHECKING:
    from fuseboard_storage.maintenance.file_info import FileInfo, Tier

SUMMARY = "inspect, back up, compact, export or repair the file of a recording, or make it forget"
DESCRIPTION = """Maintain the file of a recording, also while an engine writes it. `fuseboard db ACTION --help`
explains an action."""
EXAMPLES = """  fuseboard db info checkout.db                                  size, events by kind, growth a day
  fuseboard db check checkout.db                                 what is wrong with the file, if anything
  fuseboard db backup checkout.db copy.db                        copy it while the application runs
  fuseboard db export checkout.db --format csv --since 7d > a.csv   events for a spreadsheet
  fuseboard db forget checkout.db --context user=ann             remove every trace of a user's tasks
  fuseboard db compact checkout.db                               return unused space to the disk
  fuseboard db salvage checkout.db.damaged-1 rescued.db          copy what can be read of a damaged one"""
ORDER = 76


def add_arguments(parser: ArgumentParser) -> None:
    """Add the command's arguments to a parser."""
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)

    def action(name: str, does: str, more: str = "") -> ArgumentParser:
        description = f"{does[:1].upper()}{does[1:]}.{more and chr(10)}{more}"
        added = actions.add_parser(
            name, help=does, description=description, formatter_class=RawDescriptionHelpFormatter
        )
        added.add_argument("file", metavar="FILE", help="the recording, such as checkout.db")
        return added

    parsers = [
        action("info", "print size, version, events by kind with oldest and newest, and growth a day"),
        action("check", "say what is wrong with the file, if anything; exit code 1 if it is damaged"),
        backup := action(
            "backup",
            "copy the recording to a new file, while engines write it",
            "The copy is of one moment and is checked. It gets its name when it is complete.",
        ),
        action(
            "compact",
            "return unused space to the disk",
            "If no engine writes the recording, it is rewritten in one transaction: Ctrl-C or a full disk leave it as\n"
            "it was. While an engine writes, free pages are removed a few at a time.",
        ),
        export := action(
            "export",
            "write events as JSON Lines, CSV or Parquet, to standard output or a new file",
            "Times are UTC microseconds in JSON Lines, as in `fuseboard events --json`, and UTC times otherwise.\n"
            "Durations are seconds. CSV cells that a spreadsheet would take for a formula begin with an apostrophe.",
        ),
        salvage := action(
            "salvage",
            "copy every row that can be read of a damaged recording to a new file",
            "FILE is not changed. An engine that meets a damaged recording moves it aside, as checkout.db.damaged-1,\n"
            "and begins a new one.",
        ),
        forget := action(
            "forget",
            "remove every trace of a task, or of all tasks with a value in their context",
            "Their events stay without id, context and error texts, so that counts stay exact; their dead letters\n"
            "and workflow runs are deleted. The file is rewritten and its WAL emptied, so that no freed page holds\n"
            "a trace. An engine may write the recording meanwhile. That it was done is recorded, not what.",
        ),
    ]
    forgotten = forget.add_mutually_exclusive_group(required=True)
    forgotten.add_argument("--task-id", metavar="ID", help="the id of the task")
    forgotten.add_argument(
        "--context", type=_context, metavar="KEY=VALUE", help="all tasks that have this value in their context"
    )
    forget.add_argument("--dry-run", action="store_true", help="only count what would be removed")
    for named in (backup, salvage):
        named.add_argument("target", metavar="NEW", help="the new file, which must not exist")
    export.add_argument(
        "--format", choices=("jsonl", "csv", "parquet"), default="jsonl", help="the format (default: jsonl)"
    )
    add_event_filters(export)
    export.add_argument("--output", metavar="NEW", help="a new file (default: standard output)")
    for each in parsers:
        if each is export:
            continue
        each.add_argument("--json", action="store_true", help="print the result as JSON")


def _context(text: str) -> tuple[str, str]:
    key, equals, value = text.partition("=")
    if not (key and equals and value):
        raise ArgumentTypeError(f"{text!r} is not KEY=VALUE, such as user=ann")
    return key, value


def run(args: Namespace) -> int:
    """Run the action and return the exit code."""
    from fuseboard_console.cli.interrupts import interruptible
    from fuseboard_console.cli.output import complain
    from fuseboard_console.text.safe_text import safe_text
    from fuseboard_storage.errors import RecordingError

    actions: dict[str, Callable[[Namespace], int]] = {
        "info": _info,
        "check": _check,
        "backup": _backup,
        "compact": _compact,
        "export": _export,
        "forget": _forget,
        "salvage": _salvage,
    }
    try:
        with interruptible():
            return actions[args.action](args)
    except RecordingError as error:
        complain(safe_text(str(error), 500))
        return exit_codes.BAD_INPUT
    except BrokenPipeError:
        raise
    except OSError as error:
        complain(f"{safe_text(Path(args.file).name, 200)}: {error.strerror or error}.")
        return exit_codes.CANT_WRITE


def _name(path: str) -> str:
    from fuseboard_console.text.safe_text import safe_text

    return safe_text(Path(path).name, 200)


# ---------------------------------------------------------------------- info


def _info(args: Namespace) -> int:
    import json
    from dataclasses import asdict

    from fuseboard_console.cli.output import print_out
    from fuseboard_engine.runtime.clock import wall_clock
    from fuseboard_storage.maintenance.file_info import file_info

    now = wall_clock()
    found = file_info(args.file, now)
    print_out(json.dumps(asdict(found)) if args.json else "\n".join(_info_lines(found, now)))
    return exit_codes.OK


def _info_lines(info: FileInfo, now: int) -> list[str]:
    from fuseboard_console.text.formatting import byte_size, plural

    parts = [f"{byte_size(info.wal)} in its WAL"] * bool(info.wal) + [f"{byte_size(info.free)} free"] * bool(info.free)
    inside = f" ({', '.join(parts)})" if parts else ""
    lines = [f"{_name(info.file)}: {byte_size(info.size)}{inside}, version {info.version}"]
    if info.bytes_per_event is not None:
        lines.append(f"{plural(info.events, 'event')}, {info.bytes_per_event:,.0f} bytes each")
    lines.append(f"{plural(info.instances, 'instance')}, {info.live} of them live")
    growth = _growth(info, now)
    if growth:
        lines.append(growth)
    if not info.shrinks and info.version:
        lines.append("It does not shrink while an engine runs; `fuseboard db compact FILE` makes it so.")
    for title, tiers in (("events by kind", info.kinds), ("parts", info.tiers)):
        if tiers:
            lines += ["", *_tier_lines(title, tiers)]
    if info.bytes:
        of_parts = ", ".join(f"{name} {byte_size(size)}" for name, size in info.bytes.items())
        lines += ["", f"size: {of_parts}"]
    return lines


def _growth(info: FileInfo, now: int) -> str:
    """Return how fast the events grow, and how old the oldest failure is: `at this rate: 61 MB a day; ...`."""
    from fuseboard_console.text.formatting import byte_size, span

    said = []
    if info.bytes_per_day is not None:
        notable = info.notable_bytes_per_day
        of_it = f", {byte_size(notable)} of it of notable events" if notable is not None else ""
        said.append(f"at this rate: {byte_size(info.bytes_per_day)} a day{of_it}")
    oldest = next((kind.oldest for kind in info.kinds if kind.name == "attempt_failed"), None)
    if oldest is not None:
        said.append(f"oldest failure {span(max(0.0, (now - oldest) / 1e6))}")
    return "; ".join(said)


def _tier_lines(title: str, tiers: list[Tier]) -> list[str]:
    from fuseboard_console.text.formatting import stamp
    from fuseboard_console.text.safe_text import safe_text

    rows = [(title, "rows", "oldest", "newest")]
    for tier in tiers:
        times = ["" if at is None else stamp(at) for at in (tier.oldest, tier.newest)]
        rows.append((safe_text(tier.name, 60), f"{tier.rows:,}", times[0], times[1]))
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    return [
        f"{name:<{widths[0]}}  {count:>{widths[1]}}  {oldest:<{widths[2]}}  {newest}".rstrip()
        for name, count, oldest, newest in rows
    ]


# ---------------------------------------------------------------------- check and salvage


def _check(args: Namespace) -> int:
    import json

    from fuseboard_console.cli.output import print_out
    from fuseboard_console.text.formatting import plural
    from fuseboard_console.text.safe_text import safe_text
    from fuseboard_storage.recording.salvage import MAX_PROBLEMS, check

    found = check(args.file)
    if args.json:
        print_out(json.dumps({"sound": not found, "complaints": found}))
    elif not found:
        print_out(f"{_name(args.file)} is sound.")
    else:
        complaints = plural(len(found), "complaint")
        more = " or more" if len(found) >= MAX_PROBLEMS else ""
        print_out(f"{_name(args.file)} is damaged. SQLite has {complaints}{more}:")
        for line in found:
            print_out(f"  {safe_text(line, 200)}")
        print_out("`fuseboard db salvage FILE NEW` copies what can be read.")
    return exit_codes.NOT_DONE if found else exit_codes.OK


def _salvage(args: Namespace) -> int:
    import json

    from fuseboard_console.cli.output import print_out
    from fuseboard_storage.recording.salvage import salvage

    found = salvage(args.file, args.target)
    if args.json:
        print_out(json.dumps([part._asdict() for part in found]))
        return exit_codes.OK
    width = max(len(part.table) for part in found)
    for part in found:
        places = "places" if part.gaps > 1 else "place"
        gaps = f", and others in {part.gaps} {places} that cannot be read" if part.gaps else ""
        print_out(f"{part.table:<{width}}  {part.rows:>9,} rows{gaps}")
    print_out(f"They are in {_name(args.target)}.")
    return exit_codes.OK


# ---------------------------------------------------------------------- backup and compact


def _backup(args: Namespace) -> int:
    import json

    from fuseboard_console.cli.output import print_out
    from fuseboard_console.terminal.progress import ProgressLine
    from fuseboard_console.text.formatting import byte_size
    from fuseboard_storage.maintenance.backup import backup

    with ProgressLine() as progress:
        size = backup(args.file, args.target, progress.show)
    if args.json:
        print_out(json.dumps({"file": str(args.target), "bytes": size}))
    else:
        print_out(f"{_name(args.target)} is a sound copy of {_name(args.file)}: {byte_size(size)}.")
    return exit_codes.OK


def _compact(args: Namespace) -> int:
    import json

    from fuseboard_console.cli.output import print_out
    from fuseboard_console.terminal.progress import ProgressLine
    from fuseboard_console.text.formatting import byte_size
    from fuseboard_storage.maintenance.compact import compact

    with ProgressLine() as progress:
        done = compact(args.file, progress.show)
    if args.json:
        print_out(json.dumps(done._asdict()))
        return exit_codes.OK
    how = "" if done.how == "rewritten" else " Only its free pages were removed, because an engine writes it."
    print_out(f"{_name(args.file)}: {byte_size(done.before)} before, {byte_size(done.after)} after.{how}")
    return exit_codes.OK


# ---------------------------------------------------------------------- export


def _export(args: Namespace) -> int:
    import asyncio
    import sys

    from fuseboard_console.cli.event_filters import event_filters, unknown_kind
    from fuseboard_console.cli.output import complain, flush_out, reason_of, writing_out
    from fuseboard_console.text.safe_text import safe_text
    from fuseboard_engine.errors import MissingExtra
    from fuseboard_storage.maintenance.access import new_file
    from fuseboard_storage.maintenance.export import export_events

    if (complaint := unknown_kind(args.kind)) is not None:
        complain(*complaint)
        return exit_codes.BAD_INPUT
    if args.format == "parquet" and args.output is None and sys.stdout.isatty():
        complain("Parquet is not text. Name a file with --output, or write into a pipe.")
        return exit_codes.BAD_INPUT
    filters = event_filters(args)
    try:
        if args.output is None:
            flush_out()
            with writing_out():
                asyncio.run(export_events(args.file, sys.stdout.buffer, args.format, **filters))
                sys.stdout.buffer.flush()
        else:
            with new_file(args.output) as part, part.open("wb") as stream:
                asyncio.run(export_events(args.file, stream, args.format, **filters))
    except MissingExtra as error:
        complain(str(error))
        return exit_codes.BAD_INPUT
    except BrokenPipeError:
        raise
    except OSError as error:
        where = safe_text(args.output, 500)
        complain(f"{where} could not be written: {reason_of(error)}. Free disk space, or write elsewhere.")
        return exit_codes.CANT_WRITE
    return exit_codes.OK


# ---------------------------------------------------------------------- forget


def _forget(args: Namespace) -> int:
    import json
    from dataclasses import asdict

    from fuseboard_console.cli.output import complain, print_out
    from fuseboard_console.operator.identity import actor
    from fuseboard_console.text.formatting import plural
    from fuseboard_console.text.safe_text import safe_text
    from fuseboard_storage.maintenance.forget import forget

    found = forget(args.file, task=args.task_id, context=args.context, actor=actor(), dry_run=args.dry_run)
    if args.json:
        print_out(json.dumps({**asdict(found), "dry_run": args.dry_run}))
    else:
        counts = [
            (found.events, "event"),
            (found.dead_letters, "dead letter"),
            (found.workflow_runs, "workflow run"),
            (found.templates, "template"),
            (found.keyframes, "keyframe"),
            (found.mentions, "other row"),
        ]
        what = ", ".join(plural(number, word) for number, word in counts if number)
        would = "Would remove its traces" if args.dry_run else "Removed its traces"
        print_out(f"{would}: {what}." if what else f"{_name(args.file)} has no trace of it.")
        for name in found.beside:
            print_out(f"{safe_text(name, 200)} was not changed. {_advice(name)}")
    if not found.wal_emptied:
        complain("Another program reads the WAL all the time, so it could not be emptied. End it, and repeat this.")
        return exit_codes.NOT_DONE
    return exit_codes.OK


def _advice(beside: str) -> str:
    """Return what to do with a file beside a recording from which something was removed."""
    if re.search(r"\.version-\d+\.bak(-\d+)?$", beside):  # to forget in it would convert it, and copy it again first
        return "It is the copy of an earlier version. Delete it when it is no longer needed."
    return "If it is a copy of the recording, repeat this for it."
