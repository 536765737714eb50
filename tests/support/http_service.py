"""A real HTTP server on its own port, whose responses a test sets."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class Service(ThreadingHTTPServer):
    """Answers with `status`, `headers` and `body`, and keeps the requests. Hangs while `hanging` is set."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.status = 200
        self.headers: dict[str, str] = {"content-type": "application/json"}
        self.body: bytes = b'{"fine": true}'
        self.asked: list[dict[str, Any]] = []
        self.connections = 0
        self.hanging = threading.Event()
        self.url = f"http://127.0.0.1:{self.server_port}"

    def answer(self, status: int, body: bytes | str = b"", **headers: str) -> None:
        """Set the response to the following requests."""
        self.status = status
        self.body = body.encode() if isinstance(body, str) else body
        self.headers = {name.replace("_", "-"): value for name, value in headers.items()}


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Service

    def setup(self) -> None:
        super().setup()
        self.server.connections += 1

    def _serve(self) -> None:
        service = self.server
        length = int(self.headers.get("content-length") or 0)
        body = self.rfile.read(length)
        service.asked.append(
            {
                "method": self.command,
                "path": self.path,
                "headers": {name.lower(): value for name, value in self.headers.items()},
                "json": json.loads(body) if body else None,
            }
        )
        if service.hanging.is_set():
            service.hanging.wait()
            threading.Event().wait(60)
        self.send_response(service.status)
        for name, value in service.headers.items():
            self.send_header(name, value)
        self.send_header("content-length", str(len(service.body)))
        self.end_headers()
        self.wfile.write(service.body)

    do_GET = do_POST = do_PUT = do_DELETE = _serve

    def log_message(self, format: str, *args: Any) -> None:
        """Suppress the request log."""


@contextmanager
def serving() -> Iterator[Service]:
    """Run a service while the `with` lasts."""
    with Service() as service:
        thread = threading.Thread(target=service.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield service
        finally:
            service.shutdown()
            thread.join()
