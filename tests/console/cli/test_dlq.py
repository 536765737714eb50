"""`fuseboard dlq`: a real process on real recordings."""

from __future__ import annotations

import asyncio
import json
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from fuseboard_console.cli import exit_codes
from fuseboard_console.cli.dead_letter_arguments import in_order
from fuseboard_console.text.formatting import clock
from fuseboard_engine.dead_letters.letter import LetterSelection
from fuseboard_storage.recording.recording import Recording
from fuseboard_storage.stores.dead_letters import SqliteDeadLetters
from support.dead_letter_files import put, start_engine
from support.hostile_texts import HOSTILE
from support.waiting import PATIENCE, until


def dlq(file: Path, *arguments: str | int) -> subprocess.CompletedProcess[str]:
    patient = ("--wait", f"{PATIENCE:g}") if arguments[:1] == ("retry",) and "--wait" not in arguments else ()
    command = [sys.executable, "-m", "fuseboard_console", "dlq", str(file), *map(str, arguments), *patient]
    return subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=False)


@pytest.fixture
def live(tmp_path: Path) -> Iterator[Path]:
    """A recording with three dead letters and a running engine."""
    engine = start_engine(tmp_path)
    try:
        yield tmp_path / "checkout.db"
    finally:
        engine.communicate("", timeout=PATIENCE)


@pytest.fixture
def ended(tmp_path: Path) -> Path:
    """A recording with four dead letters, the last a week old, and without an engine."""
    return put(tmp_path / "checkout.db", *[{"task": f"t{n}", "task_type": "order"} for n in range(3)], {"age": 7})


def statuses(file: Path) -> dict[int, str]:
    shown = dlq(file, "list", "--status", "all", "--json")
    assert shown.returncode == exit_codes.OK, shown.stderr
    return {letter["id"]: letter["status"] for letter in json.loads(shown.stdout)["letters"]}


def test_the_list_shows_unfinished_letters_newest_first(ended: Path) -> None:
    dlq(ended, "discard", 2)
    shown = dlq(ended, "list")
    assert shown.returncode == exit_codes.OK
    lines = shown.stdout.splitlines()
    assert lines[0] == "checkout.db: 4 dead letters: 3 pending, 1 discarded"
    assert [line.split()[0] for line in lines[2:6]] == ["ID", "4", "3", "1"]
    assert "by hand" in lines[3]
    assert "ConnectionError: refused" in lines[3]


def test_the_list_is_filtered_by_status_type_category_text_and_age(ended: Path) -> None:
    put(ended, {"category": "transient", "error": "ODD thing", "task_type": "report"})
    for filters, ids in (
        (["--type", "report"], [5]),
        (["--category", "transient"], [5]),
        (["--text", "odd"], [5]),
        (["--older-than", "3d"], [4]),
        (["--status", "archived"], []),
        (["--engine", "billing"], []),
        (["--limit", "2"], [5, 4]),
    ):
        shown = json.loads(dlq(ended, "list", *filters, "--json").stdout)
        assert [letter["id"] for letter in shown["letters"]] == ids, filters
    assert "None of them matches." in dlq(ended, "list", "--type", "nonesuch").stdout


def test_the_json_has_every_status_and_the_payload_as_a_value(ended: Path) -> None:
    shown = json.loads(dlq(ended, "list", "--json").stdout)
    assert shown["schema"] == "fuseboard.dead_letters/1"
    assert shown["counts"] == {
        "pending": 4,
        "retrying": 0,
        "exhausted": 0,
        "succeeded": 0,
        "archived": 0,
        "discarded": 0,
    }
    assert shown["letters"][0]["payload"] == {"n": 1}


