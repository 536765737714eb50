"""The state and statistics of each adapter, and which adapters need attention first."""

from __future__ import annotations

from operator import attrgetter
from typing import Final, NamedTuple

from fuseboard_console.text.formatting import SECOND
from fuseboard_console.text.glyphs import APPEARANCES, KILLED, Condition
from fuseboard_console.text.safe_text import safe_text
from fuseboard_console.text.width import width
from fuseboard_console.views.adapters.chain_positions import ChainPosition
from fuseboard_storage.board.board import AdapterKey, AdapterRow, InstanceRow, Totals
from fuseboard_storage.board.presence import killed, known_until, last_sign, presence
from fuseboard_storage.board.rows import FAULT_FIELDS, KEPT_SECONDS

RATE_SECONDS = 10
"""Over how many seconds calls per second are counted."""
SHARE_SECONDS = 60
"""Over how many seconds the success rate and the latencies are taken."""


def condition_of(row: AdapterRow, instance: InstanceRow | None, now: int) -> Condition:
    """Return an adapter's condition at `now` (UTC microseconds)."""
    if instance is not None:
        state = presence(instance, now)
        if state != "live":
            return "silent" if state == "silent" else "ended"
    return breaker_condition(row, now)


def condition_word(condition: Condition, instance: InstanceRow | None) -> str:
    """Return the word for the condition of an instance's adapter. An adapter of an instance known to be dead has a
    word of its own.
    """
    return (
        KILLED if condition == "silent" and instance is not None and killed(instance) else APPEARANCES[condition].word
    )


def breaker_condition(row: AdapterRow, now: int) -> Condition:
    """Return the condition of an adapter's breaker, whether or not its instance is alive."""
    state = row.state
    if state == "closed":
        if row.health == "unhealthy":
            return "down"  # its health check fails, so routes skip it until one passes
        return "counting" if row.failures else "closed"
    if state == "open":
        if row.until is None or row.until > now:
            return "open"
        return "down" if row.health == "unhealthy" else "ready"
    if state == "half_open":
        return "probing"
    if state == "forced_open":
        return "held"
    return "disabled" if state == "disabled" else "watch"


def down_since(row: AdapterRow) -> int | None:
    """Return when an adapter's outage began (UTC microseconds): its breaker opened, or its health check failed first.

    None if it is not down.
    """
    failed = row.health_at if row.health == "unhealthy" else None
    return min((at for at in (row.down_since, failed) if at is not None), default=None)


class Stats(NamedTuple):
    """Recent statistics of an adapter."""

    rate: float
    recent: Totals
    calls: tuple[int, ...]
    failures: tuple[int, ...] = ()
    """The failed ones among `calls`."""
    each: int = 1
    """The seconds of each slice of `calls`."""


