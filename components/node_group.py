"""A managed node group with its role and launch template: what the system pool and GPU pools have in
common."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from bastide import names
from bastide.settings import Settings

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
class NodeGroupArgs:
    """One group of equal nodes."""

    settings: Settings
    pool: str
    cluster_name: pulumi.Input[str]
    subnet_ids: Sequence[pulumi.Input[str]]
    instance_type: str
    ami_type: str
    size: int
    max_size: int
    disk_gib: int
    taints: Sequence[Taint] = ()
    disk_throughput_mib: int = GP3_THROUGHPUT_MIB
    disk_iops: int = GP3_IOPS
    update_strategy: str = "DEFAULT"
    """DEFAULT starts the new node before it ends the old one; MINIMAL ends the old one first."""


class NodeGroup(pulumi.ComponentResource):
    """Nodes that serve instance credentials only by IMDSv2 and only to themselves, on encrypted disks."""

    labels: Mapping[str, str]

    def __init__(self, name: str, args: NodeGroupArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("bastide:compute:NodeGroup", name, None, opts)
        settings = args.settings
        child = pulumi.ResourceOptions(parent=self)
        role = aws.iam.Role(
            f"{name}-role",
            name=f"{settings.prefix}-pool-{args.pool}",
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
        self.labels = {names.POOL_LABEL: args.pool}
        aws.eks.NodeGroup(
            f"{name}-nodes",
            cluster_name=args.cluster_name,
            node_role_arn=role.arn,
            subnet_ids=list(args.subnet_ids),
            ami_type=args.ami_type,
            capacity_type="ON_DEMAND",
            instance_types=[args.instance_type],
            scaling_config=aws.eks.NodeGroupScalingConfigArgs(
                min_size=args.size, desired_size=args.size, max_size=args.max_size
            ),
            update_config=aws.eks.NodeGroupUpdateConfigArgs(
                max_unavailable=1, update_strategy=args.update_strategy
            ),
            labels=self.labels,
            taints=[
                aws.eks.NodeGroupTaintArgs(key=each.key, value=each.value, effect=each.effect)
                for each in args.taints
            ],
            launch_template=aws.eks.NodeGroupLaunchTemplateArgs(
                id=template.id, version=template.latest_version.apply(str)
            ),
            opts=pulumi.ResourceOptions(parent=self, depends_on=attachments),
        )
        self.register_outputs({"labels": self.labels})

    def _template(
        self, name: str, args: NodeGroupArgs, child: pulumi.ResourceOptions
    ) -> aws.ec2.LaunchTemplate:
        # Default tags stop at the template: instances and volumes get theirs from here.
        tags = {**args.settings.all_tags, "Name": f"{args.settings.prefix}-{args.pool}"}
        return aws.ec2.LaunchTemplate(
            f"{name}-template",
            metadata_options=aws.ec2.LaunchTemplateMetadataOptionsArgs(
                http_endpoint="enabled",
                http_tokens="required",
                # One hop is the node itself: a pod's packet would need two.
                http_put_response_hop_limit=1,
            ),
            block_device_mappings=[
                aws.ec2.LaunchTemplateBlockDeviceMappingArgs(
                    device_name=ROOT_DEVICE,
                    ebs=aws.ec2.LaunchTemplateBlockDeviceMappingEbsArgs(
                        volume_type="gp3",
                        volume_size=args.disk_gib,
                        throughput=args.disk_throughput_mib,
                        iops=args.disk_iops,
                        encrypted="true",
                        delete_on_termination="true",
                    ),
                )
            ],
            tag_specifications=[
                aws.ec2.LaunchTemplateTagSpecificationArgs(resource_type=kind, tags=tags)
                for kind in ("instance", "volume")
            ],
            opts=child,
        )
