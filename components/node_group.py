"""A managed node group with its role and launch template: what the system pool and GPU pools have in
common."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import pulumi
import pulumi_aws as aws

from bastide import names
from bastide.settings import UNRESOLVED, Settings

NODE_POLICIES = ("AmazonEKSWorkerNodePolicy", "AmazonEC2ContainerRegistryPullOnly")
"""The least that a node needs to join and to pull images. The CNI has a Pod Identity of its own, so that no
pod on the node can change network interfaces."""

GP3_THROUGHPUT_MIB = 125
GP3_IOPS = 3000
"""What a gp3 volume has without paying for more (EBS user guide, "General Purpose SSD volumes")."""

ROOT_DEVICE = "/dev/xvda"
"""Root device of Amazon Linux 2023's AMIs."""


@dataclass(frozen=True)
class Taint:
    """A node taint; `effect` as EKS writes it: NO_SCHEDULE, NO_EXECUTE or PREFER_NO_SCHEDULE."""

    key: str
    value: str
    effect: str


@dataclass(frozen=True)
class Disk:
    """One encrypted gp3 disk: device name, GiB, throughput in MiB/s, IOPS."""

    device: str
    gib: int
    throughput_mib: int = GP3_THROUGHPUT_MIB
    iops: int = GP3_IOPS


@dataclass(frozen=True)
class NodeGroupArgs:
    """One group of equal nodes.

    `role_name` is the last part of the node role's name, and of the instances' Name tag. Sizes in nodes."""

    settings: Settings
    pool: str
    role_name: str
    cluster_name: pulumi.Input[str]
    subnet_ids: Sequence[pulumi.Input[str]]
    instance_types: Sequence[str]
    ami_type: str
    min_size: int
    desired_size: int
    max_size: int
    disks: Sequence[Disk]
    capacity_type: str = "ON_DEMAND"
    labels: Mapping[str, str] = field(default_factory=dict)
    """Labels besides the pool's name."""
    taints: Sequence[Taint] = ()
    ami_release: str | None = None
    """Release that EKS is held to; None for the newest when the nodes are made."""
    max_unavailable: int = 1
    update_strategy: str = "DEFAULT"
    """DEFAULT starts the new node before it ends the old one; MINIMAL ends the old one first."""
    desired_moves: bool = False
    """Whether something else changes the desired size, which is then left as it is found."""
    user_data: str | None = None
    interfaces: Sequence[aws.ec2.LaunchTemplateNetworkInterfaceArgs] = ()
    placement_group: pulumi.Input[str] | None = None
    """Name of the placement group."""
    reservation: aws.ec2.LaunchTemplateCapacityReservationSpecificationArgs | None = None


def pinned(release: str | None) -> str | None:
    """The release to hold EKS to; none while it is unresolved, which only a sandbox runs with."""
    return None if release == UNRESOLVED else release


class NodeGroup(pulumi.ComponentResource):
    """Nodes that serve instance credentials only by IMDSv2 and only to themselves, on encrypted disks."""

    labels: Mapping[str, str]

    def __init__(self, name: str, args: NodeGroupArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("bastide:compute:NodeGroup", name, None, opts)
        settings = args.settings
        child = pulumi.ResourceOptions(parent=self)
        role = aws.iam.Role(
            f"{name}-role",
            name=f"{settings.prefix}-pool-{args.role_name}",
            assume_role_policy=names.policy_document(
                {
                    "Effect": "Allow",
                    "Principal": {"Service": "ec2.amazonaws.com"},
                    "Action": "sts:AssumeRole",
                }
            ),
            opts=child,
        )
        attachments = [
            aws.iam.RolePolicyAttachment(
                f"{name}-{policy}",
                role=role.name,
                policy_arn=f"arn:aws:iam::aws:policy/{policy}",
                opts=child,
            )
            for policy in NODE_POLICIES
        ]
        template = self._template(name, args, child)
        self.labels = {names.POOL_LABEL: args.pool, **args.labels}
        block = args.capacity_type == "CAPACITY_BLOCK"
        aws.eks.NodeGroup(
            f"{name}-nodes",
            cluster_name=args.cluster_name,
            node_role_arn=role.arn,
            subnet_ids=list(args.subnet_ids),
            ami_type=args.ami_type,
            # Said, so that a new version of the control plane brings the nodes along, after it.
            version=settings.cluster.kubernetes_version,
            release_version=args.ami_release,
            capacity_type=args.capacity_type,
            # A capacity block's type stands in the template (EKS user guide, "Create a managed node group with
            # Capacity Blocks for ML"), and EKS takes it in one place only.
            instance_types=None if block else list(args.instance_types),
            scaling_config=aws.eks.NodeGroupScalingConfigArgs(
                min_size=args.min_size, desired_size=args.desired_size, max_size=args.max_size
            ),
            update_config=aws.eks.NodeGroupUpdateConfigArgs(
                max_unavailable=args.max_unavailable, update_strategy=args.update_strategy
            ),
            # EKS replaces or reboots a node that the monitoring agent finds broken.
            node_repair_config=aws.eks.NodeGroupNodeRepairConfigArgs(enabled=True),
            labels=self.labels,
            taints=[
                aws.eks.NodeGroupTaintArgs(key=each.key, value=each.value, effect=each.effect)
                for each in args.taints
            ],
            launch_template=aws.eks.NodeGroupLaunchTemplateArgs(
                id=template.id, version=template.latest_version.apply(str)
            ),
            opts=pulumi.ResourceOptions(
                parent=self,
                depends_on=attachments,
                ignore_changes=["scalingConfig.desiredSize"] if args.desired_moves else None,
            ),
        )
        self.register_outputs({"labels": self.labels})

    def _template(
        self, name: str, args: NodeGroupArgs, child: pulumi.ResourceOptions
    ) -> aws.ec2.LaunchTemplate:
        # Default tags stop at the template: instances and volumes get theirs from here.
        tags = {**args.settings.all_tags, "Name": f"{args.settings.prefix}-{args.role_name}"}
        block = args.capacity_type == "CAPACITY_BLOCK"
        return aws.ec2.LaunchTemplate(
            f"{name}-template",
            instance_type=args.instance_types[0] if block else None,
            instance_market_options=aws.ec2.LaunchTemplateInstanceMarketOptionsArgs(
                market_type="capacity-block"
            )
            if block
            else None,
            capacity_reservation_specification=args.reservation,
            placement=aws.ec2.LaunchTemplatePlacementArgs(group_name=args.placement_group)
            if args.placement_group is not None
            else None,
            network_interfaces=list(args.interfaces) or None,
            user_data=base64.b64encode(args.user_data.encode()).decode() if args.user_data else None,
            metadata_options=aws.ec2.LaunchTemplateMetadataOptionsArgs(
                http_endpoint="enabled",
                http_tokens="required",
                # One hop is the node itself: a pod's packet would need two.
                http_put_response_hop_limit=1,
            ),
            block_device_mappings=[
                aws.ec2.LaunchTemplateBlockDeviceMappingArgs(
                    device_name=disk.device,
                    ebs=aws.ec2.LaunchTemplateBlockDeviceMappingEbsArgs(
                        volume_type="gp3",
                        volume_size=disk.gib,
                        throughput=disk.throughput_mib,
                        iops=disk.iops,
                        encrypted="true",
                        delete_on_termination="true",
                    ),
                )
                for disk in args.disks
            ],
            tag_specifications=[
                aws.ec2.LaunchTemplateTagSpecificationArgs(resource_type=kind, tags=tags)
                for kind in ("instance", "volume")
            ],
            opts=child,
        )
