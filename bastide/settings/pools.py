"""Settings of node pools."""

from __future__ import annotations

from typing import Annotated, Final, Literal

from pydantic import Field

from bastide.names import MAX_POOL
from bastide.settings.base import UNRESOLVED, Strict, label, matching
from bastide.settings.capacity import Capacity, OnDemand
from bastide.settings.pool_size import MOST_NODES, Size
from bastide.settings.sharing import NotShared, Sharing
from bastide.settings.weights import PodWeights, Weights

PoolName = Annotated[str, label(MAX_POOL)]

AmiRelease = Annotated[
    str,
    matching(
        rf"{UNRESOLVED}|\d+\.\d+\.\d+-(\d{{8}}|[0-9a-f]{{8}})",
        "is not an AMI release version of EKS; allowed: '1.34.6-20260818' for AL2023, '1.68.0-1a2b3c4d' for "
        "Bottlerocket, or 'unresolved' in a sandbox; `aws eks describe-nodegroup` shows the one that runs",
    ),
]

LABEL_KEY: Final = (
    r"(?=.{1,316}$)([a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?/)?[A-Za-z0-9]([\w.-]{0,61}[A-Za-z0-9])?"
)
LABEL_KEY_RULE: Final = (
    "is not a label or taint key; allowed: an optional DNS prefix with a slash, and up to 63 letters, "
    "digits, dots, hyphens and underscores (Kubernetes docs, Labels and Selectors)"
)

LabelKey = Annotated[str, matching(LABEL_KEY, LABEL_KEY_RULE)]

LabelValue = Annotated[
    str,
    matching(
        r"([A-Za-z0-9]([\w.-]{0,61}[A-Za-z0-9])?)?",
        "is not a label value; allowed: up to 63 letters, digits, dots, hyphens and underscores, in quotes "
        "where YAML would read a number or true",
    ),
]


class TaintSettings(Strict):
    """One taint besides the GPU taint."""

    key: LabelKey
    """Key of the taint."""

    value: LabelValue = ""
    """Value of the taint."""

    effect: Literal["noSchedule", "preferNoSchedule", "noExecute"]
    """What it does to a pod that does not tolerate it. Node agents and the pool's engines tolerate it."""


class SystemPoolSettings(Strict):
    """Nodes without a GPU for everything that is not an engine."""

    instance_type: str = "m7i.xlarge"
    """EC2 instance type, without a GPU."""

    size: int = Field(2, ge=1, le=MOST_NODES)
    """Nodes wanted. 450 is EKS's quota of nodes in one managed node group."""

    max_size: int | None = Field(None, ge=1, le=MOST_NODES)
    """Most nodes during a surge; the default is `size` + 1."""

    disk_gib: int = Field(100, ge=20, le=16384)
    """Root disk in GiB (gp3, encrypted; 16,384 is gp3's most)."""

    ami_release: AmiRelease | None = None
    """Release of EKS's AL2023 AMI, such as '1.34.6-20260818'. Without one EKS takes the newest when it makes
    the nodes, and again when the Kubernetes version changes."""


class PoolSettings(Strict):
    """One pool of GPU nodes that are alike."""

    name: PoolName
    """Name of the pool: the node label bastide.dev/pool, and what an engine names."""

    instance_type: str
    """EC2 instance type, with GPUs."""

    size: Size
    """Nodes wanted: a number, or `{min, max}` for an autoscaler to move in. A range starts at min, and what the
    autoscaler made of it stays."""

    warm_spare: int = Field(0, ge=0, le=MOST_NODES)
    """Nodes more than wanted that always run, so that a lost node, or one that is being updated, costs no
    capacity."""

    provisioner: Literal["nodeGroup", "karpenter"] = "nodeGroup"
    """What makes the nodes. nodeGroup: an EKS managed node group of one type (or of Spot types). karpenter:
    Karpenter, as pods ask for them, of the first type that AWS has; for pools that may shrink to nothing."""

    fallback_instance_types: tuple[str, ...] = ()
    """Further types that Karpenter may take, with the same GPUs; at least one."""

    zones: tuple[str, ...] = ()
    """Zones of the network in which its nodes may be; the default is all. GPU types exist in few zones."""

    capacity: Capacity = OnDemand()
    """Where the instances come from: onDemand, spot, reservation or block."""

    weights: Weights = PodWeights()
    """Where weights lie on its nodes: with the pod, or with the node."""

    os: Literal["al2023", "bottlerocket"] = "al2023"
    """Operating system of the nodes. Bottlerocket brings NVIDIA's device plugin itself."""

    ami_release: AmiRelease | None = None
    """Release of EKS's AMI, such as '1.34.6-20260818'. Without one EKS takes the newest when it makes the
    nodes, and again when the Kubernetes version changes; a release that is pinned changes only here."""

    efa: bool = False
    """Whether nodes have all the EFA interfaces of their type, for engines over several nodes."""

    placement_group: bool = False
    """Whether nodes are placed close together (EC2 cluster placement group). One zone only, and the group
    may have to wait for room."""

    disk_gib: int = Field(500, ge=20, le=16384)
    """Root disk in GiB (gp3, encrypted). It holds the engine's image and the copy of the weights, where the
    instance store does not: Llama 3.3 70B is 141 GB in bf16."""

    local_storage: Literal["auto", "off"] = "auto"
    """Whether images, weights and caches lie on the type's NVMe instance store: auto uses it where it holds
    more than `diskGib`. What lies there is gone with the node."""

    max_unavailable: int = Field(1, ge=1, le=100)
    """Nodes that an update takes at once; 100 is EKS's most."""

    update_strategy: Literal["minimal", "default"] = "minimal"
    """minimal ends an old node before it starts a new one, which needs no more capacity than the pool has;
    default starts the new one first, which for GPUs often has to wait."""

    sharing: Sharing = NotShared()
    """How pods share a GPU: none, timeSlicing or mig."""

    labels: dict[str, LabelValue] = {}
    """Node labels besides the kit's own."""

    taints: tuple[TaintSettings, ...] = ()
    """Taints besides nvidia.com/gpu, which every GPU node has."""