def test_secrets_in_payloads_are_shown_only_on_request(tmp_path: Path) -> None:
    key = "Zq7RtY88pLmN3vKx"
    payload = {"n": 1, "api_key": key, "headers": {"Authorization": f"Bearer {key}"}, "text": [f"use sk-{key}"]}
    file = put(tmp_path / "shop.db", {"payload": json.dumps(payload), "context": {"token": key, "user": "Ana"}})
    for arguments in (("list",), ("list", "--json"), ("show", "1"), ("show", "1", "--json")):
        said = dlq(file, *arguments)
        assert said.returncode == 0 and key not in said.stdout, arguments
    masked = json.loads(dlq(file, "show", "1", "--json").stdout)["letter"]
    assert masked["payload"] == {
        "n": 1, "api_key": "[hidden]", "headers": {"Authorization": "[hidden]"}, "text": ["use [hidden]"],
    }  # fmt: skip
    assert masked["context"] == {"token": "[hidden]", "user": "Ana"}
    assert json.loads(dlq(file, "show", "1", "--json", "--reveal").stdout)["letter"]["payload"] == payload
    assert key in dlq(file, "show", "1", "--reveal").stdout


def test_one_letter_is_shown_in_full(ended: Path) -> None:
    shown = dlq(ended, "show", 1)
    assert shown.returncode == exit_codes.OK
    assert shown.stdout.startswith("dead letter 1: pending")
    for text in ("t0", "order", "checkout", "ConnectionError: refused", '{"n":1}', "0 of 3 failed"):
        assert text in shown.stdout
    assert json.loads(dlq(ended, "show", 1, "--json").stdout)["letter"]["task"] == "t0"


def test_an_unknown_dead_letter_is_reported_and_nothing_changes(ended: Path) -> None:
    for action in ("show", "retry", "archive", "unarchive", "discard", "purge"):
        shown = dlq(ended, action, 99)
        assert shown.returncode == exit_codes.BAD_INPUT, action
        assert "checkout.db has no dead letter 99." in shown.stderr
    shown = dlq(ended, "discard", 1, 99)
    assert shown.returncode == exit_codes.BAD_INPUT
    assert statuses(ended)[1] == "pending"


def test_letters_are_archived_unarchived_discarded_and_purged(ended: Path) -> None:
    assert dlq(ended, "archive", 1, 2).stdout == "2 dead letters archived.\n"
    assert dlq(ended, "unarchive", 1).stdout == "1 dead letter unarchived.\n"
    assert dlq(ended, "discard", "--older-than", "3d").stdout == "1 dead letter discarded.\n"
    assert statuses(ended) == {1: "pending", 2: "archived", 3: "pending", 4: "discarded"}
    assert dlq(ended, "purge", "--status", "archived").stdout == "1 dead letter purged.\n"
    assert dlq(ended, "purge", "--older-than", "0s").stdout == "1 dead letter purged.\n"
    assert statuses(ended) == {1: "pending", 3: "pending"}


def test_a_change_that_does_not_apply_is_refused_with_the_reason(ended: Path) -> None:
    dlq(ended, "archive", 1)
    again = dlq(ended, "archive", 1, 2)
    assert again.returncode == exit_codes.NOT_DONE
    assert again.stderr == "Dead letter 1 is archived: it can't be archived.\n"
    assert again.stdout == "1 dead letter archived.\n"
    none = dlq(ended, "unarchive", "--type", "nonesuch")
    assert (none.returncode, none.stdout) == (0, "No dead letter matches: nothing was unarchived.\n")


def test_a_dry_run_prints_what_would_be_done_and_changes_nothing(ended: Path) -> None:
    for action, words in (("archive", "archived"), ("discard", "discarded"), ("retry", "retried")):
        shown = dlq(ended, action, "--type", "order", "--dry-run")
        assert shown.stdout == f"3 dead letters would be {words}: 1, 2, 3.\n"
    assert dlq(ended, "purge", "--all", "--dry-run").stdout == "4 dead letters would be purged: 1, 2, 3, 4.\n"
    assert set(statuses(ended).values()) == {"pending"}


def test_purging_by_age_alone_keeps_unfinished_letters(ended: Path) -> None:
    shown = dlq(ended, "purge", "--older-than", "1d")
    assert shown.stdout == "No dead letter matches: nothing was purged.\n"
    assert dlq(ended, "purge", "--older-than", "1d", "--status", "pending").stdout == "1 dead letter purged.\n"


