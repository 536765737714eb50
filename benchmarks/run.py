"""Run the benchmarks: `python benchmarks/run.py [--quick] [--write] [NAME ...]`."""

from __future__ import annotations

import argparse
import os
import platform
import sys
from importlib import import_module
from pathlib import Path

from report import as_markdown, as_text
from timing import FULL, QUICK, SMOKE

BENCHMARKS = {
    "breaker_cost": "What a breaker adds to a call",
    "memory": "Memory per breaker",
    "routing": "A task along its chain",
    "parallel": "Three adapters at once",
    "dead_letters": "A dead letter, from enqueue to commit",
    "recorder": "From event object to committed row",
    "recording_cost": "What recording adds to a call",
    "retention": "Retention while an engine writes at full speed",
    "writers": "Eight processes that write one recording",
    "reading": "Finding events in a large recording",
    "tuning": "Replaying recorded attempts under other policies",
    "scenarios": "An hour of a scenario in virtual time",
    "recording_size": "How large a recording becomes",
    "latency": "From event to another process, from command to breaker",
    "startup": "Cold starts",
    "console_frames": "The console, frame by frame",
    "seeds": "Beside the systems it grew from",
    "headline": "How many ideas succeed, with and without the engine",
}

DOCUMENT = Path(__file__).resolve().parents[1] / "docs" / "performance.md"


def machine() -> str:
    """Return a description of this machine and interpreter."""
    return (
        f"Python {platform.python_version()} ({platform.python_implementation()}), {platform.system()} on "
        f"{platform.machine()}, {os.cpu_count()} cores"
    )


def replace(text: str, name: str, body: str) -> str:
    """Return a document with the text between two markers replaced.

    Raises:
        ValueError: The document lacks the markers.
    """
    start, end = f"<!-- {name} -->\n", f"<!-- /{name} -->"
    if start not in text or end not in text:
        raise ValueError(
            f"{DOCUMENT.name} lacks the markers {start.strip()} and {end}; add them where the table belongs"
        )
    head, rest = text.split(start, 1)
    return f"{head}{start}\n{body}\n{end}{rest.split(end, 1)[1]}"


def main(arguments: list[str]) -> int:
    """Run the named benchmarks; return 0 whatever the figures, so that a slow machine is not an error."""
    parser = argparse.ArgumentParser(prog="benchmarks/run.py", description="Measure Fuseboard beside its peers.")
    parser.add_argument(
        "names", nargs="*", metavar="NAME", help=f"benchmarks to run: {', '.join(BENCHMARKS)} (default: all)"
    )
    size = parser.add_mutually_exclusive_group()
    size.add_argument("--quick", action="store_const", dest="scale", const=QUICK, help="a tenth of the repetitions")
    size.add_argument("--smoke", action="store_const", dest="scale", const=SMOKE, help="only check that they run")
    parser.add_argument("--write", action="store_true", help="put the tables into docs/performance.md")
    options = parser.parse_args(arguments)
    unknown = [name for name in options.names if name not in BENCHMARKS]
    if unknown:
        parser.error(f"no benchmark is called {', '.join(unknown)}; the benchmarks are: {', '.join(BENCHMARKS)}")
    scale = options.scale or FULL
    print(f"{machine()}; {scale.name} run\n")
    document = DOCUMENT.read_text(encoding="utf-8") if options.write else ""
    if options.write:
        document = replace(document, "machine", f"{machine()}; {scale.name} run.\n")
    for name in options.names or BENCHMARKS:
        report = import_module(name).run(scale)
        print(f"== {name}: {BENCHMARKS[name]}\n\n{as_text(report)}\n", flush=True)
        if options.write:
            document = replace(document, name, as_markdown(report))
            DOCUMENT.write_text(document, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
