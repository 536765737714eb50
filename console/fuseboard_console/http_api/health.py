"""Health over HTTP: is it alive, is it ready, and how is each adapter."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request
from starlette.convertors import PathConvertor, register_url_convertor
from starlette.responses import Response

from fuseboard_console.http_api import responses
from fuseboard_console.http_api.answers import answer
from fuseboard_console.http_api.commands import reset_adapter
from fuseboard_console.http_api.dependencies import Operator, Reader, Service
from fuseboard_console.http_api.models import Adapters, CommandAnswer, Failures, History, Live, Ready, System
from fuseboard_console.http_api.openapi import answers, readable
from fuseboard_console.views.lists.status import adapters_json
from fuseboard_engine.events import AttemptFailed


class _AdapterName(PathConvertor):
    """The name of an adapter: any text, also with line breaks, at which Starlette's own converter of paths ends."""

    regex = r"[\s\S]+"


register_url_convertor("adapter", _AdapterName())

router = APIRouter(tags=["health"])


@router.get("/health/live", responses=readable(Live))
async def live(request: Request, caller: Reader) -> Response:
    """Answer that the API itself is up."""
    return answer(request, caller, {"live": True})


@router.get("/health/ready", responses={**readable(Ready), 503: {"model": Ready, "description": "not ready"}})
async def ready(request: Request, caller: Reader, service: Service) -> Response:
    """Answer 200 while an engine is alive and more than half of its adapters are healthy, else 503."""
    board = await service.board()
    is_ready, figures = responses.readiness(board, service.time(board))
    return answer(request, caller, figures, 200 if is_ready else 503)


@router.get("/health/system", responses=readable(System))
@router.get("/api/circuit-breaker/health", responses=readable(System))
async def system(request: Request, caller: Reader, service: Service) -> Response:
    """Answer with readiness, engines, tasks, chains, and breakers by state."""
    board = await service.board()
    return answer(request, caller, responses.system(board, service.file.name, service.time(board)))


@router.get("/health/adapters", responses=readable(Adapters))
async def adapters(request: Request, caller: Reader, service: Service) -> Response:
    """Answer with every adapter, the most severe first."""
    board = await service.board()
    return answer(request, caller, {"adapters": adapters_json(board, service.time(board))})


@router.get("/health/adapters/{name:adapter}/history", responses=readable(History, 404))
async def history(
    request: Request,
    caller: Reader,
    service: Service,
    name: str,
    full: Annotated[bool, Query(description="everything that is kept")] = False,
) -> Response:
    """Answer with the last 50 calls and 20 changes of state of an adapter, oldest first; with `full`, with all."""
    board, rows = await service.rows(name)
    return answer(request, caller, responses.history(board, rows, full=full))


@router.post("/health/adapters/{name:adapter}/reset", responses=answers(CommandAnswer, 403, 404, 409, 504))
async def reset(request: Request, caller: Operator, service: Service, name: str) -> Response:
    """Reset the breaker of an adapter in each engine that has it."""
    return answer(request, caller, await reset_adapter(service, caller, name))


@router.get("/health/adapters/{name:adapter}", responses=readable(Adapters, 404))
@router.get("/health/adapters/{name:adapter}/stats", responses=readable(Adapters, 404))  # before the other
async def adapter(request: Request, caller: Reader, service: Service, name: str) -> Response:
    """Answer with one adapter, once for each engine instance that has it."""
    board, rows = await service.rows(name)
    every = adapters_json(board, service.time(board))
    return answer(request, caller, {"adapters": [one for one in every if one["adapter"] == rows[0].name]})


@router.get("/api/circuit-breaker/failures", responses=readable(Failures))
async def failures(
    request: Request, caller: Reader, service: Service, limit: Annotated[int, Query(ge=1, le=1000)] = 20
) -> Response:
    """Answer with the latest failures, newest first."""
    found = await (await service.recording()).failures(limit, None)
    shown = [responses.failure(entry) for entry in found if isinstance(entry.event, AttemptFailed)]
    return answer(request, caller, {"failures": shown})