def test_changes_are_in_the_audit_with_the_operator(ended: Path) -> None:
    dlq(ended, "discard", 1, 2)

    async def actions() -> list[tuple[str, str]]:
        async with Recording.open(ended) as recording:
            return [(action.verb, action.detail) for action in (await recording.board()).actions if "@" in action.actor]

    assert asyncio.run(actions()) == [("dlq_discard", "2 dead letters discarded")]


def test_the_engine_retries_selected_letters_and_the_outcome_is_printed(live: Path) -> None:
    failed = dlq(live, "retry", 1)
    assert failed.returncode == exit_codes.NOT_DONE
    assert failed.stderr == "Dead letter 1 failed again: retry 1 of 3 failed: refused.\n"
    (live.parent / "mended").touch()
    assert dlq(live, "retry", 1).stdout == "Dead letter 1 succeeded: prefect did it.\n"
    assert dlq(live, "retry", "--type", "report").stdout == "Dead letter 3 succeeded: prefect did it.\n"
    done = dlq(live, "retry", "--all")
    assert (done.returncode, done.stdout) == (0, "Dead letter 2 succeeded: prefect did it.\n")
    assert dlq(live, "retry", "--all").stdout == "No dead letter matches: nothing was retried.\n"
    assert set(statuses(live).values()) == {"succeeded"}


STOPS = "The engine stops after the dead letter in flight. Ctrl-C again ends only this command.\n"


def retrying(file: Path) -> subprocess.Popen[str]:
    """Start a retry of all letters whose first one waits, and return once that is in flight."""
    (file.parent / "mended").write_text("wait")
    command = [sys.executable, "-m", "fuseboard_console", "dlq", str(file), "retry", "--all"]
    retry = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    until(lambda: rows(file, "SELECT 1 FROM dead_letters WHERE status = 'retrying'"))
    return retry


def rows(file: Path, sql: str) -> list[Any]:
    with closing(sqlite3.connect(file)) as connection:
        return connection.execute(sql).fetchall()


def go_on_once_stopped(file: Path) -> None:
    """Let the retry in flight end once the engine has the command to stop."""
    until(lambda: rows(file, "SELECT 1 FROM commands WHERE verb = 'dlq_stop' AND status = 'taken'"))
    (file.parent / "mended").write_text("")


def test_ctrl_c_stops_a_retry_of_many_after_the_one_in_flight(live: Path) -> None:
    retry = retrying(live)
    retry.send_signal(signal.SIGINT)
    go_on_once_stopped(live)
    out, err = retry.communicate(timeout=PATIENCE)
    assert retry.returncode == exit_codes.INTERRUPTED
    assert err in ("", STOPS)
    assert out == "The retry was stopped: 1 dead letter retried, 2 left.\n"
    assert sorted(statuses(live).values()) == ["pending", "pending", "succeeded"]


def test_ctrl_c_says_what_it_waits_for_and_a_second_one_leaves_the_rest_to_the_engine(live: Path) -> None:
    retry = retrying(live)
    retry.send_signal(signal.SIGINT)
    assert retry.stderr is not None
    assert retry.stderr.readline() == STOPS
    retry.send_signal(signal.SIGINT)
    out, err = retry.communicate(timeout=PATIENCE)
    assert (retry.returncode, out) == (exit_codes.INTERRUPTED, "")
    assert err == "\nThe command was sent: an engine may still carry it out.\n"
    go_on_once_stopped(live)
    until(lambda: sorted(statuses(live).values()) == ["pending", "pending", "succeeded"])


def test_a_retry_that_takes_long_is_reported_with_how_to_stop_it(live: Path) -> None:
    retry = retrying(live)
    out, err = retry.communicate(timeout=PATIENCE)  # an engine reports after eight seconds
    assert (retry.returncode, err) == (exit_codes.OK, "")
    assert out == "The retry continues.\n`fuseboard dlq checkout.db stop` stops it after the one in flight.\n"
    with subprocess.Popen(
        [sys.executable, "-m", "fuseboard_console", "dlq", str(live), "stop"], stdout=subprocess.PIPE, text=True
    ) as stop:
        go_on_once_stopped(live)
        assert stop.communicate(timeout=PATIENCE)[0] == "The retry was stopped: 1 dead letter retried, 2 left.\n"
    assert sorted(statuses(live).values()) == ["pending", "pending", "succeeded"]


