"""Runs the real helm for one cluster.

Values and kubeconfig reach helm by files that only this user can read, in a folder that is removed
afterwards; never by argv. Each helm is the leader of a process group of its own and is killed by the
kernel when this plugin dies: a helm that lived on would go on changing the cluster while the next run
repairs it.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from sandbox import daemon, state, toolchain
from sandbox.plugins.kubernetes.kubeconfig import Kubeconfig, child_environment
from sandbox.plugins.protocol import PluginError

_LEASH: Final = Path(daemon.__file__).with_name("leash.py")

SHORT_S: Final = 60.0
"""Limit of what only asks or renders: tens of milliseconds each (measured)."""


class HelmError(PluginError):
    """helm ended with an error; the text is its own last line."""


@dataclass
class Helm:
    """helm against one cluster, or against none (rendering only)."""

    config: Kubeconfig | None
    cancelled: threading.Event

    def run(
        self,
        arguments: Sequence[str],
        values: Sequence[dict[str, Any]] = (),
        limit_s: float = SHORT_S,
        long: bool = False,
    ) -> str:
        """What helm prints. `values` become `--values` files, later ones win. Raises `HelmError`.

        A `long` operation gets credentials that helm renews by itself, and ends early when the user cancels.
        """
        with _folder() as folder:
            command = [str(toolchain.paths().helm), *arguments, *self._files(folder, values, static=not long)]
            environment = child_environment(
                (self.config.user.get("exec") or {}).get("env") if self.config and long else None,
                aws=bool(long and self.config and self.config.user.get("exec")) and self._aws(),
            )
            # helm's own folders: nothing of the caller's repositories or plugins takes part.
            for kind in ("CACHE", "CONFIG", "DATA"):
                environment[f"HELM_{kind}_HOME"] = str(state.cache() / "helm" / kind.lower())
            # Discovery is asked anew each time: a cache by address outlives the cluster that had it.
            environment["KUBECACHEDIR"] = str(folder / "cache")
            return self._child(command, environment, limit_s, long)

    def json(self, arguments: Sequence[str]) -> Any:
        """The JSON that a short helm command prints."""
        return json.loads(self.run([*arguments, "--output", "json"]))

    def _aws(self) -> bool:
        return self.config is not None and Path(str(self.config.user["exec"].get("command"))).name == "aws"

    def _files(self, folder: Path, values: Sequence[dict[str, Any]], static: bool) -> list[str]:
        flags = []
        for number, document in enumerate(values):
            path = folder / f"values-{number}.json"  # JSON is YAML
            _write_private(path, json.dumps(document))
            flags.append(f"--values={path}")
        if self.config is not None:
            _write_private(folder / "kubeconfig", self.config.as_file(static))
            flags.append(f"--kubeconfig={folder / 'kubeconfig'}")
        return flags

    def _child(self, command: list[str], environment: dict[str, str], limit_s: float, long: bool) -> str:
        child = subprocess.Popen(
            [sys.executable, "-I", "-S", str(_LEASH), str(os.getpid()), *command],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        if long:
            threading.Thread(target=self._end_if_cancelled, args=(child,), daemon=True).start()
        try:
            output, errors = child.communicate(timeout=limit_s)
        except subprocess.TimeoutExpired:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(child.pid, signal.SIGKILL)
            child.communicate()
            raise HelmError(f"helm {command[1]} did not end within {limit_s:.0f} s and was killed") from None
        if child.returncode != 0:
            raise HelmError(f"helm {command[1]}: {_last_words(errors or output)}")
        return output

    def _end_if_cancelled(self, child: subprocess.Popen[str]) -> None:
        while child.poll() is None:
            if self.cancelled.wait(0.5):
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(child.pid, signal.SIGTERM)  # helm then marks the revision failed and ends
                return


@contextlib.contextmanager
def _folder() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="bastide-helm-"))  # made with mode 0700
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _write_private(path: Path, text: str) -> None:
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)


def _last_words(text: str) -> str:
    lines = [line for line in text.strip().splitlines() if not line.startswith("WARNING:")]
    kept = "\n".join(lines[-12:])
    return kept.removeprefix("Error: ") or "it ended without a word"
