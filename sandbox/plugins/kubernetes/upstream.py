"""Charts of other projects, made from the sources that their authors publish as Go modules.

Chart repositories are often out of reach where the sandbox runs; the Go module proxy, from which the tools are built,
is not. What is packed is what the project's own release packs: the chart's folder at the release's tag, with the
version written in (cert-manager: make/manifests.mk; Karpenter: hack/release/common.sh). Blind spots: the archive is
not the published one byte for byte, and an image digest that the release writes into the values is not there.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from sandbox import state
from sandbox.plugins.kubernetes.helm import Helm, HelmError
from sandbox.toolchain.build import GO_PACKAGE

DOWNLOAD_S: Final = 120.0
"""Limit of a module's download: 8 MB at most. Measured: 1 to 7 s."""


@dataclass(frozen=True)
class Source:
    """A chart's folder in a Go module; `total` is the module's hash, as it would stand in a go.sum."""

    module: str
    version: str
    total: str
    folder: str


_KARPENTER: Final = "github.com/aws/karpenter-provider-aws"
_KARPENTER_SUM: Final = "h1:WGtIQTQcxpElYMdWfWuPwaF2+9muR+hYhPZsTtoY8Gs="

SOURCES: Final = {
    ("cert-manager", "v1.21.2"): Source(
        "github.com/cert-manager/cert-manager",
        "v1.21.2",
        "h1:UWgoYM+KLNtRlqmoWOKjKBOBUPVHeepQ6/ac3ERJW68=",
        "deploy/charts/cert-manager",
    ),
    ("karpenter", "1.14.1"): Source(_KARPENTER, "v1.14.1", _KARPENTER_SUM, "charts/karpenter"),
    ("karpenter-crd", "1.14.1"): Source(_KARPENTER, "v1.14.1", _KARPENTER_SUM, "charts/karpenter-crd"),
    ("lws", "0.8.0"): Source(
        "sigs.k8s.io/lws", "v0.8.0", "h1:DdhJ8QabwTfWgbgaHH2gdf8twliioHaoSfmDXRYEVU0=", "charts/lws"
    ),
}
"""By chart and version. The sums are those of Go's checksum database, 2026-11."""

DEFINITIONS: Final = {
    ("keda", "2.20.2"): Source(
        "github.com/kedacore/keda/v2",
        "v2.20.2",
        "h1:SR60v8uIcelbveS8n/1jcl8tLdBBIbHMxmdOHw8tKqA=",
        "config/crd/bases",
    ),
    # Later releases are in no Go module: their major version is not in the module's path.
    ("external-secrets", "2.9.0"): Source(
        "github.com/external-secrets/external-secrets",
        "v1.3.2",
        "h1:u2J8RjlHIeF0oZCqtl92adI/uZWUwOesJIDkfql6LqQ=",
        "config/crds/bases",
    ),
}
"""CustomResourceDefinitions of projects whose chart lies in no Go module, by chart and version."""

OWN: Final = {("aws-load-balancer-controller", "3.5.0"): "target_group_binding.yaml"}
"""Definitions of the sandbox's own for projects of which no release with them is to be had as a Go module."""


def definitions(name: str, version: str) -> tuple[list[Path], str]:
    """Files with the CustomResourceDefinitions of a chart that is in no Go module itself, and their module's name;
    none where no module is known or it cannot be had."""
    if (name, version) in OWN:
        return [Path(__file__).parent / "definitions" / OWN[(name, version)]], "the sandbox's own definition"
    source, go = DEFINITIONS.get((name, version)), _go()
    if source is None or go is None:
        return [], ""
    try:
        return sorted(_download(go, source).glob("*.yaml")), f"{source.module}@{source.version}"
    except _NotDownloadedError:
        return [], ""


def package(name: str, version: str, kept: Path) -> str:
    """Packs a known chart into the file `kept`; returns why it could not be done, or nothing."""
    source = SOURCES.get((name, version))
    if source is None:
        return "and no Go module is known that has this chart in this version"
    go = _go()
    if go is None:
        return "and there is no Go to fetch its sources with"
    try:
        folder = _download(go, source)
    except _NotDownloadedError as error:
        return f"and its sources could not be had either: {error}"
    with tempfile.TemporaryDirectory() as temporary:
        copy = Path(temporary) / name
        # Files and folders of the module cache are read-only.
        shutil.copytree(folder, copy, copy_function=shutil.copyfile)
        for each in copy.rglob("*"):
            each.chmod(0o755 if each.is_dir() else 0o644)
        try:
            Helm(None, threading.Event()).run(
                [
                    "package",
                    str(copy),
                    "--version",
                    version,
                    "--app-version",
                    version,
                    "--destination",
                    temporary,
                ]
            )
        except HelmError as error:
            return f"and its sources could not be packed: {error}"
        kept.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(Path(temporary) / f"{name}-{version}.tgz", kept.with_suffix(".part"))
        kept.with_suffix(".part").replace(kept)
    return ""


class _NotDownloadedError(Exception):
    """The module is out of reach, or not the one that was pinned."""


def _go() -> str | None:
    packaged = state.cache() / "tools" / GO_PACKAGE.replace("==", "-") / "go" / "bin" / "go"
    return shutil.which("go") or (str(packaged) if packaged.exists() else None)


def _download(go: str, source: Source) -> Path:
    """The module's folder in Go's cache, whose hash is the pinned one."""
    name = f"{source.module}@{source.version}"
    # The hash is compared here, so the checksum database need not be in reach.
    environment = os.environ | {
        "GOWORK": "off",
        "GOFLAGS": "",
        "GONOSUMDB": source.module,
        "GOTOOLCHAIN": "local",
    }
    with tempfile.TemporaryDirectory() as empty:
        try:
            done = subprocess.run(
                [go, "mod", "download", "-json", name],
                cwd=empty,
                env=environment,
                capture_output=True,
                text=True,
                timeout=DOWNLOAD_S,
            )
        except subprocess.TimeoutExpired:
            raise _NotDownloadedError(f"{name} did not come within {DOWNLOAD_S:.0f} s") from None
    try:
        told = json.loads(done.stdout)
    except ValueError:
        raise _NotDownloadedError((done.stderr.strip() or "go said nothing").splitlines()[-1]) from None
    if done.returncode != 0 or told.get("Error"):
        raise _NotDownloadedError(str(told.get("Error") or done.stderr.strip()))
    if told.get("Sum") != source.total:
        raise _NotDownloadedError(
            f"{name} has the hash {told.get('Sum')} and not the pinned {source.total}: not used"
        )
    return Path(told["Dir"]) / source.folder
