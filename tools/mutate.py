#!/usr/bin/env python3
"""Changes one place of a module at a time, runs the tests near it, and lists the changes that no test notices.

    .venv/bin/python tools/mutate.py [--per-file 25] [--seed 1] [--seconds 1500] [--list] FILE ...

It works in a copy of the checkout. The tests of a module are those in the folder of its room, and those anywhere that
import it; the tests that import it run first. Before the first change, the tests of each module run unchanged: they
have to pass, and the time they take sets the limit for the changed ones. A change whose tests exceed the limit is tried
once more, alone, after all others; if its tests exceed it again, it is a timeout: neither noticed nor survived.

The score is the share of noticed changes among those noticed and survived. A change that survives and does not alter
what the module does (an equivalent one) has to be named by the reader of the list. The same --per-file and --seed give
the same sample.
"""

from __future__ import annotations

import argparse
import ast
import contextlib
import copy
import json
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue
from typing import Literal

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("api", "engine", "storage", "console", "demo_scenarios")
SLOWDOWN = 10
"""How many times longer than the unchanged module's the tests of a changed one may take."""
LEAST_LIMIT = 60.0
"""The seconds that the tests of a changed module may always take: a busy machine is not a timeout."""
UNCHANGED_LIMIT = 1_800.0
"""The seconds that the tests of an unchanged module may take."""

COMPARE = {
    ast.Lt: (ast.LtE, ast.GtE),
    ast.LtE: (ast.Lt, ast.Gt),
    ast.Gt: (ast.GtE, ast.LtE),
    ast.GtE: (ast.Gt, ast.Lt),
    ast.Eq: (ast.NotEq,),
    ast.NotEq: (ast.Eq,),
    ast.Is: (ast.IsNot,),
    ast.IsNot: (ast.Is,),
    ast.In: (ast.NotIn,),
    ast.NotIn: (ast.In,),
}
ARITHMETIC = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Div,
    ast.Div: ast.Mult,
    ast.FloorDiv: ast.Div,
    ast.Mod: ast.Mult,
    ast.Pow: ast.Mult,
    ast.BitAnd: ast.BitOr,
    ast.BitOr: ast.BitAnd,
    ast.LShift: ast.RShift,
    ast.RShift: ast.LShift,
}
TWINS = {"min": "max", "max": "min", "any": "all", "all": "any"}


