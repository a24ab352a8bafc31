"""The prober of an engine's pod, run as kubelet runs it: a process of its own, against small servers."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from sandbox.daemon.child import free_port
from tests.charts.conftest import ROOT
from tests.waits import PATIENCE_S

SCRIPT = ROOT / "charts/vllm/files/engine_probe.py"
WELL, LOADING, DEAD, HUNG, STALLED, GPU = range(6)


@dataclass
class Engine:
    """What the server says, and what it was asked."""

    health: int = 200
    running: int = 0
    waiting: int = 0
    tokens: int = 0
    cache: float = 0.0
    canary: int = 200
    silent: bool = False
    """Takes connections and says nothing, as a process that SIGSTOP stopped."""
    asked: list[str] = field(default_factory=list)
    cores: int = 1
    stuck_core: int | None = None

    def metrics(self) -> str:
        lines = ["# HELP vllm:num_requests_running text", "process_open_fds 7"]
        for core in range(self.cores):
            stuck = core == self.stuck_core
            labels = f'{{engine="{core}",model_name="tiny, \\"and\\" more"}}'
            lines += [
                f"vllm:num_requests_running{labels} {float(self.running)}",
                f"vllm:num_requests_waiting{labels} {float(self.waiting)}",
                f"vllm:generation_tokens_total{labels} {0.0 if stuck else float(self.tokens)}",
                f"vllm:kv_cache_usage_perc{labels} {0.0 if stuck else self.cache}",
            ]
        return "\n".join(lines) + "\n"


class Handler(BaseHTTPRequestHandler):
    engine: Engine
    release: threading.Event

    def log_message(self, *_: Any) -> None:
        pass

    def do_GET(self) -> None:
        if self.engine.silent:
            self.release.wait(30)
            return
        self.engine.asked.append(self.path)
        body = self.engine.metrics() if self.path == "/metrics" else ""
        self.send_response(self.engine.health if self.path == "/health" else 200)
        self.end_headers()
        self.wfile.write(body.encode())

    def do_POST(self) -> None:
        self.engine.asked.append(self.path)
        if self.engine.canary == 0:
            self.release.wait(30)
            return
        self.send_response(self.engine.canary)
        self.end_headers()


@dataclass
class Pod:
    """The prober with its configuration."""

    engine: Engine
    config: dict[str, Any]
    folder: Path

    def probe(self, mode: str = "live", path: str = "/usr/bin:/bin") -> tuple[int, str]:
        file = self.folder / "config.json"
        file.write_text(json.dumps(self.config))
        # As in the pod: isolated, without site packages, and no more environment than is needed.
        done = subprocess.run(
            [sys.executable, "-I", "-S", str(SCRIPT), mode, str(file)],
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
            env={"PATH": path, "TERMINATION_LOG": str(self.folder / "termination")},
        )
        assert done.stderr == ""
        return done.returncode, done.stdout.strip()

    def passed(self, seconds: float) -> None:
        """What is remembered becomes so much older."""
        file = self.folder / "state"
        state = json.loads(file.read_text())
        state["answered"] -= seconds
        for core in state["cores"].values():
            core["since"] -= seconds
        if "gpusAt" in state:
            state["gpusAt"] -= seconds
        file.write_text(json.dumps(state))

    @property
    def termination(self) -> str:
        file = self.folder / "termination"
        return file.read_text().strip() if file.exists() else ""


@pytest.fixture
def pod(tmp_path: Path) -> Iterator[Pod]:
    engine, release = Engine(), threading.Event()
    handler = type("One", (Handler,), {"engine": engine, "release": release})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    config = {
        "port": server.server_port,
        "doorPort": server.server_port,
        "healthPath": "/health",
        "metricsPath": "/metrics",
        "preStopSeconds": 1,
        "stallSeconds": 120,
        "hungSeconds": 60,
        "gpus": 0,
        "owed": ["vllm:num_requests_running", "vllm:num_requests_waiting"],
        "moving": ["vllm:generation_tokens_total", "vllm:kv_cache_usage_perc"],
        "canary": {"path": "/v1/completions", "body": {"model": "tiny", "max_tokens": 1, "prompt": "."}},
        "state": str(tmp_path / "state"),
    }
    yield Pod(engine, config, tmp_path)
    release.set()
    server.shutdown()


def test_an_engine_that_loads_is_told_from_one_that_is_dead(pod: Pod) -> None:
    port, pod.config["port"] = pod.config["port"], free_port()
    assert pod.probe("startup") == (LOADING, f"loading: nothing listens on port {pod.config['port']} yet")
    assert pod.probe("live") == (DEAD, f"dead: nothing listens on port {pod.config['port']}")
    pod.config["port"] = port
    pod.engine.health = 503
    assert pod.probe("startup") == (DEAD, "dead: /health answers 503: the engine's core has ended")
    assert pod.probe("live") == (DEAD, "dead: /health answers 503: the engine's core has ended")
    assert pod.termination == "dead: /health answers 503: the engine's core has ended"


def test_once_loaded_the_proxy_is_opened_and_a_former_life_forgotten(pod: Pod) -> None:
    pod.engine.running, pod.engine.tokens = 3, 10
    assert pod.probe() == (WELL, "well: 3 request(s)")
    pod.passed(500)
    assert pod.probe("startup") == (WELL, "well: loaded")
    assert pod.engine.asked[-1] == "/undrain"
    # The same counters, after a restart: nothing is owed from before.
    assert pod.probe() == (WELL, "well: 3 request(s)")


def test_requests_without_progress_are_a_stall_after_the_time_and_not_before(pod: Pod) -> None:
    pod.engine.running, pod.engine.waiting, pod.engine.tokens = 2, 1, 40
    assert pod.probe()[0] == WELL
    pod.passed(100)
    assert pod.probe() == (WELL, "well: 3 request(s)")
    pod.passed(21)
    status, said = pod.probe()
    assert status == STALLED
    found = re.fullmatch(
        r"stalled: engine core 0 owes 3 request\(s\) and nothing moved for (\d+) s, allowed are 120 s", said
    )
    # The probes themselves take their time.
    assert found is not None
    assert 121 <= int(found[1]) < 180
    assert pod.termination == said
    assert "/v1/completions" not in pod.engine.asked


@pytest.mark.parametrize(("what", "value"), [("tokens", 41), ("cache", 0.2)])
def test_any_progress_starts_the_time_anew(pod: Pod, what: str, value: float) -> None:
    pod.engine.running, pod.engine.tokens, pod.engine.cache = 2, 40, 0.1
    assert pod.probe()[0] == WELL
    pod.passed(500)
    # A long prompt moves no token, but the cache grows with each of its parts.
    setattr(pod.engine, what, value)
    assert pod.probe() == (WELL, "well: 2 request(s)")
    pod.passed(110)
    assert pod.probe()[0] == WELL


def test_an_engine_that_was_idle_for_long_has_the_whole_time_for_its_next_request(pod: Pod) -> None:
    assert pod.probe()[0] == WELL
    pod.passed(110)
    assert pod.probe()[0] == WELL
    pod.passed(110)
    assert pod.probe() == (WELL, "well: idle, and it answers")
    pod.passed(110)
    pod.engine.running = 1
    assert pod.probe()[0] == WELL


def test_an_idle_engine_is_asked_for_one_token_and_a_core_that_stands_is_found(pod: Pod) -> None:
    assert pod.probe()[0] == WELL
    assert "/v1/completions" not in pod.engine.asked
    pod.passed(121)
    assert pod.probe() == (WELL, "well: idle, and it answers")
    assert pod.engine.asked.count("/v1/completions") == 1
    # Not with every probe.
    assert pod.probe()[0] == WELL
    assert pod.engine.asked.count("/v1/completions") == 1
    pod.passed(121)
    pod.engine.canary = 500
    assert pod.probe() == (STALLED, "stalled: it counts no request, and one token got 500")
    pod.engine.canary = 503  # a full queue is an answer
    assert pod.probe()[0] == WELL


def test_one_token_that_does_not_come_is_a_stall(pod: Pod) -> None:
    assert pod.probe()[0] == WELL
    pod.passed(121)
    pod.engine.canary = 0
    status, said = pod.probe()
    assert (status, said) == (
        STALLED,
        "stalled: it counts no request, and one token took over 10 s (timed out)",
    )


def test_each_core_has_its_own_time(pod: Pod) -> None:
    pod.engine.cores, pod.engine.stuck_core, pod.engine.running = 2, 1, 1
    for tokens in range(3):
        pod.engine.tokens = tokens
        status, said = pod.probe()
        assert status == (STALLED if tokens == 2 else WELL)
        pod.passed(70)
    assert said.startswith("stalled: engine core 1 owes 1 request(s)")


def test_a_server_that_takes_connections_and_says_nothing_is_hung_after_its_own_time(pod: Pod) -> None:
    assert pod.probe()[0] == WELL
    pod.engine.silent = True
    status, said = pod.probe()
    assert (status, said.split(":")[0]) == (WELL, "slow")
    pod.passed(60)
    began = time.monotonic()
    status, said = pod.probe()
    assert status == HUNG
    assert said.startswith("hung: no answer for 6")
    assert pod.termination == said
    assert time.monotonic() - began < 15  # far below the probe's own time-out


def test_a_spoiled_memory_is_no_memory(pod: Pod) -> None:
    for text in ("", "{", "[]", '{"a": 1}'):
        (pod.folder / "state").write_text(text)
        assert pod.probe()[0] == WELL


def smi(folder: Path, script: str) -> str:
    """A PATH with an nvidia-smi that does this."""
    folder = folder / "bin"
    folder.mkdir(exist_ok=True)
    (folder / "nvidia-smi").write_text(f"#!/bin/sh\n{script}\n")
    (folder / "nvidia-smi").chmod(0o755)
    return f"{folder}:/usr/bin:/bin"


LISTED = "\n".join(f"echo 'GPU {n}: NVIDIA H100 80GB HBM3 (UUID: GPU-{n})'" for n in range(2))
PARTS = "echo '  MIG 3g.40gb     Device  0: (UUID: MIG-1)'\necho '  MIG 3g.40gb     Device  1: (UUID: MIG-2)'"
LOST = "Unable to determine the device handle for GPU0000:53:00.0: GPU is lost.  Reboot the system"


@pytest.mark.parametrize(
    ("gpus", "script", "said"),
    [
        (2, LISTED, None),
        (1, LISTED, None),
        (2, LISTED.splitlines()[0] + "\n" + PARTS, None),
        (3, LISTED, "gpu: 2 of 3 GPUs are there"),
        (2, f"{LISTED}\necho '{LOST}'", "gpu: nvidia-smi reports a fault"),
        (
            2,
            "echo 'NVIDIA-SMI has failed' >&2; exit 9",
            "gpu: nvidia-smi reports a fault: NVIDIA-SMI has failed",
        ),
    ],
)
def test_all_gpus_must_be_there(pod: Pod, gpus: int, script: str, said: str | None) -> None:
    pod.config["gpus"] = gpus
    status, found = pod.probe(path=smi(pod.folder, script))
    assert status == (GPU if said else WELL)
    assert found.startswith(said or "well")
    assert pod.termination.startswith(said or "")


def test_an_image_without_nvidia_smi_is_told_how_to_leave_the_check_out(pod: Pod) -> None:
    pod.config["gpus"] = 1
    status, said = pod.probe(path=str(pod.folder))
    assert status == GPU
    assert "health.checkGpus: false" in said


def test_gpus_are_looked_at_once_a_minute(pod: Pod) -> None:
    pod.config["gpus"] = 2
    path = smi(pod.folder, f"echo x >>{pod.folder}/calls\n{LISTED}")
    for _ in range(3):
        assert pod.probe(path=path)[0] == WELL
    assert (pod.folder / "calls").read_text() == "x\n"
    pod.passed(61)
    assert pod.probe(path=path)[0] == WELL
    assert (pod.folder / "calls").read_text() == "x\nx\n"


def test_before_the_end_the_proxy_is_closed_first_and_clients_have_their_time(pod: Pod) -> None:
    assert pod.probe("startup")[0] == WELL
    pod.engine.asked.clear()
    began = time.monotonic()
    assert pod.probe("prestop") == (0, "drained")
    assert pod.engine.asked == ["/drain"]
    assert time.monotonic() - began >= 1


def test_a_proxy_that_is_gone_takes_no_time_away_from_the_clients(pod: Pod) -> None:
    pod.config["doorPort"] = free_port()
    began = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-I", "-S", str(SCRIPT), "prestop", str(config(pod))],
        capture_output=True,
        timeout=PATIENCE_S,
    )
    assert time.monotonic() - began >= 1
    assert done.returncode == 0


def config(pod: Pod) -> Path:
    file = pod.folder / "config.json"
    file.write_text(json.dumps(pod.config))
    return file
