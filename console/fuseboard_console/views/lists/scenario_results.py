"""The results of checked scenarios: as lines, and as JUnit XML, which CI services show."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple
from xml.etree import ElementTree

from fuseboard_console.text.formatting import plural
from fuseboard_console.text.safe_text import safe_text
from fuseboard_engine.scenario.model import Scenario
from fuseboard_engine.scenario_outcome.verdict import Verdict


class Checked(NamedTuple):
    """A scenario that was checked.

    Args:
        file: Its file.
        scenario: The scenario.
        verdict: Its result.
        seconds: How long the check took.
    """

    file: Path
    scenario: Scenario
    verdict: Verdict
    seconds: float


def result_line(one: Checked) -> str:
    """Return the result of a scenario in a line."""
    verdict = one.verdict
    word = "failed" if verdict.failures else "passed"
    share = verdict.success_rate
    answered = "" if share is None else f", {share:.1%} answered"
    over = f", {verdict.failed_over} after a failover" if verdict.failed_over else ""
    return f"{one.scenario.scenario}: {word}, {plural(verdict.tasks, 'task')}{answered}{over}"


def summary_line(checked: Sequence[Checked]) -> str:
    """Return the result of several scenarios in a line."""
    failed = [one.scenario.scenario for one in checked if one.verdict.failures]
    what = f"{len(failed)} failed: {', '.join(failed)}" if failed else "none failed"
    return f"{plural(len(checked), 'scenario')}, {what}"


def junit_xml(checked: Sequence[Checked]) -> str:
    """Return the results as JUnit XML: a test case for each scenario, with its figures as properties."""
    suite = ElementTree.Element(
        "testsuite",
        name="fuseboard scenario check",
        tests=str(len(checked)),
        failures=str(sum(bool(one.verdict.failures) for one in checked)),
        errors="0",
        skipped="0",
        time=f"{sum(one.seconds for one in checked):.3f}",
    )
    for one in checked:
        name = one.scenario.scenario
        case = ElementTree.SubElement(
            suite, "testcase", classname=_safe(str(one.file)), name=_safe(name), time=f"{one.seconds:.3f}"
        )
        properties = ElementTree.SubElement(case, "properties")
        for key, value in _figures(one):
            ElementTree.SubElement(properties, "property", name=_safe(key), value=value)
        for line in one.verdict.broken:
            ElementTree.SubElement(case, "failure", message=_safe(line)).text = _safe(f"{one.file}: {line}")
    ElementTree.indent(suite)
    return ElementTree.tostring(suite, "unicode", xml_declaration=True)


def _figures(one: Checked) -> Iterator[tuple[str, str]]:
    verdict = one.verdict
    yield "seed", str(one.scenario.seed)
    yield "duration", f"{one.scenario.duration:g}"
    yield "tasks", str(verdict.tasks)
    yield "succeeded", str(verdict.succeeded)
    yield "failed_over", str(verdict.failed_over)
    for adapter, count in verdict.answered.items():
        yield f"answered.{adapter}", str(count)
    for adapter, states in verdict.states.items():
        yield f"opened.{adapter}", str(states.count("open"))


def _safe(text: str) -> str:
    """Return a text without what XML cannot hold."""
    return safe_text(text, 4_000)
