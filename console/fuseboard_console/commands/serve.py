"""`fuseboard serve`: serves health, counters and resets over HTTP, on this host only."""

from __future__ import annotations

import os
from argparse import ArgumentParser, Namespace
from pathlib import Path

from fuseboard_console.cli import exit_codes
from fuseboard_console.cli.arguments import port

SUMMARY = "serve health, counters and resets over HTTP, on this host"
DESCRIPTION = """Serve a recording over HTTP on the loopback interface: liveness, readiness, every adapter, the newest
failures, counters for Prometheus, and resets. Reading needs no token; error texts and
resets need one: the environment variable FUSEBOARD_TOKEN, or else a token that is generated and printed at the start.
Needs `pip install 'fuseboard[serve]'`."""
EXAMPLES = """  fuseboard serve checkout.db
  fuseboard serve checkout.db --port 0
  curl http://127.0.0.1:8642/health/ready
  curl -X POST -H "Authorization: Bearer $TOKEN" http://127.0.0.1:8642/health/adapters/prefect/reset"""
ORDER = 70


def add_arguments(parser: ArgumentParser) -> None:
    """Add the command's arguments to a parser."""
    parser.add_argument("file", metavar="FILE", help="the recording, such as checkout.db")
    parser.add_argument(
        "--port",
        type=port,
        default=8642,
        metavar="PORT",
        help="the port to listen on (default: 8642; 0: any free port)",
    )


def run(args: Namespace) -> int:
    """Serve until stopped, and return the exit code."""
    from fuseboard_console.cli.output import complain, complain_of
    from fuseboard_engine.error_text.safe_logging import get_logger
    from fuseboard_storage.errors import RecordingError

    try:
        import uvicorn

        from fuseboard_console.http_api.app import make_app
    except ImportError:
        complain("`serve` needs two more packages. Install them with: pip install 'fuseboard[serve]'")
        return exit_codes.BAD_INPUT
    import asyncio
    import secrets
    import socket

    token = os.environ.get("FUSEBOARD_TOKEN") or secrets.token_urlsafe(24)
    try:
        asyncio.run(_check_recording(args.file))
        listener = socket.create_server(("127.0.0.1", args.port))
    except RecordingError as error:
        return complain_of(error)
    except OSError as error:
        complain(f"Port {args.port} cannot be used: {error.strerror or error}. Choose another with --port.")
        return exit_codes.BAD_INPUT
    with listener:
        complain(f"Serving {Path(args.file).name} on http://127.0.0.1:{listener.getsockname()[1]}/health/system")
        if "FUSEBOARD_TOKEN" not in os.environ:
            complain(f"The token for resets and error texts is {token}")
        config = uvicorn.Config(
            make_app(Path(args.file).absolute(), token), log_level="warning", access_log=False, server_header=False
        )
        get_logger("uvicorn.error")  # its tracebacks may quote foreign text
        uvicorn.Server(config).run(sockets=[listener])
    return exit_codes.OK


async def _check_recording(file: str) -> None:
    """Raise RecordingError if the file can't be read as a recording."""
    from fuseboard_storage.recording.tail import Tail

    async with Tail.open(file) as tail:
        await tail.read_first()
