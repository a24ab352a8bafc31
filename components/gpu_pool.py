"""A pool of GPU nodes.

The AMI brings NVIDIA's driver and container toolkit; GPUs appear as a resource only when the device plugin of
charts/node-agents runs. EFA interfaces are not part of this component.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import pulumi

from bastide import names
from bastide.settings import PoolSettings, Settings
from components.node_group import NodeGroup, NodeGroupArgs, Taint

GPU_TAINT = Taint(names.GPU_TAINT_KEY, names.GPU_TAINT_VALUE, "NO_SCHEDULE")
"""Keeps what does not ask for a GPU off the dearest nodes."""

DISK_THROUGHPUT_MIB = 1000
DISK_IOPS = 4000
"""Weights are written to the root disk and read from it once a pod: 141 GB take 18 minutes at gp3's 125 MiB/s and
135 s at 1,000, which needs an IOPS for each 0.25 MiB/s (EBS user guide, "General Purpose SSD volumes")."""


@dataclass(frozen=True)
class GpuPoolArgs:
    """The stack's settings, this pool's, the cluster and the private subnets by zone."""

    settings: Settings
    pool: PoolSettings
    cluster_name: pulumi.Input[str]
    subnet_ids: Mapping[str, pulumi.Input[str]]


class GpuPool(pulumi.ComponentResource):
    """Tainted nodes of one GPU instance type."""

    def __init__(self, name: str, args: GpuPoolArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("bastide:compute:GpuPool", name, None, opts)
        pool = args.pool
        zones = pool.zones or tuple(args.subnet_ids)
        NodeGroup(
            f"{name}-group",
            NodeGroupArgs(
                settings=args.settings,
                pool=pool.name,
                cluster_name=args.cluster_name,
                subnet_ids=[args.subnet_ids[zone] for zone in zones],
                instance_type=pool.instance_type,
                ami_type="AL2023_x86_64_NVIDIA",
                size=pool.size,
                # EKS takes no maximum of 0, also where no node is wanted yet.
                max_size=pool.max_size or max(pool.size, 1),
                disk_gib=pool.disk_gib,
                taints=[GPU_TAINT],
                disk_throughput_mib=DISK_THROUGHPUT_MIB,
                disk_iops=DISK_IOPS,
                # A spare GPU node to surge with is rarely to be had.
                update_strategy="MINIMAL",
            ),
            opts=pulumi.ResourceOptions(parent=self),
        )
        self.register_outputs({"pool": pool.name})
