"""`fuseboard dlq`: lists, shows, retries, archives, discards and purges dead letters."""

from __future__ import annotations

from argparse import Namespace
from typing import TYPE_CHECKING, Literal

from fuseboard_console.cli import exit_codes
from fuseboard_console.cli.dead_letter_arguments import (
    FINISHED,
    add_arguments,
    in_order,
    is_filtered,
    now,
    selection_of,
)

if TYPE_CHECKING:
    from fuseboard_engine.dead_letters.letter import DeadLetter, Status
    from fuseboard_storage.board.board import Board
    from fuseboard_storage.recording.recording import Recording

SUMMARY = "list, retry, archive, discard or purge dead letters: tasks that failed everywhere"
DESCRIPTION = """Manage the dead letters of FILE: tasks that no adapter and no fallback could complete.
The running engine carries out a retry, because it has the adapters; the other actions need no engine.
Every change is recorded with who made it."""
EXAMPLES = """  fuseboard dlq checkout.db list                        unfinished dead letters, newest first
  fuseboard dlq checkout.db list --status all --json    all of them as JSON
  fuseboard dlq checkout.db show 12                     everything about one
  fuseboard dlq checkout.db show 12 --reveal            the same, with the keys and passwords in its payload
  fuseboard dlq checkout.db retry 12 14                 retry these two now
  fuseboard dlq checkout.db retry --category network    retry all that failed because of the network
  fuseboard dlq checkout.db stop                        end such a retry after the one in flight
  fuseboard dlq checkout.db archive --type report       keep these, but take them off the list
  fuseboard dlq checkout.db discard 12                  give this one up: it is never retried
  fuseboard dlq checkout.db purge --older-than 7d       delete finished ones that are a week old"""
ORDER = 35

__all__ = ["DESCRIPTION", "EXAMPLES", "ORDER", "SUMMARY", "add_arguments", "in_order", "run"]


def run(args: Namespace) -> int:
    """Carry out the action and return the exit code."""
    import asyncio

    from fuseboard_console.cli.output import complain, complain_of
    from fuseboard_console.text.safe_text import safe_text
    from fuseboard_engine.dead_letters.letter import StoreUnavailable
    from fuseboard_storage.errors import RecordingError

    try:
        return asyncio.run({"list": _list, "show": _show, "stop": _stop}.get(args.action, _act)(args))
    except RecordingError as error:
        return complain_of(error)
    except StoreUnavailable as error:
        complain(
            f"{safe_text(str(error), 300).rstrip('.')}. Nothing was changed. {_next_step(error.__cause__)}".strip()
        )
        return exit_codes.NOT_DONE


def _next_step(cause: BaseException | None) -> str:
    """Return what to do about the reason why the dead letters could not be used; empty if that says it already."""
    import sqlite3

    from fuseboard_storage.errors import RecordingError
    from fuseboard_storage.sqlite.connection import next_step

    if isinstance(cause, RecordingError):
        return ""
    return next_step(cause) if isinstance(cause, sqlite3.OperationalError) else "Try again."


async def _list(args: Namespace) -> int:
    from pathlib import Path

    from fuseboard_console.cli.output import print_out
    from fuseboard_console.text.safe_json import safe_json
    from fuseboard_console.views.dead_letters.masking import MASKED, masked
    from fuseboard_console.views.dead_letters.text import dead_letters_json, dead_letters_text
    from fuseboard_engine.dead_letters.letter import ACTIVE
    from fuseboard_storage.stores.dead_letters import SqliteDeadLetters

    at, name = now(), Path(args.file).name
    async with SqliteDeadLetters.open(args.file) as store:
        dead_letters = await store.find(selection_of(args, ACTIVE), at, args.limit)
        figures = await store.statistics(at)
    if not args.reveal:
        dead_letters = [masked(dead_letter) for dead_letter in dead_letters]
    if args.json:
        print_out(safe_json(dead_letters_json(dead_letters, figures, name), indent=2, as_is=MASKED))
    else:
        print_out(dead_letters_text(dead_letters, figures, name, at))
    return exit_codes.OK


async def _show(args: Namespace) -> int:
    from fuseboard_console.cli.output import complain, print_out
    from fuseboard_console.text.safe_json import safe_json
    from fuseboard_console.views.dead_letters.masking import MASKED, masked
    from fuseboard_console.views.dead_letters.text import SCHEMA, dead_letter_text
    from fuseboard_engine.dead_letters.letter import fields_of
    from fuseboard_storage.stores.dead_letters import SqliteDeadLetters

    at = now()
    async with SqliteDeadLetters.open(args.file) as store:
        dead_letter = await store.get(args.id, at)
    if dead_letter is None:
        complain(_unknown_text(args.file, [args.id]))
        return exit_codes.BAD_INPUT
    if not args.reveal:
        dead_letter = masked(dead_letter)
    if args.json:
        print_out(safe_json({"schema": SCHEMA, "letter": fields_of(dead_letter)}, indent=2, as_is=MASKED))
    else:
        print_out(dead_letter_text(dead_letter, at))
    return exit_codes.OK


