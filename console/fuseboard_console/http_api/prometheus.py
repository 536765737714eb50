"""Figures for Prometheus over HTTP."""

from __future__ import annotations

from fastapi import APIRouter
from starlette.responses import PlainTextResponse, Response

from fuseboard_console.http_api import responses
from fuseboard_console.http_api.dependencies import Reader, Service

router = APIRouter(tags=["metrics"])


@router.get("/metrics", response_class=PlainTextResponse)
async def metrics(caller: Reader, service: Service) -> Response:
    """Answer with counters and a histogram in the text format that Prometheus scrapes."""
    return PlainTextResponse(responses.metrics(await service.board()), media_type="text/plain; version=0.0.4")
