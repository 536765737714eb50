"""`fuseboard tune`: replays recorded attempts under other policies and compares what comes of it."""

from __future__ import annotations

import sys
from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import TYPE_CHECKING

from fuseboard_console.cli import exit_codes
from fuseboard_console.cli.arguments import limit_or_all
from fuseboard_console.cli.moments import add_span, time_filters

if TYPE_CHECKING:
    from fuseboard_console.views.lists.policy_replays import Tuning
    from fuseboard_engine.policy_replay.workload import AdapterRecord, Workload

SUMMARY = "replay recorded attempts under other policies"
DESCRIPTION = """Replay the recorded attempts through the engine's own breakers and retry decisions, under other
policies, and compare: tasks answered, time to detect and to recover, wasted calls, needless rejections, latency.
Nothing is called, and the file is not changed."""
EXAMPLES = """  fuseboard tune checkout.db --set gpt.failure_threshold=3,5,8 --set gpt.recovery_timeout=1,5
                                                      all six combinations beside the recorded policy
  fuseboard tune checkout.db --set '*.failure_threshold=3'    of every adapter; `none` turns a rule off
  fuseboard tune checkout.db --set gpt.max_attempts=1,2,3     the retry policy; gpt.retry.jitter where both have it
  fuseboard tune checkout.db --suggest                which policies would have served best, adapter by adapter
  fuseboard tune checkout.db --suggest --from 03:10 --to 03:30 --json"""
ORDER = 54


def add_arguments(parser: ArgumentParser) -> None:
    """Add the command's arguments to a parser."""
    parser.add_argument("file", metavar="FILE", help="the recording, such as checkout.db")
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="ADAPTER.FIELD=V,V",
        help="values to try for a field of an adapter's policy; may be repeated: all combinations are tried",
    )
    parser.add_argument("--suggest", action="store_true", help="search the best values; without --set, of a usual grid")
    parser.add_argument("--adapter", metavar="ADAPTER", help="only figures and suggestions of this adapter")
    add_span(parser)
    parser.add_argument(
        "--limit", type=limit_or_all, default=20, metavar="N", help="show the best N (default: 20; 0: all)"
    )
    parser.add_argument("--json", action="store_true", help="print JSON; schema: fuseboard.tune/1")


def run(args: Namespace) -> int:
    """Replay, print the result and return the exit code."""
    import asyncio

    from fuseboard_console.cli.output import complain, complain_of
    from fuseboard_console.text.safe_text import safe_text
    from fuseboard_engine.policy_replay.reader import TooManyAttempts
    from fuseboard_engine.policy_replay.settings import SettingError
    from fuseboard_storage.errors import RecordingError

    name = safe_text(Path(args.file).name, 200)
    if not args.set and not args.suggest:
        complain("Name values to try with --set, such as gpt.failure_threshold=3,5,8, or ask for them with --suggest.")
        return exit_codes.BAD_INPUT
    try:
        loads = asyncio.run(_read(args))
        if not any(load.attempts for load in loads):
            filtered = args.since is not None or args.until is not None
            complain(f"{name} has no attempt{' in this time' if filtered else ''}, so there is nothing to replay.")
            return exit_codes.NOT_DONE
        tuning = _tuning(args, name, loads)
    except RecordingError as error:
        return complain_of(error)
    except TooManyAttempts as error:
        complain(f"{name} holds {error}; choose a time with --from and --to.")
        return exit_codes.BAD_INPUT
    except SettingError as error:
        text = safe_text(str(error), 2_000)
        complain(text if text.endswith(("?", ".")) else f"{text}.")
        return exit_codes.BAD_INPUT
    _print(args, tuning)
    return exit_codes.OK


async def _read(args: Namespace) -> list[Workload]:
    from fuseboard_console.sources.recorded_work import read_workloads
    from fuseboard_console.terminal.progress_line import ProgressLine
    from fuseboard_storage.recording.recording import Recording

    line = ProgressLine()
    try:
        async with Recording.open(args.file) as recording:
            return await read_workloads(
                recording, **time_filters(args), progress=lambda number: line.show(f"reading: {number:,} events")
            )
    finally:
        line.clear()


def _tuning(args: Namespace, name: str, loads: list[Workload]) -> Tuning:
    """Replay what the command line asks for. Raises SettingError."""
    from fuseboard_console.terminal.progress_line import ProgressLine
    from fuseboard_console.views.lists.policy_replays import Row, Tuning
    from fuseboard_engine.policy_replay.comparison import PolicyReplay, adapters_of
    from fuseboard_engine.policy_replay.settings import changes_of, combinations, parse_setting
    from fuseboard_engine.policy_replay.suggestion import Suggestion, default_settings, search_size, suggest

    adapters = adapters_of(loads)
    chosen = _chosen(args, adapters)
    settings = [setting for text in args.set for setting in parse_setting(text, adapters)]
    tried = combinations(settings, adapters) if settings else []
    searched = {one: [setting for setting in settings if setting.adapter == one] for one in chosen if settings}
    searched = {one: found for one, found in searched.items() if found}
    if not settings:
        searched = {one: default_settings(adapters[one]) for one in chosen}
    total = 1 + len(tried) + (search_size(searched) if args.suggest else 0)
    replay, line, ended = PolicyReplay(loads), ProgressLine(), 0

    def progress(_: int) -> None:
        nonlocal ended
        ended += 1
        line.show(f"replaying {replay.attempts:,} attempts: {min(ended // len(loads), total):,} of {total:,}")

    suggestions: list[Suggestion] = []
    try:
        if args.suggest:
            suggestions, best = suggest(replay, adapters, searched, progress)
            settings = settings or [setting for setting, _ in best]
            tried += [best] if best and best not in tried else []
        rows = [Row(one, replay.compare(changes_of(one), progress).of(chosen)) for one in [(), *tried]]
    finally:
        line.clear()
    return Tuning(name, loads, adapters, settings, rows, suggestions)


def _chosen(args: Namespace, adapters: dict[str, AdapterRecord]) -> list[str]:
    """Return the adapters that `--adapter` selects. Raises SettingError."""
    from fuseboard_engine.documents.validation_errors import did_you_mean
    from fuseboard_engine.policy_replay.settings import SettingError

    if args.adapter is None:
        return list(adapters)
    if args.adapter not in adapters:
        raise SettingError(f"There is no adapter {args.adapter!r}; {did_you_mean(args.adapter, adapters)}")
    return [args.adapter]


def _print(args: Namespace, tuning: Tuning) -> None:
    import os
    from shutil import get_terminal_size

    from fuseboard_console.cli.output import print_out
    from fuseboard_console.text.glyphs import glyphs_for
    from fuseboard_console.text.safe_json import safe_json
    from fuseboard_console.views.lists.policy_replays import tuning_json, tuning_text

    if args.json:
        print_out(safe_json(tuning_json(tuning), indent=2))
        return
    columns = get_terminal_size().columns if sys.stdout.isatty() else 100
    glyphs = glyphs_for("auto", os.environ)
    print_out(tuning_text(tuning, columns, glyphs, args.limit))
