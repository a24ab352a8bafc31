"""The proxy before an engine while it drains, is flooded, or has no engine: the real Envoy as the chart configures
it."""

from __future__ import annotations

import http.client
import select
import socket
import time
from pathlib import Path
from typing import Any

import pytest

from tests.charts.conftest import changed
from tests.charts.vllm_proxy import envoy, listening, running, values_of_sandbox
from tests.waits import PATIENCE_S, until


@pytest.fixture(scope="module")
def base() -> dict[str, Any]:
    return values_of_sandbox()


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
        idle = http.client.HTTPConnection("127.0.0.1", pod.port, timeout=PATIENCE_S)
        idle.request("GET", "/v1/models")
        idle.getresponse().read()
        stream = http.client.HTTPConnection("127.0.0.1", pod.port, timeout=PATIENCE_S)
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
        stream = http.client.HTTPConnection("127.0.0.1", pod.port, timeout=PATIENCE_S)
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
        end = time.monotonic() + 60
        while left and time.monotonic() < end:
            _, ready, _ = select.select([], list(left), [], 0.5)
            for each in ready:
                try:
                    left[each] -= each.send(b" " * min(left[each], 256 * 1024))
                except OSError:
                    left[each] = 0
                if not left[each]:
                    del left[each]
        # Who is cut off gets an answer or an end; the others wait. Far below `request_timeout`, which ends all.
        assert select.select(held, [], [], 10)[0]
        assert _resident(pod.process.pid) < values["proxy"]["memoryMib"]
        assert pod.ask("GET", "/metrics/proxy", port=pod.metrics)[0] == 200
        pod.released.set()
        assert answer.read() == b"\ndata: two\n\n"
        for each in held:
            each.close()
        until(lambda: pod.ask("GET", "/v1/models")[0] == 200)


def test_an_engine_that_is_not_there_is_503_and_ends_the_connection(
    base: dict[str, Any], tmp_path: Path
) -> None:
    with running(tmp_path, base) as pod:
        status, _, headers = pod.ask("GET", "/health")
        assert (status, headers.get("connection")) == (200, None)
    # The engine above ended with its proxy; another proxy before its port finds nobody.
    log = (tmp_path / "log").open("wb")
    process = envoy(tmp_path, log)
    try:
        listening(pod.port, process, tmp_path)
        kept = http.client.HTTPConnection("127.0.0.1", pod.port, timeout=20)
        kept.request("POST", "/v1/chat/completions", b"{}")
        answer = kept.getresponse()
        assert (answer.status, answer.getheader("connection")) == (503, "close")
        # Another pod behind the Service may have an engine.
        sock = kept.sock
        answer.read()
        assert sock is None or sock.recv(1) == b""
    finally:
        process.kill()
        process.wait()
        log.close()
