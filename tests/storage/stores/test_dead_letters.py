"""The contract of a dead-letter store, checked in memory and in a recording."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from fuseboard_engine.dead_letters.letter import STATUSES, Capacity, LetterChain, LetterSelection, QueueFull
from fuseboard_engine.dead_letters.memory_store import MemoryDeadLetters
from fuseboard_engine.dead_letters.store import DeadLetterStore
from fuseboard_storage.stores.dead_letters import SqliteDeadLetters
from support.letters import LEASE, MINUTE, NOON, ROOM, SECOND, letter, settled


@pytest.fixture(params=["memory", "recording"])
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[DeadLetterStore]:
    store = MemoryDeadLetters() if request.param == "memory" else SqliteDeadLetters(tmp_path / "a.db")
    yield store
    await store.close()


async def put(store: DeadLetterStore, *statuses: str, at: int = NOON) -> list[int]:
    """Add a letter in each of the statuses; return their ids."""
    ids = []
    for number, status in enumerate(statuses):
        id, _ = await store.add(letter(f"t{number}", at), Capacity(10_000, False))
        ids.append(id)
        if status in ("retrying", "succeeded", "exhausted"):
            assert await store.claim(id, "checkout", f"c{id}", at, at + LEASE)
        if status in ("succeeded", "exhausted"):
            assert await store.settle(id, f"c{id}", settled(status), at)
        if status in ("archived", "discarded"):
            change = "archive" if status == "archived" else "discard"
            assert await store.change(change, LetterSelection(ids=(id,)), at, "ann")
    return ids


async def status_of(store: DeadLetterStore, id: int, now: int = NOON) -> str:
    found = await store.get(id, now)
    assert found is not None
    return found.status


async def test_DQ01_letters_are_kept_found_and_counted_and_absent_statuses_count_zero(
    store: DeadLetterStore,
) -> None:
    for category in ("transient", "transient", "transient", "permanent", "permanent"):
        await store.add(letter(category=category), ROOM)
    figures = await store.statistics(NOON, 100)
    assert (figures.size, figures.utilization_pct) == (5, 5.0)
    assert figures.by_status == {status: 5 if status == "pending" else 0 for status in STATUSES}
    assert (figures.by_category["transient"], figures.by_category["permanent"]) == (3, 2)
    assert figures.by_category["network"] == 0
    assert figures.totals["enqueued"] == 5
    assert len(await store.find(LetterSelection(statuses=("pending",)), NOON)) == 5
    assert await store.find(LetterSelection(statuses=("exhausted",)), NOON) == []
    assert await store.get(99, NOON) is None


async def test_DQ02_a_full_queue_that_rejects_refuses_the_next_letter(store: DeadLetterStore) -> None:
    room = Capacity(100, False)
    for number in range(100):
        await store.add(letter(str(number)), room)
    with pytest.raises(QueueFull, match="it holds 100 letters"):
        await store.add(letter("too much"), room)
    figures = await store.statistics(NOON, 100)
    assert (figures.size, figures.totals["refused"], figures.totals["enqueued"]) == (100, 1, 100)


async def test_DQ02_a_full_queue_that_evicts_removes_the_ten_oldest_finished_letters(store: DeadLetterStore) -> None:
    ids = await put(store, *["succeeded"] * 100)
    _, (evicted,) = await store.add(letter("new"), Capacity(100, True))
    assert (evicted.ids, evicted.before) == (tuple(ids[:10]), "succeeded")
    figures = await store.statistics(NOON, 100)
    assert (figures.size, figures.totals["evicted"]) == (91, 10)


async def test_R24_pending_letters_are_never_evicted(store: DeadLetterStore) -> None:
    pending = await put(store, *["pending"] * 50)
    await put(store, *["succeeded"] * 50)
    await store.add(letter("new"), Capacity(100, True))
    figures = await store.statistics(NOON, 100)
    assert (figures.by_status["pending"], figures.by_status["succeeded"]) == (51, 40)
    assert [await status_of(store, id) for id in pending] == ["pending"] * 50


async def test_a_queue_of_only_pending_letters_refuses_even_when_it_can_evict(store: DeadLetterStore) -> None:
    await put(store, "pending", "retrying")
    with pytest.raises(QueueFull, match="none of them is finished"):
        await store.add(letter(), Capacity(2, True))


async def test_the_least_needed_letters_are_evicted_first(store: DeadLetterStore) -> None:
    await put(store, "exhausted", "archived", "discarded", "succeeded")
    gone = []
    for _ in range(4):
        _, (evicted,) = await store.add(letter(), Capacity(4, True))
        gone.append(evicted.before)
    assert gone == ["succeeded", "discarded", "archived", "exhausted"]


async def test_DQ03_a_new_letter_is_due_at_once(store: DeadLetterStore) -> None:
    id, _ = await store.add(letter(), ROOM)
    claimed = await store.claim_due("checkout", "c", NOON, NOON + LEASE)
    assert claimed is not None
    assert (claimed.id, claimed.status) == (id, "retrying")


async def test_DQ04_the_letter_due_longest_comes_first_and_future_ones_are_not_due(store: DeadLetterStore) -> None:
    later, _ = await store.add(letter(due_at=NOON + 2), ROOM)
    first, _ = await store.add(letter(due_at=NOON + 1), ROOM)
    await store.add(letter(due_at=NOON + MINUTE), ROOM)
    await store.add(letter(due_at=None), ROOM)
    now = NOON + SECOND
    claimed = [await store.claim_due("checkout", f"c{n}", now, now + LEASE) for n in range(3)]
    assert [one.id if one else None for one in claimed] == [first, later, None]
    assert await store.next_due("checkout", now) == NOON + LEASE + SECOND


async def test_letters_of_excluded_chains_are_not_taken(store: DeadLetterStore) -> None:
    kept = [
        await store.add(letter(task_type="ai", due_at=NOON - 4), ROOM),
        await store.add(letter(task_type="ai", order=("prefect", "agno"), due_at=NOON - 3), ROOM),
        await store.add(letter(task_type="report", due_at=NOON - 2), ROOM),
        await store.add(letter(task_type="report", due_at=NOON - 1), ROOM),
        await store.add(letter(task_type="later", due_at=NOON + MINUTE), ROOM),
        await store.add(letter(task_type="ai", engine="billing"), ROOM),
    ]
    ids = [id for id, _ in kept]
    plain, named, report = (LetterChain((), "ai"), LetterChain(("prefect", "agno"), "ai"), LetterChain((), "report"))
    assert sorted(await store.chains_due("checkout", NOON)) == sorted([plain, named, report])
    assert await store.next_due("checkout", NOON, (plain,)) == NOON - 3
    assert await store.next_due("checkout", NOON, (plain, named, report)) == NOON + MINUTE
    assert await store.claim_due("checkout", "a", NOON, NOON + LEASE, (plain, named, report)) is None
    claimed = await store.claim_due("checkout", "b", NOON, NOON + LEASE, (plain, report))
    assert claimed is not None
    assert (claimed.id, claimed.chain) == (ids[1], named)
    claimed = await store.claim_due("checkout", "c", NOON, NOON + LEASE, (plain,))
    assert claimed is not None
    assert claimed.id == ids[2]


async def test_excluded_chains_can_have_names_with_lone_surrogates(store: DeadLetterStore) -> None:
    await store.add(letter(task_type="a\udcff", order=("b\udcff",)), ROOM)
    (chain,) = await store.chains_due("checkout", NOON)
    assert await store.claim_due("checkout", "a", NOON, NOON + LEASE, (chain,)) is None


async def test_a_failed_retry_hides_a_letter_until_it_is_due_again(store: DeadLetterStore) -> None:
    (failed,) = await put(store, "retrying")
    assert await store.settle(failed, f"c{failed}", settled("pending", NOON + MINUTE, 1), NOON)
    (other,) = await put(store, "pending")
    found = await store.claim_due("checkout", "x", NOON, NOON + LEASE)
    assert found is not None
    assert found.id == other
    assert await store.claim_due("checkout", "y", NOON, NOON + LEASE) is None
    again = await store.claim_due("checkout", "z", NOON + MINUTE, NOON + MINUTE + LEASE)
    assert again is not None


async def test_R20_a_letter_of_a_silent_worker_is_pending_again_when_its_lease_ends(store: DeadLetterStore) -> None:
    (id,) = await put(store, "retrying")
    assert await status_of(store, id, NOON + LEASE - 1) == "retrying"
    assert await status_of(store, id, NOON + LEASE) == "pending"
    assert (await store.statistics(NOON + LEASE)).by_status["pending"] == 1
    claimed = await store.claim_due("checkout", "new", NOON + LEASE, NOON + 2 * LEASE)
    assert claimed is not None
    assert claimed.id == id
    assert not await store.settle(id, f"c{id}", settled(), NOON + LEASE), "the silent worker comes too late"
    assert not await store.renew(id, f"c{id}", NOON + 3 * LEASE)


async def test_a_renewed_lease_lasts_longer(store: DeadLetterStore) -> None:
    (id,) = await put(store, "retrying")
    assert await store.renew(id, f"c{id}", NOON + 2 * LEASE)
    assert await status_of(store, id, NOON + LEASE) == "retrying"


async def test_R21_only_one_of_many_concurrent_workers_gets_a_letter(store: DeadLetterStore) -> None:
    (id,) = await put(store, "pending")
    claims = [store.claim_due("checkout", f"w{n}", NOON, NOON + LEASE) for n in range(10)]
    claims += [store.claim(id, "checkout", f"m{n}", NOON, NOON + LEASE) for n in range(10)]
    got = [one for one in await asyncio.gather(*claims) if one is not None]
    assert len(got) == 1


async def test_an_engine_takes_only_its_own_letters(store: DeadLetterStore) -> None:
    id, _ = await store.add(letter(engine="billing"), ROOM)
    assert await store.claim_due("checkout", "a", NOON, NOON + LEASE) is None
    assert await store.claim(id, "checkout", "b", NOON, NOON + LEASE) is None
    assert await store.next_due("checkout", NOON) is None
    assert await store.claim(id, "billing", "c", NOON, NOON + LEASE) is not None


async def test_an_operator_can_take_an_exhausted_letter_but_not_a_finished_or_retrying_one(
    store: DeadLetterStore,
) -> None:
    statuses = ("exhausted", "succeeded", "archived", "discarded", "retrying")
    ids = await put(store, *statuses)
    taken = [await store.claim(id, "checkout", "x", NOON, NOON + LEASE) for id in ids]
    assert [one is not None for one in taken] == [True, False, False, False, False]
    assert taken[0] is not None
    assert taken[0].was == "exhausted"


async def test_DQ08_archiving_removes_a_letter_from_the_active_list_and_unarchiving_restores_it(
    store: DeadLetterStore,
) -> None:
    (id, exhausted) = await put(store, "pending", "exhausted")
    (moved,) = await store.change("archive", LetterSelection(ids=(id,)), NOON + 1, "ann")
    assert (moved.ids, moved.before, moved.after) == ((id,), "pending", "archived")
    assert await store.change("archive", LetterSelection(ids=(id,)), NOON + 2, "ann") == ()
    assert (await store.statistics(NOON)).by_status["archived"] == 1
    found = await store.get(id, NOON)
    assert found is not None
    assert (found.actor, found.changed_at) == ("ann", NOON + 1)
    await store.change("archive", LetterSelection(ids=(exhausted,)), NOON, "ann")
    back = await store.change("unarchive", LetterSelection(), NOON, "bob")
    assert {group.after: group.ids for group in back} == {"pending": (id,), "exhausted": (exhausted,)}
    assert [await status_of(store, one) for one in (id, exhausted)] == ["pending", "exhausted"]


async def test_DQ08_clearing_returns_how_many_letters_were_removed(store: DeadLetterStore) -> None:
    await put(store, *["pending"] * 4, *["archived"] * 6)
    gone = await store.purge(LetterSelection(), NOON, "ann")
    assert {group.before: len(group.ids) for group in gone} == {"pending": 4, "archived": 6}
    figures = await store.statistics(NOON)
    assert (figures.size, figures.totals["purged"], figures.totals["enqueued"]) == (0, 10, 10)


async def test_a_discarded_letter_stays_until_it_is_purged(store: DeadLetterStore) -> None:
    ids = await put(store, "pending", "exhausted", "archived")
    moved = await store.change("discard", LetterSelection(), NOON, "ann")
    assert {group.before: group.after for group in moved} == dict.fromkeys(
        ("pending", "exhausted", "archived"), "discarded"
    )
    assert [await status_of(store, id) for id in ids] == ["discarded"] * 3
    assert await store.change("unarchive", LetterSelection(), NOON, "ann") == ()


async def test_a_letter_being_retried_is_neither_changed_nor_purged(store: DeadLetterStore) -> None:
    (id,) = await put(store, "retrying")
    assert await store.change("archive", LetterSelection(), NOON, "ann") == ()
    assert await store.change("discard", LetterSelection(), NOON, "ann") == ()
    assert await store.purge(LetterSelection(), NOON, "ann") == ()
    assert await status_of(store, id) == "retrying"


async def test_purging_selects_by_age_and_status(store: DeadLetterStore) -> None:
    await put(store, "succeeded", "pending", at=NOON)
    await put(store, "succeeded", at=NOON + MINUTE)
    wanted = LetterSelection(statuses=("succeeded",), before=NOON + MINUTE)
    (gone,) = await store.purge(wanted, NOON + MINUTE, "ann")
    assert (gone.before, len(gone.ids)) == ("succeeded", 1)
    assert (await store.statistics(NOON)).size == 2


FOUND = {
    "type": (LetterSelection(task_type="report"), {"a"}),
    "category": (LetterSelection(category="network"), {"b"}),
    "text in the error": (LetterSelection(text="TIMED"), {"c"}),
    "text in the payload": (LetterSelection(text="müller"), {"d"}),
    "a percent sign is no wildcard": (LetterSelection(text="100%"), {"e"}),
    "text in the task's id": (LetterSelection(text="a"), {"a"}),
    "engine": (LetterSelection(engine="billing"), {"f"}),
    "both must hold": (LetterSelection(task_type="report", category="network"), set()),
}


@pytest.mark.parametrize("case", FOUND)
async def test_letters_are_found_by_selection(case: str, store: DeadLetterStore) -> None:
    plain = {"error": "", "error_type": "", "adapter": "", "task_type": "", "payload": "0"}
    for task, fields in {
        "a": {"task_type": "report"},
        "b": {"category": "network"},
        "c": {"error": "it timed out"},
        "d": {"payload": '{"n":"Müller"}'},
        "e": {"error": "100% full"},
        "f": {"engine": "billing"},
        "g": {"error": "1000 full"},
    }.items():
        await store.add(letter(task, **{**plain, **fields}), ROOM)
    selection, tasks = FOUND[case]
    assert {one.task for one in await store.find(selection, NOON)} == tasks


async def test_pages_list_the_newest_letters_first(store: DeadLetterStore) -> None:
    ids = await put(store, *["pending"] * 5)
    first = await store.find(LetterSelection(), NOON, 3)
    second = await store.find(LetterSelection(), NOON, 3, first[-1].id)
    assert [one.id for one in first + second] == ids[::-1]


async def test_every_field_of_a_letter_survives_a_round_trip(store: DeadLetterStore) -> None:
    new = letter(
        "€ \udcff \x1b[31m",
        form="task",
        order=("b", "a"),
        deadline=1.5,
        context={"request": "r1"},
        rule="connection",
        payload='"x"',
    )
    id, _ = await store.add(new, ROOM)
    found = await store.get(id, NOON)
    assert found is not None
    assert (found.order, found.deadline, found.context, found.rule) == (
        ("b", "a"),
        1.5,
        {"request": "r1"},
        "connection",
    )
    assert found.task.startswith("€ ")
    assert found.task.endswith(" \x1b[31m")


async def test_a_lone_surrogate_in_a_letters_chain_does_not_prevent_its_storage(store: DeadLetterStore) -> None:
    id, _ = await store.add(letter(order=("\ud83d", "agno"), context={"\ud83d": "\ud83d"}), ROOM)
    found = await store.get(id, NOON)
    assert found is not None
    assert found.order[1] == "agno"


@pytest.mark.parametrize("route", ["{", "5", "[5]", "[" * 100_000])
async def test_a_letter_with_a_damaged_route_does_not_stop_the_others(tmp_path: Path, route: str) -> None:
    store = SqliteDeadLetters(tmp_path / "a.db")
    await store.add(letter(task_type="ai"), ROOM)
    await store.add(letter(task_type="report", order=("agno",)), ROOM)
    with sqlite3.connect(tmp_path / "a.db") as connection:
        connection.execute("UPDATE dead_letters SET route = ? WHERE task_type = 'ai'", (route,))
    connection.close()
    assert await store.chains_due("checkout", NOON) == [LetterChain(("agno",), "report")]
    await store.close()
