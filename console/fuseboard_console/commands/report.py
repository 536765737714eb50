"""`fuseboard report`: writes an incident report as Markdown and as one HTML file."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import TYPE_CHECKING

from fuseboard_console.cli import exit_codes
from fuseboard_console.cli.moments import add_span, time_filters

if TYPE_CHECKING:
    from fuseboard_console.terminal.progress_line import ProgressLine
    from fuseboard_console.views.report.contents import Advice, Sources
    from fuseboard_console.views.report.document import Document
    from fuseboard_engine.policy_replay.workload import Workload
    from fuseboard_storage.recording.recording import Recording

SUMMARY = "write an incident report, as Markdown and HTML"
DESCRIPTION = """Write an incident report: what failed and since when, which task types and users suffered, what
took over, what operators did, the breakers, success and latency over time, the most frequent errors, dead letters,
and what it would have been with other policies. The HTML is one file that loads nothing."""
EXAMPLES = """  fuseboard report checkout.db                            checkout-report.md and checkout-report.html
  fuseboard report checkout.db --from 03:10 --to 03:40    only of this time
  fuseboard report checkout.db -o reports                 both, into a folder
  fuseboard report checkout.db -o incident.html --force   only the HTML; replace the file
  fuseboard report checkout.db -o -                       print the Markdown"""
ORDER = 56

MOST_REPLAYED = 50_000_000
"""Attempts that are replayed at most, in all replays together: some minutes."""


def add_arguments(parser: ArgumentParser) -> None:
    """Add the command's arguments to a parser."""
    parser.add_argument("file", metavar="FILE", help="the recording, such as checkout.db")
    add_span(parser)
    parser.add_argument(
        "-o",
        "--output",
        metavar="PATH",
        help="a folder for both files, a file.md or a file.html, or - for standard output (default: this folder)",
    )
    parser.add_argument("--force", action="store_true", help="replace files that exist")
    parser.add_argument("--no-tune", action="store_true", help="do not search what other policies would have done")


def run(args: Namespace) -> int:
    """Write the report and return the exit code."""
    import asyncio

    from fuseboard_console.cli.output import complain, complain_of, print_out
    from fuseboard_console.text.safe_text import safe_text
    from fuseboard_console.views.report.contents import report
    from fuseboard_console.views.report.markdown import markdown
    from fuseboard_storage.errors import RecordingError

    targets = _targets(args)
    if isinstance(targets, str):
        complain(targets)
        return exit_codes.BAD_INPUT
    try:
        sources = asyncio.run(_read(args))
    except RecordingError as error:
        return complain_of(error)
    if sources is None:
        complain(f"{safe_text(Path(args.file).name, 200)} has no event in this time, so there is nothing to report.")
        return exit_codes.NOT_DONE
    document = report(sources)
    if not targets:
        print_out(markdown(document), end="")
        return exit_codes.OK
    return _write(document, targets)


# ---------------------------------------------------------------- files


def _targets(args: Namespace) -> list[Path] | str:
    """Return the files to write, none for standard output; or what is wrong with the arguments."""
    from fuseboard_console.text.safe_text import safe_text

    if args.output == "-":
        return []
    wanted = Path(args.output or ".")
    shown = safe_text(str(wanted), 200)
    if "\0" in str(wanted):
        return f"{shown} is not a name of a file."
    if wanted.suffix.lower() in (".md", ".html") and not wanted.is_dir():
        found = [wanted]
    elif wanted.suffix and not wanted.is_dir():
        return f"{shown} ends in neither .md nor .html. Name such a file, a folder, or - for standard output."
    else:
        stem = Path(args.file).stem or "recording"
        found = [wanted / f"{stem}-report{suffix}" for suffix in (".md", ".html")]
    there = [path for path in found if path.exists()]
    if there and not args.force:
        return f"{safe_text(str(there[0]), 200)} exists. Choose another name with -o, or replace it with --force."
    if any(path.resolve() == Path(args.file).resolve() for path in found):
        return f"{shown} is the recording itself. Choose another name with -o."
    return found


def _write(document: Document, targets: list[Path]) -> int:
    from fuseboard_console.cli.output import complain, print_out, reason_of, write_whole
    from fuseboard_console.text.safe_text import safe_text
    from fuseboard_console.views.report.html_page import html
    from fuseboard_console.views.report.markdown import markdown

    for path in targets:
        text = html(document) if path.suffix.lower() == ".html" else markdown(document)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            write_whole(path, text)
        except OSError as error:
            complain(f"{safe_text(str(path), 200)} cannot be written: {reason_of(error)}. Choose another path with -o.")
            return exit_codes.BAD_INPUT
        print_out(f"wrote {safe_text(str(path), 500)}")
    return exit_codes.OK


