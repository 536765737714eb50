"""How each adapter stands, and in which order a person should look at them."""

from __future__ import annotations

from typing import NamedTuple

from fuseboard_console.glyphs import LOOKS, Condition
from fuseboard_console.safe_text import safe_text
from fuseboard_console.views.connection import presence
from fuseboard_console.views.filtering import Term, fits
from fuseboard_console.views.sorting import Sort, key_of
from fuseboard_console.views.times import SECOND
from fuseboard_storage.board import AdapterKey, AdapterRow, Board, InstanceRow, Totals

BY_STATE = Sort()
"""The most troubled first."""
RATE_SECONDS = 10
"""Over how many seconds calls per second are counted."""
SHARE_SECONDS = 60
"""Over how many seconds the success rate and the latencies are taken."""


def condition(row: AdapterRow, instance: InstanceRow | None, now: int) -> Condition:
    """Return how an adapter stands at `now` (UTC microseconds)."""
    if instance is not None:
        here = presence(instance, now)
        if here != "live":
            return "silent" if here == "silent" else "ended"
    return breaker_condition(row, now)


def breaker_condition(row: AdapterRow, now: int) -> Condition:
    """Return how an adapter's breaker stands, whether or not its engine still lives."""
    state = row.state
    if state == "closed":
        return "counting" if row.failures else "closed"
    if state == "open":
        return "ready" if row.until is not None and row.until <= now else "open"
    if state == "half_open":
        return "probing"
    if state == "forced_open":
        return "held"
    return "disabled" if state == "disabled" else "watch"


class Order(NamedTuple):
    """Which adapters are shown, in which order, and how many stand how."""

    keys: tuple[AdapterKey, ...]
    """Those that are shown."""
    counts: dict[Condition, int]
    """All of them, shown or not."""


def order_of(board: Board, now: int, sort: Sort = BY_STATE, terms: tuple[Term, ...] = ()) -> Order:
    """Return the adapters that fit the terms of a filter, sorted; by severity at first, then by name."""
    counts: dict[Condition, int] = {}
    ranked: list[tuple[float | str, str, AdapterKey]] = []
    compared = key_of(sort.column)
    instances = board.instances
    for key, row in board.adapters.items():
        stands = condition(row, instances.get(key.instance), now)
        counts[stands] = counts.get(stands, 0) + 1
        if terms and not fits(terms, row, stands, instances.get(key.instance)):
            continue
        if compared is not None:
            ranked.append((compared(row, instances.get(key.instance), now), key.adapter.casefold(), key))
            continue
        severity = LOOKS[stands].severity
        if stands in ("silent", "ended"):  # among the lost, what was in trouble still comes first
            severity = 20 + LOOKS[breaker_condition(row, now)].severity
        ranked.append((severity, key.adapter.casefold(), key))
    ranked.sort(reverse=sort.turned)
    return Order(tuple(key for _, _, key in ranked), counts)


class Stats(NamedTuple):
    """What an adapter did lately."""

    rate: float
    recent: Totals
    calls: tuple[int, ...]


def stats_of(row: AdapterRow, now: int, slices: int) -> Stats:
    """Return an adapter's counters before `now`, and its calls over two minutes in so many slices."""
    second = now - now % SECOND  # the running second is not over: it would make every rate flicker
    each = max(1, -(-120 // slices)) if slices else 1
    return Stats(
        row.totals(second - 1, RATE_SECONDS).rate,
        row.totals(second - 1, SHARE_SECONDS),
        tuple(row.series(second - 1, slices, each)) if slices else (),
    )


class AdapterView(NamedTuple):
    """One adapter as a row of the table: safe text, and numbers of one moment."""

    key: AdapterKey
    name: str
    engine: str
    condition: Condition
    was: Condition
    failures: int
    threshold: int | None
    since: int
    left: float
    wait: float
    openings: int
    probes_in_flight: int
    probe_successes: int
    needed: int
    reason: str
    detail: str
    actor: str
    last_error: str
    last_failure: int | None
    stats: Stats

    @property
    def counts_down(self) -> bool:
        """Whether time alone changes what this row says."""
        return self.condition == "open" and self.left > 0


def view_of(row: AdapterRow, instance: InstanceRow | None, now: int, stats: Stats) -> AdapterView:
    """Return an adapter as it stands at `now` (UTC microseconds)."""
    return AdapterView(
        key=row.key,
        name=safe_text(row.name, 300),
        engine=safe_text(instance.label, 80) if instance else "",
        condition=condition(row, instance, now),
        was=breaker_condition(row, now),
        failures=row.failures,
        threshold=row.threshold,
        since=row.since,
        left=max(0.0, (row.until - now) / SECOND) if row.until is not None else 0.0,
        wait=row.wait or 0.0,
        openings=row.openings,
        probes_in_flight=row.probes_in_flight,
        probe_successes=row.probe_successes,
        needed=row.needed,
        reason=row.reason,
        detail=safe_text(row.detail, 200),
        actor=safe_text(row.actor, 60),
        last_error=safe_text(row.last_error, 300),
        last_failure=row.last_failure,
        stats=stats,
    )
