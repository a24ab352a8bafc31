"""The redaction service as a process of its own environment, as its image runs it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sandbox.daemon import leash
from sandbox.daemon.child import free_port
from sandbox.toolchain import environments
from tests.waits import PATIENCE_S, until

ROOT = Path(__file__).parents[2]
"""A start takes 5 s; the machine of CI may be busy with others."""


@dataclass(frozen=True)
class Running:
    """Where it answers, its process, and what it has written."""

    url: str
    process: subprocess.Popen[bytes]
    log: Path

    def post(self, body: Any, path: str = "/redact") -> tuple[int, dict[str, Any]]:
        """Status and answer; bytes are sent as they are."""
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, data, {"content-type": "application/json"})  # noqa: S310
        try:
            with urllib.request.urlopen(request, timeout=PATIENCE_S) as answer:  # noqa: S310
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as error:
            return error.code, json.loads(error.read() or b"{}")

    def redact(self, *texts: Any) -> tuple[list[str], dict[str, str]]:
        """Redacted texts, and what their placeholders stand for."""
        status, answer = self.post({"texts": list(texts), "restore": True})
        assert status == 200, answer
        return answer["texts"], answer["mapping"]


@contextmanager
def serving(folder: Path, **settings: str) -> Iterator[Running]:
    """Starts it on a free port, and ends it."""
    port, log = free_port(), folder / "pii.log"
    # Nothing of the machine but a path: it needs no home and no network.
    environment = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(ROOT),
        "PII_PORT": str(port),
        "HOME": "/nonexistent",
    }
    # On the sandbox's leash: a pytest that is killed would leave the service behind.
    tied = [sys.executable, "-I", "-S", leash.__file__, str(os.getpid())]
    with log.open("wb") as output:
        process = subprocess.Popen(
            [*tied, str(environments.ensure(environments.PII)), "-m", "pii"],
            env=environment | settings, stdout=output, stderr=subprocess.STDOUT, cwd=folder,
        )  # fmt: skip
    try:
        running = Running(f"http://127.0.0.1:{port}", process, log)
        _wait(running)
        yield running
    finally:
        process.terminate()
        try:
            process.wait(15)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait(running: Running) -> None:
    def ready() -> bool:
        assert running.process.poll() is None, running.log.read_text()
        try:
            with urllib.request.urlopen(f"{running.url}/ready", timeout=5) as answer:  # noqa: S310
                return json.load(answer)["ready"] is True
        except OSError:
            return False

    until(ready, "a ready PII service")
