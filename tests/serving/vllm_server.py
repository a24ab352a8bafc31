"""A real vLLM server for tests: its own process group, a free port, nothing left behind."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import tempfile
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sandbox.daemon.child import free_port
from sandbox.toolchain import environments
from tests.waits import PATIENCE_S, until


@dataclass(frozen=True)
class VllmServer:
    """A server that answered /health once."""

    url: str
    process: subprocess.Popen[bytes]
    log_file: Path

    @classmethod
    @contextmanager
    def start(
        cls,
        model: Path,
        arguments: Sequence[str],
        environment: dict[str, str] | None = None,
        name: str = "tiny",
    ) -> Iterator[VllmServer]:
        """Starts it with these arguments more, and ends it with all its processes."""
        own = ["--model", str(model), "--served-model-name", name]
        with cls.rendered([*own, *arguments], environment or {}) as server:
            yield server

    @classmethod
    @contextmanager
    def rendered(cls, arguments: Sequence[str], environment: dict[str, str]) -> Iterator[VllmServer]:
        """Starts it with a whole command line, on an address and port of its own."""
        port = free_port()
        command = [
            str(environments.ensure(environments.VLLM)),
            *("-m", "vllm.entrypoints.openai.api_server"),
            # The last one counts.
            *(*arguments, "--host", "127.0.0.1", "--port", str(port)),
        ]
        with tempfile.NamedTemporaryFile(prefix="vllm-", suffix=".log") as log:
            process = subprocess.Popen(
                command,
                stdout=log,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
                start_new_session=True,
                env=_environment(environment),
            )
            server = cls(f"http://127.0.0.1:{port}", process, Path(log.name))
            try:
                server._wait()
                yield server
            finally:
                server._end()

    def _wait(self) -> None:
        def healthy() -> bool:
            if self.process.poll() is not None:
                raise AssertionError(f"vLLM ended with {self.process.returncode}:\n{self.log()[-4000:]}")
            with suppress(OSError), urllib.request.urlopen(f"{self.url}/health", timeout=5):  # noqa: S310
                return True
            return False

        until(healthy, "a ready vLLM", every=0.5)

    def _end(self) -> None:
        # The group: engine and workers outlive an API server that is killed alone.
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            self.process.wait(timeout=20)
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def log(self) -> str:
        """Everything that it wrote so far."""
        return self.log_file.read_text(errors="replace")

    def get(self, path: str) -> str:
        """The body of a GET."""
        with urllib.request.urlopen(f"{self.url}{path}", timeout=PATIENCE_S) as answer:  # noqa: S310
            text: str = answer.read().decode()
        return text

    def post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        """The JSON that answers a POST; another status than 200 fails with its words."""
        request = urllib.request.Request(  # noqa: S310
            f"{self.url}{path}",
            data=json.dumps(body).encode(),
            headers={"Content-Type": "application/json"},
        )
        try:
            with urllib.request.urlopen(request, timeout=PATIENCE_S) as answer:  # noqa: S310
                found: dict[str, Any] = json.load(answer)
        except urllib.error.HTTPError as error:
            raise AssertionError(f"{path}: {error.code}: {error.read().decode()[:2000]}") from None
        return found

    def labels(self, metric: str) -> dict[str, str]:
        """The labels of the one series of that metric."""
        lines = [line for line in self.get("/metrics").splitlines() if line.startswith(f"{metric}{{")]
        assert len(lines) == 1, lines
        return dict(re.findall(r'(\w+)="([^"]*)"', lines[0]))

    def value(self, metric: str) -> float:
        """The sum of that metric's series."""
        lines = [
            line for line in self.get("/metrics").splitlines() if re.match(rf"{re.escape(metric)}[{{ ]", line)
        ]
        assert lines, f"no metric {metric}"
        return sum(float(line.rsplit(" ", 1)[1]) for line in lines)


def _environment(more: dict[str, str]) -> dict[str, str]:
    """Nothing of the caller's settings of vLLM, and what a CPU needs."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("VLLM_")}
    return {
        **kept,
        "DO_NOT_TRACK": "1",
        "HF_HUB_OFFLINE": "1",
        "OMP_NUM_THREADS": "1",
        "VLLM_CPU_OMP_THREADS_BIND": "nobind",
        "VLLM_HOST_IP": "127.0.0.1",
        "VLLM_NO_USAGE_STATS": "1",
        **more,
    }