class Site(ast.NodeVisitor):
    """Collects the places that can be changed, each with its replacement and the kind of the change."""

    def __init__(self) -> None:
        self.found: list[tuple[ast.expr | ast.stmt, str, str]] = []

    def add(self, node: ast.expr | ast.stmt, new: ast.AST | str, kind: str) -> None:
        text = new if isinstance(new, str) else ast.unparse(ast.fix_missing_locations(new))
        if not isinstance(node, ast.stmt):
            text = f"({text})" if not isinstance(node, ast.Constant) else text
        self.found.append((node, text, kind))

    # excluded from mutation
    def visit_FunctionDef(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
        for default in (*node.args.defaults, *[d for d in node.args.kw_defaults if d is not None]):
            self.visit(default)
        for one in node.body:
            self.visit(one)

    visit_AsyncFunctionDef = visit_FunctionDef

    def visit_Expr(self, node: ast.Expr) -> None:
        if isinstance(node.value, ast.Constant):
            return  # a docstring
        if not isinstance(node.value, (ast.Yield, ast.YieldFrom)):
            self.add(node, "pass", "statement removed")
        self.generic_visit(node)

    def visit_Assign(self, node: ast.Assign) -> None:
        target = node.targets[0]
        if isinstance(target, ast.Name) and target.id in ("__slots__", "__all__"):
            return
        if isinstance(target, (ast.Attribute, ast.Subscript)):
            self.add(node, "pass", "statement removed")
        self.visit(node.value)

    def visit_AnnAssign(self, node: ast.AnnAssign) -> None:
        if node.value is not None:
            if isinstance(node.target, (ast.Attribute, ast.Subscript)) and not isinstance(node.value, ast.Constant):
                pass
            self.visit(node.value)

    def visit_AugAssign(self, node: ast.AugAssign) -> None:
        self.add(node, "pass", "statement removed")
        if type(node.op) in ARITHMETIC:
            new = copy.deepcopy(node)
            new.op = ARITHMETIC[type(node.op)]()
            self.add(node, new, "arithmetic")
        self.visit(node.value)

    def visit_Subscript(self, node: ast.Subscript) -> None:
        if isinstance(node.value, ast.Name) and node.value.id in ("Literal", "ContextVar", "dict", "list", "tuple"):
            return
        self.generic_visit(node)

    def visit_keyword(self, node: ast.keyword) -> None:
        if node.arg != "description":
            self.generic_visit(node)

    # mutations
    def visit_Compare(self, node: ast.Compare) -> None:
        for at, op in enumerate(node.ops):
            for other in COMPARE.get(type(op), ()):
                new = copy.deepcopy(node)
                new.ops[at] = other()
                self.add(node, new, "comparison")
        self.generic_visit(node)

    def visit_BoolOp(self, node: ast.BoolOp) -> None:
        new = copy.deepcopy(node)
        new.op = ast.Or() if isinstance(node.op, ast.And) else ast.And()
        self.add(node, new, "and/or")
        for at in range(len(node.values)):
            rest = node.values[:at] + node.values[at + 1 :]
            self.add(node, rest[0] if len(rest) == 1 else ast.BoolOp(node.op, rest), "operand dropped")
        self.generic_visit(node)

    def visit_UnaryOp(self, node: ast.UnaryOp) -> None:
        if isinstance(node.op, (ast.Not, ast.USub)):
            self.add(node, node.operand, "not dropped" if isinstance(node.op, ast.Not) else "arithmetic")
        self.generic_visit(node)

    def visit_BinOp(self, node: ast.BinOp) -> None:
        text = isinstance(node.left, (ast.JoinedStr, ast.Tuple)) or (
            isinstance(node.left, ast.Constant) and isinstance(node.left.value, str)
        )
        if type(node.op) in ARITHMETIC and not text:
            new = copy.deepcopy(node)
            new.op = ARITHMETIC[type(node.op)]()
            self.add(node, new, "arithmetic")
        self.generic_visit(node)

    def visit_Constant(self, node: ast.Constant) -> None:
        value = node.value
        if isinstance(value, bool):
            self.add(node, repr(not value), "constant")
        elif isinstance(value, (int, float)):
            large = isinstance(value, float) and value >= 1000  # one more makes no difference there
            less = value / 2 if large else value - 1
            self.add(node, repr(value * 2 if large else value + 1), "constant")
            self.add(node, f"({less!r})" if less < 0 else repr(less), "constant")
        elif isinstance(value, str):
            self.add(node, repr("XX" if not value else ""), "text")

    def visit_JoinedStr(self, node: ast.JoinedStr) -> None:
        self.add(node, "''", "text")  # its parts have no places of their own in 3.11

    def visit_Return(self, node: ast.Return) -> None:
        if node.value is not None and not (isinstance(node.value, ast.Constant) and node.value.value is None):
            self.add(node, "return None", "return None")
            self.visit(node.value)
        elif node.value is None:
            self.add(node, "pass", "statement removed")

    def visit_Raise(self, node: ast.Raise) -> None:
        self.add(node, "pass", "statement removed")
        self.generic_visit(node)

    def visit_Break(self, node: ast.Break) -> None:
        self.add(node, "pass", "statement removed")

    def visit_Continue(self, node: ast.Continue) -> None:
        self.add(node, "break", "break/continue")

    def visit_Call(self, node: ast.Call) -> None:
        if isinstance(node.func, ast.Name) and node.func.id in TWINS:
            new = copy.deepcopy(node)
            new.func.id = TWINS[node.func.id]  # type: ignore[attr-defined]
            self.add(node, new, "min/max, any/all")
        plain = not any(isinstance(a, ast.Starred) for a in node.args)
        if plain and not (isinstance(node.func, ast.Name) and node.func.id in ("isinstance", "min", "max")):
            for at in range(len(node.args) - 1):
                if ast.dump(node.args[at]) != ast.dump(node.args[at + 1]):
                    new = copy.deepcopy(node)
                    new.args[at], new.args[at + 1] = new.args[at + 1], new.args[at]
                    self.add(node, new, "arguments swapped")
        name = node.func.id if isinstance(node.func, ast.Name) else ""
        if name != "dataclass":
            for at, keyword in enumerate(node.keywords):
                if keyword.arg not in (None, "description"):
                    new = copy.deepcopy(node)
                    del new.keywords[at]
                    self.add(node, new, "keyword dropped")
        self.generic_visit(node)

    def _condition(self, node: ast.If | ast.While | ast.IfExp) -> None:
        if not isinstance(node.test, (ast.Compare, ast.UnaryOp)):
            self.add(node.test, ast.UnaryOp(ast.Not(), node.test), "condition negated")
        self.generic_visit(node)

    visit_If = visit_While = visit_IfExp = _condition


@dataclass(frozen=True)
class Mutant:
    """One change of a file: the bytes from `begin` to `end` become `text`."""

    file: str
    line: int
    kind: str
    old: str
    text: str
    begin: int
    end: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line} [{self.kind}] {self.old} -> {' '.join(self.text.split())}"


