"""An engine's pod with the real programs: vLLM on a CPU by the rendered arguments, the real proxy by the rendered
configuration, and the prober as kubelet runs it. No pod: what kubelet makes of the prober's verdict is not shown."""

from __future__ import annotations

import http.client
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from bastide.models.make_tiny import make_tiny
from tests.charts.conftest import ROOT, changed
from tests.charts.test_engine_probe import HUNG, SCRIPT, STALLED, WELL
from tests.charts.vllm_proxy import Pod, proxied
from tests.serving.vllm_server import VllmServer
from tests.waits import PATIENCE_S

pytestmark = [pytest.mark.proof, pytest.mark.xdist_group("vllm")]

LENGTH = 8192
"""Tokens of a sequence, for answers that are still going on when the core is stopped: it is some hundred tokens ahead
of what a client has read."""

ELSEWHERE = ("--model", "--served-model-name", "--host", "--port", "--gpu-memory-utilization")
"""Flags that the test's own server gives, or that mean a GPU's memory."""


def values() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((ROOT / "charts/vllm/ci/sandbox-values.yaml").read_text())
    found = changed(found, "engine.probe", {"stallSeconds": 6, "hungSeconds": 6, "checkGpus": False})
    return changed(found, "engine.preStopSeconds", 1)


def arguments() -> list[str]:
    """The rendered ones."""
    given, found = values()["engine"]["args"], []
    for flag, value in zip(given, [*given[1:], "--"], strict=True):
        if flag.startswith("--") and flag not in ELSEWHERE:
            found += [flag] if value.startswith("--") else [flag, value]
    return [*found, "--kv-cache-memory-bytes", str(64 * 2**20)]


@dataclass(frozen=True)
class RealPod:
    server: VllmServer
    proxy: Pod
    folder: Path

    def probe(self, mode: str = "live") -> tuple[int, str]:
        done = subprocess.run(
            [sys.executable, "-I", "-S", str(SCRIPT), mode, str(self.folder / "config.json")],
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
            env={"PATH": "/usr/bin:/bin", "TERMINATION_LOG": str(self.folder / "termination")},
        )
        assert done.stderr == ""
        return done.returncode, done.stdout.strip()

    def until(self, wanted: int, seconds: float = PATIENCE_S) -> str:
        """Probes each second, as kubelet does each ten, until this verdict; what it said."""
        end = time.monotonic() + seconds
        while True:
            status, said = self.probe()
            if status == wanted:
                return said
            assert time.monotonic() < end, said
            time.sleep(1)

    def core(self) -> int:
        """The process of the engine's core, a child of the HTTP server."""
        found = []
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit():
                try:
                    stat = (entry / "stat").read_text()
                    title = (entry / "cmdline").read_text()
                except OSError:
                    continue
                parent = int(stat.rpartition(")")[2].split()[1])
                if parent == self.server.process.pid and ("EngineCore" in title or "EngineCore" in stat):
                    found.append(int(entry.name))
        (only,) = found
        return only

    def complete(self, tokens: int = 4, stream: bool = False) -> http.client.HTTPResponse:
        body = {
            "model": "tiny-qwen2",
            "prompt": "one",
            "max_tokens": tokens,
            "ignore_eos": True,
            "stream": stream,
        }
        connection = http.client.HTTPConnection("127.0.0.1", self.proxy.port, timeout=PATIENCE_S)
        connection.request("POST", "/v1/completions", json.dumps(body), {"Content-Type": "application/json"})
        return connection.getresponse()


@contextmanager
def stopped(pid: int) -> Iterator[None]:
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


@pytest.fixture(scope="module")
def pod(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealPod]:
    folder = tmp_path_factory.mktemp("pod")
    make_tiny(folder / "model")
    described = folder / "model" / "config.json"
    described.write_text(json.dumps(json.loads(described.read_text()) | {"max_position_embeddings": LENGTH}))
    long = [*arguments(), "--max-model-len", str(LENGTH)]
    with (
        VllmServer.start(folder / "model", long, name="tiny-qwen2") as server,
        proxied(folder, values(), int(server.url.rpartition(":")[2])) as proxy,
    ):
        yield RealPod(server, proxy, folder)