def stats_of(row: AdapterRow, now: int, slices: int) -> Stats:
    """Return an adapter's statistics before `now`, with its calls over two minutes in the given number of slices."""
    second = now - now % SECOND  # the running second is not over: it would make every rate flicker
    each = max(1, -(-120 // slices)) if slices else 1
    calls, failures = row.outcomes(second - 1, slices, each) if slices else ([], [])
    return Stats(
        row.totals(second - 1, RATE_SECONDS).rate,
        row.totals(second - 1, SHARE_SECONDS),
        tuple(calls),
        tuple(failures),
        each,
    )


content_of: Final = attrgetter(
    "state", "since", "down_since", "until", "wait", "openings", "failures", "threshold", "probes_in_flight",
    "probe_successes", "needed", "reason", "detail", "actor", "last_error", "last_failure", "in_flight", "budget",
    "tags", "health", "health_detail", "health_at", *FAULT_FIELDS,
)  # fmt: skip
"""Of a row: all that a view of it shows, but for what is counted by the second. Two that are equal look the same."""


def is_quiet(row: AdapterRow, now: int) -> bool:
    """Return whether an adapter made no call in the period that its `Stats` cover."""
    return not row.seconds or row.seconds[-1].at < now - (KEPT_SECONDS + 1) * SECOND


def counted_until(row: AdapterRow, instance: InstanceRow | None, now: int) -> int:
    """Return the time before which an adapter's recent calls are counted, at `now` (UTC microseconds).

    Of an engine that gives no more signs of life it is the end of the last second that is known: that second is
    complete, and the figures as of then stay.
    """
    if instance is None or presence(instance, now) == "live":
        return now
    known = max([last_sign(instance), *(span.at for span in row.seconds)])
    return known - known % SECOND + SECOND


class AdapterView(NamedTuple):
    """One adapter as a row of the table: safe text, and numbers at one moment."""

    key: AdapterKey
    name: str
    engine: str
    condition: Condition
    word: str
    was: Condition
    failures: int
    threshold: int | None
    since: int
    down_since: int | None
    """When the outage began, over probes and restarts, UTC microseconds; None: the adapter is not down."""
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
    in_flight: int | None
    budget: int | None
    places: tuple[ChainPosition, ...]
    tags: str
    health: str
    lost_at: int | None
    """The last sign of life of its engine, UTC microseconds; None: the engine is alive."""
    engine_short: str = ""
    slow_after: float | None = None
    """The seconds after which a call is slow; None: it never is."""
    fault: str = ""
    """Its injected fault: `slow 4, 20 % of the calls`. Empty without one."""
    fault_left: float = 0.0
    """The seconds for which the fault still lasts."""


def make_view(
    row: AdapterRow,
    instance: InstanceRow | None,
    now: int,
    stats: Stats,
    places: tuple[ChainPosition, ...] = (),
    engine: str = "",
    *,
    counted: bool = False,
) -> AdapterView:
    """Return an adapter's row at `now` (UTC microseconds).

    Args:
        row: The adapter.
        instance: Its engine.
        now: UTC microseconds.
        stats: Its recent statistics. Those of a lost engine are counted as of its last sign of life instead.
        places: Its positions in the chains.
        engine: The short name of its instance.
        counted: Whether `stats` are those as of `counted_until` already.
    """
    condition = condition_of(row, instance, now)
    present = condition not in ("silent", "ended")
    known = known_until(instance, now)  # a lost instance does nothing more
    if not present and not counted:
        stats = stats_of(row, counted_until(row, instance, now), len(stats.calls))
    return AdapterView(
        key=row.key,
        name=safe_text(row.name, 300),
        engine=safe_text(instance.label, 80) if instance else "",
        condition=condition,
        word=condition_word(condition, instance),
        was=breaker_condition(row, known),
        failures=row.failures,
        threshold=row.threshold,
        since=row.since,
        down_since=down_since(row),
        left=max(0.0, (row.until - known) / SECOND) if row.until is not None else 0.0,
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
        in_flight=row.in_flight if present else None,  # unknown for a lost instance
        budget=row.budget if present else None,
        places=places,
        tags=safe_text(", ".join(row.tags), 200),
        health=safe_text(row.health_detail, 200),
        lost_at=None if present or instance is None else known,
        engine_short=engine,
        slow_after=slow_after(row),
        fault=fault_text(row) if present and row.fault_seconds(now) else "",
        fault_left=row.fault_seconds(now) if present else 0.0,
    )


def slow_after(row: AdapterRow) -> float | None:
    """Return the seconds after which a call of an adapter is slow by its policy; None if it never is."""
    limit = row.policy.get("slow_call_seconds")  # a damaged file may hold anything
    return limit if type(limit) in (int, float) else None


def latency_style(seconds: float | None, limit: float | None) -> str:
    """Return the style of a latency: that of trouble if calls that take so long are slow."""
    if seconds is None:
        return "faint"
    return "bad-dim" if limit is not None and seconds > limit else "text"


def fault_text(row: AdapterRow) -> str:
    """Return the injected fault of an adapter with its number and its share of the calls."""
    number = "" if row.fault_value is None else f" {row.fault_value:g}"
    share = "" if row.fault_share >= 1 else f", {100 * row.fault_share:.3g} % of the calls"
    return f"{safe_text(row.fault, 60)}{number}{share}"


def reason_of(view: AdapterView) -> str:
    """Return why an adapter is in its condition: of one that is passed over, what its health check said."""
    if view.was == "down":
        return f"its health check fails: {view.health}" if view.health else "its health check fails"
    return view.detail


def down_seconds(view: AdapterView, now: int) -> float:
    """Return for how long an adapter that is down has been known to be down, in seconds."""
    known = now if view.lost_at is None else view.lost_at
    return max(0.0, (known - (view.down_since or known)) / SECOND)


def name_width(name: str) -> int:
    """Return the width of an adapter's name on screen, in cells."""
    return width(safe_text(name, 300))
