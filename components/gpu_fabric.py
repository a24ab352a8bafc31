"""The security group of a pool's EFA interfaces."""

from __future__ import annotations

from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from bastide.settings import Settings

ALL = "-1"
"""Every protocol: EFA's own is none of those that a rule can name."""


@dataclass(frozen=True)
class EfaGroupArgs:
    """The stack's settings, the pool's name and the VPC."""

    settings: Settings
    pool: str
    vpc_id: pulumi.Input[str]


class EfaGroup(pulumi.ComponentResource):
    """A group that lets its members send everything to one another and nothing else: EFA needs both
    directions said with the group itself as the other side (EC2 user guide, "Get started with EFA and NCCL",
    "Prepare an EFA-enabled security group")."""

    group_id: pulumi.Output[str]

    def __init__(self, name: str, args: EfaGroupArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("bastide:compute:EfaGroup", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        group = aws.ec2.SecurityGroup(
            f"{name}-group",
            description=f"EFA between the nodes of pool {args.pool}",
            vpc_id=args.vpc_id,
            tags={"Name": f"{args.settings.prefix}-{args.pool}-efa"},
            opts=child,
        )
        rules = [
            aws.vpc.SecurityGroupIngressRule(
                f"{name}-in",
                security_group_id=group.id,
                referenced_security_group_id=group.id,
                ip_protocol=ALL,
                description="EFA from the pool's nodes",
                opts=child,
            ),
            aws.vpc.SecurityGroupEgressRule(
                f"{name}-out",
                security_group_id=group.id,
                referenced_security_group_id=group.id,
                ip_protocol=ALL,
                description="EFA to the pool's nodes",
                opts=child,
            ),
        ]
        # Nodes must not start before the rules: what joins without them never gets a working EFA.
        self.group_id = pulumi.Output.all(group.id, *(rule.id for rule in rules)).apply(
            lambda ids: str(ids[0])
        )
        self.register_outputs({"groupId": self.group_id})
