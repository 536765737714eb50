"""The source tree as data: packages, rooms, modules and their imports."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

from support.paths import ROOT

FOLDERS = {
    "fuseboard": "api",
    "fuseboard_engine": "engine",
    "fuseboard_storage": "storage",
    "fuseboard_console": "console",
    "fuseboard_scenarios": "demo_scenarios",
}
"""The source root of each package."""

FLOORS: dict[str, tuple[str, ...]] = {
    "fuseboard_engine": (
        "error_text",
        "events",
        "errors",
        "commands",
        "virtual_time",
        "policy_base",
        "documents",
        "runtime",
        "context",
        "retry",
        "breaker",
        "adapters",
        "faults",
        "network_faults",
        "health",
        "routing",
        "dead_letters",
        "parallel",
        "state_events",
        "config",
        "sync",
        "workflow",
        "event_log",
        "command_handler",
        "shutdown",
        "engine",
        "scenario_file",
        "simulation",
        "scenario_outcome",
        "scenario",
        "scenario_derivation",
        "testing",
        "policy_replay",
        "combine",
    ),
    "fuseboard_storage": (
        "errors",
        "sqlite",
        "board",
        "backend",
        "tables",
        "stores",
        "recording",
        "recorder",
        "maintenance",
        "mailbox",
    ),
    "fuseboard_console": (
        "text",
        "sources",
        "views.adapters",
        "operator",
        "views.events",
        "actions",
        "views.detail",
        "views.selection",
        "views.lists",
        "views.frame",
        "views.report",
        "preferences",
        "cli",
        "terminal",
        "views.dead_letters",
        "views.workflows",
        "tui",
        "painting",
        "widgets",
        "screens",
        "pages",
        "app",
        "http_server",
        "http_api",
        "scenario_actions",
        "commands",
    ),
}
"""The rooms and root modules of each package, lowest first. A module imports from its own room or a lower one."""


class Module(NamedTuple):
    """A module of the project."""

    name: str
    path: Path

    @property
    def package(self) -> str:
        """The import package."""
        return self.name.split(".")[0]

    @property
    def room(self) -> str:
        """The room or root module it belongs to."""
        return room_of(self.name)

    @property
    def tree(self) -> ast.Module:
        """Its syntax tree."""
        return _parsed(self.path)

    def imports(self) -> Iterator[tuple[str, int]]:
        """Yield each imported module or name, dotted, with its line; type-only and function-level imports too."""
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Import):
                yield from ((alias.name, node.lineno) for alias in node.names)
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                yield from ((f"{node.module}.{alias.name}", node.lineno) for alias in node.names)


def room_of(name: str) -> str:
    """Return the room of a dotted name: its second part; of the console's views the second and third."""
    parts = name.split(".")[1:]
    if parts[:1] == ["views"]:
        return ".".join(parts[:2])
    return parts[0] if parts else ""


@cache
def _parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


@cache
def modules(package: str) -> tuple[Module, ...]:
    """Return all modules of a package."""
    base = ROOT / FOLDERS[package]
    return tuple(
        Module(".".join(path.relative_to(base).with_suffix("").parts).removesuffix(".__init__"), path)
        for path in sorted((base / package).rglob("*.py"))
    )


def rooms(package: str) -> tuple[Path, ...]:
    """Return the folders of a package that hold modules, without the package's own."""
    base = ROOT / FOLDERS[package] / package
    return tuple(sorted({path.parent for path in base.rglob("*.py")} - {base}))


ALL = tuple(module for package in FOLDERS for module in modules(package))
"""Every module of the project."""