def mutants(file: str) -> list[Mutant]:
    """Return every possible change of a file."""
    source = (ROOT / file).read_bytes()
    starts = [0]
    for line in source.splitlines(keepends=True):
        starts.append(starts[-1] + len(line))
    site = Site()
    site.visit(ast.parse(source))
    made: dict[tuple[int, int, str], Mutant] = {}
    for node, text, kind in site.found:
        begin = starts[node.lineno - 1] + node.col_offset
        end = starts[(node.end_lineno or node.lineno) - 1] + (node.end_col_offset or 0)
        old = source[begin:end].decode()
        if old == text:
            continue
        with contextlib.suppress(SyntaxError):
            compile(source[:begin] + text.encode() + source[end:], file, "exec")
            made[begin, end, text] = Mutant(file, node.lineno, kind, " ".join(old.split()), text, begin, end)
    return list(made.values())


def sample(file: str, count: int, seed: int) -> list[Mutant]:
    """Return so many changes at random; at most an eighth of them change a text, and no two are at one place."""
    every = mutants(file)
    random.Random(f"{seed}:{file}").shuffle(every)
    taken: list[Mutant] = []
    places: set[tuple[int, int]] = set()
    texts = 0
    for one in every:
        if len(taken) == count:
            break
        if (one.begin, one.end) in places or (one.kind == "text" and texts >= count / 8):
            continue
        texts += one.kind == "text"
        places.add((one.begin, one.end))
        taken.append(one)
    return taken


def tests_near(tree: Path, file: str) -> list[str]:
    """Return the test files of a module in a tree: first those that import it, then those of its room."""
    package, _, *rest = file.split("/")
    module = file.split("/", 1)[1].removesuffix(".py").replace("/", ".")
    parent, _, name = module.rpartition(".")
    room = f"tests/{package}/{'/'.join(rest[:-1])}"
    ranked = []
    for path in sorted((tree / "tests").rglob("test_*.py")):
        text = path.read_text(encoding="utf-8")
        test = path.relative_to(tree).as_posix()
        imports = f"{module} import" in text or f"from {parent} import {name}" in text
        slow = any(word in text for word in ("run_test(", "subprocess", "Terminal("))
        if imports or (test.startswith(room) and len(rest) > 1):
            ranked.append((slow, name not in path.stem, not imports, test))
    return [test for *_, test in sorted(ranked)]


