"""The rooms: which there are, how large they are, and which may import which."""

from __future__ import annotations

import ast
import re

import pytest

from support.paths import ROOT
from support.source_tree import ALL, FLOORS, FOLDERS, Module, modules, room_of, rooms

MOST_MODULES = 12
LARGER_ROOMS = {"fuseboard_console/commands": 19, "fuseboard_engine/workflow": 15, "fuseboard_storage/tables": 13}
"""Rooms with more modules than others: one per command, a workflow's parts, and one per table."""
MOST_ROOT_FILES = 12
LONGEST = 600
LONGER_MODULES: dict[str, int] = {
    "fuseboard_engine.breaker.circuit_breaker": 690,
    "fuseboard_engine.events": 730,
    "fuseboard_storage.board.board": 680,  # a method for each type of event
    "fuseboard_engine.engine": 1000,  # the facade: two thirds are signatures and docstrings
}
"""Modules that are longer than the alarm: each is one catalogue or one state machine."""


@pytest.mark.parametrize("package", FLOORS)
def test_a_module_imports_only_from_its_own_room_or_a_lower_one(package: str) -> None:
    floors = FLOORS[package]
    wrong = []
    for module in modules(package):
        if module.room not in floors:
            continue
        for name, line in module.imports():
            if not name.startswith(f"{package}."):
                continue
            target = room_of(name)
            if target in floors and floors.index(target) > floors.index(module.room):
                wrong.append(f"{module.path.relative_to(ROOT)}:{line} imports {name}, which is on a higher floor")
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("package", FLOORS)
def test_every_room_and_root_module_has_its_floor(package: str) -> None:
    there = {module.room for module in modules(package)} - {"", "__main__", "views"}
    assert there == set(FLOORS[package])


@pytest.mark.parametrize("package", FLOORS)
def test_a_room_is_small_enough_to_look_over(package: str) -> None:
    for room in rooms(package):
        count = len([path for path in room.glob("*.py") if path.stem != "__init__"])
        name = room.relative_to(ROOT / FOLDERS[package]).as_posix()
        assert count <= LARGER_ROOMS.get(name, MOST_MODULES), f"{name} has {count} modules"
    root = list((ROOT / FOLDERS[package] / package).glob("*.py"))
    assert len(root) <= MOST_ROOT_FILES + 1, f"{package} has {len(root)} files at its root"


def _is_small(node: ast.stmt) -> bool:
    """Return whether a statement is a docstring, an import, `__all__`, or part of a lazy re-export."""
    if isinstance(node, ast.Expr):
        return isinstance(node.value, ast.Constant)
    if isinstance(node, (ast.Import, ast.ImportFrom, ast.If)):
        return True
    return isinstance(node, ast.Assign) and all(
        isinstance(target, ast.Name) and (target.id == "__all__" or target.id.startswith("_"))
        for target in node.targets
    )


@pytest.mark.parametrize("module", [m for m in ALL if m.path.stem == "__init__"], ids=lambda module: module.name)
def test_an_init_is_a_docstring_or_lazy_re_exports(module: Module) -> None:
    if module.name == "fuseboard_scenarios":
        pytest.skip("it finds the scenario files")
    assert ast.get_docstring(module.tree), f"{module.name} has no docstring"
    assert all(_is_small(node) for node in module.tree.body), f"{module.name} does more than re-export"


def test_every_room_has_its_sentence_on_the_architecture_page() -> None:
    page = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    listed = set(re.findall(r"^\| `([\w./]+)` \|", page, re.MULTILINE))
    there = {
        room.relative_to(ROOT / FOLDERS[package]).as_posix().removeprefix(f"{package}/")
        for package in FLOORS
        for room in rooms(package)
    }
    there.discard("views")  # it only holds rooms
    assert there <= listed, f"docs/architecture.md lacks {sorted(there - listed)}"


@pytest.mark.parametrize("module", ALL, ids=lambda module: module.name)
def test_a_policy_is_in_the_policy_module_of_its_room(module: Module) -> None:
    if module.name in ("fuseboard_engine.policy_base", "fuseboard_engine.scenario.model"):
        return
    for node in ast.walk(module.tree):
        if isinstance(node, ast.ClassDef) and any(
            isinstance(base, ast.Name) and base.id == "Policy" for base in node.bases
        ):
            assert module.path.stem in ("policy", "sections", "settings"), f"{node.name} is a policy in {module.name}"


PURE = ("text", "views.", "board", "breaker", "retry")
PURE_MODULES = (
    "fuseboard_engine.routing.ranking",
    "fuseboard_engine.workflow.ready_queue",
    "fuseboard_engine.network_faults.delivery",
    "fuseboard_engine.network_faults.tls_records",
)
IMPURE = {"asyncio", "sqlite3", "aiosqlite", "textual"}
NOT_PURE = {"fuseboard_engine.breaker.decorator"}
"""It awaits what it decorates."""


@pytest.mark.parametrize(
    "module",
    [
        module
        for module in ALL
        if (module.room.startswith(PURE) or module.name in PURE_MODULES) and module.name not in NOT_PURE
    ],
    ids=lambda module: module.name,
)
def test_a_pure_module_imports_no_loop_no_database_and_no_screen(module: Module) -> None:
    assert not {name.split(".")[0] for name, _ in module.imports()} & IMPURE


@pytest.mark.parametrize("package", FOLDERS)
def test_no_module_is_too_long_to_be_one_thing(package: str) -> None:
    lengths = {module.name: len(module.path.read_text(encoding="utf-8").splitlines()) for module in modules(package)}
    assert not {name: n for name, n in lengths.items() if n > LONGER_MODULES.get(name, LONGEST)}


def test_no_module_below_the_engine_takes_an_engine() -> None:
    floors = FLOORS["fuseboard_engine"]
    below = floors[: floors.index("engine")]
    takes = [
        f"{module.name}:{argument.lineno}"
        for module in modules("fuseboard_engine")
        if module.room in below
        for node in ast.walk(module.tree)
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))
        for argument in (*node.args.args, *node.args.kwonlyargs)
        if argument.annotation is not None and re.search(r"\bEngine\b", ast.unparse(argument.annotation))
    ]
    assert not takes


def test_no_test_module_imports_another() -> None:
    wrong = []
    for path in (ROOT / "tests").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and node.module and re.search(r"(^|\.)test_", node.module):
                wrong.append(f"{path.relative_to(ROOT)}:{node.lineno}")
    assert not wrong
