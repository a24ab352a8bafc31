"""A pool of GPU nodes: one managed node group, or two where on-demand nodes stand behind Spot ones.

The AMI brings NVIDIA's driver and container toolkit. GPUs appear as a resource when a device plugin runs:
that of charts/node-agents on AL2023, its own on Bottlerocket. What the groups look like is decided in
`bastide.plans.pool_plan`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

import pulumi
import pulumi_aws as aws

from bastide import names
from bastide.catalogues import gpu_matrix
from bastide.plans import pool_plan
from bastide.settings import PoolSettings, Settings
from bastide.settings.capacity import Block, Reservation
from components.gpu_fabric import EfaGroup, EfaGroupArgs
from components.node_group import ROOT_DEVICE, Disk, NodeGroup, NodeGroupArgs, Taint, pinned

GPU_TAINT = Taint(names.GPU_TAINT_KEY, names.GPU_TAINT_VALUE, "NO_SCHEDULE")
"""Keeps what does not ask for a GPU off the dearest nodes."""

DISK_THROUGHPUT_MIB = 1000
DISK_IOPS = 4000
"""Weights are written to the root disk and read from it once a pod: 141 GB take 18 minutes at gp3's 125
MiB/s and 135 s at 1,000, which needs an IOPS for each 0.25 MiB/s (EBS user guide, "General Purpose SSD
volumes")."""

BOTTLEROCKET_DATA = "/dev/xvdb"
"""Bottlerocket's disk for images and pods; its root device holds only the operating system."""


@dataclass(frozen=True)
class GpuPoolArgs:
    """The stack's settings, this pool's, the cluster with its VPC and security group, and the private
    subnets by zone. `now` is the time that a capacity block's dates are held against; the present without
    one."""

    settings: Settings
    pool: PoolSettings
    cluster_name: pulumi.Input[str]
    subnet_ids: Mapping[str, pulumi.Input[str]]
    vpc_id: pulumi.Input[str]
    cluster_security_group_id: pulumi.Input[str]
    now: datetime | None = None


class GpuPool(pulumi.ComponentResource):
    """Tainted nodes with the same GPUs."""

    def __init__(self, name: str, args: GpuPoolArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("bastide:compute:GpuPool", name, None, opts)
        pool, now = args.pool, args.now or datetime.now(UTC)
        child = pulumi.ResourceOptions(parent=self)
        if isinstance(pool.capacity, Block) and now >= pool.capacity.end - pool_plan.BLOCK_LEAD:
            pulumi.log.warn(
                f"pool {pool.name}: its capacity block ends at {pool.capacity.end:%Y-%m-%d %H:%M} UTC, so "
                "the pool wants no nodes any more; take the pool out of the stack, or give it another block",
                self,
            )
        zones = pool_plan.zones(pool, tuple(args.subnet_ids))
        placement = self._placement(name, args, child)
        interfaces = self._interfaces(name, args, child)
        for group in pool_plan.groups(pool, now):
            suffix = f"-{group.suffix}" if group.suffix else ""
            NodeGroup(
                f"{name}-group{suffix}",
                NodeGroupArgs(
                    settings=args.settings,
                    pool=pool.name,
                    role_name=f"{pool.name}{suffix}",
                    cluster_name=args.cluster_name,
                    subnet_ids=[args.subnet_ids[zone] for zone in zones],
                    instance_types=group.instance_types,
                    ami_type=gpu_matrix.AMI_TYPE[pool.os],
                    min_size=group.min_size,
                    desired_size=group.desired_size,
                    max_size=group.max_size,
                    disks=_disks(pool),
                    capacity_type=group.capacity_type,
                    labels=pool.labels,
                    taints=[
                        GPU_TAINT,
                        *(
                            Taint(each.key, each.value, pool_plan.eks_effect(each.effect))
                            for each in pool.taints
                        ),
                    ],
                    ami_release=pinned(pool.ami_release),
                    max_unavailable=pool.max_unavailable,
                    update_strategy=pool.update_strategy.upper(),
                    desired_moves=group.desired_moves,
                    user_data=pool_plan.user_data(pool),
                    interfaces=interfaces,
                    placement_group=placement,
                    reservation=_reservation(pool),
                ),
                opts=child,
            )
        self.register_outputs({"pool": pool.name})

    def _placement(
        self, name: str, args: GpuPoolArgs, child: pulumi.ResourceOptions
    ) -> pulumi.Output[str] | None:
        if not args.pool.placement_group:
            return None
        group = aws.ec2.PlacementGroup(
            f"{name}-placement",
            name=f"{args.settings.prefix}-{args.pool.name}",
            strategy="cluster",
            opts=child,
        )
        name_of_group: pulumi.Output[str] = group.name
        return name_of_group

    def _interfaces(
        self, name: str, args: GpuPoolArgs, child: pulumi.ResourceOptions
    ) -> list[aws.ec2.LaunchTemplateNetworkInterfaceArgs]:
        if not args.pool.efa:
            return []
        fabric = EfaGroup(f"{name}-efa", EfaGroupArgs(args.settings, args.pool.name, args.vpc_id), opts=child)
        return [
            aws.ec2.LaunchTemplateNetworkInterfaceArgs(
                network_card_index=each.card,
                device_index=each.device,
                interface_type=each.kind,
                # Groups in a template take the place of the cluster's own, without which a node does not join.
                security_groups=[fabric.group_id, args.cluster_security_group_id],
                delete_on_termination="true",
            )
            for each in pool_plan.interfaces(pool_plan.kind_of(args.pool))
        ]


def _disks(pool: PoolSettings) -> list[Disk]:
    if pool.os == "bottlerocket":
        return [
            Disk(BOTTLEROCKET_DATA, pool.disk_gib, DISK_THROUGHPUT_MIB, DISK_IOPS),
            Disk(ROOT_DEVICE, pool_plan.BOTTLEROCKET_OS_GIB),
        ]
    return [Disk(ROOT_DEVICE, pool.disk_gib, DISK_THROUGHPUT_MIB, DISK_IOPS)]


def _reservation(
    pool: PoolSettings,
) -> aws.ec2.LaunchTemplateCapacityReservationSpecificationArgs | None:
    capacity = pool.capacity
    if isinstance(capacity, Block):
        target = aws.ec2.LaunchTemplateCapacityReservationSpecificationCapacityReservationTargetArgs(
            capacity_reservation_id=capacity.reservation_id
        )
    elif isinstance(capacity, Reservation):
        target = aws.ec2.LaunchTemplateCapacityReservationSpecificationCapacityReservationTargetArgs(
            capacity_reservation_id=capacity.id,
            capacity_reservation_resource_group_arn=capacity.resource_group_arn,
        )
    else:
        return None
    return aws.ec2.LaunchTemplateCapacityReservationSpecificationArgs(capacity_reservation_target=target)
