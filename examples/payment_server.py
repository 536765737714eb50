"""A small HTTP service to fail with: `python examples/payment_server.py PORT NAME`.

It answers `POST /pay` with its name. Stop it with Ctrl-C or `kill` and start it again on the same port.
"""

from __future__ import annotations

import json
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Payments(BaseHTTPRequestHandler):
    """Accepts payments; the answer names the service."""

    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        """Answer a payment."""
        length = int(self.headers.get("Content-Length", "0"))
        order = json.loads(self.rfile.read(length) or b"{}")
        body = json.dumps({"paid": order.get("amount"), "by": self.server.name}).encode()  # type: ignore[attr-defined]
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Log nothing for each request."""


class Server(ThreadingHTTPServer):
    """An HTTP server on the loopback interface."""

    daemon_threads = True

    def __init__(self, port: int, name: str) -> None:
        super().__init__(("127.0.0.1", port), Payments)
        self.name = name


def main() -> None:
    """Serve until the process is stopped."""
    with Server(int(sys.argv[1]), sys.argv[2]) as server:
        print(f"{server.name} listens on http://127.0.0.1:{server.server_port}", flush=True)
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            pass


if __name__ == "__main__":
    main()
