#!/usr/bin/env python3
"""Runs the project's checks by name: `python3 tools/check.py lint types`. `make lint types` does the same.

Each check is a list of plain commands, printed before they run. They need Python 3.11, pip and bash; `.venv` is made
when it is missing. `.ci/run` runs the check `ci` on a clean clone.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def readme_command() -> str:
    """Return the test command that the README shows."""
    page = (ROOT / "README.md").read_text(encoding="utf-8")
    found = re.search(r"<!-- test command -->\s*```sh\n(.*?)\n```", page, re.DOTALL)
    if found is None:
        raise SystemExit("README.md has no test command")
    return found[1]


VENV = ["python3 -m venv .venv", ".venv/bin/pip install -q -c constraints.txt -e '.[test]'"]
TEST = [".venv/bin/pytest -n 3 --dist worksteal"]
LINT = [".venv/bin/ruff check .", ".venv/bin/ruff format --check ."]
TYPES = [
    ".venv/bin/mypy",
    ".venv/bin/mypy tests/architecture/public_types.py",
    ".venv/bin/basedpyright --pythonpath .venv/bin/python",
]
PACKAGE = [
    "rm -rf dist && .venv/bin/python -m build --quiet --wheel --outdir dist .",
    "python3 -m venv dist/venv && dist/venv/bin/pip install -q -c constraints.txt dist/fuseboard-*.whl",
    "dist/venv/bin/python tests/architecture/installed.py",
    "dist/venv/bin/fuseboard --version",
    "dist/venv/bin/fuseboard demo < /dev/null | tail -n 8",
]
CHECKS = {
    "venv": ("make .venv, with everything that the checks use", VENV),
    "test": ("all tests, in three processes", TEST),
    "lint": ("the rules and the format of ruff", LINT),
    "format": (
        "format the code, and fix what ruff can fix",
        [".venv/bin/ruff format .", ".venv/bin/ruff check --fix ."],
    ),
    "types": ("mypy over all packages, mypy and basedpyright over a use of every public name", TYPES),
    "coverage": ("all tests with branch coverage, child processes included", [f"{TEST[0]} --cov --cov-report=term"]),
    "docs": ("the pages: examples run, links lead somewhere, tables match the code", [".venv/bin/pytest tests/docs"]),
    "package": ("build the wheel, install it alone in a clean environment, and use it", PACKAGE),
    "bench": (
        "the benchmarks beside other libraries, a tenth of the repetitions",
        [".venv/bin/pip install -q -c constraints.txt -e '.[bench]'", ".venv/bin/python benchmarks/run.py --quick"],
    ),
    "check": ("lint, types, test, package: run this before a commit", [*LINT, *TYPES, *TEST, *PACKAGE]),
    "ci": ("the README's test command, then lint, types, package", [readme_command(), *LINT, *TYPES, *PACKAGE]),
}
"""Each check by name: what it checks, and its commands."""


def run(command: str) -> None:
    """Run a command from the project's root; exit with its code when it fails."""
    print(f"\n$ {command}", flush=True)
    if code := subprocess.run(["bash", "-euo", "pipefail", "-c", command], cwd=ROOT, check=False).returncode:
        raise SystemExit(code)


def main(names: list[str]) -> None:
    """Run checks by name; without a name, list them."""
    if unknown := [name for name in names if name not in CHECKS]:
        raise SystemExit(f"unknown check: {', '.join(unknown)}; choose from {', '.join(CHECKS)}")
    os.environ["PIP_DISABLE_PIP_VERSION_CHECK"] = "1"
    if names and not {"venv", "ci"} & set(names) and not (ROOT / ".venv").exists():
        names = ["venv", *names]
    for name in names:
        for command in CHECKS[name][1]:
            run(command)
    if not names:
        print("\n".join(f"{name:<9} {about}" for name, (about, _) in CHECKS.items()))


if __name__ == "__main__":
    main(sys.argv[1:])
