"""The arguments of `fuseboard dlq`: its actions and filters, and the selection of dead letters they describe."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections.abc import Sequence
from typing import TYPE_CHECKING

from fuseboard_console.cli.arguments import add_wait, age, count, limit

if TYPE_CHECKING:
    from fuseboard_engine.dead_letters.letter import LetterSelection, Status

_STATUSES = ("pending", "retrying", "exhausted", "succeeded", "archived", "discarded")
_CATEGORIES = ("transient", "network", "resource", "permission", "validation", "permanent")
ACTIONS = ("list", "show", "retry", "archive", "unarchive", "discard", "purge", "stop")
FINISHED: tuple[Status, ...] = ("succeeded", "archived", "discarded")
"""The statuses of dead letters that nothing will happen to any more."""


def add_arguments(parser: ArgumentParser) -> None:
    """Add the arguments of `fuseboard dlq` to a parser."""
    parser.add_argument("file", metavar="FILE", help="the recording, such as checkout.db")
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    listing = actions.add_parser(
        "list", help="list dead letters, newest first; only unfinished ones unless --status is given"
    )
    _filters(listing)
    listing.add_argument("--limit", type=limit, default=50, metavar="N", help="at most N (default: 50)")
    listing.add_argument("--json", action="store_true", help="print JSON; schema: fuseboard.dead_letters/1")
    show = actions.add_parser("show", help="show everything about one dead letter")
    show.add_argument("id", metavar="ID", type=count, help="its ID, from the list")
    show.add_argument("--json", action="store_true", help="print JSON; schema: fuseboard.dead_letters/1")
    for one in (listing, show):
        one.add_argument(
            "--reveal",
            action="store_true",
            help="show payloads as they are; keys, tokens and passwords in them are hidden otherwise",
        )
    for name, words in (
        ("retry", "ask the engine to retry pending and exhausted dead letters now"),
        ("archive", "take dead letters off the list, but keep them"),
        ("unarchive", "put archived dead letters back on the list"),
        ("discard", "give dead letters up, so that they are never retried"),
        ("purge", "delete dead letters; without IDs, --all or --status only succeeded, archived and discarded ones"),
    ):
        action = actions.add_parser(name, help=words, description=f"{words[:1].upper()}{words[1:]}.")
        action.add_argument("ids", metavar="ID", nargs="*", type=count, help="their IDs, from the list")
        action.add_argument("--all", action="store_true", help="all dead letters")
        _filters(action)
        action.add_argument("--dry-run", action="store_true", help="only print what would be done")
        if name == "retry":
            add_wait(action)
    stop = actions.add_parser(
        "stop",
        help="end retries of many dead letters after the one in flight",
        description="End retries of many dead letters after the one in flight. The others stay as they are.",
    )
    stop.add_argument("--engine", default="", metavar="NAME", help="only those of the engine with this name")
    add_wait(stop)


def in_order(arguments: Sequence[str]) -> list[str]:
    """Return the arguments with FILE before ACTION, also if they are given the other way round."""
    first, *rest = arguments or [""]
    if first in ACTIONS and rest and rest[0] not in ACTIONS and not rest[0].startswith("-"):
        return [rest[0], first, *rest[1:]]
    return list(arguments)


def _filters(parser: ArgumentParser) -> None:
    parser.add_argument(
        "--status",
        action="append",
        choices=(*_STATUSES, "all"),
        help="only dead letters of this status; may be repeated",
    )
    parser.add_argument("--type", default="", metavar="TYPE", help="only those of this task type")
    parser.add_argument(
        "--category", default="", choices=_CATEGORIES, help="only those whose failure is of this category"
    )
    parser.add_argument("--text", default="", help="only those with this text in error, task, adapter or payload")
    parser.add_argument("--engine", default="", metavar="NAME", help="only those of the engine with this name")
    parser.add_argument(
        "--older-than",
        type=age,
        metavar="AGE",
        help="only those that last changed at least this long ago: 90s, 30m, 12h, 7d",
    )


def now() -> int:
    """Return the current time in UTC microseconds."""
    from fuseboard_engine.runtime.clock import wall_clock

    return wall_clock()


def selection_of(args: Namespace, default: tuple[Status, ...] = ()) -> LetterSelection:
    """Return the selection that the arguments describe; `default` are the statuses to select without --status."""
    from fuseboard_engine.dead_letters.letter import LetterSelection

    given = args.status or []
    statuses = () if "all" in given else tuple(given) or default
    return LetterSelection(
        ids=tuple(getattr(args, "ids", ())),
        statuses=statuses,
        task_type=args.type,
        category=args.category,
        text=args.text,
        engine=args.engine,
        before=None if args.older_than is None else now() - int(args.older_than * 1e6) + 1,
    )


def is_filtered(args: Namespace) -> bool:
    """Return whether any filter is given."""
    filters = (args.status, args.type, args.category, args.text, args.engine, args.older_than is not None)
    return any(filters)
