"""Replays under other policies as a table, as bars, and as JSON."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from fuseboard_console.text.formatting import latency, percent, plural
from fuseboard_console.text.glyphs import Glyphs
from fuseboard_console.text.safe_text import safe_text
from fuseboard_console.text.width import cut, fit, fold, width
from fuseboard_engine.policy_replay.comparison import Comparison
from fuseboard_engine.policy_replay.figures import Figures, Interval, Mean
from fuseboard_engine.policy_replay.settings import Combination, Setting, recorded_value, value_text
from fuseboard_engine.policy_replay.suggestion import Suggestion
from fuseboard_engine.policy_replay.workload import AdapterRecord, Workload

SCHEMA: Final = "fuseboard.tune/1"

BAR_CELLS: Final = 24

HOW_ESTIMATED: Final = (
    "The outcome of a call that was never made cannot be known. It is taken from the recorded call of that adapter "
    "that is nearest in time."
)
HOW_BOUNDED: Final = (
    "The interval of the share answered is Wilson's for 95 % of independent tasks. Where unknown calls lie between a "
    "good and a bad recorded call, it spans the replays in which all of them are good, and all bad."
)


class Row(NamedTuple):
    """One set of policies and what came of it; the recorded ones have no combination."""

    combination: Combination
    result: Comparison


@dataclass(frozen=True)
class Tuning:
    """What `fuseboard tune` found.

    Attributes:
        file: the name of the recording.
        loads: the recorded work.
        adapters: the adapters whose policies are shown, by name.
        settings: what was tried.
        rows: the recorded policies first, then what was tried.
        suggestions: what is suggested for each adapter.
    """

    file: str
    loads: Sequence[Workload]
    adapters: dict[str, AdapterRecord]
    settings: Sequence[Setting]
    rows: Sequence[Row]
    suggestions: Sequence[Suggestion] = ()


def tuning_text(tuning: Tuning, columns: int, glyphs: Glyphs, limit: int) -> str:
    """Return the result as text.

    Args:
        tuning: the result.
        columns: the width that notes are folded to.
        glyphs: the glyphs of bars.
        limit: how many sets of policies to show besides the recorded ones, the best; 0 for all.
    """
    baseline = tuning.rows[0]
    tried = sorted(tuning.rows[1:], key=lambda row: order_of(row.result.figures))
    shown = [baseline, *(tried[:limit] if limit else tried)]
    attempts = sum(load.attempts for load in tuning.loads)
    tasks = baseline.result.figures.tasks
    lines = [f"{safe_text(tuning.file, 200)}: {plural(tasks, 'task')}, {plural(attempts, 'attempt')}", ""]
    lines += _recorded_lines(tuning, columns)
    lines += ["", *_table(tuning, shown)]
    if len(shown) < len(tuning.rows):
        lines.append(f"The best {limit} of {len(tuning.rows) - 1:,} are shown; --limit 0 shows all.")
    lines += _bars(tuning, shown, glyphs)
    if tuning.suggestions:
        lines += ["", "Suggested:"]
        for one in tuning.suggestions:
            lines += _folded(safe_text(one.sentence, 1_000), columns, "  ")
    lines.append("")
    for note in notes(tuning):
        lines += _folded(note, columns, "")
    return "\n".join(lines)


def order_of(figures: Figures) -> tuple[float, int, float]:
    """Return the order of rows: most tasks answered, least wasted and needlessly rejected, least latency."""
    return -figures.success_rate, figures.total("wasted") + figures.total("lost"), figures.p99


def _folded(text: str, columns: int, indent: str) -> list[str]:
    return [f"{indent}{part}" for part in fold(text, max(40, columns - len(indent)))]


def _recorded_lines(tuning: Tuning, columns: int) -> list[str]:
    """Return the recorded values of the fields that were tried, and where in the recording they are from."""
    lines = []
    for setting in tuning.settings:
        record = tuning.adapters[setting.adapter]
        source = record.source if setting.section == "breaker" else record.retry_source
        value = value_text(recorded_value(record, setting))
        text = f"{safe_text(setting.label, 200)} was {value} (from {safe_text(source, 200)})"
        lines += _folded(text, columns, "")
    return lines


# ---------------------------------------------------------------- table


def _letters(settings: Sequence[Setting]) -> list[str]:
    """Return a short name for each setting: a letter, with a number after the 26th."""
    return [chr(ord("a") + place % 26) + (str(place // 26) if place >= 26 else "") for place in range(len(settings))]


def _values(tuning: Tuning, row: Row) -> list[str]:
    given = {id(setting): value for setting, value in row.combination}
    return [
        value_text(
            given[id(one)] if id(one) in given else recorded_value(tuning.adapters[one.adapter], one)
        )
        for one in tuning.settings
    ]  # fmt: skip


def _table(tuning: Tuning, rows: Sequence[Row]) -> list[str]:
    letters = _letters(tuning.settings)
    legend = [
        f"{letter}  {safe_text(setting.label, 200)}" for letter, setting in zip(letters, tuning.settings, strict=True)
    ]
    titles = ("", *letters, "ANSWERED", "95 %", "DETECT", "RECOVER", "WASTED", "NEEDLESS", "P50", "P99", "GUESSED")
    cells = [titles]
    for place, row in enumerate(rows):
        figures = row.result.figures
        calls = figures.total("calls")
        cells.append(
            (
                "as recorded" if place == 0 else "",
                *_values(tuning, row),
                f"{percent(figures.success_rate)} %",
                _interval_text(row.result.bounds),
                _mean_text(figures.mean("detect")),
                _mean_text(figures.mean("recover")),
                f"{figures.total('wasted'):,}",
                f"{figures.total('lost'):,}",
                _time(figures.p50),
                _time(figures.p99),
                f"{percent(figures.total('estimated') / calls if calls else 0.0)} %",
            )
        )
    widths = [max(width(line[place]) for line in cells) for place in range(len(titles))]
    table = [
        "  ".join(fit(cell, widths[place], "right" if place else "left") for place, cell in enumerate(line)).rstrip()
        for line in cells
    ]
    return [*legend, "", *table]


def _interval_text(interval: Interval) -> str:
    return f"{percent(interval.low)}..{percent(interval.high)}"


def _mean_text(mean: Mean | None) -> str:
    return "-" if mean is None else _time(mean.seconds)


def _time(seconds: float) -> str:
    return latency(seconds).replace("µs", "us")


# ---------------------------------------------------------------- bars

_PLOTS: tuple[tuple[str, Callable[[Figures], int]], ...] = (
    ("tasks not answered", lambda figures: figures.tasks - figures.answered),
    ("wasted calls", lambda figures: figures.total("wasted")),
    ("needless rejections", lambda figures: figures.total("lost")),
)


def _bars(tuning: Tuning, rows: Sequence[Row], glyphs: Glyphs) -> list[str]:
    """Return a plot of bars for each figure that is not the same in all rows."""
    names = [
        "as recorded" if place == 0 else " ".join(_values(tuning, row)) for place, row in enumerate(rows)
    ]  # fmt: skip
    first = min(30, max(width(name) for name in names))
    lines: list[str] = []
    for title, figure in _PLOTS:
        values = [figure(row.result.figures) for row in rows]
        top = max(values)
        if len(set(values)) < 2:
            continue
        lines += ["", title]
        for name, value in zip(names, values, strict=True):
            cells = round(value / top * BAR_CELLS) if top else 0
            bar = glyphs.bar_full * max(cells, 1 if value else 0)
            lines.append(f"  {fit(cut(name, first), first)}  {fit(f'{value:,}', len(f'{top:,}'), 'right')}  {bar}")
    return [line.rstrip() for line in lines]


# ---------------------------------------------------------------- notes


def notes(tuning: Tuning) -> list[str]:
    """Return what a reader has to know about the figures, one sentence or two each."""
    loads = tuning.loads
    figures = [row.result.figures for row in tuning.rows]
    estimated = max(one.total("estimated") for one in figures)
    found = [
        "DETECT is from the first bad call of an outage until the breaker refuses calls, RECOVER from its end until "
        "the breaker takes all calls again. WASTED calls went to a service that was down, NEEDLESS rejections would "
        "have been answered. P50 and P99 are what callers waited. GUESSED is the share of calls that are estimated."
    ]
    if estimated:
        found.append(HOW_ESTIMATED)
    found.append(HOW_BOUNDED)
    if undetected := figures[0].total("undetected"):
        outages = plural(figures[0].total("outages"), "outage")
        found.append(
            f"As recorded, the breaker stayed closed in {undetected:,} of {outages}: DETECT has none of those."
        )
    if counted := sum(load.counted for load in loads):
        found.append(
            f"{plural(counted, 'ordinary route')} of this recording {'is' if counted == 1 else 'are'} only counted: "
            "the calls are spread evenly over their time, with latencies from the histogram."
        )
    if unknown := max(one.total("unknown") for one in figures):
        found.append(
            f"{plural(unknown, 'task')} came to an adapter that was never called: the replay takes it as unavailable."
        )
    if by_hand := sum(load.by_hand for load in loads):
        found.append(
            f"The replay repeats what operators did to breakers, at the same moments: {plural(by_hand, 'change')}."
        )
    inferred = sorted(
        record.name for record in tuning.adapters.values() if record.retry_source and "event" not in record.retry_source
    )
    if inferred:
        names = ", ".join(safe_text(name, 60) for name in inferred[:5])
        found.append(f"The retry policy of {names} is not in this recording: it is taken from the attempts.")
    found.append("Deadlines of tasks are not recorded, so a replay has none, and its services do not react to load.")
    return found


# ---------------------------------------------------------------- JSON


def tuning_json(tuning: Tuning) -> dict[str, Any]:
    """Return the result as plain values. Durations are seconds, shares 0..1."""
    return {
        "schema": SCHEMA,
        "file": tuning.file,
        "attempts": sum(load.attempts for load in tuning.loads),
        "attempts_only_counted": sum(load.counted for load in tuning.loads),
        "adapters": [
            {
                "adapter": record.name,
                "policy": record.policy.model_dump(mode="json"),
                "policy_from": record.source,
                "retry": record.retry.model_dump(mode="json", exclude={"retry_on", "give_up_on"}),
                "retry_from": record.retry_source,
            }
            for record in tuning.adapters.values()
        ],
        "baseline": _result_json(tuning.rows[0].result),
        "tried": [
            {"settings": {setting.label: value for setting, value in row.combination}, **_result_json(row.result)}
            for row in tuning.rows[1:]
        ],
        "suggestions": [
            {
                "adapter": one.adapter,
                "settings": {setting.label: value for setting, value in one.combination},
                "why": one.sentence,
            }
            for one in tuning.suggestions
        ],
        "notes": notes(tuning),
    }


def _result_json(result: Comparison) -> dict[str, Any]:
    figures = result.figures
    return {
        "tasks": figures.tasks,
        "answered": figures.answered,
        "success_rate": figures.success_rate,
        "success_interval": list(figures.success),
        "success_bounds": list(result.bounds),
        "p50": figures.p50,
        "p50_interval": list(figures.p50_interval),
        "p99": figures.p99,
        "p99_interval": list(figures.p99_interval),
        "adapters": [
            {
                "adapter": name,
                "outages": one.outages,
                "undetected": one.undetected,
                "time_to_detect": None if one.detect is None else one.detect.seconds,
                "time_to_recover": None if one.recover is None else one.recover.seconds,
                "calls": one.calls,
                "failed": one.failed,
                "wasted": one.wasted,
                "rejections": one.rejections,
                "needless_rejections": one.lost,
                "estimated": one.estimated,
                "never_called": one.unknown,
            }
            for name, one in figures.adapters.items()
        ],
    }
