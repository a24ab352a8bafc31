"""Settings of where weights lie on a pool's nodes."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, Tag

from bastide.settings.base import Strict, matching
from bastide.settings.variants import by_kind

StorageClassName = Annotated[
    str,
    matching(
        r"[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?",
        "is not a name for a StorageClass of the kit; allowed: up to 40 lower-case letters, digits and inner hyphens, "
        "as the name of its provisioner's objects has it in it; rename it",
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

    storage_class: StorageClassName = "bastide-weights"
    """The StorageClass of the nodes' volumes, which the kit makes. Another name where the cluster has one of this name
    already."""

    size_gib: int = Field(ge=1, le=65536)
    """Size of each pod's claim, and the bound of what is kept in it. Twice an engine's weights let its last version
    stay for a rollback."""


Weights = Annotated[
    Annotated[PodWeights, Tag("pod")] | Annotated[NodeWeights, Tag("node")],
    by_kind("pod"),
]
