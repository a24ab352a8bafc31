"""What the machine already has, judged: used only in a version that the sandbox is known to work with."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from sandbox import state
from sandbox.toolchain.recipes import KUBERNETES

Version = tuple[int, int, int]


@dataclass(frozen=True)
class Verdict:
    """What was found of one tool: `path` is None if it is not to be used; `reason` says why or why not."""

    path: Path | None
    reason: str


def parse_version(text: str) -> Version | None:
    """The first `1.2.3` in the text."""
    found = re.search(r"(\d+)\.(\d+)\.(\d+)", text)
    return (int(found[1]), int(found[2]), int(found[3])) if found else None


def _which(name: str) -> Path | None:
    """The command on PATH, but none that the sandbox itself put there."""
    ours = str(state.home() / "bin")
    path = os.pathsep.join(
        entry for entry in os.environ.get("PATH", "").split(os.pathsep) if entry and entry != ours
    )
    found = shutil.which(name, path=path)
    return Path(found) if found else None


def _version(command: Sequence[str | Path]) -> Version | None:
    environment = os.environ | {"PULUMI_SKIP_UPDATE_CHECK": "true"}
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=20, env=environment)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return parse_version(done.stdout) if done.returncode == 0 else None


def _text(version: Version | None) -> str:
    return ".".join(map(str, version)) if version else "of an unknown version"


def pulumi() -> Verdict:
    """An installed Pulumi, with the Python language host that its distribution brings."""
    path = _which("pulumi")
    if path is None:
        return Verdict(None, "there is none on PATH")
    version = _version([path, "version"])
    if version is None or not (3, 200, 0) <= version < (4, 0, 0):
        return Verdict(None, f"{path} is {_text(version)}; 3.200 or later of 3.x is needed")
    if not (path.resolve().parent / "pulumi-language-python").exists():
        return Verdict(None, f"{path} is {_text(version)}, but has no pulumi-language-python beside it")
    return Verdict(path, f"{path} is {_text(version)}, with its own Python language host")


def helm() -> Verdict:
    """An installed Helm 3."""
    path = _which("helm")
    if path is None:
        return Verdict(None, "there is none on PATH")
    version = _version([path, "version", "--template", "{{.Version}}"])
    if version is None or version[0] != 3:
        return Verdict(None, f"{path} is {_text(version)}; 3.x is needed (4 records releases otherwise)")
    return Verdict(path, f"{path} is {_text(version)}")


CONTROL_PLANE = {
    "etcd": "etcd",
    "apiserver": "kube-apiserver",
    "controllers": "kube-controller-manager",
    "scheduler": "kube-scheduler",
    "kubectl": "kubectl",
}
"""The parts of `kube` by its first argument, and the name that each has as a program of its own."""


def control_plane() -> Verdict:
    """A whole control plane in KUBEBUILDER_ASSETS, of the minor version that would be built."""
    configured = os.environ.get("KUBEBUILDER_ASSETS")
    if not configured:
        return Verdict(None, "KUBEBUILDER_ASSETS is not set")
    folder = Path(configured)
    missing = [name for name in CONTROL_PLANE.values() if not os.access(folder / name, os.X_OK)]
    if missing:
        # envtest's usual archive: an API server alone binds no pod and makes no pod of a Deployment.
        return Verdict(None, f"{folder} has no {', '.join(missing)}")
    version = _version([folder / "kube-apiserver", "--version"])
    wanted = parse_version(KUBERNETES)
    if version is None or wanted is None or version[:2] != wanted[:2]:
        return Verdict(None, f"{folder} has Kubernetes {_text(version)}; {KUBERNETES} or a patch is needed")
    return Verdict(folder, f"{folder} has Kubernetes {_text(version)}, whole")
