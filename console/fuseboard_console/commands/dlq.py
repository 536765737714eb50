"""`fuseboard dlq`: dead letters: what nothing could do, to look at, retry, put away, or delete."""

from __future__ import annotations

from argparse import Namespace
from typing import TYPE_CHECKING, Any

from fuseboard_console.cli import exit_codes
from fuseboard_console.cli.dlq_arguments import DONE_WITH, add_arguments, filtered, now, selection_of

if TYPE_CHECKING:
    from fuseboard_engine.dead_letters.letter import DeadLetter, LetterSelection
    from fuseboard_storage.board.board import Board
    from fuseboard_storage.recording.recording import Recording

SUMMARY = "list, retry, archive, discard or purge dead letters: tasks that nothing could do"
DESCRIPTION = """Look after the dead letters of FILE: tasks that no adapter and no fallback could do.
A retry is done by the engine, which has the adapters; all else needs no engine. Who did what is recorded."""
EXAMPLES = """  fuseboard dlq checkout.db list                        those that somebody has to care for, newest first
  fuseboard dlq checkout.db list --status all --json    all of them, for a program
  fuseboard dlq checkout.db show 12                     everything about one
  fuseboard dlq checkout.db retry 12 14                 try these again, now
  fuseboard dlq checkout.db retry --category network    all that failed for the network
  fuseboard dlq checkout.db archive --type report       put away, to be kept
  fuseboard dlq checkout.db discard 12                  nobody retries it any more
  fuseboard dlq checkout.db purge --older-than 7d       delete what is finished and a week old"""
ORDER = 35

__all__ = ["DESCRIPTION", "EXAMPLES", "ORDER", "SUMMARY", "add_arguments", "run"]

_PAGE = 500


def run(args: Namespace) -> int:
    """Do what was asked and return the exit code."""
    import asyncio

    from fuseboard_console.cli.output import complain
    from fuseboard_console.text.safe_text import safe_text
    from fuseboard_engine.dead_letters.letter import StoreUnavailable
    from fuseboard_storage.errors import RecordingError

    try:
        return asyncio.run({"list": _list, "show": _show}.get(args.action, _act)(args))
    except RecordingError as error:
        complain(str(error))
        return exit_codes.BAD_INPUT
    except StoreUnavailable as error:
        complain(f"{safe_text(str(error), 300)}. Nothing was changed; try again.")
        return exit_codes.NOT_DONE


async def _list(args: Namespace) -> int:
    import json
    from pathlib import Path

    from fuseboard_console.cli.output import print_out
    from fuseboard_console.views.dead_letters.text import letters_json, letters_text
    from fuseboard_engine.dead_letters.letter import ACTIVE
    from fuseboard_storage.stores.dead_letters import SqliteDeadLetters

    at, name = now(), Path(args.file).name
    async with SqliteDeadLetters.open(args.file) as store:
        letters = await store.find(selection_of(args, ACTIVE), at, args.limit)
        figures = await store.statistics(at)
    if args.json:
        print_out(json.dumps(letters_json(letters, figures, name), indent=2))
    else:
        print_out(letters_text(letters, figures, name, at))
    return exit_codes.OK


async def _show(args: Namespace) -> int:
    import json

    from fuseboard_console.cli.output import complain, print_out
    from fuseboard_console.views.dead_letters.text import SCHEMA, letter_text
    from fuseboard_engine.dead_letters.letter import fields_of
    from fuseboard_storage.stores.dead_letters import SqliteDeadLetters

    at = now()
    async with SqliteDeadLetters.open(args.file) as store:
        letter = await store.get(args.id, at)
    if letter is None:
        complain(_unknown(args.file, [args.id]))
        return exit_codes.BAD_INPUT
    if args.json:
        print_out(json.dumps({"schema": SCHEMA, "letter": fields_of(letter)}, indent=2))
    else:
        print_out(letter_text(letter, at))
    return exit_codes.OK


def _unknown(file: str, ids: list[int]) -> str:
    from pathlib import Path

    from fuseboard_console.text.safe_text import safe_text
    from fuseboard_console.views.dead_letters.text import numbers

    many = f"letter {ids[0]}" if len(ids) == 1 else f"letters {numbers(ids)}"
    return f"{safe_text(Path(file).name, 200)} has no dead {many}. `fuseboard dlq FILE list --status all` shows all."


