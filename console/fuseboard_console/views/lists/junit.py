"""The results of checked scenarios as JUnit XML, which CI services show."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple
from xml.etree import ElementTree

from fuseboard_console.text.safe_text import safe_text


class Checked(NamedTuple):
    """A scenario that was checked.

    Args:
        file: Its file.
        name: Its name.
        broken: The expectations that failed, with what happened; empty if it passed.
        seconds: How long the check took.
    """

    file: Path
    name: str
    broken: tuple[str, ...]
    seconds: float


def junit_xml(checked: Sequence[Checked]) -> str:
    """Return the results as JUnit XML: a test case for each scenario."""
    suite = ElementTree.Element(
        "testsuite",
        name="fuseboard scenario check",
        tests=str(len(checked)),
        failures=str(sum(bool(one.broken) for one in checked)),
        errors="0",
        skipped="0",
        time=f"{sum(one.seconds for one in checked):.3f}",
    )
    for one in checked:
        case = ElementTree.SubElement(
            suite, "testcase", classname=_safe(str(one.file)), name=_safe(one.name), time=f"{one.seconds:.3f}"
        )
        for line in one.broken:
            ElementTree.SubElement(case, "failure", message=_safe(line)).text = _safe(f"{one.file}: {line}")
    ElementTree.indent(suite)
    return ElementTree.tostring(suite, "unicode", xml_declaration=True)


def _safe(text: str) -> str:
    """Return a text without what XML cannot hold."""
    return safe_text(text, 4_000)
