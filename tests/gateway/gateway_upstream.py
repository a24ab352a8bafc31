"""Stand-ins for engines and a hosted provider: they record what they get, echo it, and fail as they are told."""

from __future__ import annotations

import json
import threading
import time
import uuid
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

ERRORS = {
    "down": (503, "the engine is gone", None),
    "limited": (429, "rate limit reached", "rate_limit_exceeded"),
    "long": (400, "This model's maximum context length is 512 tokens.", "context_length_exceeded"),
    "policy": (400, "content_policy_violation: our content filter refused it", "content_policy_violation"),
}


class Upstream:
    """All deployments behind one port, each in a folder of its name."""

    def __init__(self) -> None:
        self.modes: dict[str, str] = {}
        """By deployment: up (default), a name of ERRORS, hang, break, slow, mute (the head of a stream and no more) or
        murmur (chunks without text)."""

        self.seen: list[tuple[str, dict[str, str], dict[str, Any]]] = []
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.server_address[1]}"

    def names(self) -> set[str]:
        """Deployments that were asked since `forget`."""
        return {name for name, _, _ in self.seen}

    def forget(self) -> None:
        self.seen.clear()
        self.modes.clear()

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()


def _handler(upstream: Upstream) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_: object) -> None:
            pass

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["content-length"])))
            name = self.path.split("/")[1]
            upstream.seen.append((name, {key.lower(): value for key, value in self.headers.items()}, body))
            mode = upstream.modes.get(name, "up")
            if mode == "echo":
                # As vLLM and providers do: what is wrong, with what was given.
                said = f"Input should be a valid string, input_value={body['messages'][-1]['content']!r}"
                return self._json(400, {"error": {"message": said, "type": "BadRequestError", "code": 400}})
            if mode in ERRORS:
                status, message, code = ERRORS[mode]
                error = {"message": message, "type": "invalid_request_error", "code": code}
                return self._json(status, {"error": error})
            if mode == "hang":
                time.sleep(8)
                return None
            if self.path.endswith("/embeddings"):
                vector = {"object": "embedding", "index": 0, "embedding": [0.5]}
                usage = {"prompt_tokens": 3, "total_tokens": 3}
                return self._json(200, {"object": "list", "model": name, "data": [vector], "usage": usage})
            legacy = "prompt" in body
            text = "echo " + str(body["prompt"] if legacy else body["messages"][-1]["content"])
            usage = {"prompt_tokens": 11, "completion_tokens": 7, "total_tokens": 18}
            if body.get("stream"):
                return self._stream(name, text, usage, mode, legacy)
            said: dict[str, Any] = {"message": {"role": "assistant", "content": text}}
            if legacy:
                said = {"text": text}
            return self._json(
                200,
                {
                    "id": str(uuid.uuid4()),
                    "object": "text_completion" if legacy else "chat.completion",
                    "created": 1,
                    "model": name,
                    "choices": [{"index": 0, "finish_reason": "stop"} | said],
                    "usage": usage,
                },
            )

        def _json(self, status: int, content: dict[str, Any]) -> None:
            data = json.dumps(content).encode()
            self.send_response(status)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def _stream(self, name: str, text: str, usage: dict[str, int], mode: str, legacy: bool) -> None:
            self.send_response(200)
            self.send_header("content-type", "text/event-stream")
            self.send_header("transfer-encoding", "chunked")
            self.end_headers()
            identity = str(uuid.uuid4())

            def send(choices: list[dict[str, Any]], **more: Any) -> None:
                chunk = {"id": identity, "object": "chat.completion.chunk", "created": 1, "model": name}
                self._piece(f"data: {json.dumps(chunk | {'choices': choices} | more)}\n\n")

            if mode in ("mute", "murmur"):
                for _ in range(20):
                    time.sleep(0.4)
                    if mode == "murmur":
                        send(
                            [
                                {
                                    "index": 0,
                                    "delta": {"role": "assistant", "content": ""},
                                    "finish_reason": None,
                                }
                            ]
                        )
                return
            for start in range(0, len(text), 3):
                piece = text[start : start + 3]
                delta = {"text": piece} if legacy else {"delta": {"role": "assistant", "content": piece}}
                send([{"index": 0, "finish_reason": None} | delta])
                if mode == "break" and start > 3:
                    self.wfile.flush()
                    self.connection.close()
                    return
                if mode == "slow":
                    time.sleep(0.3)
            last: dict[str, Any] = {"text": ""} if legacy else {"delta": {}}
            send([{"index": 0, "finish_reason": "stop"} | last])
            send([], usage=usage)
            self._piece("data: [DONE]\n\n")
            self.wfile.write(b"0\r\n\r\n")

        def _piece(self, text: str) -> None:
            data = text.encode()
            self.wfile.write(f"{len(data):x}\r\n".encode() + data + b"\r\n")
            self.wfile.flush()

    return Handler
