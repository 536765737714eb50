"""`fuseboard serve`: serves health, history, figures and commands over HTTP."""

from __future__ import annotations

import os
from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import TYPE_CHECKING

from fuseboard_console.cli import exit_codes
from fuseboard_console.cli.arguments import port

if TYPE_CHECKING:
    from fuseboard_console.http_server.access import Access
    from fuseboard_console.http_server.server import Certificate

SUMMARY = "serve health, history, figures and commands over HTTP"
DESCRIPTION = """Serve a recording over HTTP: liveness, readiness, adapters, chains, routes, failures, dead letters,
workflow runs, the audit, metrics over time and for Prometheus, a live stream of events, and operators' commands.
GET /openapi.json describes it all. On the loopback interface reading needs no token; texts of errors and commands do.
Tokens come from the environment variables FUSEBOARD_TOKEN (may give commands) and FUSEBOARD_READ_TOKEN, or from a
file; else one is generated and printed at the start. Needs `pip install 'fuseboard[serve]'`."""
EXAMPLES = """  fuseboard serve checkout.db
  fuseboard serve checkout.db --port 0
  fuseboard serve checkout.db --tokens tokens.txt   a line `operate ada TOKEN` for each; only you may read the file
  fuseboard serve checkout.db --host 0.0.0.0 --allow-host ops.example --tls-cert cert.pem --tls-key key.pem
  curl http://127.0.0.1:8642/health/ready
  curl -X POST -H "Authorization: Bearer $TOKEN" http://127.0.0.1:8642/health/adapters/prefect/reset"""
ORDER = 70

LOOPBACK = "127.0.0.1"


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
    parser.add_argument(
        "--host",
        default=LOOPBACK,
        metavar="ADDRESS",
        help=f"the address to listen on (default: {LOOPBACK}); on any other, every request needs a token",
    )
    parser.add_argument(
        "--allow-host", action="append", default=[], metavar="NAME", help="accept this Host header; may be repeated"
    )
    parser.add_argument(
        "--allow-origin",
        action="append",
        default=[],
        metavar="URL",
        help="let web pages of this origin use the API, such as https://ops.example; may be repeated",
    )
    parser.add_argument("--tokens", metavar="FILE", help="a file with a line `read|operate NAME TOKEN` for each token")
    parser.add_argument("--tls-cert", metavar="FILE", help="serve HTTPS with this certificate (PEM)")
    parser.add_argument("--tls-key", metavar="FILE", help="the key of the certificate (PEM)")


def run(args: Namespace) -> int:
    """Serve until stopped, and return the exit code."""
    from fuseboard_console.cli.output import complain, complain_of
    from fuseboard_engine.error_text.safe_logging import get_logger
    from fuseboard_storage.errors import RecordingError

    try:
        from fuseboard_console.http_api.app import make_app
        from fuseboard_console.http_server.access import TokenError
        from fuseboard_console.http_server.server import Server
    except ImportError:
        complain("`serve` needs two more packages. Install them with: pip install 'fuseboard[serve]'")
        return exit_codes.BAD_INPUT
    import asyncio
    import socket

    try:
        certificate = _certificate(args)
        access, generated = _access(args)
        asyncio.run(_check_recording(args.file))
        family = socket.AF_INET6 if ":" in args.host else socket.AF_INET
        listener = socket.create_server((args.host, args.port), family=family)
    except RecordingError as error:
        return complain_of(error)
    except (TokenError, _ArgumentError) as error:
        complain(str(error))
        return exit_codes.BAD_INPUT
    except OSError as error:
        complain(
            f"{args.host} port {args.port} cannot be used: {error.strerror or error}. "
            "Choose another with --port or --host."
        )
        return exit_codes.BAD_INPUT
    with listener:
        scheme = "http" if certificate is None else "https"
        shown = f"[{args.host}]" if ":" in args.host else args.host
        complain(f"Serving {Path(args.file).name} on {scheme}://{shown}:{listener.getsockname()[1]}/health/system")
        if generated:
            complain(f"The token for commands and error texts is {generated}")
        app = make_app(
            Path(args.file).absolute(), access, hosts=[args.host, *args.allow_host], origins=args.allow_origin
        )
        get_logger("uvicorn.error")  # its tracebacks may quote foreign text
        Server(app, app.state.streams.close, certificate).run(sockets=[listener])
    return exit_codes.OK


class _ArgumentError(ValueError):
    """Arguments that contradict each other; the text says what to do."""


def _access(args: Namespace) -> tuple[Access, str]:
    """Return the tokens, and the one that was generated because none was given (else empty)."""
    import ipaddress

    from fuseboard_console.http_server.access import (
        Access,
        Token,
        TokenError,
        environment_tokens,
        new_secret,
        tokens_of_file,
    )

    tokens = environment_tokens(os.environ)
    if args.tokens is not None:
        tokens += tokens_of_file(args.tokens)
        if len({token.secret for token in tokens}) < len(tokens):
            raise TokenError(f"A token of the environment stands in {Path(args.tokens).name} too. Give each its own.")
    try:
        loopback = args.host == "localhost" or ipaddress.ip_address(args.host).is_loopback
    except ValueError:
        loopback = False
    if not loopback and not tokens:
        raise _ArgumentError(f"On {args.host} every request needs a token. Give --tokens FILE, or set FUSEBOARD_TOKEN.")
    generated = ""
    if not tokens:
        generated = new_secret()
        tokens = [Token("http", "operate", generated)]
    return Access(tuple(tokens), anybody_reads=loopback), generated


def _certificate(args: Namespace) -> Certificate | None:
    """Return the certificate for TLS; None for plain HTTP."""
    import ssl

    from fuseboard_console.http_server.server import Certificate

    if args.tls_cert is None and args.tls_key is None:
        return None
    if args.tls_cert is None or args.tls_key is None:
        raise _ArgumentError("TLS needs both --tls-cert and --tls-key.")
    certificate = Certificate(Path(args.tls_cert), Path(args.tls_key))
    try:
        certificate.check()
    except (OSError, ssl.SSLError) as error:
        raise _ArgumentError(
            f"The certificate cannot be used: {error.strerror or error}. Check {args.tls_cert} and {args.tls_key}."
        ) from error
    return certificate


async def _check_recording(file: str) -> None:
    """Raise RecordingError if the file can't be read as a recording."""
    from fuseboard_storage.recording.tail import Tail

    async with Tail.open(file) as tail:
        await tail.read_first()
