"""A pool whose nodes Karpenter makes: its EC2NodeClass and its NodePool."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import pulumi
import pulumi_kubernetes as kubernetes

from bastide import names
from bastide.plans import karpenter_nodes as plan
from bastide.plans import pool_plan
from bastide.settings import PoolSettings, Settings
from components.gpu_pool import DISK_IOPS, DISK_THROUGHPUT_MIB


@dataclass(frozen=True)
class KarpenterPoolArgs:
    """The stack's settings, this pool's, the private subnets by zone and the cluster's security group."""

    settings: Settings
    pool: PoolSettings
    subnet_ids: Mapping[str, pulumi.Input[str]]
    cluster_security_group_id: pulumi.Input[str]


class KarpenterPool(pulumi.ComponentResource):
    """Nodes that come with the pods that need them, up to the pool's size."""

    def __init__(
        self, name: str, args: KarpenterPoolArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("bastide:compute:KarpenterPool", name, None, opts)
        settings, pool = args.settings, args.pool
        zones = pool_plan.zones(pool, tuple(args.subnet_ids))
        metadata = {"name": pool.name, "labels": names.labels("bastide", settings.name, "pools")}
        template = kubernetes.apiextensions.CustomResource(
            f"{name}-class",
            api_version=plan.CLASS_API,
            kind="EC2NodeClass",
            metadata=metadata,
            spec=plan.node_class(
                settings,
                pool,
                [args.subnet_ids[zone] for zone in zones],
                args.cluster_security_group_id,
                DISK_THROUGHPUT_MIB,
                DISK_IOPS,
            ),
            opts=pulumi.ResourceOptions(parent=self),
        )
        # Deleted first, with its nodes: the class must still be there for them to end.
        kubernetes.apiextensions.CustomResource(
            f"{name}-pool",
            api_version=plan.API,
            kind="NodePool",
            metadata=metadata,
            spec=plan.node_pool(settings, pool, zones),
            opts=pulumi.ResourceOptions(parent=self, depends_on=[template]),
        )
        self.register_outputs({"pool": pool.name})
