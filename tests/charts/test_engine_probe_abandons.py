"""A pod that is deleted while its engine loads: in a process namespace of its own, as a container has one."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from sandbox.daemon.child import free_port
from tests.charts.conftest import ROOT
from tests.waits import PATIENCE_S, listens, until

SCRIPT = ROOT / "charts/vllm/files/engine_probe.py"

LOADS = """
import os, signal, sys, time
# The core loads, and heeds no SIGTERM meanwhile.
core = os.fork()
if core == 0:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    if len(sys.argv) > 2:  # it answers
        import http.server
        class Health(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                self.send_response(200)
                self.send_header("Content-Length", "0")
                self.end_headers()
            do_POST = do_GET
        http.server.HTTPServer(("127.0.0.1", int(sys.argv[2])), Health).serve_forever()
    time.sleep(600)
# Its server waits for it, as long as for a drain, and ends with it.
signal.signal(signal.SIGTERM, lambda *_: None)
open(sys.argv[1], "w").close()
_, status = os.waitpid(core, 0)
sys.exit(3)
"""


class Container:
    """A first process and what it started, in a namespace of their own."""

    def __init__(self, folder: Path, *arguments: str) -> None:
        ready = folder / "ready"
        unshare = shutil.which("unshare")
        assert unshare is not None, "util-linux"
        self.process = subprocess.Popen(
            [
                *(unshare, "--user", "--map-root-user", "--pid", "--fork", "--mount-proc", "--kill-child"),
                *(sys.executable, "-c", LOADS, str(ready), *arguments),
            ]
        )

        def goes_on() -> None:
            assert self.process.poll() is None

        until(ready.exists, goes_on=goes_on)
        if arguments:
            until(lambda: listens(int(arguments[0])), goes_on=goes_on)
        (self.first,) = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()

    def exec(self, config: Path) -> tuple[int, str]:
        """`prestop`, put into the container as kubelet does."""
        done = subprocess.run(
            [
                *("nsenter", "--target", self.first, "--user", "--pid", "--mount", "--preserve-credentials"),
                *(sys.executable, "-I", "-S", str(SCRIPT), "prestop", str(config)),
            ],
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
        )
        return done.returncode, done.stdout.strip() or done.stderr


@pytest.fixture
def config(tmp_path: Path) -> Path:
    file = tmp_path / "config.json"
    found = {
        "port": free_port(),
        "doorPort": free_port(),
        "healthPath": "/health",
        "preStopSeconds": 3,
        "state": str(tmp_path / "state"),
    }
    file.write_text(json.dumps(found))
    return file


@pytest.fixture
def bystander() -> Iterator[subprocess.Popen[bytes]]:
    """A process of the machine, outside every container."""
    process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    yield process
    process.kill()
    process.wait()


def test_an_engine_that_never_answered_is_ended_at_once_and_nobody_else(
    tmp_path: Path, config: Path, bystander: subprocess.Popen[bytes]
) -> None:
    config.write_text(json.dumps(json.loads(config.read_text()) | {"preStopSeconds": 30}))
    container = Container(tmp_path)
    began = time.monotonic()
    status, said = container.exec(config)
    assert said.startswith("it never answered: its processes are ended")
    # The first process saw the core's end and ended too, long before any grace period; with it the hook may end.
    assert status in (0, -9)
    assert container.process.wait(PATIENCE_S) == 3
    assert time.monotonic() - began < 20
    assert bystander.poll() is None


def test_an_engine_that_answers_keeps_its_time_though_no_probe_saw_it_yet(
    tmp_path: Path, config: Path
) -> None:
    container = Container(tmp_path, str(json.loads(config.read_text())["port"]))
    try:
        began = time.monotonic()
        status, said = container.exec(config)
        assert status == 0
        assert said.startswith("the proxy could not be told")
        assert time.monotonic() - began >= 3
        assert container.process.poll() is None
    finally:
        container.process.kill()
        container.process.wait()


def test_an_engine_that_answered_once_keeps_its_time(tmp_path: Path, config: Path) -> None:
    (tmp_path / "state").write_text(json.dumps({"answered": 1.0, "cores": {}}))
    container = Container(tmp_path)
    try:
        began = time.monotonic()
        assert container.exec(config)[0] == 0
        assert time.monotonic() - began >= 3
        assert container.process.poll() is None
    finally:
        container.process.kill()
        container.process.wait()


def test_outside_a_container_nothing_is_ended(config: Path, bystander: subprocess.Popen[bytes]) -> None:
    done = subprocess.run(
        [sys.executable, "-I", "-S", str(SCRIPT), "prestop", str(config)],
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
    )
    assert (done.returncode, done.stdout.strip()) == (0, "it never answered: nobody is waited for")
    assert bystander.poll() is None


def test_a_restarted_engine_that_loads_again_has_not_answered(tmp_path: Path, config: Path) -> None:
    """The state lies in a volume of the pod, which outlives the container."""
    (tmp_path / "state").write_text(json.dumps({"answered": 1.0, "cores": {}}))
    done = subprocess.run(
        [sys.executable, "-I", "-S", str(SCRIPT), "startup", str(config)],
        capture_output=True,
        timeout=PATIENCE_S,
    )
    assert done.returncode == 1
    assert json.loads((tmp_path / "state").read_text()) == {}
