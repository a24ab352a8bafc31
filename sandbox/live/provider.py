"""A hosted provider that is none: OpenAI's API with fixed answers, and everything that comes written down.

Live pods reach it as http://provider.stand-in.test (port 80). What must never leave the stack must never be in its
file, one JSON object for each request: path, headers, body.

    python -m sandbox.live.provider PORT FILE"""

from __future__ import annotations

import json
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Lock
from typing import Any, Final

NAME: Final = "provider.stand-in.test"
PORT: Final = 80
ANSWER: Final = "This is the stand-in for a hosted provider."
FILE: Final = "provider.jsonl"
"""Among the world's logs."""

USAGE: Final = {"prompt_tokens": 10, "completion_tokens": 8, "total_tokens": 18}


def _choice(content: dict[str, Any], reason: str | None, part: str) -> list[dict[str, Any]]:
    return [{"index": 0, part: content, "finish_reason": reason, "logprobs": None}]


def completion(model: str) -> dict[str, Any]:
    """A whole answer."""
    message = {"role": "assistant", "content": ANSWER}
    return _head(model, "chat.completion") | {"choices": _choice(message, "stop", "message"), "usage": USAGE}


def chunks(model: str, usage: bool) -> list[dict[str, Any]]:
    """A streamed one."""
    head = _head(model, "chat.completion.chunk")
    words = ANSWER.split(" ")
    found = [head | {"choices": _choice({"role": "assistant", "content": ""}, None, "delta")}]
    for number, word in enumerate(words):
        text = word if number == 0 else f" {word}"
        found.append(head | {"choices": _choice({"content": text}, None, "delta")})
    found.append(head | {"choices": _choice({}, "stop", "delta")})
    return [*found, *([head | {"choices": [], "usage": USAGE}] if usage else [])]


def _head(model: str, kind: str) -> dict[str, Any]:
    return {"id": "chatcmpl-stand-in", "object": kind, "created": int(time.time()), "model": model}


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    file: Path
    lock = Lock()

    def do_POST(self) -> None:
        text = self.rfile.read(int(self.headers.get("content-length", "0")))
        body: dict[str, Any] = json.loads(text or b"{}")
        line = {"path": self.path, "headers": dict(self.headers.items()), "body": body}
        with self.lock, self.file.open("a") as out:
            out.write(json.dumps(line) + "\n")
        model = str(body.get("model"))
        if self.path.endswith("/chat/completions") and body.get("stream"):
            usage = bool((body.get("stream_options") or {}).get("include_usage"))
            events = [json.dumps(each) for each in chunks(model, usage)]
            self._send("text/event-stream", "".join(f"data: {each}\n\n" for each in [*events, "[DONE]"]))
        elif self.path.endswith("/chat/completions"):
            self._send("application/json", json.dumps(completion(model)))
        else:
            self._send("application/json", json.dumps({"error": {"message": "no such path"}}), 404)

    def _send(self, kind: str, text: str, status: int = 200) -> None:
        data = text.encode()
        self.send_response(status)
        self.send_header("content-type", kind)
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, format: str, *args: Any) -> None:
        """Its own file has everything."""


def server(port: int, file: Path) -> ThreadingHTTPServer:
    """The server, not serving yet."""
    handler = type("Handler", (_Handler,), {"file": file})
    return ThreadingHTTPServer(("127.0.0.1", port), handler)


def main() -> None:
    """Serves until it is ended."""
    server(int(sys.argv[1]), Path(sys.argv[2])).serve_forever()


if __name__ == "__main__":
    main()
