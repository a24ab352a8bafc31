"""What the AWS side says of a cluster, as the Kubernetes side needs it. Read by `sandbox.daemon.aws`."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Taint:
    """A Kubernetes taint; `effect` in Kubernetes's words (`NoSchedule`), not EKS's (`NO_SCHEDULE`)."""

    key: str
    value: str
    effect: str


@dataclass(frozen=True)
class Shape:
    """What an instance type has, from AWS's own catalogue (DescribeInstanceTypes)."""

    instance_type: str
    architecture: str
    vcpus: int
    memory_mib: int
    gpus: int
    max_pods: int
    """How many pods a managed node of this type takes (see `sandbox.aws.catalogue.facts`)."""
    local_storage_gb: int


@dataclass(frozen=True)
class Instance:
    """A running EC2 instance of a node group."""

    instance_id: str
    shape: Shape
    zone: str
    zone_id: str
    private_ip: str
    subnet_cidr: str
    root_volume_gib: int
    efa_interfaces: int
    """Interfaces of type `efa` or `efa-only` that the launch template attaches."""
    local_storage_raid: bool
    """The launch template's user data puts images and pods on the instance store."""
    image_id: str
    gpu_shares: int = 1
    """As how many GPUs the operating system's own device plugin announces each (Bottlerocket)."""
    mounts: tuple[str, ...] = ()
    """Mount points that the launch template's user data makes for local volumes."""
    kubelet: str = ""
    """The kubelet's version in the instance's AMI, as `v1.34.6-eks-...`."""
    launch_template: tuple[str, str] | None = None
    """Id and version of the launch template that the instance was made from."""
    cordon: bool = False
    """No new pod may come: the node is of an update's old ones, or is leaving."""
    drain: bool = False
    """EKS wants the node emptied, and ends the instance then."""


@dataclass(frozen=True)
class NodeGroup:
    """A managed node group with the instances that it has now."""

    name: str
    ami_type: str
    capacity_type: str
    labels: dict[str, str]
    taints: tuple[Taint, ...]
    instances: tuple[Instance, ...]


@dataclass(frozen=True)
class Addon:
    """An EKS add-on and the JSON document of its configuration values ("" for none)."""

    name: str
    configuration: str = ""


@dataclass(frozen=True)
class AccessPolicy:
    """An access policy that an entry holds: in the whole cluster, or in `namespaces` only when there are
    any."""

    arn: str
    namespaces: tuple[str, ...] = ()


@dataclass(frozen=True)
class AccessEntry:
    """Who may enter the cluster, as whom, and with what."""

    principal_arn: str
    username: str
    groups: tuple[str, ...] = ()
    policies: tuple[AccessPolicy, ...] = ()


@dataclass(frozen=True)
class Cluster:
    """An EKS cluster as AWS has it now. `version` is the one to run, during an update already the new one."""

    region: str
    name: str
    status: str
    version: str
    service_cidr: str
    issuer: str
    audit: bool
    addons: tuple[Addon, ...]
    access_entries: tuple[AccessEntry, ...] = field(default=())
    node_groups: tuple[NodeGroup, ...] = field(default=())

    @property
    def key(self) -> tuple[str, str]:
        """What identifies a cluster in the world."""
        return (self.region, self.name)