# ---------------------------------------------------------------- reading


async def _read(args: Namespace) -> Sources | None:
    """Read what the report is made of; None if nothing happened in that time."""
    from contextlib import aclosing

    from fuseboard_console.cli.arguments import ALL
    from fuseboard_console.operator.audit import audit_entries
    from fuseboard_console.terminal.progress_line import ProgressLine
    from fuseboard_console.views.adapters.engine_names import engine_names, with_recorded
    from fuseboard_console.views.report.contents import Sources
    from fuseboard_console.views.report.incident import KINDS, Incident, Lane
    from fuseboard_storage.recording.recording import Recording
    from fuseboard_storage.sqlite.damaged_rows import whole_number

    line, times = ProgressLine(), time_filters(args)
    since, until = times["since"], times["until"]
    try:
        async with Recording.open(args.file) as recording:
            ends = await recording.ends()
            if ends is None:
                return None
            first, last = whole_number(ends[1]), whole_number(ends[3])  # a damaged file may hold anything
            begin = first if since is None else since
            end = last if until is None else min(until, last)
            if end < begin:
                return None
            states = {}
            if since is not None:
                board = await recording.board_at(at=since - 1)
                states = {Lane(row.key.instance, row.name): row.state for row in board.rows()}
            incident, read = Incident(begin, end, states), 0
            async with aclosing(recording.stream_events(kinds=KINDS, **times)) as entries:
                async for entry in entries:
                    incident.add(entry)
                    read += 1
                    if read % 10_000 == 0:
                        line.show(f"reading: {read:,} events")
            if not read:
                return None
            step = max(1.0, (end - begin) / 1e6 / 240)
            metrics = await recording.metrics(since=begin - begin % 1_000_000, until=end + 1, step=step)
            audit = [
                entry
                for entry in audit_entries(incident.commands, await recording.commands(ALL)).values()
                if begin <= entry.requested_at <= end
            ]
            instances = await recording.instances()
            engines = with_recorded(engine_names(await recording.board()), instances)
            extent = await recording.extent()
            advice = await _advice(args, recording, line)
            return Sources(
                Path(args.file).name,
                incident,
                metrics,
                audit[::-1],
                engines,
                {row.id: row.label for row in instances},
                advice,
                first if extent.pruned else None,
            )
    finally:
        line.clear()


async def _advice(args: Namespace, recording: Recording, line: ProgressLine) -> Advice:
    from fuseboard_console.sources.recorded_work import read_workloads
    from fuseboard_console.views.report.contents import Advice
    from fuseboard_engine.policy_replay.reader import TooManyAttempts

    if args.no_tune:
        return Advice(why_not="Other policies were not tried (--no-tune).")
    try:
        loads = await read_workloads(recording, **time_filters(args))
    except TooManyAttempts as error:
        return Advice(why_not=f"Other policies were not tried: this time holds {error}.")
    return _replayed(loads, line)


def _replayed(loads: list[Workload], line: ProgressLine) -> Advice:
    from fuseboard_console.views.report.contents import Advice
    from fuseboard_engine.policy_replay.comparison import PolicyReplay, adapters_of
    from fuseboard_engine.policy_replay.settings import changes_of
    from fuseboard_engine.policy_replay.suggestion import default_settings, search_size, suggest

    if not any(load.attempts for load in loads):
        return Advice(why_not="Other policies were not tried: no attempt was recorded in this time.")
    replay, adapters, ended = PolicyReplay(loads), adapters_of(loads), 0

    def progress(_: int) -> None:
        nonlocal ended
        ended += 1
        line.show(f"replaying {replay.attempts:,} attempts under other policies: {ended:,}")

    settings = {name: default_settings(record) for name, record in adapters.items()}
    if search_size(settings) * replay.attempts > MOST_REPLAYED:
        return Advice(why_not="Other policies were not tried, because that would take long; fuseboard tune does it.")
    suggestions, best = suggest(replay, adapters, settings, progress)
    recorded = replay.compare({}, progress)
    suggested = replay.compare(changes_of(best), progress) if best else None
    return Advice(suggestions, recorded, suggested)