def test_the_whole_pod_answers_and_only_what_it_should(pod: RealPod) -> None:
    assert pod.probe("startup") == (WELL, "well: loaded")
    with pod.complete(4) as answer:
        found = json.load(answer)
    assert (answer.status, found["usage"]["completion_tokens"]) == (200, 4)
    # The engine itself would answer these to anybody.
    for method, path in (("GET", "/version"), ("GET", "/load"), ("GET", "/metrics"), ("POST", "/tokenize")):
        assert pod.proxy.ask(method, path, b"{}" if method == "POST" else None)[0] == 404
    _, metrics, _ = pod.proxy.ask("GET", "/metrics", port=pod.proxy.metrics)
    config = json.loads((pod.folder / "config.json").read_text())
    for name in (*config["owed"], *config["moving"]):
        assert f"\n{name}{{".encode() in metrics, name
    assert pod.probe() == (WELL, "well: 0 request(s)")


def helm_test(url: str) -> tuple[int, str]:
    """`helm test`'s script, as its pod runs it."""
    script = SCRIPT.with_name("engine_test.py")
    done = subprocess.run(
        [sys.executable, "-I", "-S", str(script), url, "tiny-qwen2", "generate"],
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        env={"PATH": "/usr/bin:/bin"},
    )
    return done.returncode, (done.stdout or done.stderr).strip()


def test_the_helm_test_takes_the_pod_and_refuses_an_engine_without_its_proxy(pod: RealPod) -> None:
    through = f"http://127.0.0.1:{pod.proxy.port}"
    assert helm_test(through) == (0, "tiny-qwen2 answers, and what is not for clients is closed")
    assert helm_test(pod.server.url) == (
        1,
        "/metrics answers 200; it is not for clients, and the proxy should say 404",
    )


def test_a_core_that_stands_is_found_while_nobody_asks_and_is_well_again_when_it_runs(pod: RealPod) -> None:
    pod.until(WELL)
    with stopped(pod.core()):
        # The HTTP server knows nothing of it.
        assert pod.proxy.ask("GET", "/health")[0] == 200
        said = pod.until(STALLED)
    assert "one token took over" in said
    assert pod.until(WELL).startswith("well")


def test_a_core_that_stands_in_the_middle_of_an_answer_is_stalled(pod: RealPod) -> None:
    pod.until(WELL)
    answer = pod.complete(LENGTH // 2, stream=True)
    assert answer.readline().startswith(b"data: ")
    with stopped(pod.core()):
        said = pod.until(STALLED)
        assert "owes 1 request(s) and nothing moved for" in said
    assert (pod.folder / "termination").read_text().strip() == said
    # The stream itself was never cut.
    assert answer.read().rstrip().endswith(b"data: [DONE]")


def test_a_server_that_stands_is_hung(pod: RealPod) -> None:
    pod.until(WELL)
    with stopped(pod.server.process.pid):
        said = pod.until(HUNG)
    assert said.startswith("hung: no answer for")
    pod.until(WELL)


def test_a_stream_that_runs_when_the_pod_ends_ends_whole(pod: RealPod) -> None:
    """Last: the engine is gone afterwards. preStop first, then SIGTERM, as kubelet does."""
    pod.until(WELL)
    answer = pod.complete(LENGTH // 2, stream=True)
    assert answer.readline().startswith(b"data: ")
    # Held, so that most of the answer is still to come when SIGTERM does.
    with stopped(pod.core()):
        assert pod.probe("prestop") == (0, "drained")
        assert pod.proxy.ask("GET", "/health")[0] == 503
    pod.server.process.send_signal(signal.SIGTERM)
    text = answer.read()
    pieces = [json.loads(line[6:]) for line in text.splitlines() if line.startswith(b"data: {")]
    assert pieces[-1]["choices"][0]["finish_reason"] == "length"
    assert text.rstrip().endswith(b"data: [DONE]")
    assert pod.server.process.wait(PATIENCE_S) == 0
