"""The processes of one name as a group: their order in a list, and a line of their totals."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Final

from fuseboard_console.text.formatting import plural
from fuseboard_console.text.label_lines import labelled
from fuseboard_console.text.line import Line, Span, cut_line, line_width
from fuseboard_console.text.safe_text import safe_text
from fuseboard_console.text.width import fit
from fuseboard_console.views.lists.engines import engine_order
from fuseboard_storage.board.board import InstanceRow
from fuseboard_storage.board.name_totals import AdapterTotals, EngineTotals
from fuseboard_storage.board.presence import killed, presence

ENDED_IN_GROUP: Final = 5
"""The newest ended processes that are shown with their group; older ones follow after all groups."""

_WORDS: Final = ("running", "silent", "killed", "ended")


def grouped_order(instances: Iterable[InstanceRow], now: int) -> list[int | str]:
    """Return instance ids in the order of `engine_order`, but processes of one name together.

    The name itself comes before the processes of a name that has several, for the line of their totals.
    """
    rows = {row.id: row for row in instances}
    groups: dict[str, list[int]] = {}
    for id in engine_order(rows.values(), now):
        groups.setdefault(rows[id].name, []).append(id)
    order: list[int | str] = []
    older: list[int | str] = []
    for name, ids in groups.items():
        if len(ids) > 1:
            order.append(name)
        ended = [id for id in ids if rows[id].ended_at is not None]
        rest = set(ended[ENDED_IN_GROUP:]) if len(groups) > 1 else set()
        order += [id for id in ids if id not in rest]
        older += [id for id in ids if id in rest]
    return order + older


def total_label(name: str) -> str:
    """Return the label of a name's totals."""
    return f"{safe_text(name, 80)} in total"


def states_of(name: str, instances: Iterable[InstanceRow], now: int) -> Mapping[str, int]:
    """Return how many processes of a name are running, silent, killed and ended."""
    counts = Counter(_state_of(row, now) for row in instances if row.name == name)
    return {word: counts[word] for word in _WORDS if counts[word]}


def _state_of(row: InstanceRow, now: int) -> str:
    if killed(row):
        return "killed"
    return {"live": "running", "silent": "silent", "ended": "ended"}[presence(row, now)]


def totals_line(name: str, totals: EngineTotals, states: Mapping[str, int], cells: int, labels: int) -> Line:
    """Return the line of a name's totals, its label in `labels` cells. Counts that do not fit are left out."""
    line: Line = (
        Span("  "),
        Span(fit(total_label(name), labels), "strong"),
        Span(f"  {_states(totals, states)}"),
    )
    for counts in (_tasks(totals), _calls(totals.adapters.values())):
        longer = (*line, Span(f"  {counts}", "muted"))
        if line_width(longer) > cells:  # a number that is cut would be another number
            break
        line = longer
    return cut_line(line, cells)


def totals_lines(name: str, totals: EngineTotals, states: Mapping[str, int], cells: int) -> list[Line]:
    """Return a name's totals in full, adapter by adapter."""
    facts = [
        ("name", safe_text(name, 200)),
        ("processes", _states(totals, states)),
        ("tasks", _tasks(totals)),
        ("degraded", f"{totals.degraded:,}" if totals.degraded else ""),
        ("failed over", f"{totals.failed_over:,}" if totals.failed_over else ""),
        ("calls", _calls(totals.adapters.values())),
    ]
    lines = [line for label, text in facts for line in labelled(label, text, cells)]
    lines += [(), (Span("Adapters of all processes", "strong"),)]
    for adapter, total in totals.adapters.items():
        numbers = [
            _calls([total]),
            f"{total.timeouts:,} by timeout" if total.timeouts else "",
            plural(total.retries, "retry", "retries") if total.retries else "",
            f"{total.rejections:,} rejected" if total.rejections else "",
            f"opened {plural(total.opens, 'time')}" if total.opens else "",
            f"{total.overdue_total:,} overdue" if total.overdue_total else "",
        ]
        lines += labelled(safe_text(adapter, 40), ", ".join(number for number in numbers if number), cells)
    return lines


def _states(totals: EngineTotals, states: Mapping[str, int]) -> str:
    known = max(totals.started, sum(states.values()))
    return f"{plural(known, 'process', 'processes')}: {', '.join(f'{n:,} {word}' for word, n in states.items())}"


def _tasks(totals: EngineTotals) -> str:
    return f"{plural(totals.tasks, 'task')}, {totals.answered:,} answered"


def _calls(adapters: Iterable[AdapterTotals]) -> str:
    calls = failed = 0
    for total in adapters:
        calls, failed = calls + total.calls, failed + total.failed
    return f"{plural(calls, 'call')}, {failed:,} failed"
