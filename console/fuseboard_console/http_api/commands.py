"""Operators' commands over HTTP. Every one needs a token with the role `operate`, and is recorded with its name."""

from __future__ import annotations

from typing import Any, Literal

from fastapi import APIRouter, Request
from starlette.responses import Response

from fuseboard_console.http_api.answers import answer
from fuseboard_console.http_api.dependencies import Operator, Service
from fuseboard_console.http_api.models import CommandAnswer, CommandRequest, LetterAnswer, LetterIds
from fuseboard_console.http_api.openapi import answers
from fuseboard_console.http_api.service import MAX_NAME, RecordingService, check_outcome
from fuseboard_console.http_server.access import Caller
from fuseboard_console.http_server.problems import Problem
from fuseboard_console.text.safe_text import safe_text
from fuseboard_console.text.suggestions import did_you_mean
from fuseboard_engine.commands import WITHOUT_ADAPTER
from fuseboard_engine.dead_letters.letter import LetterSelection

router = APIRouter(tags=["commands"])


async def reset_adapter(service: RecordingService, caller: Caller, name: str) -> dict[str, Any]:
    """Reset an adapter in each engine that has it, and return the outcomes."""
    return await _send(service, caller, CommandRequest(verb="reset", adapter=name))


@router.post("/health/reset", responses=answers(CommandAnswer, 403, 409, 504))
async def reset_all(request: Request, caller: Operator, service: Service) -> Response:
    """Reset every breaker that refuses calls."""
    return answer(request, caller, await _send(service, caller, CommandRequest(verb="reset_all")))


@router.post("/api/commands", responses=answers(CommandAnswer, 403, 404, 409, 504))
async def command(request: Request, caller: Operator, service: Service, body: CommandRequest) -> Response:
    """Give a command to every engine that it concerns, and answer with the outcomes when all are known."""
    return answer(request, caller, await _send(service, caller, body))


@router.post("/api/dead-letters/{action}", responses=answers(LetterAnswer, 403, 409))
async def change_letters(
    request: Request,
    caller: Operator,
    service: Service,
    action: Literal["archive", "unarchive", "discard", "purge"],
    body: LetterIds,
) -> Response:
    """Archive, unarchive, discard or purge dead letters. The command `dlq_retry` retries those in its `args.ids`."""
    selection, now = LetterSelection(ids=tuple(body.ids)), service.host_time()
    async with service.dead_letters(reading=False) as store:
        if action == "purge":
            changes = await store.purge(selection, now, caller.name)
        else:
            changes = await store.change(action, selection, now, caller.name)
    changed = sum(len(change.ids) for change in changes)
    return answer(request, caller, {"done": changed == len(set(body.ids)), "changed": changed})


async def _send(service: RecordingService, caller: Caller, wanted: CommandRequest) -> dict[str, Any]:
    """Send a command to the engines that it concerns, and return the outcomes."""
    names = (wanted.engine,) if wanted.engine else ()
    if wanted.verb in WITHOUT_ADAPTER:
        board, adapter, having = await service.board(), "", []
    elif wanted.adapter:
        board, rows = await service.rows(wanted.adapter)
        adapter, having = rows[0].name, [row.key.instance for row in rows]
    else:
        raise Problem(422, "invalid request", f"The command {wanted.verb} needs an `adapter`.")
    if names and not any(instance.name in names for instance in board.instances.values()):
        known = {instance.name for instance in board.instances.values()}
        hint = did_you_mean(wanted.engine[:MAX_NAME], known)
        raise Problem(404, "unknown engine", f"There is no engine {safe_text(wanted.engine, MAX_NAME)!r}.{hint}")
    asked = service.running(board, having, names)
    if wanted.instance is not None:
        asked = [id for id in asked if id == wanted.instance]
    if not asked:
        raise Problem(404, "unknown engine", "No running engine has this name or instance, and the adapter.")
    targets = [(instance, adapter) for instance in asked]
    return check_outcome(await service.send(wanted.verb, targets, caller.name, wanted.args))