def _unknown_text(file: str, ids: list[int]) -> str:
    from pathlib import Path

    from fuseboard_console.text.safe_text import safe_text
    from fuseboard_console.views.dead_letters.text import numbers

    dead_letters = f"dead letter {ids[0]}" if len(ids) == 1 else f"dead letters {numbers(ids)}"
    return f"{safe_text(Path(file).name, 200)} has no {dead_letters}. `fuseboard dlq FILE list --status all` lists all."


async def _act(args: Namespace) -> int:
    """Select dead letters and carry out the action on them, or with --dry-run only print what would be done."""
    from fuseboard_console.cli.output import complain

    named = bool(args.ids)
    if (named and args.all) or not (named or args.all or is_filtered(args)):
        complain(f"Give IDs, filters, or --all. `fuseboard dlq FILE {args.action} --help` explains them.")
        return exit_codes.BAD_INPUT
    found = await _find(args)
    missing = sorted(set(args.ids) - {dead_letter.id for dead_letter in found})
    if missing:
        complain(_mismatch_text(missing) if is_filtered(args) else _unknown_text(args.file, missing))
        return exit_codes.BAD_INPUT
    allowed = _statuses_allowing(args.action)
    chosen = [dead_letter for dead_letter in found if dead_letter.status in allowed]
    refused = [dead_letter for dead_letter in found if dead_letter.status not in allowed] if named else []
    for dead_letter in refused:
        state = f"{dead_letter.status}{_lease_text(dead_letter)}"
        complain(f"Dead letter {dead_letter.id} is {state}: it can't be {_done(args.action)}.")
    if not refused:
        return await _carry_out(args, chosen)
    if chosen:
        await _carry_out(args, chosen)
    return exit_codes.NOT_DONE


async def _find(args: Namespace) -> list[DeadLetter]:
    """Return the dead letters that the arguments select, newest first.

    `purge` with filters alone means finished ones, unless --status says otherwise.
    """
    from fuseboard_engine.dead_letters.store import pages
    from fuseboard_storage.stores.dead_letters import SqliteDeadLetters

    purges_by_filter = args.action == "purge" and not args.ids and not args.all
    selection = selection_of(args, FINISHED if purges_by_filter else ())
    async with SqliteDeadLetters.open(args.file) as store:
        return [dead_letter async for page in pages(store, selection, now()) for dead_letter in page]


def _statuses_allowing(action: Literal["retry", "purge", "archive", "unarchive", "discard"]) -> tuple[Status, ...]:
    """Return the statuses of the dead letters that an action can be carried out on."""
    from fuseboard_engine.dead_letters.letter import CHANGEABLE, RETRYABLE, STATUSES

    if action == "retry":
        return RETRYABLE
    if action == "purge":
        return tuple(status for status in STATUSES if status != "retrying")
    return CHANGEABLE[action]


def _done(action: str) -> str:
    """Return the past participle of an action."""
    from fuseboard_engine.dead_letters.letter import DONE

    return "retried" if action == "retry" else DONE[action]


async def _carry_out(args: Namespace, dead_letters: list[DeadLetter]) -> int:
    """Carry out the action on these dead letters, all of which allow it; return the exit code."""
    from fuseboard_console.cli.output import print_out
    from fuseboard_console.text.formatting import plural
    from fuseboard_console.views.dead_letters.text import numbers

    ids = sorted(dead_letter.id for dead_letter in dead_letters)
    if not ids:
        print_out(f"No dead letter matches: nothing was {_done(args.action)}.")
        return exit_codes.OK
    if args.dry_run:
        print_out(f"{plural(len(ids), 'dead letter')} would be {_done(args.action)}: {numbers(ids)}.")
        return exit_codes.OK
    return await (_retry(args, dead_letters) if args.action == "retry" else _change(args, ids))


def _lease_text(dead_letter: DeadLetter) -> str:
    """Return when the lease of the worker that retries a dead letter ends; empty when no worker has it."""
    from fuseboard_console.text.formatting import clock

    return "" if dead_letter.lease_until is None else f" (its lease runs until {clock(dead_letter.lease_until)})"


def _mismatch_text(ids: list[int]) -> str:
    from fuseboard_console.views.dead_letters.text import numbers

    return f"Of the named dead letters, {numbers(ids)} do not match the filter. Nothing was changed."


