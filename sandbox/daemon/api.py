"""The daemon's own HTTP address, on 127.0.0.1: the API servers' token webhook, and `status`.

POST /authenticate/REGION/CLUSTER    a TokenReview in, a TokenReview out
GET /status                          what runs, as JSON
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

_LOG = logging.getLogger(__name__)

Review = Callable[[str, str, dict[str, Any]], dict[str, Any] | None]


def serve(status: Callable[[], dict[str, Any]], review: Review) -> str:
    """Serves in threads until the process ends; returns the address.

    `review(region, cluster, request)` answers a TokenReview, with None for a cluster that does not exist.
    """

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        # Headers and body are two writes, and a client that waits for the second must not wait for an
        # acknowledgement.
        disable_nagle_algorithm = True

        def do_GET(self) -> None:
            if self.path != "/status":
                self._answer(404, {"error": f"no {self.path}; there is GET /status"})
                return
            try:
                found = status()
            except Exception as error:
                _LOG.exception("the status could not be told")
                self._answer(500, {"error": f"{type(error).__name__}: {error}"})
                return
            self._answer(200, found)

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            parts = self.path.split("?")[0].strip("/").split("/")
            if len(parts) != 3 or parts[0] != "authenticate":
                self._answer(404, {"error": f"no {self.path}; there is POST /authenticate/REGION/CLUSTER"})
                return
            try:
                answer = review(parts[1], parts[2], json.loads(body))
            except Exception:
                _LOG.exception("the review of a token failed")
                self._answer(500, {"error": "the review failed; the daemon's log says why"})
                return
            self._answer(200 if answer else 404, answer or {"error": f"no cluster {parts[2]}"})

        def _answer(self, code: int, document: dict[str, Any]) -> None:
            body = json.dumps(document).encode()
            self.send_response(code)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:
            """Nothing: reviews are logged with their outcome, and requests for `status` need no line."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    Thread(target=server.serve_forever, name="api", daemon=True).start()
    return f"http://127.0.0.1:{server.server_address[1]}"
