"""Nodes without a GPU for everything that is not an engine."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import pulumi

from bastide import names
from bastide.settings import Settings
from components.node_group import ROOT_DEVICE, Disk, NodeGroup, NodeGroupArgs, pinned


@dataclass(frozen=True)
class SystemPoolArgs:
    """The stack's settings, the cluster and the private subnets by zone."""

    settings: Settings
    cluster_name: pulumi.Input[str]
    subnet_ids: Mapping[str, pulumi.Input[str]]


class SystemPool(pulumi.ComponentResource):
    """The untainted pool; its nodes may be in every zone."""

    def __init__(self, name: str, args: SystemPoolArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("bastide:compute:SystemPool", name, None, opts)
        pool = args.settings.system_pool
        NodeGroup(
            f"{name}-group",
            NodeGroupArgs(
                settings=args.settings,
                pool=names.SYSTEM_POOL,
                cluster_name=args.cluster_name,
                subnet_ids=list(args.subnet_ids.values()),
                role_name=names.SYSTEM_POOL,
                instance_types=[pool.instance_type],
                ami_type="AL2023_x86_64_STANDARD",
                min_size=pool.size,
                desired_size=pool.size,
                # Room for the new node of a rolling update.
                max_size=pool.max_size or pool.size + 1,
                disks=[Disk(ROOT_DEVICE, pool.disk_gib)],
                ami_release=pinned(pool.ami_release),
            ),
            opts=pulumi.ResourceOptions(parent=self),
        )
        self.register_outputs({"pool": names.SYSTEM_POOL})
