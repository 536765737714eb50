"""The contents of an incident report: what failed, since when, who suffered, what took over, what operators did."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from fuseboard_console.operator.audit import AuditEntry
from fuseboard_console.text.formatting import SECOND, clock, latency, number, percent, plural, span, stamp
from fuseboard_console.text.safe_text import safe_text
from fuseboard_console.views.adapters.engine_names import EngineNames
from fuseboard_console.views.events.audit import command_text, outcome_text
from fuseboard_console.views.events.text import entry_sentence
from fuseboard_console.views.report.charts import Series, Span, lanes, lines, tasks
from fuseboard_console.views.report.document import Block, Bullets, Document, Figure, Paragraph, Section, Table
from fuseboard_console.views.report.incident import Incident, Lane, Outage, TaskCounts
from fuseboard_engine.policy_replay.comparison import Comparison
from fuseboard_engine.policy_replay.suggestion import Suggestion
from fuseboard_storage.board.histogram import merge, percentile
from fuseboard_storage.recording.metric_steps import AdapterMetrics

MOST_ROWS: Final = 25
MOST_CHARTS: Final = 6
MOST_LANES: Final = 40


@dataclass(frozen=True)
class Advice:
    """What the suggested policies would have done. `why_not` says why there is none."""

    suggestions: Sequence[Suggestion] = ()
    recorded: Comparison | None = None
    suggested: Comparison | None = None
    why_not: str = ""


@dataclass(frozen=True)
class Sources:
    """What a report is made of.

    Attributes:
        file: the name of the recording.
        incident: what happened.
        metrics: what each adapter did, step by step.
        audit: operators' commands in the order of time.
        engines: the names of engines.
        labels: the name of each engine instance that wrote to the recording.
        advice: what other policies would have done.
        retained_from: when the first event that is still there happened, if earlier ones were deleted.
    """

    file: str
    incident: Incident
    metrics: Sequence[AdapterMetrics]
    audit: Sequence[AuditEntry]
    engines: EngineNames
    labels: Mapping[int, str]
    advice: Advice
    retained_from: int | None = None


def report(sources: Sources) -> Document:
    """Return the report of an incident."""
    incident = sources.incident
    name = safe_text(sources.file, 200)
    intro = (Paragraph(_times(incident)), Bullets(tuple(_summary(sources))))
    sections = [
        Section("What failed", tuple(_failed(sources))),
        Section("Who suffered", tuple(_suffered(incident))),
        Section("What took over", tuple(_took_over(sources))),
        Section("What operators did", tuple(_operators(sources))),
        Section("The breakers over time", tuple(_lanes(sources))),
        Section("Success and latency over time", tuple(_charts(sources))),
        Section("The most frequent errors", tuple(_errors(incident))),
        Section("Dead letters", tuple(_letters(incident))),
        Section("With other policies", tuple(_advice(sources.advice))),
        Section("What happened, step by step", tuple(_timeline(sources))),
        Section("About this report", tuple(_about(sources))),
    ]
    return Document(f"Incident report: {name}", intro, tuple(sections))


def _times(incident: Incident) -> str:
    began, ended = stamp(incident.begin)[:19], stamp(incident.end)[:19]
    return f"From {began} to {ended}, local time ({span((incident.end - incident.begin) / SECOND)})."


# ---------------------------------------------------------------- summary


def _summary(sources: Sources) -> list[str]:
    """Return the most important facts, a sentence each."""
    incident = sources.incident
    counts = incident.counts
    found = [_sentence(sources, outage) for outage in _longest(incident, 5)]
    if len(incident.outages) > 5:
        found.append(f"Breakers refused calls {len(incident.outages):,} times in all.")
    if not incident.outages:
        found.append("No breaker refused calls.")
    if counts.tasks:
        answered = counts.first + counts.other
        ends = [f"{counts.first:,} by the first adapter of their chain"] if counts.first else []
        ends += [f"{counts.other:,} by another one"] if counts.other else []
        rest = [
            f"{count:,} {how}"
            for count, how in (
                (counts.degraded, "got a degraded answer"),
                (counts.failed, "failed"),
                (counts.letters, "became dead letters"),
            )
            if count
        ]
        of = f"Of {plural(counts.tasks, 'task')}, {percent(answered / counts.tasks)} % were answered"
        found.append("; ".join(filter(None, (f"{of}{': ' if ends else ''}{', '.join(ends)}", ", ".join(rest)))) + ".")
    else:
        found.append("No task ended in this time.")
    if sources.audit:
        who = sorted({safe_text(entry.actor, 60) for entry in sources.audit})
        found.append(f"Operators sent {plural(len(sources.audit), 'command')}: {_some(who)}.")
    return found


def _sentence(sources: Sources, outage: Outage) -> str:
    """Return an outage in one sentence."""
    name, why = _name(sources, outage.lane), safe_text(outage.why, 200)
    held = f", held open by {safe_text(outage.by, 60)}" if outage.by else ""
    times = f", opened {outage.openings:,} times" if outage.openings > 1 else ""
    if outage.until is None:
        lasted = f"{name} was out from {clock(outage.since)} to the end"
    else:
        seconds = (outage.until - outage.since) / SECOND
        lasted = f"{name} was out from {clock(outage.since)} to {clock(outage.until)} ({span(seconds)})"
    return f"{lasted}{held}{times}: {why}."


def _longest(incident: Incident, limit: int) -> list[Outage]:
    """Return the longest outages in the order of time."""
    longest = sorted(incident.outages, key=lambda one: one.since - (one.until or incident.end))[:limit]
    return sorted(longest, key=lambda one: one.since)


def _name(sources: Sources, lane: Lane) -> str:
    engine = sources.engines.of(lane.instance, (lane.adapter,))
    return f"{safe_text(lane.adapter, 60)} ({engine})" if engine else safe_text(lane.adapter, 60)


def _some(names: Sequence[str], limit: int = 5) -> str:
    more = f" and {len(names) - limit} more" if len(names) > limit else ""
    return ", ".join(names[:limit]) + more


# ---------------------------------------------------------------- tables


def _failed(sources: Sources) -> Iterable[Block]:
    incident = sources.incident
    if incident.outages:
        shown = _longest(incident, MOST_ROWS)
        yield Table(
            ("adapter", "since", "until", "out for", "opened", "why", "last error before"),
            tuple(
                (
                    _name(sources, one.lane),
                    clock(one.since),
                    "still out" if one.until is None else clock(one.until),
                    span(((one.until or incident.end) - one.since) / SECOND),
                    f"{one.openings:,}",
                    safe_text(one.why, 200) + (f" (by {safe_text(one.by, 60)})" if one.by else ""),
                    safe_text(one.error, 200) or "-",
                )
                for one in shown
            ),
            frozenset((3, 4)),
        )
        if len(incident.outages) > len(shown):
            yield Paragraph(f"The longest {len(shown)} of {len(incident.outages):,} outages are shown.")
    totals: dict[str, list[AdapterMetrics]] = {}
    for one in sources.metrics:
        totals.setdefault(one.adapter, []).append(one)
    failing = sorted(
        (name for name, parts in totals.items() if any(part.failures or part.rejections for part in parts)),
        key=lambda name: -sum(part.failures for part in totals[name]),
    )
    if not failing:
        yield Paragraph("No call failed.")
        return
    rows = []
    for name in failing[:MOST_ROWS]:
        parts = totals[name]
        failures, successes = sum(part.failures for part in parts), sum(part.successes for part in parts)
        rows.append(
            (
                safe_text(name, 60),
                f"{sum(part.calls for part in parts):,}",
                f"{failures:,}",
                f"{sum(part.timeouts for part in parts):,}",
                f"{sum(part.rejections for part in parts):,}",
                f"{percent(successes / (successes + failures) if successes + failures else None)} %",
                latency(percentile(merge(part.latency for part in parts), 0.99)),
            )
        )
    head = ("adapter", "calls", "failed", "timeouts", "rejected", "success rate", "P99")
    yield Table(head, tuple(rows), frozenset(range(1, 7)))
    if len(failing) > MOST_ROWS:
        yield Paragraph(f"The {MOST_ROWS} of {len(failing):,} adapters with most failures are shown.")


def _suffered(incident: Incident) -> Iterable[Block]:
    if not incident.types:
        yield Paragraph("No task ended in this time.")
        return
    yield _counts_table("task type", incident.types, "(no type)")
    users = {name: one for name, one in incident.users.items() if one.failed or one.degraded}
    if users:
        yield Paragraph("Users whose tasks failed or got a degraded answer, as far as tasks say whose they are:")
        yield Table(
            ("user", "failed", "degraded"),
            tuple(
                (safe_text(name, 60), f"{one.failed:,}", f"{one.degraded:,}") for name, one in _worst(users)[:MOST_ROWS]
            ),
            frozenset((1, 2)),
        )
        if len(users) > MOST_ROWS:
            yield Paragraph(f"{MOST_ROWS} of {len(users):,} users are shown.")


def _worst(counts: Mapping[str, TaskCounts]) -> list[tuple[str, TaskCounts]]:
    return sorted(counts.items(), key=lambda item: (-item[1].failed, -item[1].degraded, -item[1].other, item[0]))


def _counts_table(title: str, counts: Mapping[str, TaskCounts], unnamed: str) -> Table:
    return Table(
        (title, "tasks", "by the first", "by another", "degraded", "failed", "dead letters", "answered"),
        tuple(
            (
                safe_text(name, 60) or unnamed,
                f"{one.tasks:,}",
                f"{one.first:,}",
                f"{one.other:,}",
                f"{one.degraded:,}",
                f"{one.failed:,}",
                f"{one.letters:,}",
                f"{percent((one.first + one.other) / one.tasks if one.tasks else None)} %",
            )
            for name, one in _worst(counts)[:MOST_ROWS]
        ),
        frozenset(range(1, 8)),
    )


def _took_over(sources: Sources) -> Iterable[Block]:
    found: dict[str, Counter[str]] = {}
    for outage in sources.incident.outages:
        found.setdefault(_name(sources, outage.lane), Counter()).update(outage.took_over)
    rows = [
        (name, safe_text(by, 60), f"{count:,}")
        for name, counter in found.items()
        for by, count in counter.most_common(5)
    ]  # fmt: skip
    if rows:
        yield Table(("adapter that was out", "its tasks were answered by", "tasks"), tuple(rows), frozenset((2,)))
    elif sources.incident.outages:
        yield Paragraph("No other adapter answered tasks of an adapter that was out.")
    else:
        yield Paragraph("Nothing had to take over: no breaker refused calls.")


def _operators(sources: Sources) -> Iterable[Block]:
    if not sources.audit:
        yield Paragraph("Operators sent no command.")
        return
    yield Table(
        ("when", "who", "what", "outcome"),
        tuple(
            (
                clock(entry.requested_at),
                safe_text(entry.actor, 60),
                command_text(entry, sources.engines),
                _outcome(entry),
            )
            for entry in sources.audit[:200]
        ),
    )
    if len(sources.audit) > 200:
        yield Paragraph(f"The first 200 of {len(sources.audit):,} commands are shown.")


def _outcome(entry: AuditEntry) -> str:
    if entry.status != "done":
        return outcome_text(entry)
    detail = safe_text(entry.detail, 200)
    return f"done: {detail}" if detail else "done"


def _errors(incident: Incident) -> Iterable[Block]:
    if not incident.errors:
        yield Paragraph("No attempt failed.")
        return
    most = sorted(incident.errors.items(), key=lambda item: -item[1].number)
    yield Table(
        ("adapter", "error", "times", "first", "last"),
        tuple(
            (
                safe_text(adapter, 60),
                safe_text(f"{kind}: {text}" if text else kind, 300) or "-",
                f"{one.number:,}",
                clock(one.first),
                clock(one.last),
            )
            for (adapter, kind, text), one in most[:MOST_ROWS]
        ),
        frozenset((2, 3, 4)),
    )
    if len(most) > MOST_ROWS:
        yield Paragraph(f"{MOST_ROWS} of {len(most):,} different errors are shown.")


def _letters(incident: Incident) -> Iterable[Block]:
    if not incident.letters:
        yield Paragraph("No task became a dead letter.")
        return
    yield Table(
        ("task type", "category", "dead letters"),
        tuple(
            (safe_text(kind, 60) or "(no type)", safe_text(category, 60), f"{count:,}")
            for (kind, category), count in incident.letters.most_common(MOST_ROWS)
        ),
        frozenset((2,)),
    )


# ---------------------------------------------------------------- charts


def _lanes(sources: Sources) -> Iterable[Block]:
    incident = sources.incident
    whole = incident.end - incident.begin
    rows = []
    for lane, changes in incident.changes.items():
        if len(changes) < 2 and changes[0][1] == "closed":
            continue
        ends = [*changes, (incident.end, changes[-1][1])]
        spans = [
            Span((at - incident.begin) / whole, (until - incident.begin) / whole, state)
            for (at, state), (until, _) in pairwise(ends)
        ]
        rows.append((_name(sources, lane), spans))
    if not rows:
        yield Paragraph("Every breaker was closed all the time.")
        return
    rows.sort(key=lambda row: -sum(one.end - one.start for one in row[1] if one.state == "open"))
    title = "States of breakers" if len(rows) <= MOST_LANES else f"States of the {MOST_LANES} breakers longest open"
    yield lanes(title, rows[:MOST_LANES], incident.begin, incident.end)


def _charts(sources: Sources) -> Iterable[Block]:
    incident = sources.incident
    if incident.counts.tasks:
        yield tasks("Tasks by how they ended", incident.slices, incident.begin, incident.end)
    parts: dict[str, list[AdapterMetrics]] = {}
    for one in sources.metrics:
        parts.setdefault(one.adapter, []).append(one)
    order = sorted(parts, key=lambda name: -sum(part.failures + part.rejections for part in parts[name]))
    for name in order[:MOST_CHARTS]:
        yield from _adapter_charts(incident, safe_text(name, 60), parts[name])
    if len(order) > MOST_CHARTS:
        yield Paragraph(f"Charts of the {MOST_CHARTS} adapters with most failures; there are {len(order):,}.")
    if not order:
        yield Paragraph("No call was recorded in this time.")


def _adapter_charts(incident: Incident, name: str, parts: Sequence[AdapterMetrics]) -> Iterable[Figure]:
    slices: list[list[AdapterMetrics]] = [[] for _ in incident.slices]
    for part in parts:
        middle = part.at + round(part.seconds * SECOND / 2)
        slices[incident.slice_of(middle)].append(part)
    rates: list[float | None] = []
    histograms = []
    for found in slices:
        good, bad = sum(part.successes for part in found), sum(part.failures for part in found)
        rates.append(good / (good + bad) if good + bad else None)
        histograms.append(merge(part.latency for part in found))
    begin, end = incident.begin, incident.end
    yield lines(f"{name}: share of calls that succeeded", [Series("success", "line", rates)], begin, end, share=True)
    quantiles = [
        Series("P50", "line line2", [percentile(one, 0.5) for one in histograms]),
        Series("P99", "line line3", [percentile(one, 0.99) for one in histograms]),
    ]
    yield lines(f"{name}: latency of calls", quantiles, begin, end, share=False)


# ---------------------------------------------------------------- other policies


def _advice(advice: Advice) -> Iterable[Block]:
    if advice.why_not:
        yield Paragraph(advice.why_not)
        return
    yield Bullets(tuple(safe_text(one.sentence, 1_000) for one in advice.suggestions))
    if advice.recorded is not None and advice.suggested is not None:
        rows = []
        for name, one in (("as recorded, replayed", advice.recorded), ("as suggested", advice.suggested)):
            figures = one.figures
            detect, recover = figures.mean("detect"), figures.mean("recover")
            rows.append(
                (
                    name,
                    f"{percent(figures.success_rate)} % ({percent(one.bounds.low)}..{percent(one.bounds.high)})",
                    "-" if detect is None else latency(detect.seconds),
                    "-" if recover is None else latency(recover.seconds),
                    f"{figures.total('wasted'):,}",
                    f"{figures.total('lost'):,}",
                    latency(figures.p50),
                    latency(figures.p99),
                )
            )
        head = ("policies", "answered (95 %)", "detect", "recover", "wasted", "needless", "P50", "P99")
        yield Table(head, tuple(rows), frozenset(range(1, 8)))
    yield Paragraph(
        "This is what fuseboard tune --suggest says of the same time. The outcomes of calls that were never made are "
        "estimated from the nearest recorded calls. Wasted: failed calls while the service was down. Needless: "
        "rejections of calls that would have succeeded."
    )


# ---------------------------------------------------------------- timeline and notes


def _timeline(sources: Sources) -> Iterable[Block]:
    incident = sources.incident
    if not incident.timeline:
        yield Paragraph("Nothing of note was recorded.")
        return
    yield Table(
        ("when", "what"),
        tuple(
            (clock(entry.event.at), entry_sentence(entry, sources.engines))
            for entry in sorted(incident.timeline, key=lambda entry: entry.event.at)
        ),
    )
    if incident.not_shown:
        yield Paragraph(f"{number(incident.not_shown)} later entries are not shown; fuseboard events prints all.")


def _about(sources: Sources) -> Iterable[Block]:
    incident = sources.incident
    found = [
        "Secrets in texts are hidden, as everywhere in Fuseboard; the names of users and operators are not. "
        "Counts of calls and latencies are exact; they come from the metrics of the recording."
    ]
    if sources.labels:
        found.append(f"Engines: {_some([safe_text(label, 100) for label in sources.labels.values()], 10)}.")
    if incident.dropped:
        found.append(f"The recorder had to drop {plural(incident.dropped, 'event')}: tasks and errors may be missing.")
    if sources.retained_from is not None and sources.retained_from > incident.begin:
        found.append(
            f"Events before {stamp(sources.retained_from)[:19]} are deleted: of that time there are only metrics."
        )
    yield Bullets(tuple(found))