async def _change(args: Namespace, ids: list[int]) -> int:
    """Archive, unarchive, discard or purge dead letters; return the exit code."""
    from fuseboard_console.cli.interrupts import remark_on_interrupt
    from fuseboard_console.cli.output import complain, print_out
    from fuseboard_console.operator.identity import actor
    from fuseboard_console.text.formatting import plural
    from fuseboard_engine.dead_letters.letter import LetterSelection
    from fuseboard_storage.stores.dead_letters import SqliteDeadLetters

    selection = LetterSelection(ids=tuple(ids))
    unsure = "It may be carried out: `fuseboard dlq FILE list --status all` shows all dead letters."
    async with SqliteDeadLetters.open(args.file, reading=False) as store:
        with remark_on_interrupt(unsure):
            if args.action == "purge":
                changes = await store.purge(selection, now(), actor())
            else:
                changes = await store.change(args.action, selection, now(), actor())
    count = sum(len(change.ids) for change in changes)
    print_out(f"{plural(count, 'dead letter')} {_done(args.action)}.")
    if count < len(ids):
        complain(f"{_unchanged_text(len(ids) - count)}, because another process changed or took it meanwhile.")
        return exit_codes.NOT_DONE
    return exit_codes.OK


def _unchanged_text(count: int) -> str:
    return "1 dead letter stays as it is" if count == 1 else f"{count:,} dead letters stay as they are"


async def _retry(args: Namespace, dead_letters: list[DeadLetter]) -> int:
    """Ask each engine to retry its own dead letters, and print the outcomes."""
    from fuseboard_console.cli.command_results import Interrupted, board_now
    from fuseboard_storage.recording.recording import Recording

    done = True
    async with Recording.open(args.file) as recording:
        board = await board_now(recording)
        for engine in sorted({dead_letter.engine for dead_letter in dead_letters}):
            ids = sorted(dead_letter.id for dead_letter in dead_letters if dead_letter.engine == engine)
            try:
                done = await _retry_by(recording, board, args, engine, ids) and done
            except Interrupted:
                return exit_codes.INTERRUPTED
    return exit_codes.OK if done else exit_codes.NOT_DONE


async def _retry_by(recording: Recording, board: Board, args: Namespace, engine: str, ids: list[int]) -> bool:
    """Ask one engine to retry dead letters and print the outcome; return whether it was done."""
    from fuseboard_console.cli.command_results import retry_or_stop
    from fuseboard_console.cli.output import complain
    from fuseboard_console.operator.command_target import find_target
    from fuseboard_console.text.safe_text import safe_text

    file = safe_text(recording.path.name, 200)
    found = find_target(board, {engine}, now(), file)
    if found.instance is None:
        complain(f"{found.why} {_unchanged_text(len(ids))}.")
        return False
    return await retry_or_stop(recording, board, ids, found.instance, file, args.wait)


async def _stop(args: Namespace) -> int:
    """Have every engine that may run end its retries of many dead letters, and print the outcomes."""
    from fuseboard_console.cli.command_results import board_now
    from fuseboard_console.cli.interrupts import remark_on_interrupt
    from fuseboard_console.cli.output import complain, print_out
    from fuseboard_console.operator.command_target import find_target, instances_to_ask
    from fuseboard_console.operator.identity import actor
    from fuseboard_console.operator.messages import outcome_text
    from fuseboard_console.text.safe_text import safe_text
    from fuseboard_console.views.adapters.engine_names import engine_names
    from fuseboard_storage.recording.recording import Recording

    names = {args.engine} if args.engine else set()
    async with Recording.open(args.file) as recording:
        board = await board_now(recording)
        asked = instances_to_ask(board, names, now())
        if not asked:
            complain(find_target(board, names, now(), safe_text(recording.path.name, 200)).why)
            return exit_codes.NOT_DONE
        targets = [(instance, "") for instance in asked]
        commands = await recording.ask_many("dlq_stop", targets, actor=actor(), expires_in=args.wait)
        with remark_on_interrupt("The command was sent: an engine may still carry it out."):
            statuses = [await recording.outcome(command) for command in commands]
    engines = engine_names(board)
    stopped = [(status, instance) for status, instance in zip(statuses, asked, strict=True) if status.status == "done"]
    for status, instance in stopped:
        engine = engines.command(instance, "")
        print_out(outcome_text(status.verb, "", True, status.detail, engine=engine))
    if not stopped:
        refused = next((status for status in statuses if status.status == "failed"), statuses[0])
        complain(outcome_text(refused.verb, "", False, refused.detail))
    return exit_codes.OK if stopped else exit_codes.NOT_DONE