@dataclass(frozen=True)
class Outcome:
    """How the tests of a module ended."""

    verdict: Literal["noticed", "survived", "timeout"]
    test: str = ""
    """The test that failed."""


def run_tests(tree: Path, tests: list[str], limit: float) -> Outcome:
    """Run tests in a forked process, for at most `limit` seconds.

    Raises:
        SystemExit: there are no tests to run, so that nothing can notice a change.
    """
    if not tests:
        raise SystemExit("no test file imports the module or is in the folder of its room")
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.setsid()
        null = os.open(os.devnull, os.O_RDWR)
        for stream in (0, 1, 2):
            os.dup2(null, stream)
        os.chdir(tree)
        roots = [str(tree / package) for package in PACKAGES]
        sys.path[:0] = roots
        os.environ["PYTHONPATH"] = os.pathsep.join(roots)
        import pytest

        plugin = FirstFailure()
        code = pytest.main(
            ["-x", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", "--tb=no", *tests], plugins=[plugin]
        )
        ran_none = code == pytest.ExitCode.NO_TESTS_COLLECTED
        noticed = plugin.test or ("" if ran_none or code == pytest.ExitCode.OK else f"pytest ended with {code}")
        os.write(writing, noticed.encode()[:4000])
        os._exit(int(ran_none))
    os.close(writing)
    until = time.monotonic() + limit
    try:
        while time.monotonic() < until:
            ended, status = os.waitpid(child, os.WNOHANG)
            if ended:
                if status:
                    raise SystemExit(f"pytest collected no test of {' '.join(tests)}")
                test = os.read(reading, 4096).decode()
                return Outcome("noticed", test) if test else Outcome("survived")
            time.sleep(0.02)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child, signal.SIGKILL)
        os.waitpid(child, 0)
        return Outcome("timeout")
    finally:
        os.close(reading)


class FirstFailure:
    """A pytest plugin that remembers the first test that failed, or the first file that could not be collected."""

    test = ""

    def pytest_runtest_logreport(self, report: object) -> None:
        """Remember a failed test."""
        self._remember(report)

    def pytest_collectreport(self, report: object) -> None:
        """Remember a file that could not be collected."""
        self._remember(report)

    def _remember(self, report: object) -> None:
        if getattr(report, "failed", False) and not self.test:
            self.test = str(getattr(report, "nodeid", "?"))


def preload() -> None:
    """Import what tests need, so that each forked process starts with it."""
    import hypothesis
    import pytest  # noqa: F401
    import pytest_asyncio  # noqa: F401

    hypothesis.settings.register_profile(
        "mutate", derandomize=True, database=None, deadline=None, suppress_health_check=list(hypothesis.HealthCheck)
    )
    hypothesis.settings.load_profile("mutate")


def copy_tree(folder: Path) -> Path:
    """Return a copy of the checkout in a new folder inside `folder`."""
    tree = Path(tempfile.mkdtemp(dir=folder))
    shutil.copytree(
        ROOT, tree, dirs_exist_ok=True, ignore=shutil.ignore_patterns(".git", ".venv", "__pycache__", "dist")
    )
    return tree


def limit_for(tree: Path, file: str, least: float, slowdown: float) -> float:
    """Return the seconds that the tests of a module may take when it is changed. Runs them unchanged.

    Raises:
        SystemExit: they fail without a change, so that their failure says nothing about one.
    """
    began = time.monotonic()
    outcome = run_tests(tree, tests_near(tree, file), UNCHANGED_LIMIT)
    if outcome.verdict == "noticed":
        raise SystemExit(f"{file}: {outcome.test} fails without a change")
    if outcome.verdict == "timeout":
        raise SystemExit(f"{file}: its tests take longer than {UNCHANGED_LIMIT:,.0f} s without a change")
    return max(least, slowdown * (time.monotonic() - began))


