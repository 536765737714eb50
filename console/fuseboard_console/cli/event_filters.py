"""The arguments that select events: kinds, adapter, task and time."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections.abc import Sequence
from typing import Any

from fuseboard_console.cli.moments import add_time_filters, time_filters


def add_event_filters(parser: ArgumentParser) -> None:
    """Add `--adapter`, `--task`, `--kind`, `--since` and `--until` to a parser."""
    parser.add_argument("--adapter", metavar="ADAPTER", help="only events that concern this adapter")
    parser.add_argument("--task", metavar="ID", help="only events of the task with this id")
    parser.add_argument(
        "--kind", metavar="KIND", action="append", default=[], help="only events of this kind; may be repeated"
    )
    add_time_filters(parser)


def event_filters(args: Namespace) -> dict[str, Any]:
    """Return the filters of a command line, as arguments of `Recording.events`."""
    return {"adapter": args.adapter, "kinds": args.kind, "task": args.task, **time_filters(args)}


def event_kinds() -> list[str]:
    """Return the names of all kinds of events, sorted."""
    from typing import get_args

    from fuseboard_engine.events import AnyEvent

    return sorted(str(kind.__struct_config__.tag) for kind in get_args(AnyEvent))


def unknown_kind(kinds: Sequence[str]) -> tuple[str, str] | None:
    """Return the two lines that complain of the first kind that does not exist; None if all exist."""
    from fuseboard_console.text.suggestions import did_you_mean

    known = event_kinds()
    for kind in kinds:
        if kind not in known:
            return (
                f"There is no event kind {kind!r}.{did_you_mean(kind, known)}",
                f"The kinds are: {', '.join(known)}.",
            )
    return None
