"""The report of a benchmark, and its output as aligned text and as Markdown."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple


class Target(NamedTuple):
    """A limit set in advance, the measured value, and whether the limit is met."""

    text: str
    measured: str
    met: bool


class Table(NamedTuple):
    """A title, column headings, and rows of cells. The first column is text, the others are figures."""

    title: str
    heads: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


class Report(NamedTuple):
    """The outcome of one benchmark: tables, targets, and notes on how to read them."""

    tables: tuple[Table, ...]
    targets: tuple[Target, ...] = ()
    notes: tuple[str, ...] = ()


def at_most(text: str, value: float, limit: float, unit: str = "") -> Target:
    """Return a target that is met while a figure does not exceed a limit."""
    return Target(text, f"{figure(value)}{unit}", value <= limit)


def figure(value: float) -> str:
    """Format a number with three significant digits, or without decimals from 100 on."""
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.2f}" if abs(value) < 10 else f"{value:.1f}"


def as_text(report: Report) -> str:
    """Format a report for a terminal."""
    parts = [_aligned(table) for table in report.tables]
    parts += [f"{'met   ' if t.met else 'MISSED'}  {t.text}: {t.measured}" for t in report.targets]
    parts += [f"note    {note}" for note in report.notes]
    return "\n".join(parts)


def _aligned(table: Table) -> str:
    rows = (table.heads, *table.rows)
    widths = [max(len(row[column]) for row in rows) for column in range(len(table.heads))]
    lines = [table.title]
    for row in rows:
        cells = [row[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True))]
        lines.append("  " + "  ".join(cells).rstrip())
    return "\n".join(lines) + "\n"


def as_markdown(report: Report) -> str:
    """Format a report as Markdown, for `docs/performance.md`."""
    parts = [f"**{table.title}**\n\n{_markdown(table.heads, table.rows)}" for table in report.tables]
    if report.targets:
        rows = tuple((target.text, target.measured, "yes" if target.met else "**no**") for target in report.targets)
        parts.append(_markdown(("target", "measured", "met"), rows))
    if report.notes:
        parts.append("\n".join(f"- {note}" for note in report.notes))
    return "\n\n".join(parts) + "\n"


def _markdown(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    rule = ["---", *["---:" for _ in heads[1:]]]
    return "\n".join("| " + " | ".join(row) + " |" for row in (heads, rule, *rows))
