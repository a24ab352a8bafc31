"""What the proxy before an engine lets through, and what it does not: the real Envoy as the chart configures it."""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.charts.conftest import changed
from tests.charts.vllm_proxy import LIMIT, Pod, running, values_of_sandbox
from tests.waits import PATIENCE_S


@pytest.fixture(scope="module")
def base() -> dict[str, Any]:
    return values_of_sandbox()


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
    connection = http.client.HTTPConnection("127.0.0.1", pod.port, timeout=PATIENCE_S)
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


def test_an_embedding_engine_takes_embeddings_and_no_chat(base: dict[str, Any], tmp_path: Path) -> None:
    with running(tmp_path, changed(base, "engine.runner", "embed")) as pod:
        assert pod.ask("POST", "/v1/embeddings", b"{}")[0] == 200
        assert pod.ask("POST", "/v1/chat/completions", b"{}")[0] == 404
        assert pod.ask("POST", "/v1/completions", b"{}")[0] == 404
