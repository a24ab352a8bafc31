"""Settings of where weights lie on a pool's nodes."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, Tag

from bastide.settings.base import Strict, matching
from bastide.settings.variants import by_kind

StorageClassName = Annotated[
    str,
    matching(
        r"(?=.{1,63}$)[a-z0-9]([a-z0-9.-]*[a-z0-9])?",
        "is not the name of a StorageClass; allowed: up to 63 lower-case letters, digits, dots and inner hyphens; "
        "`kubectl get storageclass` lists them",
    ),
]


class PodWeights(Strict):
    """With the pod: an emptyDir, on the instance store where the node has one."""

    kind: Literal["pod"] = "pod"
    """`pod`: weights outlive every container of a pod, and end with it."""


class NodeWeights(Strict):
    """With the node: a local volume that each pod claims, in which models are kept by digest for the next one. A pod
    goes back to the node that has its models; the longest unused make room."""

    kind: Literal["node"]
    """`node`: a restart of the pod, or a version that serves again, downloads nothing."""

    storage_class: StorageClassName
    """A StorageClass of local volumes that the cluster has, with `volumeBindingMode: WaitForFirstConsumer`. The kit
    makes neither it nor its volumes: sig-storage's local static provisioner does, from disks that are mounted."""

    size_gib: int = Field(ge=1, le=65536)
    """Size of each pod's claim, and the bound of what is kept in it. Twice an engine's weights let its last version
    stay for a rollback."""


Weights = Annotated[
    Annotated[PodWeights, Tag("pod")] | Annotated[NodeWeights, Tag("node")],
    by_kind("pod"),
]