async def _act(args: Namespace) -> int:
    """Find what is meant, and do it, or only say what would be done."""
    from fuseboard_console.cli.output import complain, print_out
    from fuseboard_console.text.formatting import plural
    from fuseboard_console.views.dead_letters.text import numbers
    from fuseboard_engine.dead_letters.letter import CHANGEABLE, DONE, RETRYABLE, STATUSES
    from fuseboard_storage.stores.dead_letters import SqliteDeadLetters

    if not (args.ids or filtered(args) or args.all) or (args.ids and args.all):
        complain(f"Name dead letters, filter them, or say --all. `fuseboard dlq FILE {args.action} --help` explains.")
        return exit_codes.BAD_INPUT
    purging_some = args.action == "purge" and not args.ids and not args.all
    selection = selection_of(args, DONE_WITH if purging_some else ())
    in_order = tuple(status for status in STATUSES if status != "retrying")
    allowed = RETRYABLE if args.action == "retry" else CHANGEABLE.get(args.action, in_order)
    async with SqliteDeadLetters.open(args.file) as store:
        found = await _every(store, selection, now())
    missing = sorted(set(args.ids) - {letter.id for letter in found})
    if missing:
        complain(_unknown(args.file, missing) if not filtered(args) else _mismatch(missing))
        return exit_codes.BAD_INPUT
    meant = sorted(letter.id for letter in found if letter.status in allowed)
    done = "retried" if args.action == "retry" else DONE[args.action]
    refused = [letter for letter in found if letter.status not in allowed] if args.ids else []
    for letter in refused:
        complain(f"Dead letter {letter.id} is {letter.status}{_lease(letter)}: it can't be {done}.")
    if not meant:
        if not refused:
            print_out(f"No dead letter matches: there is nothing to be {done}.")
        return exit_codes.NOT_DONE if refused else exit_codes.OK
    if args.dry_run:
        print_out(f"{plural(len(meant), 'dead letter')} would be {done}: {numbers(meant)}.")
        return exit_codes.NOT_DONE if refused else exit_codes.OK
    if args.action == "retry":
        code = await _retry(args, [letter for letter in found if letter.id in set(meant)])
    else:
        code = await _change(args, meant, done)
    return code if code != exit_codes.OK or not refused else exit_codes.NOT_DONE


def _lease(letter: DeadLetter) -> str:
    """Say until when a worker has a letter, unless it prolongs its lease before."""
    from fuseboard_console.text.formatting import clock

    return "" if letter.lease_until is None else f" (its lease runs until {clock(letter.lease_until)})"


def _mismatch(ids: list[int]) -> str:
    from fuseboard_console.views.dead_letters.text import numbers

    return f"Of the dead letters named, {numbers(ids)} do not match the filter. Nothing was changed."


async def _every(store: Any, selection: LetterSelection, now: int) -> list[DeadLetter]:
    found: list[DeadLetter] = []
    below: int | None = None
    while page := await store.find(selection, now, _PAGE, below):
        found += page
        below = page[-1].id
    return found


async def _change(args: Namespace, ids: list[int], done: str) -> int:
    from fuseboard_console.cli.output import complain, print_out
    from fuseboard_console.operator.identity import actor
    from fuseboard_console.text.formatting import plural
    from fuseboard_engine.dead_letters.letter import LetterSelection
    from fuseboard_storage.stores.dead_letters import SqliteDeadLetters

    selection = LetterSelection(ids=tuple(ids))
    async with SqliteDeadLetters.open(args.file, reading=False) as store:
        if args.action == "purge":
            moved = await store.purge(selection, now(), actor())
        else:
            moved = await store.change(args.action, selection, now(), actor())
    count = sum(len(group.ids) for group in moved)
    print_out(f"{plural(count, 'dead letter')} {done}.")
    if count < len(ids):
        complain(f"Changed meanwhile: {_stay(len(ids) - count)}.")
        return exit_codes.NOT_DONE
    return exit_codes.OK


def _stay(count: int) -> str:
    return "1 dead letter stays as it is" if count == 1 else f"{count:,} dead letters stay as they are"


async def _retry(args: Namespace, letters: list[DeadLetter]) -> int:
    """Ask each engine to retry its own letters, and say what came of it."""
    from fuseboard_console.cli.command_results import board_now
    from fuseboard_storage.recording.recording import Recording

    done = True
    async with Recording.open(args.file) as recording:
        board = await board_now(recording)
        for engine in sorted({letter.engine for letter in letters}):
            ids = sorted(letter.id for letter in letters if letter.engine == engine)
            done = await _retry_by(recording, board, args, engine, ids) and done
    return exit_codes.OK if done else exit_codes.NOT_DONE


async def _retry_by(recording: Recording, board: Board, args: Namespace, engine: str, ids: list[int]) -> bool:
    from fuseboard_console.cli.command_results import came_of
    from fuseboard_console.cli.output import complain
    from fuseboard_console.operator.command_target import taker
    from fuseboard_console.operator.identity import actor
    from fuseboard_console.text.safe_text import safe_text

    file = safe_text(recording.path.name, 200)
    found = taker(board, {engine}, now(), file)
    if found.instance is None:
        complain(f"{found.why} {_stay(len(ids))}.")
        return False
    command = await recording.ask(
        "dlq_retry", instance=found.instance, actor=actor(), args={"ids": ids}, expires_in=args.wait
    )
    return await came_of(recording, board, command, found.instance, file)
