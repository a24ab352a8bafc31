"""An endpoint of OpenAI's API in this process, whose model finds every answer, or forgets some of them."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class Oracle:
    """How the endpoint behaves: `forgets` every n-th question (0: none); `doubt` is taken from each log probability;
    `busy` requests are shed first; `refuses` answers every request with that status."""

    names: tuple[str, ...] = ("llama",)
    forgets: int = 0
    doubt: float = 0.0
    busy: int = 0
    refuses: int = 0
    version: str | None = "0.32.0"
    shift: int = 0
    asked: list[dict[str, Any]] = field(default_factory=list)
    keys: list[str | None] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def answer(self, prompt: str) -> str:
        """The right answer to a question of the built-in tasks."""
        if self.forgets and sum(prompt.encode()) % self.forgets == 0:
            return "I forgot."
        for pattern in (
            r"The secret number of \w+ is (\d+)\.",
            r"Line L\d+: (.*)",
            r"«(.*?)»",
            r"《(.*?)》",
            r"」?の合言葉は「(.*?)」",
        ):
            found = re.search(pattern, prompt)
            if found:
                return found[1]
        if sums := re.search(r"Anna has (\d+) marbles, Binh has (\d+) and Carla has (\d+)", prompt):
            return str(sum(int(each) for each in sums.groups()))
        if ship := re.search(r"shipment of (\d+) crates goes to (\w+) and (is not|is) fragile", prompt):
            return json.dumps({"port": ship[2], "crates": int(ship[1]), "fragile": ship[3] == "is"})
        return ""

    def ids(self, text: str) -> list[int]:
        """A token for each byte."""
        return [each + self.shift for each in text.encode()]

    def reply(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        """The body of the answer to a POST."""
        if path == "/v1/chat/completions":
            return {"choices": [{"message": {"content": self.answer(body["messages"][0]["content"])}}]}
        prompt = body["prompt"]
        ids = prompt if isinstance(prompt, list) else self.ids(prompt)
        choice: dict[str, Any] = {"text": "" if isinstance(prompt, list) else self.answer(prompt)}
        if body.get("return_token_ids"):
            choice |= {"prompt_token_ids": ids, "token_ids": list(range(body["max_tokens"]))}
        if "prompt_logprobs" in body:
            sure = self.doubt == 0
            choice["prompt_logprobs"] = [
                None,
                *({str(each): {"logprob": -0.5 - self.doubt, "rank": 1 if sure else 2}} for each in ids[1:]),
            ]
        return {"choices": [choice], "usage": {"prompt_tokens": len(ids)}}


@contextmanager
def serving(oracle: Oracle) -> Iterator[str]:
    """The endpoint's address while it is served."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.path == "/v1/models":
                self._send(200, {"data": [{"id": name} for name in oracle.names]})
            elif self.path == "/version" and oracle.version:
                self._send(200, {"version": oracle.version})
            else:
                self._send(404, {"error": "no such path"})

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            with oracle.lock:
                oracle.asked.append(body)
                oracle.keys.append(self.headers.get("Authorization"))
                oracle.busy, shed = max(0, oracle.busy - 1), oracle.busy > 0
            if shed:
                self._send(503, {"error": "busy"})
            elif oracle.refuses:
                self._send(oracle.refuses, {"error": "no"})
            else:
                self._send(200, oracle.reply(self.path, body))

        def _send(self, status: int, body: dict[str, Any]) -> None:
            content = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, format: str, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
