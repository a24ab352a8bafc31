"""What is built, from what, and under which name it is kept.

A tool's folder in the cache is named by a hash of everything that goes into it, so an old build is never
taken for a new one and two checkouts share what is equal. The Go release is not part of it: go.mod's `go`
line says the least that will do, and a newer patch of the compiler is no reason for ten minutes of building.
"""

from __future__ import annotations

import hashlib
import platform
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from sandbox import state

KUBERNETES: Final = "1.34.4"
"""k8s.io/kubernetes in kube/go.mod."""

PULUMI: Final = "3.250.0"
"""pkg/v3 in pulumi/go.mod: the newest whose module archive can be had whole (later ones are too large)."""

_STRIPPED: Final = "-s -w"  # no debug tables: 40 % smaller and quicker to link


@dataclass(frozen=True)
class Recipe:
    """One program: the Go module folder beside this file, its package there, and the linker's flags."""

    name: str
    module: str
    package: str
    ldflags: str

    @property
    def folder(self) -> Path:
        """The module's folder in the repository."""
        return Path(__file__).parent / self.module

    @property
    def built(self) -> Path:
        """Where the finished program lies, or will."""
        digest = hashlib.sha256()
        for source in [*sorted(self.folder.rglob("*.go")), self.folder / "go.mod", self.folder / "go.sum"]:
            digest.update(source.name.encode() + b"\0" + source.read_bytes() + b"\0")
        for part in (self.package, self.ldflags, *BUILD_FLAGS, platform.machine()):
            digest.update(part.encode() + b"\0")
        return state.cache() / "tools" / f"{self.name}-{digest.hexdigest()[:16]}" / self.name


BUILD_FLAGS: Final = ("-mod=readonly", "-trimpath", "-buildvcs=false")
"""Nothing outside go.sum, and no path or commit of this machine in the binary."""

_VERSION: Final = "k8s.io/component-base/version"
_MAJOR, _MINOR, _ = KUBERNETES.split(".")

KUBE: Final = Recipe(
    "kube",
    "kube",
    ".",
    # Without these the API server says v0.0.0-master, which neither kubectl nor Helm can parse.
    f"{_STRIPPED} -X {_VERSION}.gitVersion=v{KUBERNETES} -X {_VERSION}.gitMajor={_MAJOR} "
    f"-X {_VERSION}.gitMinor={_MINOR} -X {_VERSION}.gitTreeState=clean",
)
HELM: Final = Recipe("helm", "kube", "helm.sh/helm/v3/cmd/helm", KUBE.ldflags)
"""From the same module and with the same flags, so that one build shares client-go and the rest."""

NODE: Final = Recipe("node", "node", ".", KUBE.ldflags)
"""The kubelet and what live pods need around it. A module of its own, so that `make up` does not wait for it."""

LIVEPOD: Final = Recipe("livepod", "node", "./livepod", KUBE.ldflags)

ENGINE: Final = Recipe(
    "pulumi",
    "pulumi",
    "github.com/pulumi/pulumi/pkg/v3/cmd/pulumi",
    f"{_STRIPPED} -X github.com/pulumi/pulumi/sdk/v3/go/common/version.Version={PULUMI}",
)

USUAL_MINUTES: Final = {
    "kube": 6.0,
    "helm": 4.0,
    "kube, helm": 6.0,
    "pulumi": 5.0,
    "node, livepod": 1.0,
    "secrets": 4.0,
}
"""Measured cold with downloads on 2 cores; helm alone on an older module. For the progress line only."""