def attempt(tree: Path, mutant: Mutant, limit: float) -> Outcome:
    """Make a change in a tree, run the tests, and undo it."""
    target = tree / mutant.file
    whole = target.read_bytes()
    try:
        target.write_bytes(whole[: mutant.begin] + mutant.text.encode() + whole[mutant.end :])
        return run_tests(tree, tests_near(tree, mutant.file), limit)
    finally:
        target.write_bytes(whole)


def try_all(order: list[Mutant], options: argparse.Namespace) -> dict[Mutant, Outcome]:
    """Return the outcome of each change that was tried; print those that survive and those that time out."""
    results: dict[Mutant, Outcome] = {}
    with tempfile.TemporaryDirectory(prefix="mutate-") as folder:
        first = copy_tree(Path(folder))
        limits = {file: limit_for(first, file, options.least_limit, options.slowdown) for file in options.files}
        until = time.monotonic() + options.seconds
        trees: SimpleQueue[Path] = SimpleQueue()
        trees.put(first)
        for _ in range(options.jobs - 1):
            trees.put(copy_tree(Path(folder)))

        def work(mutant: Mutant) -> None:
            if time.monotonic() > until:
                return
            tree = trees.get()
            try:
                results[mutant] = attempt(tree, mutant, limits[mutant.file])
            finally:
                trees.put(tree)
            if results[mutant].verdict == "survived":
                print(f"survived: {mutant}", flush=True)

        with ThreadPoolExecutor(options.jobs) as pool:
            list(pool.map(work, order))
        for mutant in [mutant for mutant, outcome in results.items() if outcome.verdict == "timeout"]:
            results[mutant] = attempt(first, mutant, limits[mutant.file])
            if results[mutant].verdict != "noticed":
                print(f"{results[mutant].verdict}: {mutant}", flush=True)
    return results


def score(outcomes: list[Outcome], of: str) -> str:
    """Return the line that says how many changes were noticed."""
    verdicts = Counter(outcome.verdict for outcome in outcomes)
    noticed, judged = verdicts["noticed"], verdicts["noticed"] + verdicts["survived"]
    timeouts = f", {verdicts['timeout']} timed out" if verdicts["timeout"] else ""
    return f"{noticed / max(1, judged):4.0%}  {noticed} of {judged}{timeouts}  {of}"


def main() -> int:
    """Try a sample of changes; print those that survive, those that time out, and the score of each file."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--per-file", type=int, default=25)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=1500, help="begin no further change after this time")
    parser.add_argument(
        "--least-limit", type=float, default=LEAST_LIMIT, metavar="SECONDS",
        help="the tests of a change may take this long, or the unchanged run times the slowdown, whichever is longer",
    )  # fmt: skip
    parser.add_argument("--slowdown", type=float, default=SLOWDOWN, help="see --least-limit")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="copies that are tested at once")
    parser.add_argument("--list", action="store_true", help="only list the sample")
    parser.add_argument("--out", type=Path, help="also write each result as a line of JSON")
    parser.add_argument("files", nargs="+", metavar="FILE", help="relative to the checkout")
    options = parser.parse_args()
    samples = [sample(file, options.per_file, options.seed) for file in options.files]
    order = [some[at] for at in range(options.per_file) for some in samples if at < len(some)]
    if options.list:
        print(*order, sep="\n")
        return 0
    sys.dont_write_bytecode = True
    os.environ["PYTHONDONTWRITEBYTECODE"] = "1"
    preload()
    results = try_all(order, options)
    if options.out is not None:
        lines = [
            json.dumps({"mutant": str(mutant), "verdict": outcome.verdict, "test": outcome.test})
            for mutant, outcome in results.items()
        ]
        options.out.write_text("\n".join(lines) + "\n", encoding="utf-8")
    for file in options.files:
        if found := [outcome for mutant, outcome in results.items() if mutant.file == file]:
            print(score(found, file))
    print(score(list(results.values()), "all files"))
    return 0


if __name__ == "__main__":
    sys.exit(main())
