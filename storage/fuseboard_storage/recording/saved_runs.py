"""Queries for saved workflow runs, many at a time."""

from __future__ import annotations

import socket
from collections.abc import Iterable
from typing import Any

import msgspec

from fuseboard_engine.workflow.checkpoints import SavedRun
from fuseboard_storage.stores.checkpoints import (
    NODE_COLUMNS,
    NODE_COLUMNS_BEFORE_CHAIN,
    RUN_COLUMNS,
    owning_process,
    run_of,
)
from fuseboard_storage.tables.events import Query


async def saved_runs(
    query: Query,
    limit: int,
    *,
    run: str,
    unfinished: bool,
    without: Iterable[str],
    results: bool,
    before: tuple[int, str] | None,
) -> list[SavedRun]:
    """Return saved runs; see `Recording.workflow_runs`."""
    if not await query("SELECT 1 FROM sqlite_master WHERE name = 'workflow_nodes'", ()):
        return []  # written by an older version and not migrated since
    columns, node_columns = RUN_COLUMNS, NODE_COLUMNS
    if not await query("SELECT 1 FROM pragma_table_info('workflow_nodes') WHERE name = 'chain'", ()):
        node_columns = NODE_COLUMNS_BEFORE_CHAIN
    if not results:
        columns, node_columns = columns.replace(" input,", " 'null',"), node_columns.replace(" result,", " 'null',")
    sql = f"""SELECT {columns} FROM workflow_runs
        WHERE (id = ? OR (? = '' AND (NOT ? OR state NOT IN ('done', 'degraded'))))
        AND id NOT IN (SELECT value FROM json_each(?)) AND (? IS NULL OR (changed_at, id) < (?, ?))
        ORDER BY changed_at DESC, id DESC LIMIT ?"""
    changed_at, id = (None, "") if before is None else before
    found = await query(sql, (run, run, unfinished, _json(without), changed_at, changed_at, id, limit))
    nodes: dict[str, list[tuple[Any, ...]]] = {row[0]: [] for row in found}
    sql = f"SELECT run, {node_columns} FROM workflow_nodes WHERE run IN (SELECT value FROM json_each(?))"
    for name, *values in await query(sql, (_json(nodes),)):
        nodes[name].append(tuple(values))
    host = socket.gethostname()
    runs = [run_of(row, nodes[row[0]], host) for row in found]
    return [saved for saved in runs if saved.resumable or not unfinished]


async def matching_ids(query: Query, text: str, limit: int) -> list[str]:
    """Return the ids of the saved runs that a typed id may mean; see `Recording.run_ids`."""
    if not text or not await query("SELECT 1 FROM sqlite_master WHERE name = 'workflow_runs'", ()):
        return []
    sql = """SELECT id FROM workflow_runs
        WHERE substr(id, 1, length(?)) = ? OR substr(id, -length(?)) = ?
        ORDER BY id = ? DESC, changed_at DESC LIMIT ?"""
    found = [row[0] for row in await query(sql, (*[text] * 5, limit))]
    return found[:1] if text in found else found


async def count_runs(query: Query) -> tuple[int, int]:
    """Return the number of runs and of those that can be resumed; see `Recording.count_workflow_runs`."""
    if not await query("SELECT 1 FROM sqlite_master WHERE name = 'workflow_nodes'", ()):
        return 0, 0  # written by an older version and not migrated since
    ((runs,),) = await query("SELECT count(*) FROM workflow_runs", ())
    sql = "SELECT state, owner FROM workflow_runs WHERE state NOT IN ('done', 'degraded')"
    host = socket.gethostname()
    return runs, sum(owning_process(state, owner, host, None) is None for state, owner in await query(sql, ()))


def _json(texts: Iterable[str]) -> str:
    return msgspec.json.encode(list(texts)).decode()