def test_an_operator_stops_the_retry_of_another_and_both_are_told(live: Path) -> None:
    retry = retrying(live)
    command = [sys.executable, "-m", "fuseboard_console", "dlq", str(live), "stop"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as stop:
        go_on_once_stopped(live)
        out, _ = stop.communicate(timeout=PATIENCE)
    assert (stop.returncode, out) == (exit_codes.OK, "The retry was stopped: 1 dead letter retried, 2 left.\n")
    _, err = retry.communicate(timeout=PATIENCE)
    assert retry.returncode == exit_codes.NOT_DONE
    assert err.startswith("Dead letter 1 succeeded: prefect did it; stopped by ")
    assert err.endswith(", 2 left.\n")
    audit = subprocess.run(
        [sys.executable, "-m", "fuseboard_console", "events", str(live), "--kind", "command_done"],
        capture_output=True, text=True, timeout=PATIENCE, check=True,
    )  # fmt: skip
    assert "stop retrying dead letters: done: the retry was stopped: 1 dead letter retried, 2 left" in audit.stdout


def test_a_stop_without_a_retry_says_so(live: Path) -> None:
    shown = dlq(live, "stop")
    assert (shown.returncode, shown.stderr) == (exit_codes.NOT_DONE, "No retry of many dead letters is in progress.\n")
    shown = dlq(live, "stop", "--engine", "mail")
    assert (shown.returncode, "no engine called mail" in shown.stderr) == (exit_codes.NOT_DONE, True)


def test_without_a_running_engine_nothing_is_retried_now_or_later(ended: Path) -> None:
    shown = dlq(ended, "retry", 1, 2)
    assert shown.returncode == exit_codes.NOT_DONE
    assert shown.stderr == (
        "No engine can take this command: no engine has ever written to checkout.db. 2 dead letters stay as they are.\n"
    )


def asked(file: Path) -> list[Any]:
    """Return the commands in the recording's mailbox."""
    with sqlite3.connect(file) as connection:
        return connection.execute("SELECT verb FROM commands").fetchall()


def test_no_command_is_sent_to_an_engine_that_has_ended(tmp_path: Path) -> None:
    start_engine(tmp_path).communicate("", timeout=PATIENCE)
    shown = dlq(tmp_path / "checkout.db", "retry", 1, "--wait", 3600)
    assert shown.returncode == exit_codes.NOT_DONE
    assert shown.stderr.startswith("No engine can take this command: the engine of checkout.db ended at ")
    assert shown.stderr.endswith(". 1 dead letter stays as it is.\n")
    assert asked(tmp_path / "checkout.db") == []


def test_no_command_is_sent_to_an_engine_whose_process_is_gone(tmp_path: Path) -> None:
    engine = start_engine(tmp_path)
    engine.kill()
    engine.communicate(timeout=PATIENCE)
    for _ in range(100):  # until the last heartbeat is too old to count
        shown = dlq(tmp_path / "checkout.db", "retry", 1, "--wait", 0.1)
        if "is gone" in shown.stderr:
            break
    before = asked(tmp_path / "checkout.db")
    shown = dlq(tmp_path / "checkout.db", "retry", "--all", "--wait", 3600)
    assert shown.returncode == exit_codes.NOT_DONE
    assert "the process of the engine of checkout.db is gone, last sign of life" in shown.stderr
    assert asked(tmp_path / "checkout.db") == before


def test_an_action_needs_ids_filters_or_all(ended: Path) -> None:
    for arguments in (
        ["retry"],
        ["purge"],
        ["discard", 1, "--all"],
        [],
        ["explode"],
        ["purge", "--older-than", "soon"],
    ):
        shown = dlq(ended, *arguments)
        assert shown.returncode == exit_codes.BAD_INPUT, arguments
        assert shown.stderr
    assert len(statuses(ended)) == 4


def test_a_missing_foreign_or_empty_file_is_reported_as_such(tmp_path: Path) -> None:
    missing = dlq(tmp_path / "none.db", "list")
    assert (missing.returncode, "does not exist" in missing.stderr) == (exit_codes.BAD_INPUT, True)
    (tmp_path / "notes.txt").write_text("hello\n" * 100)
    foreign = dlq(tmp_path / "notes.txt", "purge", "--all")
    assert (foreign.returncode, "is not a recording" in foreign.stderr) == (exit_codes.BAD_INPUT, True)
    (tmp_path / "empty.db").touch()
    assert dlq(tmp_path / "empty.db", "list").stdout == "empty.db: no dead letters.\n"
    assert dlq(tmp_path / "empty.db", "purge", "--all").returncode == exit_codes.OK
    assert (tmp_path / "empty.db").read_bytes() == b""
    assert not (tmp_path / "none.db").exists()


def test_hostile_text_is_shown_but_not_interpreted(tmp_path: Path) -> None:
    file = put(
        tmp_path / "checkout.db",
        *[
            {"task": text, "task_type": text, "error": text, "payload": json.dumps(text), "context": {"user": text}}
            for text in HOSTILE
        ],
    )
    shown = dlq(file, "list")
    assert shown.returncode == exit_codes.OK
    everything = shown.stdout + "".join(dlq(file, "show", id).stdout for id in (4, 5, 6, 7, 10, 11))
    assert len(shown.stdout.splitlines()) == len(HOSTILE) + 3
    for character in "\x1b\x9b\u202e\u2066\u200b\r\t":
        assert character not in everything


def test_each_engine_retries_its_own_letters(live: Path) -> None:
    (live.parent / "mended").touch()
    put(live, {"engine": "billing", "due_at": None})
    shown = dlq(live, "retry", "--all")
    assert shown.returncode == exit_codes.NOT_DONE
    assert shown.stdout == "3 dead letters retried: 3 succeeded.\n"
    assert shown.stderr == (
        "No engine can take this command: no engine called billing writes to checkout.db. "
        "1 dead letter stays as it is.\n"
    )

    async def left() -> list[str]:
        async with SqliteDeadLetters.open(live) as store:
            return [one.engine for one in await store.find(LetterSelection(statuses=("pending",)), 0)]

    assert asyncio.run(left()) == ["billing"]


def test_a_letter_being_retried_is_refused_with_the_end_of_its_lease(ended: Path) -> None:
    now = time.time_ns() // 1000
    until = now + 3_600_000_000

    async def claim() -> None:
        store = SqliteDeadLetters(ended)
        assert await store.claim(1, "checkout", "a worker", now, until) is not None
        await store.close()

    asyncio.run(claim())
    for action in ("retry", "archive", "discard"):
        said = dlq(ended, action, 1)
        assert said.returncode == exit_codes.NOT_DONE
        assert said.stderr.startswith(f"Dead letter 1 is retrying (its lease runs until {clock(until)}): it can't be ")


@pytest.mark.parametrize(
    ("given", "read"),
    [
        (["list", "a.db", "--json"], ["a.db", "list", "--json"]),
        (["a.db", "list"], ["a.db", "list"]),
        (["retry", "a.db", "12", "14"], ["a.db", "retry", "12", "14"]),
        (["list", "list"], ["list", "list"]),
        (["list", "--help"], ["list", "--help"]),
        (["list"], ["list"]),
        ([], []),
    ],
)
def test_the_file_may_stand_after_the_action(given: list[str], read: list[str]) -> None:
    assert in_order(given) == read


def test_the_dead_letters_of_a_file_after_the_action_are_listed(ended: Path) -> None:
    command = [sys.executable, "-m", "fuseboard_console", "dlq", "list", str(ended), "--json"]
    shown = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=True)
    assert len(json.loads(shown.stdout)["letters"]) == 4
