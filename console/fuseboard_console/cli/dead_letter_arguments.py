"""What `fuseboard dlq` can be told: its actions, its filters, and which dead letters they mean."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from typing import TYPE_CHECKING

from fuseboard_console.cli.arguments import age, count, limit, seconds

if TYPE_CHECKING:
    from fuseboard_engine.dead_letters.letter import LetterSelection, Status

_STATUSES = ("pending", "retrying", "exhausted", "succeeded", "archived", "discarded")
_CATEGORIES = ("transient", "network", "resource", "permission", "validation", "permanent")
DONE_WITH: tuple[Status, ...] = ("succeeded", "archived", "discarded")


def add_arguments(parser: ArgumentParser) -> None:
    """Say what the command takes."""
    parser.add_argument("file", metavar="FILE", help="the recording, such as checkout.db")
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    listing = actions.add_parser("list", help="show them, newest first; without --status those that are not finished")
    _filters(listing)
    listing.add_argument("--limit", type=limit, default=50, metavar="N", help="how many at most (default: 50)")
    listing.add_argument("--json", action="store_true", help="print JSON of the schema fuseboard.dead_letters/1")
    show = actions.add_parser("show", help="show everything about one")
    show.add_argument("id", metavar="ID", type=count, help="its number")
    show.add_argument("--json", action="store_true", help="print JSON of the schema fuseboard.dead_letters/1")
    for name, words in (
        ("retry", "have the engine try them again now: those that are pending or exhausted"),
        ("archive", "take them out of the list, to be kept"),
        ("unarchive", "put archived ones back as they were"),
        ("discard", "give them up: nobody retries them any more"),
        ("purge", "delete them; without --status those that are succeeded, archived or discarded"),
    ):
        action = actions.add_parser(name, help=words, description=words)
        action.add_argument("ids", metavar="ID", nargs="*", type=count, help="their numbers")
        action.add_argument("--all", action="store_true", help="all of them")
        _filters(action)
        action.add_argument("--dry-run", action="store_true", help="only say what would be done")
        if name == "retry":
            action.add_argument(
                "--wait",
                type=seconds,
                default=5.0,
                metavar="SECONDS",
                help="how long an engine has to take the command (default: 5)",
            )


def _filters(parser: ArgumentParser) -> None:
    parser.add_argument(
        "--status", action="append", choices=(*_STATUSES, "all"), help="only those; may be given several times"
    )
    parser.add_argument("--type", default="", metavar="TYPE", help="only those of this task type")
    parser.add_argument("--category", default="", choices=_CATEGORIES, help="only those that failed like this")
    parser.add_argument("--text", default="", help="only those with this in error, task, adapter or payload")
    parser.add_argument("--engine", default="", metavar="NAME", help="only those of the engine of this name")
    parser.add_argument(
        "--older-than",
        type=age,
        metavar="AGE",
        help="only those whose last change is that long ago: 90s, 30m, 12h, 7d",
    )


def now() -> int:
    """Return UTC microseconds now."""
    from fuseboard_engine.runtime.clock import wall_clock

    return wall_clock()


def selection_of(args: Namespace, unnamed: tuple[Status, ...] = ()) -> LetterSelection:
    """Return what the filters say; `unnamed` are the statuses meant where none is given."""
    from fuseboard_engine.dead_letters.letter import LetterSelection

    asked = args.status or []
    statuses = () if "all" in asked else tuple(asked) or unnamed
    return LetterSelection(
        ids=tuple(getattr(args, "ids", ())),
        statuses=statuses,
        task_type=args.type,
        category=args.category,
        text=args.text,
        engine=args.engine,
        before=None if args.older_than is None else now() - int(args.older_than * 1e6) + 1,
    )


def filtered(args: Namespace) -> bool:
    """Say whether any filter is given."""
    given = (args.status, args.type, args.category, args.text, args.engine, args.older_than is not None)
    return any(given)
